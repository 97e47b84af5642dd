// The connected account: its number, what can be done with it, its linked groups and its lists.
import { button, h, heading, setText, words } from './dom.js';
import { directory } from './directory.js';
import { logOut } from './log-out.js';
import { announce, notice } from './shell.js';
import { explain, texts } from './texts.js';

const { account, linked: linkedTexts } = texts;

/** How often campaigns, which others start and stop, are looked at, in milliseconds. */
const LOOK_AGAIN = 10_000;

/**
 * @param {import('./rpc.js').Api} api
 * @param {string} sessionName
 * @param {string} phone as far as it is known
 * @param {(error: import('./rpc.js').CallError) => boolean} handled
 */
export function accountView(api, sessionName, phone, handled) {
  let restarting = false;
  let state;
  let loaded = false;
  /** The look under way; a newer one ends it, so that an old answer does not undo what was done meanwhile. */
  let looking;
  let shown = '';
  const problem = notice();
  const status = h('p', { class: 'status' });
  const number = h('p', { class: 'number' });
  const groups = h('ul', { class: 'linked-groups', role: 'list' });
  const lists = directory(api, sessionName, { onLinked: look, handled });
  const buttons = h(
    'div',
    { class: 'choices' },
    button(account.restart, restart, { class: 'secondary' }),
    button(texts.logOut.yes, leave, { class: 'secondary' }),
  );
  const self = h('section', { class: 'card' }, heading(1, account.title), status, number, buttons, problem.element);
  const linkedGroups = h('section', { class: 'card' }, h('h2', {}, linkedTexts.title), groups);
  const element = h('div', { class: 'account' }, h('div', { class: 'side' }, self, linkedGroups), lists.element);
  const timer = setInterval(() => document.hidden || look(), LOOK_AGAIN);
  showLinked([]);

  function show(next) {
    const worked = state?.status === 'WORKING';
    state = next;
    const works = state?.status === 'WORKING';
    phone = state?.phoneNumber ?? phone;
    setText(status, works && !restarting ? account.connected : restarting ? account.restarting : account.reconnecting);
    status.classList.toggle('good', works && !restarting);
    setText(number, phone || account.noNumber);
    number.classList.toggle('unknown', !phone);
    if (works && !worked) {
      look();
      // What somebody has scrolled to stays when the connection comes back.
      if (!loaded) lists.reload();
      loaded = true;
    }
  }

  async function look() {
    looking?.abort();
    const { signal } = (looking = new AbortController());
    try {
      const session = await api.query('getWhatsAppSession', undefined, { signal });
      if (session && !signal.aborted) {
        phone ||= session.phoneNumber;
        showLinked(session.WhatsAppGroups);
        show(state);
      }
    } catch (error) {
      // It is tried again soon; only that nobody is signed in any more is worth a word.
      if (!signal.aborted) handled(error);
    }
  }

  function showLinked(list) {
    const now = JSON.stringify(list);
    if (now === shown) return;
    shown = now;
    const rows = list.map(({ groupName, campaigns }) => {
      const name = words(groupName.trim() || texts.lists.noName, { class: 'name' });
      const about = campaigns.length ? campaigns.map(campaignText) : [linkedTexts.noCampaign];
      return h('li', {}, name, ...about.map((text) => h('span', { class: 'hint' }, text)));
    });
    groups.replaceChildren(...(rows.length ? rows : [h('li', { class: 'hint' }, linkedTexts.none)]));
    lists.linked(new Set(list.map(({ groupId }) => groupId)));
  }

  async function restart() {
    problem.say();
    restarting = true;
    show(state);
    try {
      await api.mutate('restartSession', { sessionName });
      announce(account.restarted);
    } catch (error) {
      if (!handled(error)) problem.say(explain(error));
    } finally {
      restarting = false;
      show(state);
    }
  }

  async function leave() {
    problem.say();
    try {
      await logOut(api, sessionName, true);
    } catch (error) {
      if (!handled(error)) problem.say(explain(error));
    }
  }

  return {
    element,
    show,
    close() {
      clearInterval(timer);
      looking?.abort();
      lists.close();
    },
  };
}

function campaignText({ status, startDate }) {
  return linkedTexts.campaign[status]?.(new Date(startDate)) ?? status;
}
