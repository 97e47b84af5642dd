// Subscriptions of a server that is killed, stopped and started again, and of a token that expires.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { eventually, newPhone } from './demo.mjs';
import { Watch, combinations } from './watching.mjs';

const { SWITCHBOARD_BIN, SERVE_WAHA_URL, SERVE_WAHA_KEY } = process.env;
const SECRET = 'a secret of the tests, long enough';

const skip = SWITCHBOARD_BIN && SERVE_WAHA_URL ? false : 'SWITCHBOARD_BIN and SERVE_WAHA_URL are not set';

describe('a server is gone for a while', { skip, concurrency: combinations.length }, () => {
  for (const [index, combination] of combinations.entries()) {
    // Each version and each transformer meets both.
    const signal = ['SIGKILL', 'SIGTERM', 'SIGTERM', 'SIGKILL'][index];
    test(`by ${signal}: ${combination.name}`, { timeout: 120_000 }, async (t) => {
      const server = await Server.start(t);
      const headers = { authorization: `Bearer ${token('ana', 3600)}` };
      const requests = [];
      const client = combination.connect({ url: server.trpc, headers, requests });
      const { sessionName } = await client.user.initiateWhatsAppSession.mutate();
      const watch = new Watch(client, { sessionName });
      await watch.state('a code', ({ qr }) => qr !== undefined);

      const seen = watch.states.length;
      const took = await server.end(signal);
      assert.ok(took < 10_000, `an open stream held the server up for ${took} ms`);
      assert.equal(watch.end, undefined, 'it is not over');
      const phone = newPhone();
      await scanned(sessionName, phone);
      await server.run();
      assert.equal((await watch.status('WORKING', seen)).phoneNumber, `+${phone}`);
      t.diagnostic(`the stop took ${took} ms`);

      // The same state has the same id after one more restart.
      const before = watch.ids.at(-1);
      await server.end(signal);
      await server.run();
      const other = new Watch(client, { sessionName });
      await other.status('WORKING');
      assert.equal(other.ids.at(-1), before);

      await client.user.logoutSession.mutate({ sessionName });
      assert.deepEqual([await watch.ending(), await other.ending()], ['complete', 'complete']);
      assert.equal(watch.states.at(-1).reason, 'logged_out');
    });

    test(`the token expires: ${combination.name}`, { timeout: 120_000 }, async (t) => {
      const server = await Server.start(t);
      // Clocks may be half a minute apart: this one is good for some seconds more.
      const headers = { authorization: `Bearer ${token('ana', -25)}` };
      const requests = [];
      const client = combination.connect({ url: server.trpc, headers, requests });
      const { sessionName } = await client.user.initiateWhatsAppSession.mutate();
      const watch = new Watch(client, { sessionName });
      await watch.status('SCAN_QR_CODE');
      const error = await watch.ending();
      assert.ok(error instanceof combination.TRPCClientError, String(error));
      assert.deepEqual([error.data.code, error.shape.code], ['UNAUTHORIZED', -32001]);
      assert.equal(requests.length, 1, 'it does not come back');
    });
  }
});

/** A token of that user's, good for so many seconds. */
function token(sub, seconds) {
  const part = (json) => Buffer.from(JSON.stringify(json)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub, exp: Math.floor(Date.now() / 1000) + seconds })}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}

/** A phone scans the code, and WAHA has seen it. */
async function scanned(sessionName, phone) {
  const session = `${SERVE_WAHA_URL}/fake/sessions/${sessionName}`;
  const response = await fetch(`${session}/scan`, { method: 'POST', body: JSON.stringify({ phone }) });
  assert.ok(response.ok, await response.text());
  const ask = async () => (await fetch(session)).json();
  await eventually('WORKING in WAHA', ask, ({ status }) => status === 'WORKING');
}

/** A `switchboard serve` on a port of its own that can go and come back. */
class Server {
  static async start(t) {
    const server = new Server();
    server.port = await freePort();
    server.trpc = `http://127.0.0.1:${server.port}/api/trpc`;
    server.folder = await mkdtemp(join(tmpdir(), 'switchboard-'));
    t.after(async () => {
      await server.end('SIGKILL');
      await rm(server.folder, { recursive: true, force: true });
    });
    await server.run();
    return server;
  }

  async run() {
    const env = {
      SWITCHBOARD__SERVER__BIND: `127.0.0.1:${this.port}`,
      SWITCHBOARD__WAHA__URL: SERVE_WAHA_URL,
      SWITCHBOARD__WAHA__API_KEY: SERVE_WAHA_KEY,
      SWITCHBOARD__AUTH__HS256_SECRET: SECRET,
      SWITCHBOARD__DATABASE__URL: 'sqlite://switchboard.sqlite',
    };
    this.process = spawn(SWITCHBOARD_BIN, ['serve'], { cwd: this.folder, env, stdio: 'ignore' });
    this.ended = new Promise((ended) => this.process.once('exit', ended));
    const ready = () => fetch(`http://127.0.0.1:${this.port}/readyz`).then(({ status }) => status, () => 0);
    await eventually('the server is ready', ready, (status) => status === 200);
  }

  /** Ends it; returns after how many milliseconds it was gone. */
  async end(signal) {
    const began = Date.now();
    this.process.kill(signal);
    await this.ended;
    return Date.now() - began;
  }
}

function freePort() {
  return new Promise((found) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => found(port));
    });
  });
}
