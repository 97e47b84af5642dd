// What the server wrote into the page.
import { CallError } from './rpc.js';

const { trpc, demo } = document.documentElement.dataset;

/** Where tRPC is. */
export const TRPC = trpc;

/** Whether this is the demo, which has doors of its own. */
export const DEMO = demo === 'true';

/** Where a session's events are. */
export const eventsOf = (sessionName) => `/v1/sessions/${encodeURIComponent(sessionName)}/events`;

/** Calls one of the demo's own doors. */
export async function demoCall(path, body) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`/demo/${path}`, { method: 'POST', headers, body: JSON.stringify(body) }).catch(() => {
    throw new CallError('NETWORK');
  });
  if (!response.ok) throw new CallError('INTERNAL_SERVER_ERROR');
  return response.json();
}
