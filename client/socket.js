/**
 * The connection to the hub: one WebSocket that reconnects by itself. Owns its state, the reconnect after a loss, and
 * every call until its ack, error or timeout. Does not interpret frames: the caller does, and listens by frame type.
 * The WebSocket constructor, the timers and the randomness come from outside, so tests need no browser.
 */
import { HubError } from './errors.js';

/** The state of the connection. ONLINE begins with the hub's welcome, not with the open socket. */
export const State = Object.freeze({
  CONNECTING: 'connecting',
  ONLINE: 'online',
  /** lost; a retry is scheduled */
  OFFLINE: 'offline',
  /** ended, and nothing happens until `connect` is called */
  STOPPED: 'stopped',
});

/** Timeout of an ack. Only time on the connection counts. */
export const CALL_TIMEOUT_MS = 10_000;

/** Timeout from the start of a handshake to the welcome. */
export const WELCOME_TIMEOUT_MS = 15_000;

const RETRY_STEPS_MS = [500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000];

/** Codes below 4000 that the same bytes would cause again: protocol, data, size. */
const FAULTS = new Set([1002, 1003, 1007, 1008, 1009, 1010]);

/**
 * The wait before the nth retry: a rising step, minus a random part of up to half, so that the clients of a restarted
 * hub do not return at the same moment.
 * @param {number} attempt from 0
 * @param {() => number} random
 */
export function retryDelay(attempt, random) {
  const step = RETRY_STEPS_MS[Math.min(attempt, RETRY_STEPS_MS.length - 1)];
  return Math.round(step * (1 - random() / 2));
}

/**
 * Whether a socket that closed with this code is opened again: 4500–4999 mean "not before the user acts".
 * @param {number} code
 */
export function mayReconnect(code) {
  return !(code >= 4500 && code <= 4999) && !FAULTS.has(code);
}

/**
 * @typedef {{type: string, [key: string]: any}} Frame
 * @typedef {{state: string, previous: string, code?: number, retryInMs?: number}} StateChange
 * @typedef {{frame: Frame, resolve: (ack: Frame) => void, reject: (error: HubError) => void, timer?: any}} Call
 */

export class Connection {
  /** @type {string} */
  state = State.STOPPED;

  #url;
  #WebSocket;
  #timers;
  #random;
  /** @type {Map<string, Set<(value: any) => void>>} */
  #listeners = new Map();
  /** @type {WebSocket | null} */
  #ws = null;
  /** Calls sent and not answered, in the order they were sent. @type {Map<string, Call>} */
  #inFlight = new Map();
  /** Calls that wait for the next welcome; empty while online. @type {Call[]} */
  #queue = [];
  #refs = 0;
  #attempts = 0;
  #heard = false;
  /** @type {number | undefined} the reconnect delay that the hub asks for while it drains */
  #returnInMs;
  /** @type {any} */
  #retryTimer;
  /** @type {any} the welcome's deadline, then the heartbeat */
  #aliveTimer;

  /**
   * @param {{url: string, WebSocket?: any, timers?: {setTimeout: Function, clearTimeout: Function}, random?: () => number}} options
   */
  constructor({ url, WebSocket = globalThis.WebSocket, timers = globalThis, random = Math.random }) {
    this.#url = url;
    this.#WebSocket = WebSocket;
    this.#timers = timers;
    this.#random = random;
  }

  /** Opens the socket now, also when a retry is scheduled for later. Does nothing when there is one. */
  connect() {
    if (this.#ws) return;
    const ws = new this.#WebSocket(this.#url);
    ws.onmessage = (/** @type {{data: string}} */ { data }) => this.#receive(JSON.parse(data));
    ws.onclose = (/** @type {{code: number}} */ { code }) => this.#lost(code);
    this.#ws = ws;
    this.#aliveTimer = this.#timers.setTimeout(() => this.#lost(1006), WELCOME_TIMEOUT_MS);
    this.#enter(State.CONNECTING);
  }

  /** Ends the connection for good. Pending calls are rejected with `closed`. */
  close() {
    this.#release();
    this.#stop(1000);
  }

  /**
   * Sends a frame and waits for its answer. A frame with a `client_message_id` is safe to repeat: without a connection
   * it waits for the next one. If the connection is lost before the answer, it is sent again, in its old order and with
   * the same id. Any other frame needs the connection now, or is rejected with `offline`.
   * @param {string} type
   * @param {object} [body]
   * @returns {Promise<Frame>} the ack; rejected with a HubError
   */
  call(type, body = {}) {
    return new Promise((resolve, reject) => {
      const call = { frame: { type, ...body, ref: String(++this.#refs) }, resolve, reject };
      if (this.state === State.ONLINE) this.#transmit(call);
      else if (this.state !== State.STOPPED && isRepeatable(call)) this.#queue.push(call);
      else reject(new HubError('offline'));
    });
  }

  /**
   * Sends a frame that needs no answer; without a connection it is dropped.
   * @param {string} type
   * @param {object} [body]
   */
  send(type, body = {}) {
    if (this.state === State.ONLINE) this.#ws?.send(JSON.stringify({ type, ...body }));
  }

  /**
   * Listens for a frame type, or for `state` (a StateChange).
   * @param {string} event
   * @param {(value: any) => void} fn
   * @returns {() => void} removes the listener
   */
  on(event, fn) {
    const fns = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, fns.add(fn));
    return () => void fns.delete(fn);
  }

  /** @param {string} event @param {unknown} value */
  #emit(event, value) {
    for (const fn of [...(this.#listeners.get(event) ?? [])]) fn(value);
  }

  /** @param {string} state @param {Partial<StateChange>} [why] */
  #enter(state, why = {}) {
    const previous = this.state;
    this.state = state;
    if (state !== previous) this.#emit('state', { state, previous, ...why });
  }

  /** @param {Frame} frame */
  #receive(frame) {
    this.#heard = true;
    if (frame.ref) this.#settle(frame);
    if (frame.type === 'system' && frame.event === 'welcome') this.#welcomed(frame.heartbeat_ms);
    if (frame.type === 'system' && frame.event === 'draining') this.#returnInMs = frame.reconnect_in_ms;
    this.#emit(frame.type, frame);
  }

  /** @param {Frame} frame */
  #settle(frame) {
    const call = this.#inFlight.get(frame.ref);
    if (!call) return;
    this.#inFlight.delete(frame.ref);
    this.#timers.clearTimeout(call.timer);
    if (frame.type === 'error') call.reject(new HubError(frame.code, frame.message, frame.retry_in_ms));
    else call.resolve(frame);
  }

  /** @param {number} heartbeatMs */
  #welcomed(heartbeatMs) {
    this.#attempts = 0;
    this.#returnInMs = undefined;
    this.#timers.clearTimeout(this.#aliveTimer);
    this.#enter(State.ONLINE);
    if (this.state !== State.ONLINE) return; // a listener closed it
    this.#beat(heartbeatMs);
    for (const call of this.#queue.splice(0)) this.#transmit(call);
  }

  /**
   * Detects a lost connection. A browser hides the hub's protocol pings, and reports a dead network minutes late. So
   * each beat sends a ping, and a whole beat without any frame, not even its pong, is a loss.
   * @param {number} everyMs
   */
  #beat(everyMs) {
    this.#heard = false;
    this.send('ping');
    this.#aliveTimer = this.#timers.setTimeout(() => (this.#heard ? this.#beat(everyMs) : this.#lost(1006)), everyMs);
  }

  /** @param {Call} call */
  #transmit(call) {
    const { ref } = call.frame;
    call.timer = this.#timers.setTimeout(() => {
      this.#inFlight.delete(ref);
      call.reject(new HubError('timeout'));
    }, CALL_TIMEOUT_MS);
    this.#inFlight.set(ref, call);
    this.#ws?.send(JSON.stringify(call.frame));
  }

  /** Detaches the socket, so that its later events are ignored. */
  #release() {
    const ws = this.#ws;
    this.#ws = null;
    this.#timers.clearTimeout(this.#aliveTimer);
    this.#timers.clearTimeout(this.#retryTimer);
    if (!ws) return;
    ws.onmessage = ws.onclose = null;
    ws.close();
  }

  /** @param {number} code */
  #lost(code) {
    this.#release();
    if (!mayReconnect(code)) return this.#stop(code);
    const unanswered = this.#takeInFlight();
    this.#queue.push(...unanswered.filter(isRepeatable));
    const retryInMs = this.#returnInMs ?? retryDelay(this.#attempts++, this.#random);
    this.#returnInMs = undefined;
    this.#retryTimer = this.#timers.setTimeout(() => this.connect(), retryInMs);
    for (const call of unanswered) if (!isRepeatable(call)) call.reject(new HubError('offline'));
    this.#enter(State.OFFLINE, { code, retryInMs });
  }

  /** @param {number} code */
  #stop(code) {
    for (const call of [...this.#takeInFlight(), ...this.#queue.splice(0)]) call.reject(new HubError('closed'));
    this.#enter(State.STOPPED, { code });
  }

  #takeInFlight() {
    const calls = [...this.#inFlight.values()];
    this.#inFlight.clear();
    for (const call of calls) this.#timers.clearTimeout(call.timer);
    return calls;
  }
}

/** @param {Call} call */
function isRepeatable(call) {
  return 'client_message_id' in call.frame;
}
