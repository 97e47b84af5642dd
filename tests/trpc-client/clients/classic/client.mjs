// The binding this folder pins: see package.json.
export { QueryClient } from '@tanstack/react-query';
export * from '@trpc/react-query';
