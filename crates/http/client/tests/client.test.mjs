// A client of the package before a demo, as an application has it.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createSwitchboardClient, isSwitchboardError } from '@switchboard/client';
import { InfiniteQueryObserver, QueryClient } from '@tanstack/react-query';
import { createTRPCOptionsProxy } from '@trpc/tanstack-react-query';
import { EventSource } from 'eventsource';
import superjson from 'superjson';

import { GROUPS, TRPC, scan, signIn } from './demo.mjs';

const TIMEOUT = { timeout: 60_000 };

for (const transformer of [superjson, undefined]) {
  test(`a phone is linked and its groups are read, ${transformer ? 'with superjson' : 'plainly'}`, TIMEOUT, async (t) => {
    const token = await signIn(`client ${transformer ? 'superjson' : 'plain'}`);
    const client = createSwitchboardClient({ url: TRPC, token: async () => token, transformer, EventSource });
    const isDate = (date) => (transformer ? date instanceof Date : typeof date === 'string');

    assert.equal(await client.user.getWhatsAppSession.query(), null);
    const { sessionName } = await client.user.initiateWhatsAppSession.mutate();
    const session = await client.user.getWhatsAppSession.query();
    assert.equal(session.sessionName, sessionName);
    assert.ok(isDate(session.createdAt), String(session.createdAt));

    const live = follow(client, sessionName);
    t.after(() => live.unsubscribe());
    const shown = await live.until(({ qr }) => qr !== undefined);
    assert.equal(shown.status, 'SCAN_QR_CODE');
    assert.ok(isDate(shown.qrExpiresAt), String(shown.qrExpiresAt));
    await refused(client.user.getWhatsAppGroups.query({ sessionName }), 'not_paired');

    const phone = await scan(sessionName);
    const working = await live.until(({ status }) => status === 'WORKING');
    assert.equal(working.phoneNumber, `+${phone}`);
    await refused(client.user.getSessionQR.query({ sessionName }), 'already_connected');

    await pages(client, sessionName, isDate);

    assert.deepEqual(await client.user.logoutSession.mutate({ sessionName }), { success: true });
    assert.equal(await live.end, 'complete');
  });
}

test('what is refused says why, and what does not arrive is not refused', TIMEOUT, async () => {
  const client = createSwitchboardClient({ url: TRPC, token: await signIn('refused'), transformer: superjson });
  const error = await refused(client.user.getSessionStatus.query({ sessionName: 'session_1' }), 'not_found');
  assert.deepEqual([error.data.code, error.data.httpStatus], ['NOT_FOUND', 404]);
  assert.equal(isSwitchboardError(error, 'not_paired'), false);
  assert.equal(isSwitchboardError(error, 'not_paired', 'not_found'), true);
  const wrong = await client.user.getSessionStatus.query({ sessionName: '' }).catch((error) => error);
  assert.ok(isSwitchboardError(wrong));
  assert.deepEqual(Object.keys(wrong.data.zodError.fieldErrors), ['sessionName']);

  const nobody = createSwitchboardClient({ url: TRPC, transformer: superjson });
  const unsigned = await nobody.user.getWhatsAppSession.query().catch((error) => error);
  assert.ok(isSwitchboardError(unsigned));
  assert.equal(unsigned.data.code, 'UNAUTHORIZED');

  const nowhere = createSwitchboardClient({ url: 'http://127.0.0.1:1/api/trpc', transformer: superjson });
  const lost = await nowhere.user.getWhatsAppSession.query().catch((error) => error);
  assert.ok(lost instanceof Error);
  assert.equal(isSwitchboardError(lost), false);
});

/** Pages through the groups as a list on a screen does, and searches them. */
async function pages(client, sessionName, isDate) {
  const queryClient = new QueryClient({ defaultOptions: { queries: { retry: false, gcTime: 0 } } });
  const trpc = createTRPCOptionsProxy({ client, queryClient });
  const list = async (input) => {
    const options = { getNextPageParam: (page) => page.nextCursor };
    const query = trpc.user.getWhatsAppGroups.infiniteQueryOptions({ sessionName, ...input }, options);
    const observer = new InfiniteQueryObserver(queryClient, query);
    const stop = observer.subscribe(() => {});
    let result = await observer.fetchOptimistic(observer.options);
    while (result.hasNextPage) result = await observer.fetchNextPage({ throwOnError: true });
    stop();
    return result.data.pages;
  };

  const all = await list({ limit: 15 });
  assert.deepEqual(all.map(({ items }) => items.length), [15, 15, 10]);
  assert.equal(new Set(all.flatMap(({ items }) => items.map(({ groupId }) => groupId))).size, GROUPS);
  assert.ok(all.every(({ syncedAt, total }) => isDate(syncedAt) && total === GROUPS));
  const [found, ...more] = await list({ search: 'jose' });
  assert.deepEqual([found.items.map(({ groupName }) => groupName), more], [['José Ñandú'], []]);
}

/** Waits for a call to be refused for that reason. */
async function refused(call, reason) {
  const error = await call.then((answer) => assert.fail(JSON.stringify(answer)), (error) => error);
  assert.ok(isSwitchboardError(error, reason), String(error?.data?.reason ?? error));
  return error;
}

/** Follows a session's state. */
function follow(client, sessionName) {
  const waiting = new Set();
  let last;
  let ended;
  const end = new Promise((resolve) => (ended = resolve));
  const subscription = client.user.onSessionStatus.subscribe(
    { sessionName },
    {
      onData: ({ data }) => {
        last = data;
        waiting.forEach((look) => look());
      },
      onComplete: () => ended('complete'),
      onError: ended,
    },
  );
  /** The first state from now on that is so. */
  const until = (so) =>
    new Promise((resolve, reject) => {
      const look = () => last !== undefined && so(last) && waiting.delete(look) | resolve(last);
      waiting.add(look);
      look();
      void end.then((how) => reject(new Error(`the stream ended: ${how}; last ${JSON.stringify(last)}`)));
    });
  return { until, end, unsubscribe: () => subscription.unsubscribe() };
}
