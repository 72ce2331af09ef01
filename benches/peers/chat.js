/** The chat: it stores a message, commits, delivers it to the others, and acknowledges it to the sender. */
import { framesOf, parseMessage, refusal } from './protocol.js';
import { settings } from './settings.js';

export class Chat {
  #store;
  #deliver;
  #acknowledge;
  /** The messages that wait for the commit of this turn of the event loop; null if no transaction is open. */
  #turn = null;

  /**
   * `deliver(socket, conversationId, frame)` sends a frame to all sockets of a conversation except the sender's socket.
   * `acknowledge(socket, texts)` sends texts to one socket.
   */
  constructor(store, { deliver, acknowledge }) {
    this.#store = store;
    this.#deliver = deliver;
    this.#acknowledge = acknowledge;
  }

  /** Handles a text that a user sent over a socket. */
  receive(socket, userId, text) {
    const frame = parseMessage(text);
    if (!frame) return this.#acknowledge(socket, [refusal(null, 'invalid', 'Send a private_message.')]);
    if (settings.commitsOnceATurn && !this.#turn) this.#beginTurn();
    const added = this.#store.addMessage(userId, frame);
    if (!added) return this.#acknowledge(socket, [refusal(frame.ref, 'not_found', 'There is no such conversation.')]);
    if (this.#turn) this.#turn.push({ socket, ref: frame.ref, added });
    else this.#acknowledge(socket, [this.#finish(socket, frame.ref, added)]);
  }

  /** Returns the id of the new group. */
  createGroup(title, userIds) {
    this.#endTurn();
    return this.#store.createGroup(title, userIds);
  }

  #beginTurn() {
    this.#store.begin();
    this.#turn = [];
    // It runs after the handlers of all input that has arrived.
    setImmediate(() => this.#endTurn());
  }

  /** Commits the messages of the turn, then delivers and acknowledges them. */
  #endTurn() {
    if (!this.#turn) return;
    this.#store.commit();
    const acks = new Map();
    for (const { socket, ref, added } of this.#turn) {
      const ack = this.#finish(socket, ref, added);
      if (acks.has(socket)) acks.get(socket).push(ack);
      else acks.set(socket, [ack]);
    }
    this.#turn = null;
    for (const [socket, texts] of acks) this.#acknowledge(socket, texts);
  }

  /** Delivers a committed message, and returns the acknowledgment for the sender. */
  #finish(socket, ref, { message, isDuplicate }) {
    const { frame, ack } = framesOf(message, ref);
    if (!isDuplicate) this.#deliver(socket, message.conversation_id, frame);
    return ack;
  }
}
