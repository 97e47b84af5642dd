// The page at `/connect#token=…`: somebody links their phone, and that is all.
import { connection } from './connection.js';
import { button, h, heading } from './dom.js';
import { Api } from './rpc.js';
import { TRPC } from './settings.js';
import { announce, shell, show } from './shell.js';
import { explainConnecting, texts } from './texts.js';
import { turn } from './turn.js';

const { connectPage: said } = texts;

/** Whether the phone is linked: then the end of the link is no news. */
let done = false;

document.title = `${said.title} · ${texts.product}`;
shell();
begin();
// The link opened again in the same tab changes nothing but the fragment.
window.addEventListener('hashchange', begin);

function begin() {
  if (!location.hash && document.querySelector('main > *')) return;
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  // Out of the address bar and the history at once; from here on it is in memory only.
  history.replaceState(null, '', location.pathname);
  if (token) connect(new Api(TRPC, token));
  else tell(said.missingTitle, said.missing);
}

async function connect(api) {
  let sessionName;
  const mine = tell(said.title, texts.busy);
  try {
    ({ sessionName } = await api.mutate('initiateWhatsAppSession'));
  } catch (error) {
    if (mine.aborted) return;
    if (error.code === 'UNAUTHORIZED' || error.code === 'FORBIDDEN') return expired();
    return tell(said.title, explainConnecting(error), button(texts.tryAgain, () => connect(api), { class: 'primary' }));
  }
  // The link may have been opened again meanwhile, with another token.
  if (mine.aborted) return;
  const page = { connected, ended: () => ended(api), unauthorized: expired, forbidden: expired, mayLogOut: false };
  show(connection(api, sessionName, false, page, turn()));
}

function connected() {
  const text = h('p', { class: 'lead' });
  const mark = h('div', { class: 'mark', 'aria-hidden': 'true' });
  const element = h('section', { class: 'card narrow done' }, mark, heading(1, said.doneTitle), text);
  done = true;
  return {
    element,
    close: () => (done = false),
    show(state) {
      const now = said.done(state?.phoneNumber);
      if (text.textContent !== now) announce(`${said.doneTitle}. ${now}`);
      text.textContent = now;
    },
  };
}

/** The session is gone, though the link may be good for another one. */
function ended(api) {
  tell(said.endedTitle, said.ended, button(said.again, () => connect(api), { class: 'primary' }));
}

function expired() {
  if (done) turn();
  else tell(said.expiredTitle, said.expired);
}

/** Says something, in a turn of its own. */
function tell(title, text, ...more) {
  show(h('section', { class: 'card narrow' }, heading(1, title), h('p', { class: 'lead', role: 'alert' }, text), ...more));
  return turn();
}
