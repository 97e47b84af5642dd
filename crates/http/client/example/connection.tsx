// The state of the session as it happens: the QR code, and then the groups.
import { useSubscription } from '@trpc/tanstack-react-query';

import { useTRPC } from './api';
import { Failure } from './failure';
import { Groups } from './groups';

export function Connection({ sessionName, onConnect }: { sessionName: string; onConnect: () => void }) {
  const trpc = useTRPC();
  const live = useSubscription(trpc.user.onSessionStatus.subscriptionOptions({ sessionName }));
  if (live.error) return <Failure error={live.error} />;
  const state = live.data?.data;
  if (!state) return <p>Loading…</p>;
  if (state.status === 'WORKING') {
    return (
      <>
        <p>Connected{state.phoneNumber && ` as ${state.phoneNumber}`}</p>
        <Groups sessionName={sessionName} />
      </>
    );
  }
  if (state.qr) {
    return (
      <>
        <p>Scan this with WhatsApp on your phone: Settings, Linked devices.</p>
        <img className="qr" src={`data:image/png;base64,${state.qr}`} alt="QR code" />
      </>
    );
  }
  if (state.action === 'connect') return <button onClick={onConnect}>Connect again</button>;
  return <p>One moment…</p>;
}
