// The demo under test, its users, and the phone that its fake WAHA plays.
import assert from 'node:assert/strict';

const SWITCHBOARD = required('SWITCHBOARD_URL');
const WAHA = required('WAHA_FAKE_URL');

/** Where the tRPC router is. */
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

/** A token for a user of this run. */
export async function signIn(name) {
  const { token } = await post(`${SWITCHBOARD}/demo/sign-in`, { user: `${name} ${RUN}` });
  return token;
}

/** A phone scans the session's QR code. Returns its digits, which no other test has. */
export async function scan(session) {
  const phone = `346${String((process.pid * 100 + phones++) % 1_000_000_000).padStart(9, '0')}`;
  await post(`${WAHA}/fake/sessions/${session}/scan`, { phone });
  return phone;
}

let phones = 0;

async function post(url, body) {
  const headers = { 'content-type': 'application/json' };
  const signal = AbortSignal.timeout(10_000);
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body), signal });
  const text = await response.text();
  assert.ok(response.ok, `${url}: ${response.status} ${text}`);
  return JSON.parse(text);
}
