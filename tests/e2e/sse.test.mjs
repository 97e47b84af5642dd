// How the page reads server-sent events, however they are cut into pieces.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EventReader } from '../../crates/http/src/ui/sse.js';

const STREAM =
  '\uFEFF: hello\nretry: 250\n\nevent: status\nid: 7\ndata: {"a":\ndata: 1}\n\n: ping\r\n\r\nid\r\ndata:no space\r\rdata:  two\n\n';
const EVENTS = [
  { type: 'status', data: '{"a":\n1}' },
  { type: 'message', data: 'no space' },
  { type: 'message', data: ' two' },
];

test('a stream is read the same, whole or in pieces of any size', () => {
  for (let size = 1; size <= STREAM.length; size++) {
    const reader = new EventReader();
    const events = [];
    for (let at = 0; at < STREAM.length; at += size) events.push(...reader.read(STREAM.slice(at, at + size)));
    assert.deepEqual(events, EVENTS, `in pieces of ${size}`);
    assert.equal(reader.retry, 250);
    assert.equal(reader.lastEventId, '', 'an empty id forgets the last one');
  }
});

test('half an event of a broken connection is nothing, but the last id stays', () => {
  const reader = new EventReader();
  assert.equal(reader.read('id: 3\ndata: whole\n\nevent: status\ndata: hal').length, 1);
  reader.restart();
  assert.deepEqual(reader.read('data: new\n\n'), [{ type: 'message', data: 'new' }]);
  assert.equal(reader.lastEventId, '3');
});

test('what is no field, or no number, is passed over', () => {
  const reader = new EventReader();
  assert.deepEqual(reader.read('retry: soon\nnonsense: 1\nid: a\0b\nevent: x\n\n'), []);
  assert.equal(reader.retry, undefined);
  assert.equal(reader.lastEventId, '');
});
