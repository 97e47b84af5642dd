// The lists of a paired session, through any client.
import assert from 'node:assert/strict';

import { GROUPS } from './demo.mjs';

/** Pages through the groups and searches them. */
export async function inGroups(combination, { user: api }, sessionName, refusal) {
  const list = (input) => api.getWhatsAppGroups.query({ sessionName, ...input });
  const first = await list({});
  assert.equal(first.items.length, 10, 'ten a page unless asked otherwise');
  assert.equal(first.total, GROUPS);
  for (const group of first.items) {
    assert.deepEqual(Object.keys(group).sort(), ['groupId', 'groupName']);
    assert.match(group.groupId, /@g\.us$/);
  }
  await paged(combination, list, 7, GROUPS);
  await paged(combination, list, 10, GROUPS);
  await leniently(list, first);
  await refusal(list({ version: 'never given out' }), 'CONFLICT', 'getWhatsAppGroups');

  const found = async (search) => (await list({ search, limit: GROUPS })).items.map(({ groupName }) => groupName);
  assert.deepEqual(await found('jose'), ['José Ñandú']);
  assert.deepEqual(await found('STRASSE'), ['Straße 9']);
  assert.deepEqual(await found('работа'), ['Работа']);
  assert.deepEqual(await found('东京'), []);
  assert.deepEqual(await found('東京'), ['東京オフィス']);
  assert.deepEqual(await found('🚀'), ['🚀 Rocket']);
  assert.deepEqual(await found('%'), ['100 % sale']);
  assert.deepEqual(await found('_'), ['snake_case_group']);
  assert.deepEqual(await found('\\'), ['back\\slash']);
  assert.deepEqual(await found(`'Brien "`), [`O'Brien "Bob"`]);
  assert.equal((await found('  ')).length, GROUPS, 'a blank search is none');
  assert.equal((await found('')).length, GROUPS);
  await searched(combination, list, 'a');
}

/** Pages through the contacts and searches them by name and by number. */
export async function inContacts(combination, { user: api }, sessionName, refusal) {
  const list = (input) => api.getWhatsAppContacts.query({ sessionName, ...input });
  const first = await list({});
  assert.equal(first.items.length, 50, 'fifty a page unless asked otherwise');
  assert.ok(first.total > 400, `${first.total}`);
  for (const contact of await paged(combination, list, 97, first.total)) {
    assert.deepEqual(Object.keys(contact).sort(), ['groupId', 'groupName', 'isContact', 'number']);
    assert.equal(contact.isContact, true);
    assert.match(contact.groupName, /./su);
    // Somebody known by a hidden id alone has no number.
    assert.match(contact.groupId, contact.number === '' ? /^\d+@lid$/ : new RegExp(`^${contact.number}@c\\.us$`));
  }
  await leniently(list, first);
  await refusal(list({ version: 'never given out' }), 'CONFLICT', 'getWhatsAppContacts');
  assert.ok((await list({ all: true })).total >= first.total);

  for (const { groupName } of await searched(combination, list, 'strasse')) assert.match(groupName, /straße/iu);
  const { number } = first.items.find((contact) => contact.number.length > 10);
  const [country, area, rest] = [number.slice(0, 2), number.slice(2, 5), number.slice(5)];
  const spaced = `${country} ${area} ${rest}`;
  for (const search of [number, `+${number}`, `+${country} ${area}-${rest}`, `  ${spaced}`, number.slice(1)]) {
    const { items, total } = await list({ search });
    const numbers = items.map((contact) => contact.number);
    assert.deepEqual({ total, numbers }, { total: 1, numbers: [number] }, search);
  }
}

/** All pages: as many entries as `total`, each id once, no `nextCursor` on the last. Returns the entries. */
async function paged(combination, list, limit, total, input = {}) {
  const entries = [];
  let cursor;
  for (;;) {
    const page = await list({ ...input, limit, cursor });
    assertPage(combination, page, total);
    entries.push(...page.items);
    if (!('nextCursor' in page)) break;
    assert.equal(page.items.length, limit, 'a page that another follows is full');
    assert.equal(page.nextCursor, (cursor ?? 0) + limit);
    cursor = page.nextCursor;
    assert.ok(entries.length < total, 'another page follows only if something is left');
  }
  assert.equal(entries.length, total);
  assert.equal(new Set(entries.map(({ groupId }) => groupId)).size, total, 'each id once');
  const again = await list({ ...input, limit: total, cursor: 0 });
  assert.deepEqual(again.items, entries, 'one page shows the same as many');
  assert.equal('nextCursor' in again, false);
  return entries;
}

/** A search is paged like the whole list. */
async function searched(combination, list, search) {
  const { total } = await list({ search });
  assert.ok(total > 2, `${search}: ${total}`);
  return paged(combination, list, 2, total, { search });
}

/** What clients send besides the documented input. */
async function leniently(list, first) {
  const { items, version } = first;
  for (const input of [
    { cursor: null },
    { cursor: undefined, limit: undefined, search: undefined, version: undefined },
    { cursor: 0, direction: 'forward', unknown: { key: [1] } },
    { version },
  ]) {
    assert.deepEqual((await list(input)).items, items, JSON.stringify(input));
  }
  const beyond = await list({ cursor: 1_000_000 });
  assert.deepEqual({ items: beyond.items, total: beyond.total }, { items: [], total: first.total });
  assert.equal('nextCursor' in beyond, false);
  const nothing = await list({ search: 'nobody is called that' });
  assert.deepEqual({ items: nothing.items, total: nothing.total }, { items: [], total: 0 });
  assert.equal('nextCursor' in nothing, false);
  const huge = await list({ limit: 1_000_000_000 });
  assert.equal(huge.items.length, first.total, 'a limit above the maximum is the maximum');
}

function assertPage({ transformed }, page, total) {
  assert.equal(page.total, total);
  assert.equal(typeof page.version, 'string');
  assert.equal(typeof page.stale, 'boolean');
  assert.equal(typeof page.syncing, 'boolean');
  assert.equal(page.syncedAt instanceof Date, transformed);
  assert.ok(Number.isFinite(new Date(page.syncedAt).getTime()));
}
