// The page of the demo, as people use it: with a mouse, a keyboard, and a phone.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { visit } from './browser.mjs';
import { newPhone, newUser, required, scan } from './environment.mjs';

const DEMO = required('SWITCHBOARD_URL');
const WAHA = required('WAHA_FAKE_URL');

/** As many as the demo is told to give each account. */
const GROUPS = 40;

/** Signs in as somebody new. */
async function signIn(visitor) {
  await visitor.click('DisclosureTriangle', 'Use another name');
  const name = await visitor.find('textbox', 'Name');
  await name.click({ count: 3 });
  const user = newUser();
  await name.type(user);
  await visitor.click('button', `Continue as ${user}`);
  await visitor.reads('Connect WhatsApp');
}

/** Signs in, connects, and scans the code on the screen. */
async function connect(visitor, phone) {
  await signIn(visitor);
  await visitor.click('button', 'Connect');
  await scan(WAHA, await visitor.scannedText(), phone);
  await visitor.reads(`+${phone}`);
}

test('from the first click to the last: connect, look around, link a group, restart, log out', async (t) => {
  const visitor = await visit(t, DEMO);
  const phone = '34600111222';

  await visitor.find('button', 'Continue as alice');
  await visitor.look('1-sign-in');
  await visitor.click('button', 'Continue as alice');
  await visitor.reads('Connect WhatsApp');
  await visitor.look('2-start');
  await visitor.click('button', 'Connect');
  const text = await visitor.scannedText();
  await visitor.reads('New code in');
  await visitor.look('3-qr-code');

  await scan(WAHA, text, phone);
  await visitor.reads(`+${phone}`);
  await visitor.reads('Connected');
  await visitor.reads(`${GROUPS} groups`);
  await visitor.reads('Campaign scheduled for');
  await visitor.look('4-account');

  const last = '#panel-groups .rows li:last-child button';
  const button = await visitor.page.waitForSelector(last);
  await button.click();
  await visitor.page.waitForSelector(`${last}.linked`);
  await visitor.page.waitForFunction(() => document.querySelectorAll('.linked-groups > li').length === 3);
  await button.click();
  await visitor.page.waitForSelector(`${last}:not(.linked)`);
  await visitor.page.waitForFunction(() => document.querySelectorAll('.linked-groups > li').length === 2);

  visitor.expected = /409/;
  const [running] = await visitor.page.$$('#panel-groups .rows button.linked');
  await running.click();
  await visitor.reads('This group has a scheduled or running campaign.');
  await visitor.look('5-refused');

  await visitor.click('tab', 'Contacts');
  await visitor.page.waitForSelector('#panel-contacts .rows li');
  await visitor.look('6-contacts');
  await allTheWayDown(visitor);

  await visitor.type('searchbox', 'Search contacts by name or number', 'JOSE');
  await visitor.reads('13 matches');
  const found = await visitor.page.$$eval('#panel-contacts .rows .name', (names) => names.map((name) => name.textContent));
  assert.ok(found.length === 13 && found.every((name) => name.startsWith('José')), `${found}`);
  await visitor.look('7-search');
  await visitor.type('searchbox', 'Search contacts by name or number', ' is nobody');
  await visitor.reads('Nothing matches “JOSE is nobody”.');
  await visitor.look('8-no-match');

  await visitor.click('button', 'Restart');
  await visitor.reads('Restarting…');
  await visitor.reads('Connected');

  await visitor.click('button', 'Log out');
  await visitor.reads('Log out of WhatsApp?');
  await visitor.look('9-log-out');
  await visitor.click('button', 'Cancel');
  await visitor.reads(`+${phone}`);
  await visitor.click('button', 'Log out');
  const yes = await visitor.page.waitForSelector('dialog .danger', { visible: true });
  await yes.click();
  await visitor.reads('You have logged out.');
  await visitor.look('10-logged-out');
});

/** Scrolls until the list has no more, which is every contact it says it has. */
async function allTheWayDown(visitor) {
  const { page } = visitor;
  const shown = () => page.$$eval('#panel-contacts .rows li', (rows) => rows.length);
  const total = await page.$eval('#panel-contacts .total', (total) => Number(total.textContent.replace(/\D/g, '')));
  assert.ok((await shown()) < total, 'a page at a time');
  for (let before = 0, now = await shown(); now > before; ) {
    before = now;
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
    const longer = (before) => {
      const panel = document.querySelector('#panel-contacts');
      return panel.querySelectorAll('.rows li').length > before || panel.querySelector('.foot').textContent === 'That is all.';
    };
    await page.waitForFunction(longer, {}, before);
    now = await shown();
  }
  assert.equal(await shown(), total, 'the last entry is there');
  const ids = await page.$$eval('#panel-contacts .rows li', (rows) => rows.map((row) => row.dataset.id));
  assert.equal(new Set(ids).size, total, 'every entry once');
  await page.evaluate(() => scrollTo(0, 0));
}

test('whoever changes their mind cancels', async (t) => {
  const visitor = await visit(t, DEMO);
  await signIn(visitor);
  await visitor.click('button', 'Connect');
  await visitor.scannedText();
  await visitor.click('button', 'Cancel');
  await visitor.reads('You have logged out.');
});

test('a phone number links instead of a QR code', async (t) => {
  const visitor = await visit(t, DEMO);
  const phone = newPhone();
  await signIn(visitor);
  await visitor.click('button', 'Connect');
  await visitor.scannedText();
  await visitor.click('button', 'Link with a phone number instead');
  await visitor.click('button', 'Get a code');
  await visitor.reads('Write your number with the country code');
  await visitor.look('11-phone-number');

  await visitor.type('textbox', 'Your WhatsApp number', `+${phone}`);
  await visitor.page.keyboard.press('Enter');
  const code = await visitor.page.waitForSelector('.code:not(:empty)', { visible: true });
  const letters = await code.evaluate((code) => code.textContent);
  assert.match(letters, /^[A-Z0-9]{4}-[A-Z0-9]{4}$/);
  await visitor.look('12-pairing-code');
  await visitor.click('button', 'Scan a QR code instead');
  await visitor.scannedText();

  await scan(WAHA, letters, phone);
  await visitor.reads(`+${phone}`);
});

test('everything can be done with the keyboard', async (t) => {
  const visitor = await visit(t, DEMO);
  const { keyboard } = visitor.page;
  const phone = newPhone();
  await visitor.tabTo('DisclosureTriangle', 'Use another name');
  await keyboard.press('Space');
  await visitor.tabTo('textbox', 'Name');
  await visitor.page.keyboard.down('Control');
  await keyboard.press('A');
  await visitor.page.keyboard.up('Control');
  await keyboard.type(newUser());
  await keyboard.press('Enter');
  await visitor.reads('Connect WhatsApp');
  assert.equal(await visitor.focused(), 'H1 Connect WhatsApp', 'the focus goes along');

  await visitor.tabTo('button', 'Connect');
  await keyboard.press('Enter');
  const text = await visitor.scannedText();
  assert.equal(await visitor.focused(), 'H1 Scan with your phone');
  await visitor.tabTo('button', 'Link with a phone number instead');
  await keyboard.press('Enter');
  await visitor.tabTo('button', 'Scan a QR code instead');
  await keyboard.press('Enter');
  assert.match(await visitor.focused(), /^BUTTON Link with a phone number/);

  await scan(WAHA, text, phone);
  await visitor.reads(`+${phone}`);
  assert.match(await visitor.focused(), /^H1/);
  await visitor.tabTo('tab', 'Groups');
  await keyboard.press('ArrowRight');
  await visitor.reads('contacts, as of');
  assert.equal(await visitor.focused(), 'BUTTON Contacts');
  await visitor.tabTo('searchbox', 'Search contacts by name or number');
  await keyboard.type('98');
  await visitor.reads('matches');

  await visitor.page.keyboard.down('Shift');
  const logOut = await visitor.find('button', 'Log out');
  while (!(await logOut.evaluate((button) => button === document.activeElement))) await keyboard.press('Tab');
  await visitor.page.keyboard.up('Shift');
  await keyboard.press('Enter');
  await visitor.reads('Log out of WhatsApp?');
  assert.equal(await visitor.focused(), 'BUTTON Cancel', 'the harmless answer has the focus');
  await keyboard.press('Escape');
  await visitor.page.waitForFunction(() => !document.querySelector('dialog'));
  assert.equal(await visitor.focused(), 'BUTTON Log out', 'and gives it back');
  await keyboard.press('Enter');
  await visitor.reads('Log out of WhatsApp?');
  await keyboard.press('Tab');
  await keyboard.press('Enter');
  await visitor.reads('You have logged out.');
  assert.equal(await visitor.focused(), 'H1 Connect WhatsApp');
});

test('the demo has a phone of its own, and whoever comes back finds everything', async (t) => {
  const visitor = await visit(t, DEMO);
  await signIn(visitor);
  await visitor.click('button', 'Connect');
  await visitor.scannedText();
  await visitor.click('button', 'Pretend to scan');
  await visitor.reads('Connected');
  await visitor.page.reload();
  await visitor.reads('Connected');
  await visitor.reads(`${GROUPS} groups`);
  await visitor.click('button', 'Sign out');
  await visitor.reads('Sign in');
  assert.equal(await visitor.page.evaluate(() => sessionStorage.length), 0, 'the token is forgotten');
  await visitor.click('link', 'The same in a terminal');
  await visitor.reads('curl');
});

test('whoever comes back to a slow server can sign out, and try again if it does not answer', async (t) => {
  const visitor = await visit(t, DEMO);
  visitor.expected = /ERR_|50\d/;
  await signIn(visitor);
  const release = await visitor.hold('getWhatsAppSession');
  await visitor.page.reload();
  await visitor.reads('One moment…');
  await visitor.find('button', 'Sign out');
  await visitor.look('16-one-moment');
  await release({ status: 502, contentType: 'text/html', body: '<h1>' });
  await visitor.reads('The server cannot be reached.');
  await visitor.look('17-no-answer');
  await visitor.click('button', 'Try again');
  await visitor.reads('Connect WhatsApp');
});

test('a token that is no longer good leads back to signing in', async (t) => {
  const visitor = await visit(t, DEMO);
  visitor.expected = /401/;
  await visitor.page.evaluate(() => sessionStorage.setItem('switchboard.token', 'no.longer.good'));
  await visitor.page.reload();
  await visitor.reads('You have been signed out');
  await visitor.look('13-signed-out');
  await visitor.find('button', 'Continue as alice');
});

test('who pretends to scan is told if that comes to nothing', async (t) => {
  const visitor = await visit(t, DEMO);
  visitor.expected = /ERR_INTERNET_DISCONNECTED/;
  await visitor.page.setOfflineMode(true);
  await visitor.click('button', 'Continue as alice');
  await visitor.reads('The server cannot be reached.');
  await visitor.page.setOfflineMode(false);
  await signIn(visitor);
  await visitor.click('button', 'Connect');
  await visitor.scannedText();
  const release = await visitor.hold('/demo/scan');
  const asked = visitor.page.waitForRequest((request) => request.url().endsWith('/demo/scan'));
  await visitor.click('button', 'Pretend to scan');
  await asked;
  await release({ status: 200, contentType: 'application/json', body: '{"success":false}' });
  await visitor.reads('There is no code to scan at this moment.');
  await visitor.look('18-nothing-to-scan');
  await visitor.click('button', 'Pretend to scan');
  await visitor.reads('Connected');
});

test('whoever signs out is signed out, whatever was still on its way', async (t) => {
  const visitor = await visit(t, DEMO);
  const { page } = visitor;
  const streams = [];
  page.on('request', (request) => request.url().endsWith('/events') && streams.push(request.url()));
  await signIn(visitor);
  const release = await visitor.hold('initiateWhatsAppSession');
  const asked = page.waitForRequest((request) => request.url().includes('initiateWhatsAppSession'));
  await visitor.click('button', 'Connect');
  await asked;
  await visitor.click('button', 'Sign out');
  await visitor.reads('This is a demo');
  const answered = page.waitForResponse((response) => response.url().includes('initiateWhatsAppSession'));
  await release();
  await answered;
  await signIn(visitor);
  assert.deepEqual(streams, [], 'nobody watches the session of who has left');
});

test('a call of who has signed out does not sign out who comes next', async (t) => {
  const visitor = await visit(t, DEMO);
  visitor.expected = /401/;
  await connect(visitor, newPhone());
  await visitor.reads('Connected');
  const release = await visitor.hold('restartSession');
  await visitor.click('button', 'Restart');
  await visitor.reads('Restarting…');
  await visitor.click('button', 'Sign out');
  await signIn(visitor);
  const answered = visitor.page.waitForResponse((response) => response.status() === 401);
  await release({ status: 401, contentType: 'application/json', body: JSON.stringify({ error: { data: { code: 'UNAUTHORIZED' } } }) });
  await answered;
  await visitor.page.reload();
  await visitor.reads('Connect WhatsApp');
});

test('lists that nobody sees any more are not asked for', async (t) => {
  const visitor = await visit(t, DEMO);
  await connect(visitor, newPhone());
  await visitor.reads(`${GROUPS} groups`);
  const lists = [];
  const release = await visitor.hold('refreshDirectory');
  const asked = visitor.page.waitForRequest((request) => request.url().includes('refreshDirectory'));
  await visitor.click('button', 'Refresh');
  await asked;
  await visitor.click('button', 'Sign out');
  visitor.page.on('request', (request) => /getWhatsApp(Groups|Contacts)/.test(request.url()) && lists.push(request.url()));
  const answered = visitor.page.waitForResponse((response) => response.url().includes('refreshDirectory'));
  await release({ status: 200, contentType: 'application/json', body: '{"result":{"data":{"success":true}}}' });
  await answered;
  await signIn(visitor);
  assert.deepEqual(lists, []);
});

test('while somebody types only the last answer counts', async (t) => {
  const visitor = await visit(t, DEMO);
  await connect(visitor, newPhone());
  await visitor.reads(`${GROUPS} groups`);
  // The answer to the first search is held back until the second one is there.
  const release = await visitor.hold('alpha');
  await visitor.type('searchbox', 'Search groups', 'alpha');
  await visitor.page.waitForRequest((request) => request.url().includes('alpha'));
  const search = await visitor.find('searchbox', 'Search groups');
  await search.click({ count: 3 });
  await search.type('rocket');
  await visitor.reads('1 match');
  await release();
  const names = await visitor.page.$$eval('#panel-groups .name', (names) => names.map((name) => name.textContent));
  assert.deepEqual(names, ['🚀 Rocket']);
});

test('a list that changes between two pages is shown anew, from its first page', async (t) => {
  const visitor = await visit(t, DEMO);
  await connect(visitor, newPhone());
  await visitor.reads(`${GROUPS} groups`);
  visitor.expected = /409/;
  let refused = 0;
  await visitor.page.setRequestInterception(true);
  visitor.page.on('request', (request) => {
    const further = decodeURIComponent(request.url()).includes('"cursor":50');
    if (!further || refused++) return request.continue();
    const error = { message: 'The list has changed', data: { code: 'CONFLICT', reason: 'version_gone', httpStatus: 409 } };
    return request.respond({ status: 409, contentType: 'application/json', body: JSON.stringify({ error }) });
  });
  await visitor.click('tab', 'Contacts');
  await visitor.page.waitForSelector('#panel-contacts .rows li');
  await allTheWayDown(visitor);
  assert.ok(refused > 1, 'the second page was asked for again');
});

test('a list that is on its way says so', async (t) => {
  const visitor = await visit(t, DEMO);
  const release = await visitor.hold('getWhatsAppGroups');
  await connect(visitor, newPhone());
  await visitor.reads('Loading…');
  await visitor.look('15-loading');
  await release();
  await visitor.reads(`${GROUPS} groups`);
});

test('a list says how it is, and any name fits into it', async (t) => {
  const visitor = await visit(t, DEMO);
  const names = ['W'.repeat(300), 'مجموعة العائلة الكبيرة جدا في مدريد', '\u202Eoverride\u202C', '', '<img src=x onerror=alert(1)>', '👨‍👩‍👧‍👦 Casa'];
  await visitor.page.setRequestInterception(true);
  visitor.page.on('request', (request) => {
    if (!request.url().includes('getWhatsAppGroups')) return request.continue();
    const items = names.map((groupName, index) => ({ groupId: `${index}@g.us`, groupName }));
    const syncedAt = new Date(Date.now() - 7_200_000).toISOString();
    const data = { items, total: 1500, version: 'v', syncedAt, stale: true, syncing: true, possiblyTruncated: true };
    return request.respond({ status: 200, contentType: 'application/json', body: JSON.stringify({ result: { data } }) });
  });
  await connect(visitor, newPhone());
  await visitor.reads('1 500 groups, as of 2 h ago');
  await visitor.reads('Your phone is still sending.');
  await visitor.reads('WhatsApp shows 500 groups at most');
  await visitor.reads('This list is older than it should be');
  await visitor.reads('Without a name');
  await visitor.reads('<img src=x');
  await visitor.look('14-odd-names');
});
