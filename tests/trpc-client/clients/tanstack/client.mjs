// The binding this folder pins: see package.json.
export { InfiniteQueryObserver, QueryClient } from '@tanstack/react-query';
export * from '@trpc/client';
export * from '@trpc/tanstack-react-query';
