// Sign in, connect a phone, look through its groups.
import { QueryClientProvider, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';

import { TRPCProvider, client, queryClient, signIn, useTRPC } from './api';
import { Connection } from './connection';
import { Failure } from './failure';
import './style.css';

function App() {
  const [signedIn, setSignedIn] = useState(false);
  return (
    <>
      <h1>Switchboard in React</h1>
      {signedIn ? <Account /> : <SignIn onDone={() => setSignedIn(true)} />}
    </>
  );
}

function SignIn({ onDone }: { onDone: () => void }) {
  const [name, setName] = useState('');
  const enter = useMutation({ mutationFn: signIn, onSuccess: onDone });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        enter.mutate(name);
      }}
    >
      <label>
        Name <input value={name} onChange={(event) => setName(event.target.value)} required />
      </label>
      <button disabled={enter.isPending}>Sign in</button>
      <Failure error={enter.error} />
    </form>
  );
}

function Account() {
  const trpc = useTRPC();
  const cache = useQueryClient();
  const session = useQuery(trpc.user.getWhatsAppSession.queryOptions());
  const look = () => cache.invalidateQueries(trpc.user.getWhatsAppSession.queryFilter());
  const connect = useMutation(trpc.user.initiateWhatsAppSession.mutationOptions({ onSuccess: look }));
  const logout = useMutation(trpc.user.logoutSession.mutationOptions({ onSuccess: look }));

  if (session.isPending) return <p>Loading…</p>;
  if (session.isError) return <Failure error={session.error} />;
  if (session.data === null) {
    return (
      <>
        <button onClick={() => connect.mutate()} disabled={connect.isPending}>
          Connect WhatsApp
        </button>
        <Failure error={connect.error} />
      </>
    );
  }
  const { sessionName } = session.data;
  return (
    <>
      <Connection sessionName={sessionName} onConnect={() => connect.mutate()} />
      <p>
        <button onClick={() => logout.mutate({ sessionName })} disabled={logout.isPending}>
          Log out of WhatsApp
        </button>
      </p>
      <Failure error={connect.error ?? logout.error} />
    </>
  );
}

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <TRPCProvider trpcClient={client} queryClient={queryClient}>
        <App />
      </TRPCProvider>
    </QueryClientProvider>
  </StrictMode>,
);
