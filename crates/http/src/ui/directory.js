// Groups and contacts, in two tabs.
import { button, h } from './dom.js';
import { list } from './list.js';
import { announce, notice } from './shell.js';
import { explain, texts } from './texts.js';

const { lists: said } = texts;
const KINDS = ['groups', 'contacts'];

/**
 * @param {import('./rpc.js').Api} api
 * @param {string} sessionName
 * @param {{onLinked: () => void, handled: (error: import('./rpc.js').CallError) => boolean}} account
 */
export function directory(api, sessionName, { onLinked, handled }) {
  let linked = new Set();
  /** Whether nobody looks at it any more, though a call may still be under way. */
  let closed = false;
  const problem = notice();
  const toggle = (name, groupId) => button('', () => link(name, groupId), { class: 'secondary small', 'data-group': groupId });
  const panes = {
    groups: list('groups', api, sessionName, handled, (item, name) => paint(toggle(name, item.groupId), name)),
    contacts: list('contacts', api, sessionName, handled),
  };
  const tabs = KINDS.map((kind) =>
    h('button', { type: 'button', role: 'tab', id: `tab-${kind}`, 'aria-controls': `panel-${kind}`, onclick: () => choose(kind) }, said[kind]),
  );
  const tablist = h('div', { role: 'tablist', 'aria-label': said.title, onkeydown: arrows }, ...tabs);
  const panels = KINDS.map((kind) =>
    h('div', { role: 'tabpanel', id: `panel-${kind}`, 'aria-labelledby': `tab-${kind}` }, panes[kind].element),
  );
  const bar = h('div', { class: 'bar' }, tablist, button(said.refresh, refresh, { class: 'quiet' }));
  const element = h('section', { class: 'card lists', 'aria-label': said.title }, bar, problem.element, ...panels);
  choose('groups');

  function choose(kind) {
    KINDS.forEach((other, index) => {
      tabs[index].setAttribute('aria-selected', String(other === kind));
      tabs[index].tabIndex = other === kind ? 0 : -1;
      panels[index].hidden = other !== kind;
    });
    problem.say();
    panes[kind].seen();
  }

  function arrows(event) {
    const here = tabs.indexOf(document.activeElement);
    const next = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: -1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const tab = tabs.at(next % tabs.length);
    tab.focus();
    tab.click();
  }

  async function refresh() {
    problem.say();
    try {
      await api.mutate('refreshDirectory', { sessionName });
      if (closed) return;
      announce(said.refreshed);
      reload();
    } catch (error) {
      if (!handled(error)) problem.say(explain(error));
    }
  }

  async function link(name, groupId) {
    problem.say();
    const was = linked.has(groupId);
    try {
      await api.mutate(was ? 'unlinkWhatsAppGroup' : 'linkWhatsAppGroup', { sessionName, groupId });
      if (closed) return;
      if (was) linked.delete(groupId);
      else linked.add(groupId);
      announce(was ? said.unlinked(name) : said.linked(name));
      panes.groups.each(paint);
      onLinked();
    } catch (error) {
      if (!handled(error)) problem.say(explain(error));
    }
  }

  /** Says on the button of a group what it does now. */
  function paint(toggle, name) {
    const is = linked.has(toggle.dataset.group);
    toggle.textContent = is ? said.unlink : said.link;
    toggle.setAttribute('aria-label', is ? said.unlinkLabel(name) : said.linkLabel(name));
    toggle.classList.toggle('linked', is);
    return toggle;
  }

  function reload() {
    KINDS.forEach((kind) => panes[kind].reload());
  }

  return {
    element,
    reload,
    /** The ids of the groups that are linked. */
    linked(ids) {
      linked = ids;
      panes.groups.each(paint);
    },
    close() {
      closed = true;
      KINDS.forEach((kind) => panes[kind].close());
    },
  };
}
