// One session as it is at the moment: what its status means to people, and what they can do about it.
import { button, h, heading, setText, swap } from './dom.js';
import { linkPhone } from './link-phone.js';
import { watch } from './live.js';
import { logOut } from './log-out.js';
import { eventsOf } from './settings.js';
import { announce, notice } from './shell.js';
import { explain, explainConnecting, texts } from './texts.js';

/**
 * What can be shown: a view of a state, that can show the next state too.
 * @typedef {{element: Node, show: (state: import('./live.js').State | undefined) => void, close?: () => void}} View
 *
 * @typedef {object} Page what the two pages do differently
 * @property {(handled: (error: import('./rpc.js').CallError) => boolean) => View} connected a view of the connected account,
 *   which has its errors handled where they concern more than the account
 * @property {() => void} ended after a logout
 * @property {() => void} unauthorized
 * @property {() => void} forbidden the token is good, but not for this
 * @property {boolean} mayLogOut
 */

/** How long a broken connection may take to come back before it is worth a word, in milliseconds. */
const PATIENCE = 3_000;

/**
 * @param {import('./rpc.js').Api} api
 * @param {string} sessionName
 * @param {boolean} paired whether a phone was linked when last seen
 * @param {Page} page
 * @param {AbortSignal} mine until when it is shown
 * @returns {Node}
 */
export function connection(api, sessionName, paired, page, mine) {
  const place = h('div', { class: 'place' });
  const banner = notice();
  const wayOut = button('', leave, { class: 'quiet way-out' });
  const element = h('div', { class: 'connection' }, place, wayOut, banner.element);
  /** @type {View | undefined} */
  let view;
  let kind = '';
  let status = '';
  let interrupted;
  let live = start();
  const resume = () => live.hurry();
  window.addEventListener('online', resume, { signal: mine });
  document.addEventListener('visibilitychange', resume, { signal: mine });
  mine.addEventListener('abort', close);
  shows(paired ? 'account' : 'link');

  function start() {
    return watch(eventsOf(sessionName), api.token, { onState, onConnection, onEnd: page.ended, onProblem });
  }

  function onState(state) {
    banner.say(state.reason === 'waha_unreachable' ? texts.status.unreachable : '');
    if (state.status === 'WORKING') paired = true;
    if (isUnpaired(state)) paired = false;
    shows(kindOf(state), state);
    const said = texts.status.said[state.status];
    if (said && state.status !== status) announce(said);
    status = state.status;
  }

  function kindOf({ status, reason, action }) {
    if (status === 'WORKING') return 'account';
    if (status === 'SCAN_QR_CODE') return 'link';
    // A restart, even one of WAHA, passes through these; the account is not gone because of it.
    if (status === 'STARTING' || (status === 'STOPPED' && action === 'wait')) return paired ? 'account' : 'link';
    return `message ${status} ${reason} ${action}`;
  }

  function shows(next, state) {
    if (next !== kind) {
      view?.close?.();
      kind = next;
      view = next === 'account' ? page.connected(handled) : next === 'link' ? linkPhone(api, sessionName, handled) : message(state);
      wayOut.hidden = !page.mayLogOut || kind === 'account';
      setText(wayOut, paired ? texts.logOut.yes : texts.link.cancel);
      swap(place, view.element);
    }
    view.show(state);
  }

  /** A state in words, with the way out of it. */
  function message(state) {
    const { title, text, textForLink, button: label } = meaning(state);
    const said = page.mayLogOut ? text : (textForLink ?? text);
    const problem = notice();
    const again = async () => {
      problem.say();
      try {
        await api.mutate('initiateWhatsAppSession');
      } catch (error) {
        if (!handled(error)) problem.say(explainConnecting(error));
      }
    };
    const way = label ? [button(label, again, { class: 'primary' })] : [];
    announce(`${title}. ${said}`);
    const element = h('section', { class: 'card message' }, heading(1, title), h('p', { class: 'lead' }, said), ...way, problem.element);
    return { element, show() {} };
  }

  async function leave() {
    try {
      await logOut(api, sessionName, paired);
    } catch (error) {
      if (!handled(error)) banner.say(explain(error));
    }
  }

  function onConnection(connected) {
    clearTimeout(interrupted);
    interrupted = connected ? undefined : setTimeout(() => banner.say(texts.status.offline), PATIENCE);
  }

  function onProblem({ status }) {
    if (status === 401) return page.unauthorized();
    if (status === 403) return page.forbidden();
    if (status === 404) return page.ended();
    const goOn = () => {
      banner.say();
      live = start();
    };
    // Of its kind, only that another page has taken the place of this one is told.
    if (status === 429) return banner.say(texts.status.takenOver, button(texts.status.takeBack, goOn, { class: 'secondary' }));
    banner.say(texts.problems.other, button(texts.tryAgain, goOn, { class: 'secondary' }));
  }

  function handled({ code }) {
    // Whoever is signed in by now has another token.
    if (code === 'UNAUTHORIZED' && !mine.aborted) page.unauthorized();
    return code === 'UNAUTHORIZED';
  }

  function close() {
    clearTimeout(interrupted);
    live.close();
    view?.close?.();
  }

  return element;
}

/** Whether WhatsApp waits for somebody to link a phone, or has forgotten the one that was. */
function isUnpaired({ status, reason }) {
  return status === 'SCAN_QR_CODE' || status.startsWith('PASSKEY_') || reason === 'logged_out';
}

/** What a state means, from the most exact word to the least. */
function meaning({ status, reason, action }) {
  const { reasons, statuses, actions, unknown } = texts.status;
  return reasons[reason] ?? statuses[status] ?? actions[action] ?? unknown(status);
}
