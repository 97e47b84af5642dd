// Logging out of WhatsApp, which only the phone can undo.
import { confirmed } from './dialog.js';
import { texts } from './texts.js';

/**
 * Logs out; a linked phone is asked about first.
 *
 * @param {import('./rpc.js').Api} api
 * @param {string} sessionName
 * @param {boolean} paired
 */
export async function logOut(api, sessionName, paired) {
  const { title, text, yes, no } = texts.logOut;
  if (paired && !(await confirmed({ title, text, yes, no }))) return;
  await api.mutate('logoutSession', { sessionName });
}
