// One view at a time: what an earlier one still waited for comes too late.
let present = new AbortController();

/**
 * Begins the turn of a view, and ends that of the one before.
 *
 * @returns {AbortSignal} aborted once the turn is over
 */
export function turn() {
  present.abort();
  present = new AbortController();
  return present.signal;
}
