// The viewer of the REST API's description.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { visit } from './browser.mjs';
import { newUser } from './environment.mjs';
import { serve } from './server.mjs';

const server = await serve();

test('the viewer shows every operation, asks nobody else for anything, and can be tried', async (t) => {
  const description = await (await fetch(`${server.url}/openapi.json`)).json();
  const operations = Object.values(description.paths).flatMap((path) => Object.values(path));
  const visitor = await visit(t, 'about:blank', /401|404/);
  const asked = [];
  visitor.page.on('request', (request) => asked.push(request.url()));
  await visitor.page.goto(`${server.url}/docs`);
  await visitor.page.waitForSelector('.opblock', { visible: true });
  const shown = await visitor.page.$$eval('.opblock', (blocks) => blocks.length);
  assert.equal(shown, operations.length);
  assert.equal(visitor.page.url(), `${server.url}/docs/`);

  // Somebody signs in, and connects.
  await visitor.page.click('.btn.authorize');
  const field = await visitor.page.waitForSelector('#auth-bearer-value', { visible: true });
  await field.type(server.token(newUser()));
  // Each way to sign in has a form of its own.
  await field.press('Enter');
  await visitor.page.click('.auth-btn-wrapper .btn-done');
  await visitor.page.click('#operations-Session-initiateWhatsAppSession .opblock-summary-control');
  const execute = await visitor.page.waitForSelector('#operations-Session-initiateWhatsAppSession .execute', { visible: true });
  await execute.click();
  const status = await visitor.page.waitForSelector('.live-responses-table .response .response-col_status', { visible: true });
  assert.match(await status.evaluate((element) => element.textContent), /200/);

  const elsewhere = asked.filter((url) => !url.startsWith(server.url) && !url.startsWith('data:'));
  assert.deepEqual(elsewhere, [], 'nothing comes from elsewhere');
});
