// A session's state as it changes, for as long as somebody watches.
import { hear } from './clock.js';
import { EventReader } from './sse.js';

/**
 * @typedef {object} State
 * @property {string} status
 * @property {string} [qr] a PNG in base64
 * @property {string} [qrExpiresAt]
 * @property {string} [phoneNumber]
 * @property {string} [reason]
 * @property {string} [action]
 *
 * @typedef {object} Problem
 * @property {number} status as HTTP has it
 * @property {string} [code]
 *
 * @typedef {object} Watcher
 * @property {(state: State) => void} onState
 * @property {(connected: boolean) => void} onConnection
 * @property {() => void} onEnd after a logout: nothing more will come
 * @property {(problem: Problem) => void} onProblem nothing more will come, for a reason
 */

/** In milliseconds. */
const TIMING = {
  /** The server says something every 15 s. */
  silence: 45_000,
  retry: 1_000,
  longest: 10_000,
  /** The longest that a server is believed which asks to be left alone: limits are for a minute. */
  longestAsked: 60_000,
};

/**
 * Watches until it is told to stop, however often the connection breaks. Each event is the whole state, so the last one
 * is all there is to know.
 *
 * @param {string} url
 * @param {string} token
 * @param {Watcher} watcher
 */
export function watch(url, token, watcher, timing = TIMING) {
  const closed = new AbortController();
  const reader = new EventReader();
  let failures = 0;
  /** For how long the server asked to be left alone, in milliseconds. */
  let asked = 0;
  let hurry = () => {};

  /** Whether it is over. */
  async function connection() {
    const broken = new AbortController();
    const giveUp = () => broken.abort();
    closed.signal.addEventListener('abort', giveUp);
    let silence = setTimeout(giveUp, timing.silence);
    try {
      const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream' };
      if (reader.lastEventId) headers['last-event-id'] = reader.lastEventId;
      const response = await fetch(url, { headers, cache: 'no-store', signal: broken.signal });
      if (!response.ok) {
        asked = retryAfter(response);
        return refused({ ...(await problemIn(response)), status: response.status });
      }
      // What was seen last was the end.
      if (response.status === 204) return over();
      hear(response);
      const pieces = response.body.pipeThrough(new TextDecoderStream()).getReader();
      reader.restart();
      for (;;) {
        const { done, value } = await pieces.read();
        if (done) return false;
        clearTimeout(silence);
        silence = setTimeout(giveUp, timing.silence);
        for (const event of reader.read(value)) {
          if (take(event)) return true;
        }
      }
    } catch {
      return false;
    } finally {
      clearTimeout(silence);
      closed.signal.removeEventListener('abort', giveUp);
      giveUp();
    }
  }

  /** Whether it was the last one. */
  function take({ type, data }) {
    if (closed.signal.aborted) return true;
    if (type === 'end') return over();
    if (type !== 'status' && type !== 'error') return false;
    let said;
    try {
      said = JSON.parse(data);
    } catch {
      return false;
    }
    if (type === 'error') return refused(said);
    failures = 0;
    watcher.onConnection(true);
    watcher.onState(said);
    return false;
  }

  function over() {
    watcher.onEnd();
    return true;
  }

  /** Whether to leave it at that: what a server cannot do now, it may do later. */
  function refused(problem) {
    if (closed.signal.aborted) return true;
    if (mayPass(problem)) return false;
    watcher.onProblem(problem);
    return true;
  }

  function pause() {
    const longest = Math.min((reader.retry ?? timing.retry) * 2 ** Math.min(failures, 10), timing.longest);
    // All pages of a restarted server do not come back at once.
    const wait = longest * (0.5 + Math.random() / 2) + Math.min(asked, timing.longestAsked);
    failures += 1;
    asked = 0;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, wait);
      hurry = () => {
        clearTimeout(timer);
        resolve();
      };
      if (closed.signal.aborted) hurry();
    });
  }

  async function run() {
    while (!closed.signal.aborted) {
      const over = await connection();
      if (over || closed.signal.aborted) return;
      watcher.onConnection(false);
      await pause();
    }
  }
  run();

  return {
    close() {
      closed.abort();
      hurry();
    },
    /** Tries at once, if it is waiting to. */
    hurry: () => hurry(),
  };
}

/** Too often is not for ever, unless it is that another page has taken the place of this one. */
function mayPass({ status, code }) {
  return !(status < 500) || (status === 429 && code !== 'too_many_streams');
}

/** In milliseconds; what is no number of seconds is nothing. */
function retryAfter(response) {
  return Math.max(0, Number(response.headers.get('retry-after')) * 1000 || 0);
}

async function problemIn(response) {
  try {
    return await response.json();
  } catch {
    return {};
  }
}
