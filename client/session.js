/**
 * The session of one logged-in user: joins the model to the connection and to the HTTP calls. Owns the open
 * conversation, and decides when to request missing data from the hub. Uses no DOM: its listener is told that something
 * `changed`, that something `failed`, or that the login `ended`. Rules about messages are in state.js, about the
 * connection in socket.js.
 */
import { HubError, sentence } from './errors.js';
import { State } from './socket.js';
import { Model } from './state.js';
import { TypingNotice } from './typing.js';

const FRAMES = [
  'private_message', 'message_edited', 'message_deleted', 'ack', 'conversation_update', 'typing_indicator', 'presence_state',
  'user_online_status',
];

/**
 * @typedef {import('./state.js').User} User
 * @typedef {import('./state.js').Outgoing} Outgoing
 * @typedef {import('./state.js').Conversation} Conversation
 * @typedef {{id?: number, peerId?: number}} Target a conversation, or a person with whom there may be none yet
 * @typedef {{changed: () => void, failed: (error: unknown) => void, ended: (why: string) => void}} Listener
 */

export class Session {
  /** @type {Target | null} */
  open = null;
  /** users that this user has blocked @type {Set<number>} */
  blocks = new Set();
  /** @type {Set<number>} */
  contacts = new Set();
  /** where the list of conversations continues; null: it is complete @type {string | null} */
  next = null;

  #api;
  #on;
  #typing;
  /** The fetches under way, and whether each was requested again meanwhile. @type {Map<string, boolean>} */
  #fetches = new Map();
  #hasEnded = false;

  /**
   * @param {{me: User, api: ReturnType<typeof import('./api.js').createApi>,
   *   socket: import('./socket.js').Connection, on: Listener}} parts
   */
  constructor({ me, api, socket, on }) {
    this.me = me;
    this.socket = socket;
    this.model = new Model(me.id);
    this.model.putUser(me);
    this.#api = api;
    this.#on = on;
    this.#typing = new TypingNotice({
      tell: (conversation_id, is_typing) => socket.send('typing_indicator', { conversation_id, is_typing }),
    });
    for (const type of FRAMES) socket.on(type, (frame) => this.#receive(frame));
    socket.on('state', (change) => this.#connectionChanged(change));
    socket.on('system', (frame) => {
      // The cookie is shared with other tabs, where another user may have logged in since.
      if (frame.event === 'welcome' && frame.user_id !== me.id) this.#end('You were logged out. Please log in again.');
    });
  }

  /** Connects, and loads the list at the same time. */
  start() {
    this.socket.connect();
    this.#attempt(async () => {
      await this.#refresh();
      this.model.markAllSeen();
    });
  }

  /** Ends the connection; the listener gets no more events. */
  stop() {
    this.#typing.stop();
    this.#hasEnded = true;
    this.socket.close();
  }

  /** Opens a conversation or a person, or nothing. @param {Target | null} target */
  show(target) {
    this.#typing.stop();
    this.open = target;
    if (target?.peerId) target.id = this.model.directWith(target.peerId);
    if (target) this.#attempt(() => this.#fetchTarget(target), (error) => this.#closeOn(target, error));
    this.#on.changed();
  }

  /** Fetches the messages before the history that is shown. */
  older() {
    const id = this.open?.id;
    const beforeSeq = id && this.model.olderThan(id);
    if (beforeSeq && !this.isFetching(id)) this.#attempt(() => this.#fetchHistory(id, beforeSeq));
  }

  /** Fetches the next page of the list. */
  moreConversations() {
    this.#attempt(async () => this.#putPage(await this.#api.conversations(this.next ?? undefined)));
  }

  /** @param {string} q @returns {Promise<User[]>} */
  async find(q) {
    const { users } = await this.#api.findUsers(q);
    return users.filter((/** @type {User} */ user) => user.id !== this.me.id);
  }

  /** Whether a history page is being fetched. @param {number} id */
  isFetching(id) {
    return [...this.#fetches.keys()].some((key) => key.startsWith(`history ${id} `));
  }

  /** The other user of the open conversation. */
  peerId() {
    return this.open?.peerId ?? (this.open?.id ? this.model.peerOf(this.open.id) : undefined);
  }

  /** Reports whether the user is typing in the open conversation. @param {boolean} isTyping */
  typing(isTyping) {
    if (isTyping && this.open?.id) this.#typing.pressed(this.open.id);
    if (!isTyping) this.#typing.stop();
  }

  /** @param {string} content */
  send(content) {
    if (!this.open) return;
    const { id, peerId } = this.open;
    this.#typing.stop();
    const outgoing = {
      ...(id ? { conversation_id: id } : { recipient_id: peerId }),
      content,
      client_message_id: newId(),
      created_at: new Date().toISOString(),
      error: null,
    };
    this.model.putOutgoing(outgoing);
    this.retry(outgoing);
  }

  /**
   * Sends a message, or sends it again with the same id and target, so that it is stored once.
   * @param {Outgoing} outgoing
   */
  retry(outgoing) {
    const { created_at, error, ...body } = outgoing;
    const setError = (/** @type {unknown} */ why) => {
      this.model.setOutgoingError(body.client_message_id, why);
      this.#on.changed();
    };
    setError(null);
    // Its ack is handled like any other frame.
    this.socket.call('private_message', body).catch(setError);
  }

  /** @param {Outgoing} outgoing */
  discard({ client_message_id }) {
    this.model.dropOutgoing(client_message_id);
    this.#on.changed();
  }

  /** @param {boolean} isBlocked */
  block(isBlocked) {
    this.#mark(this.blocks, isBlocked, (peerId) => this.#api.setBlock(peerId, isBlocked));
  }

  /** @param {boolean} isContact */
  befriend(isContact) {
    this.#mark(this.contacts, isContact, (peerId) => this.#api.setContact(peerId, isContact));
  }

  /** @param {Set<number>} marked @param {boolean} on @param {(peerId: number) => Promise<unknown>} tell */
  #mark(marked, on, tell) {
    const peerId = this.peerId();
    if (!peerId) return;
    this.#attempt(async () => {
      await tell(peerId);
      if (on) marked.add(peerId);
      else marked.delete(peerId);
    });
  }

  /** @param {import('./socket.js').StateChange} change */
  #connectionChanged({ state, previous, code }) {
    if (state === State.ONLINE) this.#attempt(() => this.#refresh());
    if (state === State.OFFLINE) this.model.disconnected();
    // To a page, a refused handshake looks like a dead network; only HTTP shows that the login has ended.
    if (state === State.OFFLINE && previous === State.CONNECTING) this.#attempt(() => this.#api.me(), () => {});
    if (code === 4501) this.#end('You were logged out. Please log in again.');
    if (code === 4503) this.#end('This account is disabled.');
    this.#on.changed();
  }

  /** @param {import('./socket.js').Frame} frame */
  #receive(frame) {
    this.model.apply(frame, Date.now());
    for (const id of this.model.unknown()) this.#attempt(() => this.#describe(id));
    if (this.open?.peerId) this.open.id ??= this.model.directWith(this.open.peerId);
    const id = this.open?.id;
    if (id && frame.type === 'conversation_update' && frame.conversation_id === id && !frame.conversation) {
      this.open = null;
      this.#on.failed(new HubError('not_found'));
    } else if (id && this.model.hasGap(id)) {
      this.#attempt(() => this.#fetchHistory(id));
    } else if (id) {
      this.#nameAuthors(id);
    }
    this.#on.changed();
  }

  /** Fetches an unknown sender: the hub names only a few members of a large group. @param {number} id */
  #nameAuthors(id) {
    for (const userId of this.model.unnamed(id)) {
      const key = `user ${userId}`;
      if (this.#fetches.has(key)) continue;
      this.#attempt(() => this.#once(key, async () => this.model.putUser((await this.#api.user(userId)).user)));
    }
  }

  /** Fetches all data that may have changed meanwhile: the list, blocks and contacts, the open history. */
  async #refresh() {
    const [page, blocks, contacts] = await Promise.all([this.#api.conversations(), this.#api.blocks(), this.#api.contacts()]);
    this.#putPage(page);
    this.blocks = new Set(blocks.users.map((/** @type {User} */ { id }) => id));
    this.contacts = new Set(contacts.users.map((/** @type {User} */ { id }) => id));
    if (this.open?.id) await this.#fetchHistory(this.open.id);
  }

  /** @param {{conversations: Conversation[], next: string | null}} page */
  #putPage({ conversations, next }) {
    for (const conversation of conversations) this.model.putConversation(conversation);
    this.next = next;
  }

  /** @param {Target} target */
  async #fetchTarget(target) {
    if (target.peerId) {
      const [{ user }, { conversations }] =
        await Promise.all([this.#api.user(target.peerId), this.#api.conversationsWith(target.peerId)]);
      this.model.putUser(user);
      for (const conversation of conversations) this.model.putConversation(conversation);
      target.id ??= this.model.directWith(target.peerId);
    } else if (target.id && !this.model.isKnown(target.id)) {
      await this.#describe(target.id);
    }
    if (target.id) await this.#fetchHistory(target.id);
  }

  /** Fetches the conversation that a frame or an address named. @param {number} id */
  #describe(id) {
    return this.#once(`conversation ${id}`, async () => {
      this.model.putConversation((await this.#api.conversation(id)).conversation);
    });
  }

  /** Fetches the newest page of a history, or the one before a seq. @param {number} id @param {number} [beforeSeq] */
  #fetchHistory(id, beforeSeq) {
    return this.#once(`history ${id} ${beforeSeq ?? ''}`, async () => {
      this.model.putHistory(id, await this.#api.messages(id, beforeSeq), beforeSeq);
      this.#nameAuthors(id);
    });
  }

  /**
   * Runs one fetch of each key at a time. A call made meanwhile may know of something newer than the answer under way,
   * so the fetch then runs once more.
   * @param {string} key
   * @param {() => Promise<void>} fetch
   */
  async #once(key, fetch) {
    if (this.#fetches.has(key)) return void this.#fetches.set(key, true);
    this.#fetches.set(key, false);
    let isWantedAgain;
    try {
      await fetch();
    } finally {
      isWantedAgain = this.#fetches.get(key);
      this.#fetches.delete(key);
    }
    if (isWantedAgain) await this.#once(key, fetch);
  }

  /**
   * Does the work, and reports that it changed the view, or why it failed.
   * @param {() => Promise<unknown>} work
   * @param {(error: unknown) => void} [otherwise] handles a failure that does not end the login
   */
  async #attempt(work, otherwise = this.#on.failed) {
    try {
      await work();
    } catch (error) {
      if (this.#hasEnded) return;
      if (error instanceof HubError && error.code === 'unauthenticated') this.#end(sentence(error));
      else otherwise(error);
    }
    this.#on.changed();
  }

  /** @param {Target} target @param {unknown} error */
  #closeOn(target, error) {
    if (this.open === target) this.open = null;
    this.#on.failed(error);
  }

  /** @param {string} why */
  #end(why) {
    this.stop();
    this.#on.ended(why);
  }
}

/**
 * Makes an id that grows with time, which the hub stores faster: the milliseconds since 1970, then 80 random bits, as
 * in a UUID of version 7. `crypto.randomUUID` is missing where a page came over plain http from another machine.
 */
function newId() {
  const random = [...crypto.getRandomValues(new Uint8Array(10))].map((byte) => byte.toString(16).padStart(2, '0'));
  return Date.now().toString(16).padStart(12, '0') + random.join('');
}
