// A `switchboard serve` of one's own, and requests as they are.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { openSync } from 'node:fs';
import http from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const { SWITCHBOARD_BIN, SWITCHBOARD_CONFIG, SERVE_WAHA_URL, SERVE_WAHA_KEY } = process.env;

export class Server {
  static async start(settings) {
    const server = new Server();
    const port = await freePort();
    server.url = `http://127.0.0.1:${port}`;
    server.folder = await mkdtemp(join(tmpdir(), 'switchboard-'));
    const env = { SWITCHBOARD_CONFIG };
    const own = { SERVER__BIND: `127.0.0.1:${port}`, WAHA__URL: SERVE_WAHA_URL, WAHA__API_KEY: SERVE_WAHA_KEY };
    for (const [key, value] of Object.entries({ ...own, ...settings })) {
      env[`SWITCHBOARD__${key}`] = value;
    }
    const log = join(server.folder, 'log');
    const stdio = ['ignore', 'ignore', openSync(log, 'w')];
    server.process = spawn(SWITCHBOARD_BIN, ['serve'], { cwd: server.folder, env, stdio });
    const ready = () => request(`${server.url}/readyz`).then(({ status }) => status, () => 0);
    await eventually('the server is ready', ready, 200).catch(async (error) => {
      throw new Error(`${error.message}: ${await readFile(log, 'utf8')}`);
    });
    return server;
  }

  async end() {
    const ended = new Promise((gone) => this.process.once('exit', gone));
    this.process.kill('SIGKILL');
    await ended;
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Sends exactly these headers, as no `fetch` does; `first`: reads a stream until it says something. */
export function request(url, { method = 'GET', headers = {}, body, first = false } = {}) {
  const said = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));
  if (body !== undefined) {
    said['content-type'] ??= 'application/json';
  }
  return new Promise((answered, failed) => {
    const sent = http.request(url, { method, headers: said, agent: false }, (response) => {
      let text = '';
      const done = () => {
        let json;
        try {
          json = JSON.parse(text);
        } catch {
          // Some answers are none.
        }
        answered({ status: response.statusCode, headers: response.headers, text, json });
        sent.destroy();
      };
      response.setEncoding('utf8');
      response.on('data', (part) => {
        text += part;
        if (first && text.includes('event:')) {
          done();
        }
      });
      response.on('end', done);
    });
    sent.on('error', failed);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** Asks until that is the answer; returns after how many milliseconds it was. */
export async function eventually(what, ask, wanted, patience = 30_000) {
  const began = Date.now();
  for (;;) {
    const answer = await ask();
    if (answer === wanted) {
      return Date.now() - began;
    }
    if (Date.now() - began > patience) {
      throw new Error(`not so after ${patience} ms: ${what} (${answer})`);
    }
    await new Promise((passed) => setTimeout(passed, 50));
  }
}

export function freePort() {
  return new Promise((found) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => found(port));
    });
  });
}
