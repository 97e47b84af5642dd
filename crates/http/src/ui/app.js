// The page at `/`: from signing in to the lists of the connected account.
import { accountView } from './account.js';
import { connection } from './connection.js';
import { button, h, heading } from './dom.js';
import { Api } from './rpc.js';
import { DEMO, TRPC } from './settings.js';
import { announce, notice, offer, shell, show, who } from './shell.js';
import { signIn } from './sign-in.js';
import { explain, explainConnecting, texts } from './texts.js';
import { turn } from './turn.js';

/** Where the token is kept, for as long as the tab is open. */
const TOKEN = 'switchboard.token';

shell(...(DEMO ? [h('a', { href: '/demo/commands' }, texts.commands)] : []));
const kept = sessionStorage.getItem(TOKEN);
if (kept) comeBack(kept);
else askToSignIn('');

function askToSignIn(why) {
  turn();
  sessionStorage.removeItem(TOKEN);
  offer();
  show(signIn(why, enter));
}

/** Goes on with the token of before a reload. */
function comeBack(token) {
  const go = () =>
    enter(token).catch((error) => stuck(texts.product, explain(error), button(texts.tryAgain, go, { class: 'primary' })));
  offerToSignOut(token);
  show(h('p', { class: 'busy' }, texts.busy));
  go();
}

/** Goes on with a token, wherever its user's session is. */
async function enter(token) {
  const mine = turn();
  const api = new Api(TRPC, token);
  let session;
  try {
    session = await api.query('getWhatsAppSession', undefined, { signal: mine });
  } catch (error) {
    if (mine.aborted) return;
    // A token that was good once, or was just pasted: the form says which.
    if (error.code !== 'UNAUTHORIZED' || !sessionStorage.getItem(TOKEN)) throw error;
    return askToSignIn(texts.signIn.expired);
  }
  sessionStorage.setItem(TOKEN, token);
  offerToSignOut(token);
  if (session) open(api, session.sessionName, session.phoneNumber);
  else offerToConnect(api, '');
}

function offerToSignOut(token) {
  offer(...userOf(token), button(texts.header.signOut, () => askToSignIn(''), { class: 'quiet' }));
}

/** Says what keeps the page from going on. */
function stuck(title, text, ...ways) {
  turn();
  show(h('section', { class: 'card narrow' }, heading(1, title), h('p', { class: 'lead', role: 'alert' }, text), ...ways));
}

function offerToConnect(api, why) {
  const mine = turn();
  const problem = notice();
  const connect = async () => {
    problem.say();
    try {
      const { sessionName } = await api.mutate('initiateWhatsAppSession');
      if (!mine.aborted) open(api, sessionName, '');
    } catch (error) {
      if (mine.aborted) return;
      if (error.code === 'UNAUTHORIZED') askToSignIn(texts.signIn.expired);
      else problem.say(explainConnecting(error));
    }
  };
  const said = why ? [h('p', { class: 'said' }, why)] : [];
  const way = button(texts.start.connect, connect, { class: 'primary large' });
  const lead = h('p', { class: 'lead' }, texts.start.lead);
  show(h('section', { class: 'card narrow' }, ...said, heading(1, texts.start.title), lead, way, problem.element));
  if (why) announce(why);
}

/** Shows a session, until something else is shown. */
function open(api, sessionName, phone) {
  const page = {
    connected: (handled) => accountView(api, sessionName, phone, handled),
    ended: () => offerToConnect(api, texts.start.loggedOut),
    unauthorized: () => askToSignIn(texts.signIn.expired),
    forbidden: () => stuck(texts.forbidden.title, texts.forbidden.text),
    mayLogOut: true,
  };
  show(connection(api, sessionName, Boolean(phone), page, turn()));
}

/** Whom a token names, if it says so: only to be shown. */
function userOf(token) {
  try {
    const [, claims] = token.split('.');
    const bytes = Uint8Array.from(atob(claims.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
    const { sub } = JSON.parse(new TextDecoder().decode(bytes));
    return typeof sub === 'string' ? [who(sub)] : [];
  } catch {
    return [];
  }
}
