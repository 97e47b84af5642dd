// The groups, page by page, as somebody searches them.
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { useDeferredValue, useState } from 'react';

import { useTRPC } from './api';
import { Failure } from './failure';

export function Groups({ sessionName }: { sessionName: string }) {
  const trpc = useTRPC();
  const [text, setText] = useState('');
  const search = useDeferredValue(text);
  const groups = useInfiniteQuery(
    trpc.user.getWhatsAppGroups.infiniteQueryOptions(
      { sessionName, search },
      {
        getNextPageParam: (page) => page.nextCursor,
        // What was found before stays until something new is.
        placeholderData: keepPreviousData,
        // WhatsApp fills the list after a phone was paired.
        refetchInterval: ({ state }) => (state.data?.pages[0]?.syncing ? 5_000 : false),
      },
    ),
  );
  const pages = groups.data?.pages ?? [];
  return (
    <section>
      <header>
        <h2>Groups</h2>
        <label>
          Search <input type="search" value={text} onChange={(event) => setText(event.target.value)} />
        </label>
      </header>
      <Failure error={groups.error} />
      {pages[0] && <p>{pages[0].total} found</p>}
      <ul>
        {pages.flatMap(({ items }) => items.map(({ groupId, groupName }) => <li key={groupId}>{groupName}</li>))}
      </ul>
      {groups.hasNextPage && (
        <button onClick={() => groups.fetchNextPage()} disabled={groups.isFetchingNextPage}>
          Show more
        </button>
      )}
    </section>
  );
}
