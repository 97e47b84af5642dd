// Subscriptions, as a front-end in Node makes them, and what they tell.
import assert from 'node:assert/strict';

import { EventSource } from 'eventsource';
import superjson from 'superjson';

import { pinned } from './combinations.mjs';
import * as v11 from './clients/v11/client.mjs';
import * as v11_0_0 from './clients/v11.0.0/client.mjs';

// 11.0.0 looks for its constants there when a connection breaks, as browsers have them.
globalThis.EventSource ??= EventSource;

/** The clients that have an httpSubscriptionLink, with and without a transformer. */
export const combinations = [
  ['v11', v11],
  ['v11.0.0', v11_0_0],
].flatMap(([folder, library]) =>
  [superjson, undefined].map((transformer) => ({
    name: `${pinned(folder)} httpSubscriptionLink ${transformer ? 'superjson' : 'plain'}`,
    transformed: transformer !== undefined,
    TRPCClientError: library.TRPCClientError,
    /** A client whose calls carry `headers`, and its subscriptions these too, or else `connectionParams`. */
    connect: ({ url, headers, connectionParams, requests = [] }) => {
      const fetchAs = (input, init) => {
        requests.push(String(input));
        return fetch(input, { ...init, headers: { ...init.headers, ...(connectionParams ? {} : headers) } });
      };
      const subscriptions = library.httpSubscriptionLink({
        url,
        transformer,
        EventSource,
        eventSourceOptions: () => ({ fetch: fetchAs }),
        connectionParams,
      });
      const calls = library.httpLink({ url, headers, transformer });
      const isSubscription = (op) => op.type === 'subscription';
      const links = [library.splitLink({ condition: isSubscription, true: subscriptions, false: calls })];
      return library.createTRPCClient({ links });
    },
  })),
);

/** Subscribes, and writes down what comes. */
export class Watch {
  states = [];
  ids = [];
  started = 0;
  connections = [];
  end = undefined;
  #changed = () => {};

  constructor(client, input) {
    this.subscription = client.user.onSessionStatus.subscribe(input, {
      onStarted: () => this.#note(() => (this.started += 1)),
      onData: ({ id, data }) =>
        this.#note(() => {
          this.ids.push(id);
          this.states.push(data);
        }),
      onConnectionStateChange: ({ state }) => this.#note(() => this.connections.push(state)),
      onError: (error) => this.#note(() => (this.end = error)),
      onComplete: () => this.#note(() => (this.end = 'complete')),
    });
  }

  #note(what) {
    what();
    this.#changed();
  }

  /** Waits until `get` gives something. */
  async #until(what, get, within = 30_000) {
    const deadline = Date.now() + within;
    for (;;) {
      const got = get();
      if (got !== undefined) return got;
      const left = deadline - Date.now();
      const { states, connections, end } = this;
      const seen = JSON.stringify({ states: states.map(({ status }) => status), connections, end: String(end) });
      assert.ok(left > 0, `${what}: not within ${within} ms; seen ${seen}`);
      await new Promise((wake) => {
        const timer = setTimeout(wake, left);
        this.#changed = () => {
          clearTimeout(timer);
          wake();
        };
      });
    }
  }

  /** The first state of those after the first `from` that is so. */
  state(what, so, from = 0) {
    return this.#until(what, () => this.states.slice(from).find(so));
  }

  status(status, from = 0) {
    return this.state(status, (state) => state.status === status, from);
  }

  /** How it ends: `complete`, or an error. */
  ending() {
    return this.#until('the end', () => this.end);
  }

  /** It is connected again after the connection was lost. */
  reconnected(from) {
    const again = () => this.connections.slice(from).includes('connecting') && this.connections.at(-1) === 'pending';
    return this.#until('a new connection', () => again() || undefined);
  }
}
