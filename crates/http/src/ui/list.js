// One list with its search: found as it is typed, and longer the further down one looks.
import { now } from './clock.js';
import { button, h, setText, words } from './dom.js';
import { announce } from './shell.js';
import { explain, texts } from './texts.js';

const { lists: said } = texts;
const PROCEDURES = { groups: 'getWhatsAppGroups', contacts: 'getWhatsAppContacts' };
const PAGE = 50;

/** In milliseconds: typing comes to a rest; a list that is still filling has more; an age is worth telling anew. */
const REST = 150;
const FILLS = 5_000;
const AGES = 1_000;

/**
 * @param {'groups' | 'contacts'} kind
 * @param {import('./rpc.js').Api} api
 * @param {string} sessionName
 * @param {(error: import('./rpc.js').CallError) => boolean} handled
 * @param {(item: any, name: string) => HTMLElement} [action] what can be done with an entry
 */
export function list(kind, api, sessionName, handled, action) {
  const procedure = PROCEDURES[kind];
  const search = h('input', {
    id: `search-${kind}`, type: 'search', autocomplete: 'off', spellcheck: 'false', dir: 'auto', oninput: typed,
    placeholder: kind === 'groups' ? said.searchGroups : said.searchContacts,
    'aria-label': kind === 'groups' ? said.searchGroups : said.searchContacts,
  });
  const total = h('span', { class: 'total' });
  const age = h('span');
  const hints = h('div', { class: 'hints' });
  const rows = h('ul', { class: 'rows', role: 'list' });
  const foot = h('div', { class: 'foot' }, texts.loading);
  const element = h('div', { class: 'list' }, search, h('p', { class: 'summary' }, total, age), hints, rows, foot);

  /** The last page that was shown, of the search that it answers; nothing before the first. */
  let page;
  let term = '';
  /** The request under way; a newer one ends it. */
  let asked;
  let rest, fills;
  const ages = setInterval(showAge, AGES);
  const nearEnd = new IntersectionObserver(([entry]) => entry.isIntersecting && more(), { rootMargin: '600px' });

  function typed() {
    clearTimeout(rest);
    rest = setTimeout(() => search.value.trim() !== term && reload(), REST);
  }

  /** From the first page on. What is shown stays until it comes. */
  function reload() {
    term = search.value.trim();
    return fetchPage(0);
  }

  function more() {
    if (page?.nextCursor !== undefined && !asked) fetchPage(page.nextCursor);
  }

  async function fetchPage(cursor) {
    clearTimeout(fills);
    asked?.abort();
    const mine = (asked = new AbortController());
    const again = cursor > 0 ? { cursor, version: page.version } : {};
    const input = { sessionName, limit: PAGE, ...(term && { search: term }), ...again };
    try {
      const answer = await api.query(procedure, input, { signal: mine.signal });
      if (mine.signal.aborted) return;
      asked = undefined;
      shows(answer, cursor > 0);
    } catch (error) {
      if (mine.signal.aborted) return;
      asked = undefined;
      if (error.reason === 'version_gone') return reload();
      if (!handled(error)) failed(error, cursor);
    }
  }

  function failed(error, cursor) {
    nearEnd.disconnect();
    if (cursor === 0) {
      page = undefined;
      [rows, total, age, hints].forEach((part) => part.replaceChildren());
    }
    foot.replaceChildren(h('p', { role: 'alert' }, explain(error)), button(texts.tryAgain, () => fetchPage(cursor), { class: 'secondary' }));
  }

  function shows(answer, further) {
    page = answer;
    if (further) rows.append(...answer.items.map(row));
    else replaceRows(answer.items);
    const count = (term ? said.matches : said.total[kind])(answer.total);
    if (count !== total.textContent && !element.closest('[hidden]')) announce(count);
    setText(total, count);
    const told = [answer.stale && said.stale, answer.syncing && said.syncing, answer.possiblyTruncated && said.truncated];
    setText(hints, told.filter(Boolean).join(' '));
    setText(foot, ending(answer));
    showAge();
    // Observed anew, it says at once whether the end is still in sight.
    nearEnd.disconnect();
    nearEnd.observe(foot);
    if (answer.syncing) fills = setTimeout(fill, FILLS);
  }

  function ending({ total, nextCursor }) {
    if (nextCursor !== undefined) return texts.loading;
    if (total) return said.end;
    return term ? said.noMatch(term) : said.none[kind];
  }

  /** Looks for what has come since, unless that would take away what somebody has scrolled to. */
  function fill() {
    if (rows.childElementCount <= PAGE && !document.hidden) reload();
    else fills = setTimeout(fill, FILLS);
  }

  function replaceRows(items) {
    const focused = rows.contains(document.activeElement) && document.activeElement.closest('li').dataset.id;
    rows.replaceChildren(...items.map(row));
    if (focused) (rows.querySelector(`[data-id="${CSS.escape(focused)}"] button`) ?? search).focus();
  }

  function row(item) {
    const name = item.groupName.trim() || said.noName;
    const label = h('div', { class: 'who-row' }, words(name, { class: item.groupName.trim() ? 'name' : 'name unknown' }));
    if (item.number) label.append(h('span', { class: 'hint' }, `+${item.number}`));
    return h('li', { 'data-id': item.groupId }, label, ...(action ? [action(item, name)] : []));
  }

  function showAge() {
    const synced = Date.parse(page?.syncedAt);
    setText(age, Number.isNaN(synced) ? '' : `, ${said.age((now() - synced) / 1000)}`);
  }

  return {
    element,
    reload,
    /** It has come into view: what has no size is never near its end. */
    seen() {
      if (page) nearEnd.observe(foot);
    },
    /** Each entry's button, with the entry's name. */
    each(paint) {
      for (const entry of rows.querySelectorAll('button')) paint(entry, entry.closest('li').querySelector('.name').textContent);
    },
    close() {
      [rest, fills].forEach(clearTimeout);
      clearInterval(ages);
      nearEnd.disconnect();
      asked?.abort();
    },
  };
}
