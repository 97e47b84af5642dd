// Both of tRPC's bindings to TanStack Query, for `tsc --strict`. Nothing of this runs.
import { useInfiniteQuery, useMutation, useQuery } from '@tanstack/react-query';
import type { QueryClient } from '@tanstack/react-query';
import { createTRPCReact } from '@trpc/react-query';
import { createTRPCContext, createTRPCOptionsProxy, useSubscription } from '@trpc/tanstack-react-query';

import type { AppRouter, ContactPage, GroupPage, Session, SessionState, SessionStatus } from '@switchboard/client';

import { client } from './types';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function same<A, B>(..._: Same<A, B> extends true ? [] : [never]): void;

const sessionName = 'session_1';
const getNextPageParam = (page: { nextCursor?: number }) => page.nextCursor;

// @trpc/tanstack-react-query
export const { TRPCProvider, useTRPC } = createTRPCContext<AppRouter>();

export function useTanstack(queryClient: QueryClient) {
  const outside = createTRPCOptionsProxy<AppRouter>({ client, queryClient });
  void queryClient.prefetchQuery(outside.user.getWhatsAppSession.queryOptions());

  const trpc = useTRPC();
  const session = useQuery(trpc.user.getWhatsAppSession.queryOptions());
  same<typeof session.data, Session | null | undefined>();
  const status = useQuery(trpc.user.getSessionStatus.queryOptions({ sessionName }));
  same<typeof status.data, SessionStatus | undefined>();
  const code = status.error?.data?.reason;
  void code;

  const groups = useInfiniteQuery(
    trpc.user.getWhatsAppGroups.infiniteQueryOptions({ sessionName, limit: 10, search: 'a' }, { getNextPageParam }),
  );
  same<NonNullable<typeof groups.data>['pages'], GroupPage[]>();
  same<NonNullable<typeof groups.data>['pageParams'][number], number | null>();
  const contacts = useInfiniteQuery(
    trpc.user.getWhatsAppContacts.infiniteQueryOptions(
      { sessionName, all: true },
      { getNextPageParam: (page) => page.nextCursor, initialCursor: 0 },
    ),
  );
  same<NonNullable<typeof contacts.data>['pages'], ContactPage[]>();
  const cursors = { getNextPageParam: () => 'a text' };
  // @ts-expect-error a cursor is a number
  trpc.user.getWhatsAppGroups.infiniteQueryOptions({ sessionName }, cursors);
  // @ts-expect-error the cursor is the query's own
  trpc.user.getWhatsAppGroups.infiniteQueryOptions({ sessionName, limit: 'ten' }, { getNextPageParam });
  // What has no cursor has no pages.
  same<NonNullable<typeof trpc.user.getSessionStatus.infiniteQueryOptions>, never>();

  const connect = useMutation(
    trpc.user.initiateWhatsAppSession.mutationOptions({ onSuccess: ({ id }) => same<typeof id, string>() }),
  );
  connect.mutate();
  const restart = useMutation(trpc.user.restartSession.mutationOptions());
  // @ts-expect-error of which session
  restart.mutate();

  const live = useSubscription(trpc.user.onSessionStatus.subscriptionOptions({ sessionName }));
  same<NonNullable<typeof live.data>, { id: string; data: SessionState }>();
  // A query is no subscription.
  same<NonNullable<typeof trpc.user.getSessionStatus.subscriptionOptions>, never>();
}

// @trpc/react-query
const classic = createTRPCReact<AppRouter>();

export function useClassic() {
  const session = classic.user.getWhatsAppSession.useQuery();
  same<typeof session.data, Session | null | undefined>();
  const groups = classic.user.getWhatsAppGroups.useInfiniteQuery({ sessionName }, { getNextPageParam });
  same<NonNullable<typeof groups.data>['pages'], GroupPage[]>();
  same<NonNullable<typeof groups.data>['pageParams'][number], number | null | undefined>();
  // @ts-expect-error what has no cursor has no pages
  classic.user.getSessionStatus.useInfiniteQuery;
  const restart = classic.user.restartSession.useMutation();
  restart.mutate({ sessionName });
  classic.user.onSessionStatus.useSubscription(
    { sessionName },
    { onData: ({ data }) => same<typeof data.status, SessionState['status']>() },
  );
  // @ts-expect-error a mutation is no query
  classic.user.restartSession.useQuery;
}
