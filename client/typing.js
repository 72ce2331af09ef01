/**
 * Tells the other side that this user is typing. Owns the pace only: `true` at once and then at most every two seconds
 * while keys are pressed, `false` two seconds after the last key or when told to stop. The typing of others is in
 * state.js.
 */

export const REPEAT_MS = 2_000;
export const QUIET_MS = 2_000;

export class TypingNotice {
  #tell;
  #timers;
  #now;
  /** @type {number | null} */
  #conversationId = null;
  #toldAt = 0;
  /** @type {any} */
  #quietTimer;

  /**
   * @param {{tell: (conversationId: number, isTyping: boolean) => void,
   *   timers?: {setTimeout: Function, clearTimeout: Function}, now?: () => number}} options
   */
  constructor({ tell, timers = globalThis, now = Date.now }) {
    this.#tell = tell;
    this.#timers = timers;
    this.#now = now;
  }

  /** Handles a key press in this conversation. @param {number} conversationId */
  pressed(conversationId) {
    if (this.#conversationId !== conversationId) this.stop();
    if (this.#conversationId === null || this.#now() - this.#toldAt >= REPEAT_MS) {
      this.#conversationId = conversationId;
      this.#toldAt = this.#now();
      this.#tell(conversationId, true);
    }
    this.#timers.clearTimeout(this.#quietTimer);
    this.#quietTimer = this.#timers.setTimeout(() => this.stop(), QUIET_MS);
  }

  /** Handles that the text was sent, emptied or left. Sends `false` only after a `true`. */
  stop() {
    this.#timers.clearTimeout(this.#quietTimer);
    if (this.#conversationId === null) return;
    this.#tell(this.#conversationId, false);
    this.#conversationId = null;
  }
}
