/**
 * All client errors in one type, with texts for users. Owns the sentence for every code of the hub, and the three codes
 * that only a client can know: `offline` (no connection), `timeout` (no answer in time), `closed` (the connection ended
 * for good).
 */

/** A refusal by the hub, over HTTP or the socket, or a missing answer. */
export class HubError extends Error {
  /**
   * @param {string} code one word, stable, as in the protocol's table
   * @param {string} [detail] the hub's error message, naming the key when something was invalid
   * @param {number} [retryInMs] how long to wait before asking again; 0: unknown
   */
  constructor(code, detail = '', retryInMs = 0) {
    super(detail || code);
    this.code = code;
    this.detail = detail;
    this.retryInMs = retryInMs;
  }
}

/** @type {Record<string, string>} */
const SENTENCES = {
  invalid: 'The hub did not accept that.',
  unauthenticated: 'You are logged out. Please log in again.',
  bad_credentials: 'Wrong username or password.',
  forbidden: 'You are not allowed to do that.',
  bad_origin: 'The hub does not trust the address of this page.',
  not_found: 'That does not exist, or you may not see it.',
  conflict: 'This was already sent with different content.',
  username_taken: 'That username is taken. Please choose another.',
  too_large: 'That is too long. Please shorten it.',
  bad_host: 'The hub does not serve this address.',
  rate_limited: 'Too many requests. Please wait a moment.',
  internal: 'The hub had a problem. Please try again later.',
  unavailable: 'The hub is busy right now. Please try again.',
  offline: 'There is no connection to the hub.',
  timeout: 'The hub did not answer in time.',
  closed: 'The connection to the hub is closed.',
};

/** Every code that has its own sentence. */
export const CODES = Object.freeze(Object.keys(SENTENCES));

/**
 * One sentence to show for an error.
 * @param {unknown} error
 * @returns {string}
 */
export function sentence(error) {
  if (!(error instanceof HubError)) return 'Something went wrong in this page. Please reload it.';
  if (error.code === 'invalid' && error.detail) return `The hub did not accept that: ${error.detail}.`;
  if (error.code === 'forbidden' && error.detail) return `${error.detail[0].toUpperCase()}${error.detail.slice(1)}.`;
  if (error.code === 'rate_limited' && error.retryInMs > 0) {
    const seconds = Math.ceil(error.retryInMs / 1000);
    return `Too many requests. Please wait ${seconds} second${seconds === 1 ? '' : 's'}.`;
  }
  return SENTENCES[error.code] ?? SENTENCES.internal;
}
