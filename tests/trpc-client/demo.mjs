// The demo under test: its doors, its users, and the phone that its fake WAHA plays.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

import jsqr from 'jsqr';
import { PNG } from 'pngjs';

const SWITCHBOARD = required('SWITCHBOARD_URL');
const WAHA = required('WAHA_FAKE_URL');

/** Where the tRPC routers are. */
export const TRPC = `${SWITCHBOARD}/api/trpc`;

/** As many groups as the demo is told to give each account. */
export const GROUPS = 40;

// A demo that has served an earlier run knows its users already.
const RUN = Date.now();

function required(name) {
  const url = process.env[name];
  if (!url) throw new Error(`${name} is not set: see README.md`);
  return url.replace(/\/$/, '');
}

/** Signs a user of this run in: `{user, headers}`. */
export async function signIn(name) {
  const user = `${name} ${RUN}`;
  const { token } = await json('POST', `${SWITCHBOARD}/demo/sign-in`, { user });
  return { user, headers: { authorization: `Bearer ${token}` } };
}

let phones = 0;

/** The digits of a phone that no other test has, not even one in another file. */
export function newPhone() {
  const number = (process.pid * 100 + phones++) % 1_000_000_000;
  return `346${String(number).padStart(9, '0')}`;
}

/** A phone scans the session's QR code. */
export function scan(session, phone) {
  return json('POST', `${WAHA}/fake/sessions/${session}/scan`, { phone });
}

/** The session takes a status and keeps it. */
export function holdAt(session, status) {
  return json('POST', `${WAHA}/fake/sessions/${session}/status`, { status });
}

/** What WAHA has of a user. */
export async function sessionsInWaha(user) {
  const sessions = await json('GET', `${WAHA}/fake/sessions`);
  return sessions.filter((session) => session.metadata['user.id'] === user);
}

/** The calls that WAHA got about a session: `{method, path}`. */
export async function callsToWaha(session) {
  const calls = await json('GET', `${WAHA}/fake/calls`);
  return calls.filter((call) => call.session === session);
}

async function json(method, url, body) {
  const headers = { 'content-type': 'application/json' };
  const signal = AbortSignal.timeout(10_000);
  const response = await fetch(url, { method, headers, body: JSON.stringify(body), signal });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${url}: ${response.status} ${text}`);
  return JSON.parse(text);
}

/** Asks again until `accept` says yes, and returns that answer. */
export async function eventually(what, ask, accept, within = 30_000) {
  const deadline = Date.now() + within;
  for (;;) {
    const answer = await ask();
    if (accept(answer)) return answer;
    assert.ok(Date.now() < deadline, `${what}: not within ${within} ms; last ${JSON.stringify(answer)}`);
    await sleep(100);
  }
}

/** Waits for a status as front-ends do: by polling. */
export function untilStatus(client, sessionName, wanted) {
  const ask = () => client.user.getSessionStatus.query({ sessionName });
  return eventually(`status ${wanted}`, ask, ({ status }) => status === wanted);
}

/** Connects a user's session and pairs it with a phone of its own. */
export async function pair(client) {
  const session = await client.user.initiateWhatsAppSession.mutate();
  await untilStatus(client, session.sessionName, 'SCAN_QR_CODE');
  await scan(session.sessionName, newPhone());
  await untilStatus(client, session.sessionName, 'WORKING');
  return session;
}

/** The text of a QR code that came as a PNG in base64. */
export function textOfQr(base64) {
  assert.match(base64, /^[A-Za-z0-9+/]+={0,2}$/, 'base64 without a data URL');
  const { data, width, height } = PNG.sync.read(Buffer.from(base64, 'base64'));
  const code = jsqr.default(new Uint8ClampedArray(data), width, height);
  assert.ok(code, 'the picture shows a QR code');
  return code.data;
}

/** A `fetch` that writes down what went over the wire. */
export function recorder() {
  const exchanges = [];
  const recorded = async (url, options) => {
    const response = await fetch(url, options);
    const { pathname, searchParams } = new URL(url);
    exchanges.push({
      paths: decodeURIComponent(pathname).split('/').at(-1).split(','),
      batch: searchParams.get('batch') === '1',
      status: response.status,
      type: response.headers.get('content-type'),
    });
    return response;
  };
  /** What went over the wire while `calls` ran, and how they ended. */
  const during = async (calls) => {
    exchanges.length = 0;
    const ended = await calls();
    return { ended, exchanges: exchanges.slice() };
  };
  return { fetch: recorded, during };
}
