// The page that a single user is sent to, from the link to the result.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { visit } from './browser.mjs';
import { newPhone, newUser, post, scan } from './environment.mjs';
import { serve } from './server.mjs';

const server = await serve();

const link = (token) => `${server.url}/connect#token=${token}`;

test('whoever is sent a link scans, sees that it worked, and leaves no token behind', async (t) => {
  const visitor = await visit(t, link(server.token(newUser(), 'connect')));
  const phone = newPhone();
  await visitor.scannedText();
  assert.equal(visitor.page.url(), `${server.url}/connect`, 'the address bar');
  const kept = await visitor.page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie, history.length]);
  assert.deepEqual(kept, [0, 0, '', 2], 'in memory only');
  await visitor.look('20-connect');

  await scan(server.waha, await visitor.scannedText(), phone);
  await visitor.reads(`You are connected as +${phone}; you can close this page.`);
  await visitor.look('21-connected');
});

test('a phone number will do, too, once it is the right one', async (t) => {
  const visitor = await visit(t, link(server.token(newUser(), 'connect')));
  const phone = newPhone();
  await visitor.scannedText();
  await visitor.click('button', 'Link with a phone number instead');
  const mistyped = newPhone();
  await visitor.type('textbox', 'Your WhatsApp number', `+${mistyped}`);
  await visitor.click('button', 'Get a code');
  await visitor.reads(`It is for +${mistyped} only.`);
  await visitor.click('button', 'Use another number');
  assert.match(await visitor.focused(), /^INPUT/);
  const field = await visitor.find('textbox', 'Your WhatsApp number');
  await field.click({ count: 3 });
  await field.type(`+${phone}`);
  await visitor.page.keyboard.press('Enter');
  await visitor.reads(`It is for +${phone} only.`);
  await visitor.look('26-pairing-code');
  const code = await visitor.page.waitForSelector('.code:not(:empty)', { visible: true });
  await scan(server.waha, await code.evaluate((code) => code.textContent), phone);
  await visitor.reads(`You are connected as +${phone}`);
});

test('a link that is too old, or is not whole, says so and what to do', async (t) => {
  const visitor = await visit(t, link('no.longer.good'), /401/);
  await visitor.reads('This link is no longer good');
  assert.equal(visitor.page.url(), `${server.url}/connect`);
  await visitor.look('22-link-too-old');

  await visitor.page.reload();
  await visitor.reads('This link is not complete');
  await visitor.look('23-link-not-whole');

  await visitor.page.evaluate((hash) => (location.hash = hash), `token=${server.token(newUser(), 'connect')}`);
  await visitor.scannedText();
});

test('who is asked for a passkey is told whom to turn to', async (t) => {
  const user = newUser();
  const visitor = await visit(t, link(server.token(user, 'connect')));
  await visitor.scannedText();
  await post(`${server.waha}/fake/sessions/${await server.sessionOf(user)}/status`, { status: 'PASSKEY_REQUIRED' });
  await visitor.reads('Tell whoever sent you this link.');
  await visitor.look('27-passkey');
});

test('a logout elsewhere is told, before the scan and after, and the link goes on', async (t) => {
  const user = newUser();
  const visitor = await visit(t, link(server.token(user, 'connect')));
  const logOut = async () => {
    const headers = { authorization: `Bearer ${server.token(user)}` };
    const answer = await fetch(`${server.url}/v1/sessions/${await server.sessionOf(user)}`, { method: 'DELETE', headers });
    assert.equal(answer.status, 204);
  };
  await visitor.scannedText();
  await logOut();
  await visitor.reads('This connection was ended elsewhere.');
  await visitor.click('button', 'Connect again');
  await scan(server.waha, await visitor.scannedText(), newPhone());
  await visitor.reads('You are connected');
  await logOut();
  await visitor.reads('This connection was ended elsewhere.');
  await visitor.look('28-ended-elsewhere');
});

test('who comes too late for the codes asks for a new one', async (t) => {
  const user = newUser();
  const token = server.token(user, 'connect');
  const visitor = await visit(t, link(token));
  const first = await visitor.scannedText();
  await post(`${server.waha}/fake/sessions/${await server.sessionOf(user)}/fail`, {});
  const again = await visitor.page.waitForSelector('.message button', { visible: true });
  await visitor.look('24-codes-expired');
  await again.click();
  const text = await visitor.scannedText();
  assert.notEqual(text, first);
  // The page has watched it begin.
  await visitor.reads('New code in');
  await visitor.look('25-new-code');
});
