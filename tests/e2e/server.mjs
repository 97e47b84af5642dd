// `switchboard serve` on a SQLite file, before a fake WAHA that outlives it.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { required } from './environment.mjs';

const SWITCHBOARD = required('SWITCHBOARD');
const WAHA = required('SERVED_WAHA_URL');

/** A server of its own for a file of tests. */
export async function serve() {
  const folder = mkdtempSync(join(tmpdir(), 'switchboard-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = {
    ...process.env,
    SWITCHBOARD__SERVER__BIND: `127.0.0.1:${port}`,
    SWITCHBOARD__DATABASE__URL: `sqlite://${join(folder, 'switchboard.sqlite')}`,
    SWITCHBOARD__WAHA__URL: WAHA,
    SWITCHBOARD__WAHA__API_KEY: required('SERVED_WAHA_KEY'),
    SWITCHBOARD__WAHA__WEBHOOK_URL: `${url}/webhooks/waha`,
    SWITCHBOARD__WAHA__WEBHOOK_SECRET: 'the secret of the webhooks of the tests',
    SWITCHBOARD__AUTH__HS256_SECRET: 'the secret of the tokens of the tests',
  };
  let child;

  /** Starts it, and waits until it answers. */
  async function start() {
    child = spawn(SWITCHBOARD, ['serve'], { env, cwd: folder, stdio: 'ignore' });
    for (const deadline = Date.now() + 30_000; ; await sleep(50)) {
      const ready = await fetch(`${url}/readyz`).then(({ ok }) => ok, () => false);
      if (ready) return;
      assert.ok(Date.now() < deadline && child.exitCode === null, 'the server starts');
    }
  }

  /** Ends it as a crash would. */
  async function kill() {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  await start();
  after(async () => {
    await kill();
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    url,
    waha: WAHA,
    start,
    kill,
    /** A token for a user, as a deployer makes one. */
    token: (user, scope) => {
      const scoped = scope ? ['--scope', scope] : [];
      const token = execFileSync(SWITCHBOARD, ['token', '--user', user, '--ttl', '10m', ...scoped], { env, cwd: folder });
      return token.toString().trim();
    },
    /** The name of a user's session. */
    sessionOf: async (user) => {
      const sessions = await (await fetch(`${WAHA}/fake/sessions`)).json();
      return sessions.find(({ metadata }) => metadata['user.id'] === user).name;
    },
  };
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
