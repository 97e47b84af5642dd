// Many callers at once, and callers that hang up.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { combinations } from './combinations.mjs';
import { TRPC, callsToWaha, eventually, recorder, sessionsInWaha, signIn, untilStatus } from './demo.mjs';

const TIMEOUT = { timeout: 120_000 };

/** The newest client with superjson and this link. */
function newest(link) {
  return combinations.find(({ name, transformed }) => transformed && name.includes(` ${link} `));
}

async function userOf(link, name) {
  const { user, headers } = await signIn(name);
  const { fetch, during } = recorder();
  return { user, during, client: newest(link).connect({ url: TRPC, headers, fetch }) };
}

test('two hundred connects of one user at once make one session', TIMEOUT, async () => {
  const { user, during, client } = await userOf('httpLink', 'storm');

  const connect = () => client.user.initiateWhatsAppSession.mutate();
  const { ended, exchanges } = await during(() => Promise.all(Array.from({ length: 200 }, connect)));

  assert.equal(exchanges.length, 200);
  assert.deepEqual(new Set(ended.map((session) => JSON.stringify(session))).size, 1);
  const inWaha = await sessionsInWaha(user);
  assert.deepEqual(inWaha.map(({ name }) => name), [ended[0].sessionName]);
  const creations = (await callsToWaha(ended[0].sessionName)).filter(
    ({ method, path }) => method === 'POST' && path === '/api/sessions',
  );
  assert.equal(creations.length, 1, 'WAHA was asked once to create it');
  const { id, sessionName } = await client.user.getWhatsAppSession.query();
  assert.deepEqual({ id, sessionName }, ended[0]);
});

for (const link of ['httpBatchLink', 'httpBatchStreamLink']) {
  test(`a hundred connects in one batch of ${link} make one session`, TIMEOUT, async () => {
    const { user, during, client } = await userOf(link, `batched storm of ${link}`);

    const connect = () => client.user.initiateWhatsAppSession.mutate();
    const { ended, exchanges } = await during(() => Promise.all(Array.from({ length: 100 }, connect)));

    assert.deepEqual(exchanges.map(({ status, paths }) => [status, paths.length]), [[200, 100]]);
    assert.deepEqual(new Set(ended.map((session) => JSON.stringify(session))).size, 1);
    assert.equal((await sessionsInWaha(user)).length, 1);
  });
}

for (const link of ['httpLink', 'httpBatchLink', 'httpBatchStreamLink']) {
  test(`a logout goes on when its client of ${link} hangs up`, TIMEOUT, async () => {
    const { user, client } = await userOf(link, `hangs up ${link}`);
    const session = await client.user.initiateWhatsAppSession.mutate();
    await untilStatus(client, session.sessionName, 'SCAN_QR_CODE');

    const { sessionName } = session;
    const hangUp = new AbortController();
    const logout = client.user.logoutSession.mutate({ sessionName }, { signal: hangUp.signal });
    const aborted = assert.rejects(logout, newest(link).TRPCClientError);
    const reached = (calls) => calls.some(({ method }) => method === 'DELETE');
    await eventually('the logout reaches WAHA', () => callsToWaha(sessionName), reached);
    hangUp.abort();
    await aborted;

    await eventually('no session in WAHA', () => sessionsInWaha(user), (sessions) => sessions.length === 0);
    assert.equal(await client.user.getWhatsAppSession.query(), null);
    assert.deepEqual(await client.user.initiateWhatsAppSession.mutate(), session);
  });
}
