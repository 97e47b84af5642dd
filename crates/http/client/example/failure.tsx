// What went wrong, in words.
import { isSwitchboardError } from '@switchboard/client';

export function Failure({ error }: { error: unknown }) {
  return error ? <p role="alert">{words(error)}</p> : null;
}

function words(error: unknown) {
  if (!isSwitchboardError(error)) return 'The server cannot be reached.';
  if (error.data.code === 'UNAUTHORIZED') return 'Please sign in again.';
  if (isSwitchboardError(error, 'no_worker', 'waha_unavailable')) return 'WhatsApp cannot be reached. Try again later.';
  // Sentences for people, but for wrong input, where it is a list for programs.
  return error.data.zodError ? 'That is not valid.' : error.message;
}
