// The example of a front-end in React, as people use it: crates/http/client/example.
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

import { visit } from './browser.mjs';
import { newPhone, newUser, required, scan } from './environment.mjs';

test('somebody signs in, scans the code, searches the groups and logs out', async (t) => {
  const { serve } = await import(pathToFileURL(required('EXAMPLE')));
  const { url, close } = await serve(required('SWITCHBOARD_URL'), 0);
  t.after(close);
  const visitor = await visit(t, url);
  const phone = newPhone();

  await visitor.type('textbox', 'Name', newUser());
  await visitor.click('button', 'Sign in');
  await visitor.click('button', 'Connect WhatsApp');
  await scan(required('WAHA_FAKE_URL'), await visitor.scannedText(), phone);
  await visitor.reads(`Connected as +${phone}`);
  await visitor.reads('40 found');
  await visitor.look('example');

  await visitor.click('button', 'Show more');
  await visitor.page.waitForFunction(() => document.querySelectorAll('li').length === 20);
  await visitor.type('searchbox', 'Search', 'strasse');
  await visitor.reads('1 found');
  await visitor.reads('Straße 9');

  await visitor.click('button', 'Log out of WhatsApp');
  await visitor.find('button', 'Connect WhatsApp');
});
