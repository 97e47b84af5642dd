// @ts-check
import { createTRPCClient, httpBatchStreamLink, httpSubscriptionLink, splitLink } from '@trpc/client';
import { observable } from '@trpc/server/observable';

/** What proxies let through. Longer batches are several requests. */
const MAX_URL_LENGTH = 4096;

/** @type {typeof import('./index.d.ts').createSwitchboardClient} */
export const createSwitchboardClient = (/** @type {any} */ options) =>
  createTRPCClient({ links: [switchboardLink(options)] });

/** @type {typeof import('./index.d.ts').switchboardLink} */
export const switchboardLink = (/** @type {any} */ { url, token, credentials, transformer, EventSource }) => {
  const shown = async () => (typeof token === 'function' ? await token() : token);
  const calls = httpBatchStreamLink({
    url,
    transformer,
    maxURLLength: MAX_URL_LENGTH,
    headers: async () => {
      const bearer = await shown();
      return bearer ? { authorization: `Bearer ${bearer}` } : {};
    },
    fetch: (input, init) => fetch(input, /** @type {RequestInit} */ (credentials ? { ...init, credentials } : init)),
  });
  const subscriptions = httpSubscriptionLink({
    url,
    transformer,
    EventSource,
    eventSourceOptions: { withCredentials: credentials === 'include' },
    // A browser's EventSource sends no headers.
    connectionParams: token && (async () => {
      const bearer = await shown();
      return bearer ? { token: bearer } : {};
    }),
  });
  return splitLink({ condition: ({ type }) => type === 'subscription', true: [renewed, subscriptions], false: calls });
};

/**
 * A stream whose token has expired is opened again, with a fresh one. One that tells nothing before it is refused is not:
 * there is no better token.
 *
 * @type {import('@trpc/client').TRPCLink<any>}
 */
const renewed = () => ({ op, next }) =>
  observable((observer) => {
    /** @type {import('@trpc/server/observable').Unsubscribable} */
    let stream;
    const open = () => {
      let told = false;
      stream = next(op).subscribe({
        next: (envelope) => {
          told ||= envelope.result.type === undefined || envelope.result.type === 'data';
          observer.next(envelope);
        },
        error: (error) => (told && error.data?.code === 'UNAUTHORIZED' ? open() : observer.error(error)),
        complete: () => observer.complete(),
      });
    };
    open();
    return () => stream.unsubscribe();
  });

/** @type {any} */
export const isSwitchboardError = (/** @type {any} */ error, /** @type {string[]} */ ...reasons) =>
  // By its name: there may be two copies of @trpc/client, one of each module system.
  error instanceof Error && error.name === 'TRPCClientError' && hasReason(/** @type {any} */ (error).data, reasons);

/** Errors that did not come from a router have no data. */
const hasReason = (/** @type {any} */ data, /** @type {string[]} */ reasons) =>
  typeof data?.code === 'string' && (reasons.length === 0 || reasons.includes(data.reason));
