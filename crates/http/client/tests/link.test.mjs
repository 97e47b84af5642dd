// What the link does with tokens and cookies, before a server of the test's own.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';

import { createSwitchboardClient, isSwitchboardError } from '@switchboard/client';
import { EventSource } from 'eventsource';

const TIMEOUT = { timeout: 20_000 };
const UNAUTHORIZED = {
  message: 'UNAUTHORIZED',
  code: -32001,
  data: { code: 'UNAUTHORIZED', httpStatus: 401, path: 'user.onSessionStatus', zodError: null },
};

/** A server whose streams tell that state, if the token is good for one, and then that it is good no more. */
async function expiring(t, good) {
  const tokens = [];
  const left = [];
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url, 'http://server');
    const { token } = JSON.parse(searchParams.get('connectionParams'));
    tokens.push(token);
    left.push(once(response, 'close'));
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('event: connected\ndata: {}\n\n');
    if (good.includes(token)) response.write(`id: 1\ndata: {"status":"${token}"}\n\n`);
    response.write(`event: serialized-error\ndata: ${JSON.stringify(UNAUTHORIZED)}\n\n`);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, tokens, left };
}

test('a stream whose token expires goes on with a fresh one, until that is refused as well', TIMEOUT, async (t) => {
  const { url, tokens } = await expiring(t, ['first', 'second']);
  const known = ['first', 'second', 'third', 'fourth'];
  const client = createSwitchboardClient({ url, token: () => known.shift(), EventSource });

  const seen = [];
  const error = await new Promise((resolve) => {
    const onData = ({ data }) => seen.push(data.status);
    client.user.onSessionStatus.subscribe({ sessionName: 'session_1' }, { onData, onError: resolve });
  });

  assert.ok(isSwitchboardError(error));
  assert.equal(error.data.code, 'UNAUTHORIZED');
  assert.deepEqual(seen, ['first', 'second']);
  assert.deepEqual(tokens, ['first', 'second', 'third'], 'each once, and none after the one that was no good');
});

test('who leaves a stream that was opened anew leaves that one', TIMEOUT, async (t) => {
  const { url, tokens, left } = await expiring(t, ['first', 'second', 'third']);
  const good = ['first', 'second', 'third'];
  const client = createSwitchboardClient({ url, token: () => good.shift(), EventSource });

  await new Promise((resolve, reject) => {
    const stream = client.user.onSessionStatus.subscribe(
      { sessionName: 'session_1' },
      {
        onData: ({ data }) => {
          if (data.status !== 'second') return;
          stream.unsubscribe();
          resolve();
        },
        onError: reject,
      },
    );
  });
  await Promise.all(left);

  assert.deepEqual(tokens, ['first', 'second']);
});

test('calls carry the token of the moment, or the cookie', TIMEOUT, async (t) => {
  const calls = [];
  t.mock.method(globalThis, 'fetch', async (url, init) => {
    calls.push({ url: String(url), init });
    throw new TypeError('nothing is sent');
  });
  const call = async (options) => {
    await createSwitchboardClient({ url: '/api/trpc', ...options }).user.getWhatsAppSession.query().catch(() => {});
    const { url, init } = calls.at(-1);
    assert.match(url, /^\/api\/trpc\/user\.getWhatsAppSession\?batch=1/);
    const { authorization } = init.headers;
    return [authorization, init.credentials];
  };

  assert.deepEqual(await call({ token: 'a' }), ['Bearer a', undefined]);
  assert.deepEqual(await call({ token: async () => 'b' }), ['Bearer b', undefined]);
  assert.deepEqual(await call({ token: () => null }), [undefined, undefined]);
  assert.deepEqual(await call({ credentials: 'include' }), [undefined, 'include']);
});

test('a stream without a token is opened with the cookie', TIMEOUT, async () => {
  let open;
  const opened = new Promise((resolve) => (open = resolve));
  class Recorded {
    constructor(url, init) {
      open({ url, init });
    }
    addEventListener() {}
    close() {}
  }
  const client = createSwitchboardClient({ url: '/api/trpc', credentials: 'include', EventSource: Recorded });
  const stream = client.user.onSessionStatus.subscribe({ sessionName: 'session_1' }, { onData() {} });
  const { url, init } = await opened;
  stream.unsubscribe();

  assert.equal(init.withCredentials, true);
  assert.match(url, /^\/api\/trpc\/user\.onSessionStatus\?input=/, 'no token in it');
});
