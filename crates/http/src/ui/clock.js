// The server's clock, by which it says when things were and until when they are good.

/** By how many ms it is ahead of the browser's. */
let ahead = 0;

/** Takes the time of an answer that has just come. Its date says no more than the second. */
export function hear(response) {
  const heard = Date.parse(response.headers.get('date') ?? '') + 500 - Date.now();
  // Within what the date cannot tell, nothing jumps.
  if (Math.abs(heard - ahead) > 1_500) ahead = heard;
}

/** The time there, in ms as `Date.now()`. */
export const now = () => Date.now() + ahead;
