// Infinite queries of both react-query bindings, without rendering anything.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';

import superjson from 'superjson';

import * as classic from './clients/classic/client.mjs';
import * as tanstack from './clients/tanstack/client.mjs';
import { combinations, pinned } from './combinations.mjs';
import { GROUPS, TRPC, pair, signIn } from './demo.mjs';

const LIMIT = 7;
const TIMEOUT = { timeout: 120_000 };
const getNextPageParam = (page) => page.nextCursor;

/** What an application may start from, and the first entry it then gets. */
const STARTS = [
  ['no initial cursor', {}, 0],
  ['the initial cursor undefined', { initialCursor: undefined }, 0],
  ['the initial cursor null', { initialCursor: null }, 0],
  ['the initial cursor 0', { initialCursor: 0 }, 0],
  ['the initial cursor 14', { initialCursor: 14 }, 14],
];

// The lists are only read: all tests share one paired session.
let http;
let input;
let everything;

before(async () => {
  const { headers } = await signIn('infinite');
  http = { url: TRPC, headers };
  const client = combinations[0].connect(http);
  const { sessionName } = await pair(client);
  input = { sessionName, limit: LIMIT };
  everything = (await client.user.getWhatsAppGroups.query({ sessionName, limit: GROUPS })).items;
  assert.equal(everything.length, GROUPS);
}, TIMEOUT);

for (const transformer of [superjson, undefined]) {
  const kind = transformer ? 'superjson' : 'plain';

  describe(`@trpc/tanstack-react-query ${pinned('tanstack', '@trpc/tanstack-react-query')} ${kind}`, () => {
    const binding = () => {
      const links = [tanstack.httpBatchStreamLink({ ...http, transformer })];
      const queryClient = quiet(new tanstack.QueryClient());
      const trpc = tanstack.createTRPCOptionsProxy({ client: tanstack.createTRPCClient({ links }), queryClient });
      return { queryClient, trpc };
    };

    for (const [start, options, first] of STARTS) {
      test(`an observer pages from ${start} to the end`, TIMEOUT, async () => {
        const { queryClient, trpc } = binding();
        const query = trpc.user.getWhatsAppGroups.infiniteQueryOptions(input, { getNextPageParam, ...options });
        const observer = new tanstack.InfiniteQueryObserver(queryClient, query);
        const stop = observer.subscribe(() => {});

        let result = await observer.fetchOptimistic(observer.options);
        while (result.hasNextPage) {
          result = await observer.fetchNextPage({ throwOnError: true });
        }
        stop();

        assertPages(result.data.pages, first);
      });
    }

    test('a cursor in the input is where the pages begin', TIMEOUT, async () => {
      const { queryClient, trpc } = binding();
      const query = trpc.user.getWhatsAppGroups.infiniteQueryOptions({ ...input, cursor: 14 }, { getNextPageParam });

      const { pages } = await queryClient.fetchInfiniteQuery({ ...query, pages: GROUPS });

      assertPages(pages, 14);
    });

    test('queries and mutations have the same answers as without the binding', TIMEOUT, async () => {
      const { queryClient, trpc } = binding();

      const session = await queryClient.fetchQuery(trpc.user.getWhatsAppSession.queryOptions());
      const { id, phoneNumber } = session;
      const success = await trpc.user.updateSessionPhone.mutationOptions().mutationFn({ id, phoneNumber });

      assert.equal(session.sessionName, input.sessionName);
      assert.equal(session.createdAt instanceof Date, transformer !== undefined);
      assert.deepEqual(success, { success: true });
    });
  });

  describe(`@trpc/react-query ${pinned('classic', '@trpc/react-query')} ${kind}`, () => {
    const binding = () => {
      const links = [classic.httpBatchStreamLink({ ...http, transformer })];
      const queryClient = quiet(new classic.QueryClient());
      const client = classic.createTRPCReact().createClient({ links });
      return classic.createTRPCQueryUtils({ queryClient, client });
    };

    for (const [start, options, first] of STARTS) {
      test(`fetchInfinite pages from ${start} to the end`, TIMEOUT, async () => {
        const groups = binding().user.getWhatsAppGroups;

        const { pages } = await groups.fetchInfinite(input, { getNextPageParam, pages: GROUPS, ...options });

        assertPages(pages, first);
      });
    }

    test('a cursor in the input counts for nothing', TIMEOUT, async () => {
      const groups = binding().user.getWhatsAppGroups;

      const { pages } = await groups.fetchInfinite({ ...input, cursor: 14 }, { getNextPageParam, pages: GROUPS });

      assertPages(pages, 0);
    });

    test('queries have the same answers as without the binding', TIMEOUT, async () => {
      const session = await binding().user.getWhatsAppSession.fetch();

      assert.equal(session.sessionName, input.sessionName);
      assert.equal(session.createdAt instanceof Date, transformer !== undefined);
    });
  });
}

/** Nothing is retried or kept: a failure shows at once, and no timer keeps the test alive. */
function quiet(queryClient) {
  queryClient.setDefaultOptions({ queries: { retry: false, gcTime: 0 } });
  return queryClient;
}

/** The pages hold everything from that entry on, once, in order. */
function assertPages(pages, first) {
  assert.deepEqual(pages.flatMap(({ items }) => items), everything.slice(first));
  assert.equal(pages.length, Math.ceil((GROUPS - first) / LIMIT));
  for (const [at, page] of pages.entries()) {
    assert.equal(page.total, GROUPS);
    assert.equal(page.nextCursor, at === pages.length - 1 ? undefined : first + (at + 1) * LIMIT);
  }
}
