// How the page knows what time it is on the server.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hear, now } from '../../crates/http/src/ui/clock.js';

const answerAt = (time) => new Response('', { headers: { date: new Date(time).toUTCString() } });

test('a browser whose clock is wrong goes by the server’s, and stays with it', () => {
  const [hour, here] = [3_600_000, Date.now()];
  const apart = (ahead) => Math.abs(now() - Date.now() - ahead);
  assert.equal(apart(0), 0, 'before the first answer');
  hear(new Response(''));
  hear(answerAt(here));
  assert.equal(apart(0), 0, 'a second is not worth a jump');
  hear(answerAt(here + hour));
  assert.ok(apart(hour) < 1_500);
  const before = now() - Date.now();
  hear(answerAt(here + hour - 1_000));
  assert.equal(now() - Date.now(), before);
  hear(answerAt(here));
  assert.ok(apart(0) < 1_500);
});
