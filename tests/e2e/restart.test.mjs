// The page while things change behind it: codes, the phone, and the server itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { visit } from './browser.mjs';
import { newPhone, newUser, post, scan } from './environment.mjs';
import { serve } from './server.mjs';

const server = await serve();

/** Signs in with a token, as people do before `serve`. */
async function signedIn(t, token) {
  const visitor = await visit(t, server.url);
  await visitor.type('textbox', 'Access token', token);
  await visitor.page.keyboard.press('Enter');
  return visitor;
}

/** Signs in, and connects. */
async function connecting(t, user) {
  const visitor = await signedIn(t, server.token(user));
  await visitor.click('button', 'Connect');
  return visitor;
}

test('whoever has a token signs in with it, and whoever has none is told', async (t) => {
  const visitor = await visit(t, server.url);
  await visitor.look('30-token');
  await visitor.click('button', 'Sign in');
  await visitor.reads('Paste your access token first.');
  visitor.expected = /401/;
  await visitor.type('textbox', 'Access token', 'no.good.token');
  await visitor.click('button', 'Sign in');
  await visitor.reads('This token is not accepted.');
  await visitor.look('31-token-refused');
});

test('whoever may only read is told, and stays signed in', async (t) => {
  const user = newUser();
  const owner = await connecting(t, user);
  await owner.scannedText();
  const visitor = await signedIn(t, server.token(user, 'read'));
  visitor.expected = /403/;
  await visitor.reads('This token is not enough');
  await visitor.look('36-not-allowed');
  await visitor.find('button', 'Sign out');
  await visitor.page.reload();
  await visitor.reads('This token is not enough');
});

test('whoever asked too often is tried again, and not told that another window goes on', async (t) => {
  const visitor = await signedIn(t, server.token(newUser()));
  visitor.expected = /429/;
  let refused = 0;
  await visitor.page.setRequestInterception(true);
  visitor.page.on('request', (request) => {
    if (!request.url().endsWith('/events') || refused++) return request.continue();
    const body = JSON.stringify({ status: 429, code: 'rate_limited' });
    return request.respond({ status: 429, headers: { 'retry-after': '4' }, contentType: 'application/problem+json', body });
  });
  await visitor.click('button', 'Connect');
  await visitor.reads('The connection is interrupted. Trying again…');
  assert.doesNotMatch(await visitor.shown(), /another window/);
  await visitor.scannedText();
});

test('a code that WAHA replaces is replaced on the screen, and the new one works', async (t) => {
  const visitor = await connecting(t, newUser());
  const phone = newPhone();
  const first = await visitor.scannedText();
  const before = await visitor.page.$eval('img.qr', (image) => image.src);
  await visitor.page.waitForFunction((before) => document.querySelector('img.qr').src !== before, {}, before);
  const second = await visitor.scannedText();
  assert.notEqual(second, first);
  await scan(server.waha, second, phone);
  await visitor.reads(`+${phone}`);
});

test('a server that is killed and started again is found again, with whatever happened meanwhile', async (t) => {
  const user = newUser();
  const visitor = await connecting(t, user);
  // What the browser says of a server that is not there.
  visitor.expected = /ERR_|50\d/;
  const phone = newPhone();
  await visitor.scannedText();
  const session = `${server.waha}/fake/sessions/${await server.sessionOf(user)}`;

  await server.kill();
  await visitor.reads('The connection is interrupted.');
  // Whichever code is the present one by now.
  await post(`${session}/scan`, { phone });
  await visitor.look('32-interrupted');
  await server.start();
  await visitor.reads(`+${phone}`);
  await visitor.reads('Connected');
  assert.doesNotMatch(await visitor.shown(), /interrupted/);

  await server.kill();
  await post(`${session}/unlink`, {});
  await visitor.reads('The connection is interrupted.');
  await server.start();
  await visitor.page.waitForSelector('.message h1', { visible: true });
  await visitor.look('33-unlinked');
});

test('who is asked for a passkey, which this page cannot take, can begin anew', async (t) => {
  const user = newUser();
  const visitor = await connecting(t, user);
  await visitor.scannedText();
  const status = `${server.waha}/fake/sessions/${await server.sessionOf(user)}/status`;
  await post(status, { status: 'PASSKEY_REQUIRED' });
  await visitor.reads('WhatsApp asks for your passkey');
  await visitor.look('34-passkey');
  await post(status, { status: 'PASSKEY_CONFIRMATION_REQUIRED' });
  await visitor.click('button', 'Cancel');
  await visitor.click('button', 'Connect');
  await visitor.scannedText();
});

test('words that nobody knows yet are shown, and pass', async (t) => {
  const user = newUser();
  const visitor = await connecting(t, user);
  await visitor.scannedText();
  const name = await server.sessionOf(user);
  await post(`${server.waha}/fake/sessions/${name}/status`, { status: 'SOMETHING_NEW' });
  await visitor.reads('SOMETHING_NEW');
  await visitor.look('35-unknown');
});
