// A user's way through every procedure, once for each client, link and transformer.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { combinations } from './combinations.mjs';
import { inContacts, inGroups } from './directory.mjs';
import {
  GROUPS,
  TRPC,
  eventually,
  holdAt,
  newPhone,
  recorder,
  scan,
  sessionsInWaha,
  signIn,
  textOfQr,
  untilStatus,
} from './demo.mjs';
import { badInput, foreignSessions, withoutToken, wrongProcedures } from './refused-calls.mjs';
import { refused } from './refusal.mjs';

describe('a user goes through every procedure', { concurrency: combinations.length }, () => {
  for (const combination of combinations) {
    test(combination.name, { timeout: 120_000 }, (t) => flow(t, combination));
  }
});

async function flow(t, combination) {
  const { client, user, neighbour, anonymous, during } = await connect(combination);
  const refusal = (call, key, procedure) => refused(call, key, `user.${procedure}`, combination.TRPCClientError);
  const { user: api } = client;
  const phone = newPhone();
  let session;
  let name;

  // Each step needs the one before it.
  const step = async (what, body) => {
    let passed = false;
    await t.test(what, async () => {
      await body();
      passed = true;
    });
    assert.ok(passed, `the flow ends at: ${what}`);
  };

  await step('nobody is answered without a token', () => withoutToken(anonymous, refusal));

  await step('a new user has no session', async () => {
    assert.equal(await api.getWhatsAppSession.query(), null);
  });

  await step('connecting makes a session', async () => {
    session = await api.initiateWhatsAppSession.mutate();
    name = session.sessionName;
    assert.deepEqual(Object.keys(session).sort(), ['id', 'sessionName']);
    assert.match(name, /^session_\d+$/);
  });

  await step('a QR code asked for at once, together with the status, is waited for', async () => {
    const input = { sessionName: name };
    const calls = () => Promise.all([api.getSessionQR.query(input), api.getSessionStatus.query(input)]);
    const { ended, exchanges } = await during(calls);
    const [{ qr }, { status }] = ended;
    assert.match(textOfQr(qr), /^2@/);
    assert.ok(['STARTING', 'SCAN_QR_CODE'].includes(status), status);
    assertOneRequest(combination, exchanges, ['user.getSessionQR', 'user.getSessionStatus'], [200, 200]);
  });

  await step('the status becomes SCAN_QR_CODE', () => untilStatus(client, name, 'SCAN_QR_CODE'));

  await step('connecting again finds the same session', async () => {
    assert.deepEqual(await api.initiateWhatsAppSession.mutate(), session);
    assert.equal((await sessionsInWaha(user)).length, 1);
  });

  await step('before the pairing the session has no phone number and no groups', async () => {
    const { phoneNumber, WhatsAppGroups } = await api.getWhatsAppSession.query();
    assert.deepEqual({ phoneNumber, WhatsAppGroups }, { phoneNumber: '', WhatsAppGroups: [] });
    for (const list of ['getWhatsAppGroups', 'getWhatsAppContacts']) {
      await refusal(api[list].query({ sessionName: name }), 'PRECONDITION_FAILED', list);
    }
  });

  if (combination.streams) {
    await step('a fast call of a batch is answered before a slow one', () => fastBeforeSlow(client, name, during));
  }

  await step('one failing call of a batch fails alone', () => oneFails(combination, client, name, during, refusal));

  await step('the phone scans and the status becomes WORKING', async () => {
    await scan(name, phone);
    await untilStatus(client, name, 'WORKING');
    await refusal(api.getSessionQR.query({ sessionName: name }), 'PRECONDITION_FAILED', 'getSessionQR');
  });

  let linked;
  await step('the session has the phone number, linked groups and their active campaigns', async () => {
    const complete = (found) => found.WhatsAppGroups.filter((group) => group.campaigns.length > 0).length === 2;
    const found = await eventually('two linked groups with campaigns', () => api.getWhatsAppSession.query(), complete);
    assertSession(combination, found);
    assert.deepEqual(
      { id: found.id, sessionName: found.sessionName, phoneNumber: found.phoneNumber, userId: found.userId },
      { ...session, phoneNumber: `+${phone}`, userId: user },
    );
    linked = found.WhatsAppGroups;
    const campaigns = linked.flatMap((group) => group.campaigns);
    assert.deepEqual(campaigns.map(({ status }) => status).sort(), ['IN_PROGRESS', 'SCHEDULED']);
  });

  await step('groups are paged and searched', () => inGroups(combination, client, name, refusal));

  await step('contacts are paged and searched', () => inContacts(combination, client, name, refusal));

  let another;
  await step('a group is linked once however often it is asked for', async () => {
    const { items } = await api.getWhatsAppGroups.query({ sessionName: name, limit: GROUPS });
    another = items.find(({ groupId }) => linked.every((group) => group.groupId !== groupId));
    const input = { sessionName: name, groupId: another.groupId };
    const first = await api.linkWhatsAppGroup.mutate(input);
    assertLinkedGroup(combination, first);
    const { groupName, groupId, sessionId, campaigns } = first;
    const expected = { ...another, sessionId: session.id, campaigns: [] };
    assert.deepEqual({ groupName, groupId, sessionId, campaigns }, expected);
    assert.deepEqual(await api.linkWhatsAppGroup.mutate(input), first);
    const { WhatsAppGroups } = await api.getWhatsAppSession.query();
    assert.deepEqual(WhatsAppGroups.find(({ id }) => id === first.id), first);
    assert.equal(WhatsAppGroups.length, 3);
  });

  await step('a group outside the directory is not linked', async () => {
    for (const groupId of ['120363999999999999@g.us', 'no group at all', `${phone}@c.us`]) {
      await refusal(api.linkWhatsAppGroup.mutate({ sessionName: name, groupId }), 'NOT_FOUND', 'linkWhatsAppGroup');
    }
  });

  await step('a group is unlinked, unless it has an active campaign', async () => {
    const unlink = (groupId) => api.unlinkWhatsAppGroup.mutate({ sessionName: name, groupId });
    assert.deepEqual(await unlink(another.groupId), { success: true });
    for (const { groupId } of linked) {
      await refusal(unlink(groupId), 'CONFLICT', 'unlinkWhatsAppGroup');
    }
    const { WhatsAppGroups } = await api.getWhatsAppSession.query();
    assert.deepEqual(WhatsAppGroups, linked);
  });

  await step('a phone number is stored as E.164, however it is written', async () => {
    for (const [phoneNumber, stored] of [
      [' +34 600-11.12 (22) ', '+34600111222'],
      ['0034600999888', '+34600999888'],
      ['4915112345678', '+4915112345678'],
    ]) {
      assert.deepEqual(await api.updateSessionPhone.mutate({ id: session.id, phoneNumber }), { success: true });
      assert.equal((await api.getWhatsAppSession.query()).phoneNumber, stored);
    }
  });

  await step('what cannot be a phone number is refused by the name of its field', async () => {
    for (const phoneNumber of ['abc', '', '+0600111222', '123', '+34600111222x', 34600111222, null]) {
      const call = api.updateSessionPhone.mutate({ id: session.id, phoneNumber });
      const error = await refusal(call, 'BAD_REQUEST', 'updateSessionPhone');
      assert.deepEqual(Object.keys(error.data.zodError.fieldErrors), ['phoneNumber']);
    }
    assert.equal((await api.getWhatsAppSession.query()).phoneNumber, '+4915112345678');
  });

  await step('bad input is refused by the names of all its wrong fields', () => badInput(client, refusal));

  await step('procedures that do not exist, or of another kind, are refused', () => wrongProcedures(client, refusal));

  await step("another user's session cannot be told from none", () => foreignSessions(client, neighbour, refusal));

  await step('a restart ends in WORKING with everything kept', async () => {
    assert.deepEqual(await api.restartSession.mutate({ sessionName: name }), { success: true });
    await untilStatus(client, name, 'WORKING');
    const { id, WhatsAppGroups } = await api.getWhatsAppSession.query();
    assert.deepEqual({ id, WhatsAppGroups }, { id: session.id, WhatsAppGroups: linked });
  });

  await step('a logout leaves no session here or in WAHA, and can be repeated', async () => {
    const logout = () => api.logoutSession.mutate({ sessionName: name });
    assert.deepEqual(await logout(), { success: true });
    assert.equal(await api.getWhatsAppSession.query(), null);
    assert.deepEqual(await sessionsInWaha(user), []);
    assert.deepEqual(await logout(), { success: true });
  });

  await step('a logged out session is STOPPED and not connected', async () => {
    assert.deepEqual(await api.getSessionStatus.query({ sessionName: name }), { status: 'STOPPED' });
    for (const [procedure, kind] of [
      ['getSessionQR', 'query'],
      ['getWhatsAppGroups', 'query'],
      ['getWhatsAppContacts', 'query'],
      ['restartSession', 'mutate'],
    ]) {
      await refusal(api[procedure][kind]({ sessionName: name }), 'PRECONDITION_FAILED', procedure);
    }
  });

  await step('connecting again brings back the same name and id, unpaired', async () => {
    assert.deepEqual(await api.initiateWhatsAppSession.mutate(), session);
    await untilStatus(client, name, 'SCAN_QR_CODE');
    const { phoneNumber, WhatsAppGroups } = await api.getWhatsAppSession.query();
    assert.deepEqual(WhatsAppGroups, [], "the old account's groups are not shown");
    assert.equal(typeof phoneNumber, 'string');
    assert.deepEqual(await api.logoutSession.mutate({ sessionName: name }), { success: true });
  });
}

/** The clients of one combination: its user's, a neighbour's and nobody's. */
async function connect(combination) {
  const [{ user, headers }, neighbour] = await Promise.all([
    signIn(combination.name),
    signIn(`neighbour of ${combination.name}`),
  ]);
  const { fetch, during } = recorder();
  return {
    user,
    during,
    client: combination.connect({ url: TRPC, headers, fetch }),
    neighbour: combination.connect({ url: TRPC, headers: neighbour.headers }),
    anonymous: [undefined, 'Bearer not.a.token', 'Basic YWxpY2U6YWxpY2U='].map((authorization) =>
      combination.connect({ url: TRPC, headers: authorization ? { authorization } : {} }),
    ),
  };
}

/** While the slow call is held up until the fast one is answered, only a stream can answer either. */
async function fastBeforeSlow({ user: api }, sessionName, during) {
  await holdAt(sessionName, 'STARTING');
  await untilStatus({ user: api }, sessionName, 'STARTING');
  const { ended, exchanges } = await during(async () => {
    let slowEnded = false;
    const slow = api.getSessionQR.query({ sessionName }).finally(() => (slowEnded = true));
    const status = await api.getSessionStatus.query({ sessionName });
    const early = !slowEnded;
    await holdAt(sessionName, 'SCAN_QR_CODE');
    return { early, status, qr: (await slow).qr };
  });
  assert.deepEqual(ended.status, { status: 'STARTING' });
  assert.ok(ended.early, 'the status came first');
  assert.match(textOfQr(ended.qr), /^2@/);
  assert.deepEqual(exchanges.map(({ paths }) => paths), [['user.getSessionQR', 'user.getSessionStatus']]);
  await untilStatus({ user: api }, sessionName, 'SCAN_QR_CODE');
}

async function oneFails(combination, { user: api }, sessionName, during, refusal) {
  const { ended, exchanges } = await during(() =>
    Promise.all([
      api.getSessionStatus.query({ sessionName }),
      refusal(api.getSessionStatus.query({ sessionName: 'session_1' }), 'NOT_FOUND', 'getSessionStatus'),
      api.getWhatsAppSession.query(),
      refusal(api.getWhatsAppGroups.query({ sessionName, limit: 0 }), 'BAD_REQUEST', 'getWhatsAppGroups'),
    ]),
  );
  assert.deepEqual(ended[0], { status: 'SCAN_QR_CODE' });
  assert.equal(ended[2].sessionName, sessionName);
  const paths = ['getSessionStatus', 'getSessionStatus', 'getWhatsAppSession', 'getWhatsAppGroups'];
  assertOneRequest(combination, exchanges, paths.map((path) => `user.${path}`), [200, 404, 200, 400]);
}

/** Calls of one tick are one request, where the link batches; `statuses` are those of the calls alone. */
function assertOneRequest({ batches, streams }, exchanges, paths, statuses) {
  if (!batches) {
    const sent = exchanges.map(({ paths, status }) => `${paths} ${status}`).sort();
    assert.deepEqual(sent, paths.map((path, at) => `${path} ${statuses[at]}`).sort());
    return;
  }
  const same = statuses.every((status) => status === statuses[0]);
  const status = streams ? 200 : same ? statuses[0] : 207;
  assert.deepEqual(exchanges, [{ paths, batch: true, status, type: 'application/json' }]);
}

/** The documented fields and no dates but Dates, or with plain JSON their text. */
function assertSession(combination, session) {
  const { id, sessionName, phoneNumber, userId, createdAt, updatedAt, WhatsAppGroups } = session;
  assertStrings({ id, sessionName, phoneNumber, userId });
  assertDates(combination, { createdAt, updatedAt });
  for (const group of WhatsAppGroups) assertLinkedGroup(combination, group);
}

function assertLinkedGroup(combination, group) {
  const { id, groupName, groupId, sessionId, createdAt, updatedAt, campaigns } = group;
  assertStrings({ id, groupName, groupId, sessionId });
  assertDates(combination, { createdAt, updatedAt });
  for (const { id, status, startDate } of campaigns) {
    assertStrings({ id, status });
    assertDates(combination, { startDate });
  }
}

function assertStrings(fields) {
  for (const [name, value] of Object.entries(fields)) assert.equal(typeof value, 'string', name);
}

function assertDates({ transformed }, fields) {
  for (const [name, value] of Object.entries(fields)) {
    assert.equal(value instanceof Date, transformed, name);
    assert.match(transformed ? value.toISOString() : value, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, name);
    assert.ok(Math.abs(Date.now() - new Date(value).getTime()) < 3_600_000, `${name} is about now`);
  }
}
