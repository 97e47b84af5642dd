// Calls of the tRPC router `user`, in plain JSON.
import { hear } from './clock.js';

/** A call that did not succeed. */
export class CallError extends Error {
  /**
   * @param {string} code tRPC's word, or NETWORK if no answer came
   * @param {string} [reason] the server's stable word for why
   * @param {string} [message] the server's sentence
   * @param {number} [retryAfter] seconds
   */
  constructor(code, reason, message, retryAfter) {
    super(message ?? code);
    this.code = code;
    this.reason = reason;
    this.retryAfter = retryAfter;
  }
}

/** The server, as one signed-in user sees it. */
export class Api {
  /**
   * @param {string} path where tRPC is, like `/api/trpc`
   * @param {string} token
   */
  constructor(path, token) {
    this.path = path;
    this.token = token;
  }

  /** @param {{signal?: AbortSignal}} [options] */
  query(procedure, input, options) {
    const search = input === undefined ? '' : `?input=${encodeURIComponent(JSON.stringify(input))}`;
    return this.#call(`${procedure}${search}`, { ...options });
  }

  mutate(procedure, input) {
    const headers = { 'content-type': 'application/json' };
    return this.#call(procedure, { method: 'POST', headers, body: JSON.stringify(input) });
  }

  async #call(call, options) {
    const headers = { ...options.headers, authorization: `Bearer ${this.token}` };
    let response, answer;
    try {
      response = await fetch(`${this.path}/user.${call}`, { ...options, headers, cache: 'no-store' });
      hear(response);
      answer = await response.json();
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw new CallError('NETWORK');
    }
    if (answer?.result) return answer.result.data;
    const { code = 'INTERNAL_SERVER_ERROR', reason } = answer?.error?.data ?? {};
    const retryAfter = Number(response.headers.get('retry-after')) || undefined;
    throw new CallError(code, reason, answer?.error?.message, retryAfter);
  }
}
