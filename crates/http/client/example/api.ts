// The client, and the hooks that go with it.
import { QueryClient } from '@tanstack/react-query';
import { createTRPCContext } from '@trpc/tanstack-react-query';
import superjson from 'superjson';

import { createSwitchboardClient, isSwitchboardError, type AppRouter } from '@switchboard/client';

export const { TRPCProvider, useTRPC } = createTRPCContext<AppRouter>();

// With an identity provider, `token` is its own function: `() => clerk.session?.getToken()`. With a cookie there is none.
let token: string | undefined;

export const client = createSwitchboardClient({ url: '/api/trpc', token: () => token, transformer: superjson });

export const queryClient = new QueryClient({
  defaultOptions: { queries: { retry: (failures, error) => failures < 3 && mayPass(error) } },
});

/** Whether it helps to ask again: what was refused for good is refused again. */
function mayPass(error: Error) {
  return !isSwitchboardError(error) || error.data.httpStatus >= 500 || isSwitchboardError(error, 'starting');
}

/** The demo lets anybody in. */
export async function signIn(user: string) {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch('/demo/sign-in', { method: 'POST', headers, body: JSON.stringify({ user }) });
  if (!answer.ok) throw new Error(`Signing in failed: ${answer.status}`);
  ({ token } = (await answer.json()) as { token: string });
}
