// How the page watches a session: against a small server that answers as each test says.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';

import { watch } from '../../crates/http/src/ui/live.js';

const FAST = { silence: 30_000, retry: 5, longest: 20, longestAsked: 20 };
const IMPATIENT = { ...FAST, silence: 600 };

/**
 * Watches a server that takes the nth connection with the nth of `answers`, the last of which may be a timing. `told(n)` is what the page heard, once it
 * has heard n things.
 */
async function watching(t, ...answers) {
  const timing = typeof answers.at(-1) === 'function' ? FAST : answers.pop();
  const requests = [];
  const server = createServer((request, response) => {
    requests.push(request);
    const answer = answers[requests.length - 1] ?? (() => {});
    answer(response, request);
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  const heard = [];
  let waiting = () => {};
  const hear = (...what) => {
    heard.push(what);
    waiting();
  };
  const live = watch(`http://127.0.0.1:${server.address().port}/`, 'secret', {
    onState: ({ status }) => hear('state', status),
    onConnection: (connected) => hear('connected', connected),
    onEnd: () => hear('end'),
    onProblem: ({ status, code }) => hear('problem', status, code),
  }, timing);
  t.after(() => {
    live.close();
    server.closeAllConnections();
    server.close();
  });
  const told = async (count) => {
    while (heard.length < count) await new Promise((more) => (waiting = more));
    return heard;
  };
  return { told, requests, live };
}

const stream = (text, end = true) => (response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(text);
  if (end) response.end();
};
const status = (status, id = 1) => `event: status\nid: ${id}\ndata: {"status":"${status}"}\n\n`;
const END = 'event: end\ndata: {}\n\n';
const problem = (status, code) => (response) => {
  response.writeHead(status, { 'content-type': 'application/problem+json' });
  response.end(JSON.stringify({ status, code }));
};
const WORKS = [['connected', true], ['state', 'WORKING']];

test('a broken connection is made again, from where it broke, with the token in a header', async (t) => {
  const { told, requests } = await watching(t, stream(status('STARTING', 4)), stream(status('WORKING', 5) + END));
  assert.deepEqual(await told(6), [['connected', true], ['state', 'STARTING'], ['connected', false], ...WORKS, ['end']]);
  assert.equal(requests[0].headers['last-event-id'], undefined);
  assert.equal(requests[1].headers['last-event-id'], '4');
  assert.equal(requests[1].headers.authorization, 'Bearer secret');
});

test('a server that says nothing, not even that it lives, is asked again', async (t) => {
  const { told } = await watching(t, stream(status('STARTING'), false), stream(status('WORKING') + END), IMPATIENT);
  assert.deepEqual((await told(6)).slice(2), [['connected', false], ...WORKS, ['end']]);
});

test('a ping is a sign of life', async (t) => {
  const pings = (response) => {
    stream(status('WORKING'), false)(response);
    let left = 5;
    const timer = setInterval(() => {
      response.write(left-- > 0 ? ': ping\n\n' : END);
      if (left < 0) clearInterval(timer);
    }, IMPATIENT.silence / 3);
  };
  const { told, requests } = await watching(t, pings, IMPATIENT);
  assert.deepEqual(await told(3), [...WORKS, ['end']]);
  assert.equal(requests.length, 1);
});

test('what a server cannot do now is tried again', async (t) => {
  const nonsense = (response) => response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>');
  const later = stream('event: error\ndata: {"status":503}\n\n');
  const { told } = await watching(t, problem(503), nonsense, later, stream(status('WORKING') + END));
  const failed = ['connected', false];
  assert.deepEqual(await told(6), [failed, failed, failed, ...WORKS, ['end']]);
});

test('who asks too often is patient for as long as the server asks', async (t) => {
  const asked = [];
  const tooOften = (seconds, code) => (response) => {
    asked.push(performance.now());
    response.writeHead(429, { 'retry-after': seconds, 'content-type': 'application/problem+json' });
    response.end(JSON.stringify({ status: 429, code }));
  };
  const works = (response) => {
    asked.push(performance.now());
    stream(status('WORKING') + END)(response);
  };
  // A proxy has no code, and may ask for longer than anybody waits.
  const timing = { ...FAST, longestAsked: 1_200 };
  const { told } = await watching(t, tooOften(1, 'rate_limited'), tooOften(3_600), works, timing);
  const failed = ['connected', false];
  assert.deepEqual(await told(5), [failed, failed, ...WORKS, ['end']]);
  const [first, second] = [asked[1] - asked[0], asked[2] - asked[1]];
  assert.ok(first >= 990 && second >= 1_190, `${first} ms, ${second} ms`);
});

test('a refusal is told, and not tried again', async (t) => {
  for (const [code, how] of [
    [401, problem(401, 'unauthorized')],
    [403, problem(403, 'forbidden')],
    [404, problem(404, 'not_found')],
    [429, stream('event: error\ndata: {"status":429,"code":"too_many_streams"}\n\n', false)],
  ]) {
    const { told, requests } = await watching(t, how);
    const [[kind, status]] = await told(1);
    assert.deepEqual([kind, status], ['problem', code]);
    await new Promise((later) => setTimeout(later, FAST.longest * 3));
    assert.equal(requests.length, 1);
  }
});

test('whoever comes back after the end is told without a word', async (t) => {
  const { told, requests } = await watching(t, stream(status('STOPPED')), (response) => response.writeHead(204).end());
  assert.deepEqual((await told(4)).slice(2), [['connected', false], ['end']]);
  assert.equal(requests.length, 2);
});

test('words and events that are new change nothing', async (t) => {
  const strange = 'event: news\ndata: hello\n\nevent: status\ndata: {half\n\n';
  const { told } = await watching(t, stream(strange + status('WORKING') + END));
  assert.deepEqual(await told(3), [...WORKS, ['end']]);
});

test('who stops watching hears nothing more', async (t) => {
  const { told, requests, live } = await watching(t, stream(status('WORKING')));
  await told(3);
  live.close();
  const before = requests.length;
  await new Promise((later) => setTimeout(later, FAST.longest * 3));
  assert.ok(requests.length <= before);
});
