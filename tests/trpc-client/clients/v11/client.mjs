// The client this folder pins: see package.json.
export * from '@trpc/client';
