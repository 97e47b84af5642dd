// A session's state, pushed to the real clients.
import assert from 'node:assert/strict';
import { createServer, connect as dial } from 'node:net';
import { describe, test } from 'node:test';

import { TRPC, eventually, holdAt, newPhone, scan, sessionsInWaha, signIn, textOfQr, untilStatus } from './demo.mjs';
import { refused } from './refusal.mjs';
import { Watch, combinations } from './watching.mjs';

const TIMEOUT = { timeout: 120_000 };

async function connected(combination, what) {
  const { user, headers } = await signIn(`${what} ${combination.name}`);
  const requests = [];
  const client = combination.connect({ url: TRPC, headers, requests });
  const { sessionName } = await client.user.initiateWhatsAppSession.mutate();
  return { user, headers, client, requests, sessionName };
}

describe('a session is watched', { concurrency: combinations.length }, () => {
  for (const combination of combinations) {
    const { name, transformed, TRPCClientError } = combination;

    test(`from its start to its logout: ${name}`, TIMEOUT, async () => {
      const { client, requests, sessionName } = await connected(combination, 'watches');
      await holdAt(sessionName, 'STARTING');
      await untilStatus(client, sessionName, 'STARTING');
      const watch = new Watch(client, { sessionName });
      await watch.status('STARTING');
      assert.equal(watch.started, 1);

      await holdAt(sessionName, 'SCAN_QR_CODE');
      const shown = await watch.state('a code', ({ qr }) => qr !== undefined);
      assert.match(textOfQr(shown.qr), /^2@/);
      assert.deepEqual([shown.status, shown.action, shown.attempt], ['SCAN_QR_CODE', 'scan_qr_code', 1]);
      assert.equal(shown.qrExpiresAt instanceof Date, transformed);
      assert.equal(typeof shown.qrExpiresAt, transformed ? 'object' : 'string');
      const left = new Date(shown.qrExpiresAt) - Date.now();
      assert.ok(left > 30_000 && left <= 60_000, `good for ${left} ms`);

      const phone = newPhone();
      const { code } = await client.user.requestPairingCode.mutate({ sessionName, phoneNumber: `+${phone}` });
      assert.match(code, /^[A-Z0-9]{4}-[A-Z0-9]{4}$/);
      const numberless = client.user.requestPairingCode.mutate({ sessionName, phoneNumber: 'mine' });
      const error = await refused(numberless, 'BAD_REQUEST', 'user.requestPairingCode', TRPCClientError);
      assert.deepEqual(Object.keys(error.data.zodError.fieldErrors), ['phoneNumber']);

      await scan(sessionName, phone);
      const working = await watch.status('WORKING');
      assert.deepEqual(working, { status: 'WORKING', phoneNumber: `+${phone}` });
      const texts = watch.states.map((state) => JSON.stringify(state));
      const named = new Set(texts.map((text, n) => `${watch.ids[n]} ${text}`));
      assert.deepEqual([watch.ids, texts].map((all) => new Set(all).size), [named.size, named.size], 'an id, a state');

      await client.user.logoutSession.mutate({ sessionName });
      assert.equal(await watch.ending(), 'complete');
      const last = watch.states.at(-1);
      assert.deepEqual(last, { status: 'STOPPED', reason: 'logged_out', action: 'connect' });
      assert.equal(requests.length, 1, 'one connection for all that, and none after it');
    });

    test(`by a token in the connection parameters: ${name}`, TIMEOUT, async () => {
      const { headers, sessionName } = await connected(combination, 'parameters');
      const token = headers.authorization.slice('Bearer '.length);
      const client = combination.connect({ url: TRPC, headers: {}, connectionParams: { token } });
      const watch = new Watch(client, { sessionName });
      await watch.status('SCAN_QR_CODE');
      watch.subscription.unsubscribe();
      const stranger = combination.connect({ url: TRPC, headers: {}, connectionParams: { token: 'no.such.token' } });
      await endsWith(new Watch(stranger, { sessionName }), 'UNAUTHORIZED', combination);
    });

    test(`what is refused ends with the error: ${name}`, TIMEOUT, async () => {
      const { client, sessionName } = await connected(combination, 'refused');
      const { client: stranger } = await connected(combination, 'stranger');
      const nobody = combination.connect({ url: TRPC, headers: {} });
      const bad = await endsWith(new Watch(client, { sessionName: '' }), 'BAD_REQUEST', combination);
      assert.deepEqual(Object.keys(bad.data.zodError.fieldErrors), ['sessionName']);
      await endsWith(new Watch(client, { sessionName: 'session_1' }), 'NOT_FOUND', combination);
      await endsWith(new Watch(stranger, { sessionName }), 'NOT_FOUND', combination);
      await endsWith(new Watch(nobody, { sessionName }), 'UNAUTHORIZED', combination);
    });

    test(`through a connection that breaks: ${name}`, TIMEOUT, async (t) => {
      const { user, headers, sessionName } = await connected(combination, 'breaks');
      const proxy = await breakable(new URL(TRPC));
      t.after(() => proxy.close());
      const client = combination.connect({ url: proxy.url, headers });
      const watch = new Watch(client, { sessionName });
      await watch.state('a code', ({ qr }) => qr !== undefined);

      const [seen, connections] = [watch.states.length, watch.connections.length];
      proxy.cut();
      const phone = newPhone();
      await scan(sessionName, phone);
      await eventually('WORKING in WAHA', () => sessionsInWaha(user), ([session]) => session.status === 'WORKING');
      assert.equal((await watch.status('WORKING', seen)).phoneNumber, `+${phone}`);
      await watch.reconnected(connections);
      watch.subscription.unsubscribe();
    });
  }
});

async function endsWith(watch, code, { TRPCClientError }) {
  const error = await watch.ending();
  assert.ok(error instanceof TRPCClientError, String(error));
  assert.deepEqual([error.data.code, error.data.path], [code, 'user.onSessionStatus']);
  assert.deepEqual(watch.states, []);
  return error;
}

/** A way to the demo that can be cut. */
async function breakable({ hostname, port, pathname }) {
  const sockets = new Set();
  const server = createServer((near) => {
    const far = dial(port, hostname);
    for (const [socket, other] of [[near, far], [far, near]]) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        other.destroy();
        sockets.delete(socket);
      });
    }
    near.pipe(far).pipe(near);
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  const cut = () => sockets.forEach((socket) => socket.destroy());
  const close = () => {
    server.close();
    cut();
  };
  return { url: `http://127.0.0.1:${server.address().port}${pathname}`, cut, close };
}
