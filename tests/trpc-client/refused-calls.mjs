// Calls that no combination gets an answer to.
import assert from 'node:assert/strict';

import { wrongFields } from './refusal.mjs';

const QUERIES = ['getSessionStatus', 'getSessionQR', 'getWhatsAppGroups', 'getWhatsAppContacts'];
const MUTATIONS = ['restartSession', 'logoutSession'];
const ON_GROUPS = ['linkWhatsAppGroup', 'unlinkWhatsAppGroup'];

/** Whatever is called with whatever input: without a valid token it is UNAUTHORIZED, even if the input is bad too. */
export async function withoutToken(clients, refusal) {
  for (const { user: api } of clients) {
    const queries = ['getWhatsAppSession', ...QUERIES];
    const mutations = ['initiateWhatsAppSession', 'updateSessionPhone', ...MUTATIONS, ...ON_GROUPS];
    const inputs = [undefined, { sessionName: 'session_1', groupId: '1@g.us', id: 'x', phoneNumber: '+34600111222' }];
    await Promise.all(
      inputs.flatMap((input) => [
        ...queries.map((name) => refusal(api[name].query(input), 'UNAUTHORIZED', name)),
        ...mutations.map((name) => refusal(api[name].mutate(input), 'UNAUTHORIZED', name)),
      ]),
    );
  }
}

/** Every wrong field is named, in zod's words where zod has words; no input at all is an error of the form. */
export async function badInput({ user: api }, refusal) {
  const refuse = async (procedure, kind, input, fields) => {
    const error = await refusal(api[procedure][kind](input), 'BAD_REQUEST', procedure);
    assert.deepEqual(wrongFields(error), fields, `${procedure} ${JSON.stringify(input)}`);
    return error.data.zodError;
  };
  const procedures = [
    ...QUERIES.map((name) => [name, 'query', ['sessionName']]),
    ...MUTATIONS.map((name) => [name, 'mutate', ['sessionName']]),
    ...ON_GROUPS.map((name) => [name, 'mutate', ['groupId', 'sessionName']]),
    ['updateSessionPhone', 'mutate', ['id', 'phoneNumber']],
  ];
  for (const [name, kind, fields] of procedures) {
    const { fieldErrors } = await refuse(name, kind, {}, fields);
    for (const messages of Object.values(fieldErrors)) {
      assert.deepEqual(messages, ['Invalid input: expected string, received undefined']);
    }
    await refuse(name, kind, Object.fromEntries(fields.map((field) => [field, ''])), fields);
    await refuse(name, kind, Object.fromEntries(fields.map((field) => [field, { not: ['a', 'string'] }])), fields);
    for (const [received, input] of Object.entries({ undefined, null: null, string: 'session_1', array: [] })) {
      const { formErrors } = await refuse(name, kind, input, []);
      assert.deepEqual(formErrors, [`Invalid input: expected object, received ${received}`]);
    }
  }
  const list = { sessionName: 5, limit: 0, cursor: -1, search: null, version: false };
  const { fieldErrors } = await refuse('getWhatsAppGroups', 'query', list, Object.keys(list).sort());
  assert.deepEqual(fieldErrors, {
    sessionName: ['Invalid input: expected string, received number'],
    limit: ['Too small: expected number to be >=1'],
    cursor: ['Too small: expected number to be >=0'],
    search: ['Invalid input: expected string, received null'],
    version: ['Invalid input: expected string, received boolean'],
  });
  const contacts = { sessionName: 'session_1', limit: '10', cursor: 1.5, all: 'yes' };
  await refuse('getWhatsAppContacts', 'query', contacts, ['all', 'cursor', 'limit']);
}

/** A name that is no procedure, a query sent as a mutation and the other way round. */
export async function wrongProcedures({ user: api }, refusal) {
  const input = { sessionName: 'x' };
  const unknown = await refusal(api.nope.query(input), 'NOT_FOUND', 'nope');
  assert.equal(unknown.message, 'No procedure found on path "user.nope"');
  const mutation = await refusal(api.logoutSession.query(input), 'METHOD_NOT_SUPPORTED', 'logoutSession');
  assert.equal(mutation.message, 'Unsupported GET-request to mutation procedure at path "user.logoutSession"');
  const query = await refusal(api.getSessionStatus.mutate(input), 'METHOD_NOT_SUPPORTED', 'getSessionStatus');
  assert.equal(query.message, 'Unsupported POST-request to query procedure at path "user.getSessionStatus"');
}

/** A session of somebody else, one of nobody, and what WAHA would not allow as a name give the same answer. */
export async function foreignSessions({ user: api }, neighbour, refusal) {
  const theirs = await neighbour.user.initiateWhatsAppSession.mutate();
  const names = [theirs.sessionName, 'session_1', 'no/../such session?#%2e%2e', 'ñ🚀\0', 'x'.repeat(1000)];
  const same = async (inputs, procedure, kind) => {
    const errors = await Promise.all(
      inputs.map((input) => refusal(api[procedure][kind](input), 'NOT_FOUND', procedure)),
    );
    for (const error of errors) assert.equal(JSON.stringify(error.shape), JSON.stringify(errors[0].shape));
  };
  const before = await neighbour.user.getWhatsAppSession.query();
  for (const name of QUERIES) await same(names.map((sessionName) => ({ sessionName })), name, 'query');
  for (const name of MUTATIONS) await same(names.map((sessionName) => ({ sessionName })), name, 'mutate');
  for (const name of ON_GROUPS) {
    await same(names.map((sessionName) => ({ sessionName, groupId: '120363000000000000@g.us' })), name, 'mutate');
  }
  const ids = [theirs.id, theirs.id.replace(/.$/, (last) => (last === 'a' ? 'b' : 'a')), theirs.sessionName, '../x'];
  await same(ids.map((id) => ({ id, phoneNumber: '+34600111222' })), 'updateSessionPhone', 'mutate');
  const after = await neighbour.user.getWhatsAppSession.query();
  assert.deepEqual({ ...after, updatedAt: 0 }, { ...before, updatedAt: 0 }, 'the neighbour notices nothing');
  assert.deepEqual(await neighbour.user.logoutSession.mutate({ sessionName: theirs.sessionName }), { success: true });
}
