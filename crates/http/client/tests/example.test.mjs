// The example is built and served, and passes on what it does not have. How it looks is seen in tests/e2e.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { serve } from '../example/serve.mjs';
import { TRPC } from './demo.mjs';

test('the example is served on one origin with the server', { timeout: 60_000 }, async (t) => {
  const { url, close } = await serve(new URL(TRPC).origin, 0);
  t.after(close);
  const get = async (path) => {
    const answer = await fetch(`${url}${path}`);
    return { status: answer.status, type: answer.headers.get('content-type'), text: await answer.text() };
  };

  assert.match((await get('/')).text, /<script type="module" src="\/main\.js">/);
  const script = await get('/main.js');
  assert.deepEqual([script.status, script.type], [200, 'text/javascript']);
  assert.ok(script.text.length > 100_000 && script.text.includes('Connect WhatsApp'), `${script.text.length}`);
  assert.equal((await get('/main.css')).type, 'text/css');
  const passed = await get('/api/trpc/user.getWhatsAppSession');
  assert.equal(passed.status, 401, 'by the server');
  assert.equal(JSON.parse(passed.text).error.data.path, 'user.getWhatsAppSession');
});
