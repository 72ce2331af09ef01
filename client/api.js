/**
 * The hub's HTTP calls; each returns the JSON of the answer or throws a HubError. Owns paths and the parsing of problem
 * answers; keeps no state.
 */
import { HubError } from './errors.js';

/** @param {typeof globalThis.fetch} [fetch] */
export function createApi(fetch = globalThis.fetch.bind(globalThis)) {
  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @returns {Promise<any>} the answer's JSON, or null when it has none
   */
  async function request(method, path, body) {
    /** @type {RequestInit} */
    const init = { method, headers: { accept: 'application/json' }, credentials: 'same-origin' };
    if (body !== undefined) {
      init.headers = { ...init.headers, 'content-type': 'application/json' };
      init.body = JSON.stringify(body);
    }
    const response = await fetch(path, init).catch(() => {
      throw new HubError('offline');
    });
    // A proxy between the client and the hub may answer instead, with a page that is not JSON.
    const json = await response.json().catch(() => null);
    if (response.ok) return json;
    const retryInMs = Number(response.headers.get('retry-after') ?? 0) * 1000;
    throw new HubError(json?.code ?? (response.status < 500 ? 'invalid' : 'unavailable'), json?.detail, retryInMs);
  }

  /** @param {Record<string, string | number | undefined>} keys */
  const query = (keys) => {
    const given = Object.entries(keys).filter(([, value]) => value !== undefined);
    return given.length ? `?${new URLSearchParams(given.map(([key, value]) => [key, String(value)]))}` : '';
  };

  return {
    me: () => request('GET', '/api/auth/me'),
    /** @param {{username: string, password: string, display_name?: string}} account */
    register: (account) => request('POST', '/api/auth/register', account),
    /** @param {string} username @param {string} password */
    login: (username, password) => request('POST', '/api/auth/login', { username, password }),
    logout: () => request('POST', '/api/auth/logout'),

    /** @param {string} q */
    findUsers: (q) => request('GET', `/api/users${query({ q, limit: 20 })}`),
    /** @param {number} id */
    user: (id) => request('GET', `/api/users/${id}`),

    /** @param {string} [before] the `next` of the page before */
    conversations: (before) => request('GET', `/api/conversations${query({ before })}`),
    /** @param {number} userId the direct conversation with them, in a list that may be empty */
    conversationsWith: (userId) => request('GET', `/api/conversations${query({ with: userId })}`),
    /** @param {number} id */
    conversation: (id) => request('GET', `/api/conversations/${id}`),
    /** @param {number} id @param {number} [beforeSeq] */
    messages: (id, beforeSeq) => request('GET', `/api/conversations/${id}/messages${query({ before_seq: beforeSeq })}`),

    blocks: () => request('GET', '/api/blocks'),
    /** @param {number} userId @param {boolean} on */
    setBlock: (userId, on) => request(on ? 'PUT' : 'DELETE', `/api/blocks/${userId}`),
    contacts: () => request('GET', '/api/contacts'),
    /** @param {number} userId @param {boolean} on */
    setContact: (userId, on) => request(on ? 'PUT' : 'DELETE', `/api/contacts/${userId}`),
  };
}
