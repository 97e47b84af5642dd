// What the tests are told, the phones they play, and tokens.
import assert from 'node:assert/strict';

/** A setting that the tests cannot do without. */
export function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: see README.md`);
  return value.replace(/\/$/, '');
}

// A demo that has served an earlier run knows its users already.
const RUN = `${Date.now() % 1_000_000}${process.pid % 1000}`;
let users = 0;

/** Somebody whom no other test knows. */
export const newUser = () => `ana ${RUN}-${users++}`;

let phones = 0;

/** The digits of a phone that no other test has, as many as a Spanish one has. */
export const newPhone = () => `346${String((process.pid * 100 + phones++) % 100_000_000).padStart(8, '0')}`;

/** Sends JSON, and returns the answer to it. */
export async function post(url, body, headers = {}) {
  const signal = AbortSignal.timeout(10_000);
  const sent = { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body), signal };
  const response = await fetch(url, sent);
  const text = await response.text();
  assert.ok(response.ok, `POST ${url}: ${response.status} ${text}`);
  return JSON.parse(text);
}

/** A phone reads the text of a QR code, or its user enters a pairing code. */
export function scan(waha, code, phone) {
  return post(`${waha}/fake/scan`, { qr: code, phone });
}
