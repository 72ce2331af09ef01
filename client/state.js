/**
 * The user's view of the data: conversations, messages, presence, typing. Uses no DOM, no network, no clock. Owns the
 * rules that make it right for every order of arrival. A message is one row, by its seq. A row is replaced only by one
 * whose rev is not lower. The visible history has no gap, so a row that came too early waits unseen for the rows before
 * it. Never fetches: it reports missing data (`hasGap`, `isKnown`), and the caller requests it from the hub.
 */

/**
 * @typedef {{id: number, username: string, display_name: string}} User
 * @typedef {{id: number, conversation_id: number, seq: number, rev: number, sender_id: number, content: string,
 *   client_message_id: string | null, created_at: string, edited_at: string | null, deleted_at: string | null}} Message
 * @typedef {{user_id: number, username: string, display_name: string, role: string | null, rev: number}} Participant
 * @typedef {{id: number, kind: string, title: string | null, created_at: string, last_seq: number, rev: number,
 *   participant_count: number, participants: Participant[], last_message?: Message | null}} Conversation
 * @typedef {{client_message_id: string, conversation_id?: number, recipient_id?: number, content: string,
 *   created_at: string, error: unknown}} Outgoing a message that the hub has not confirmed; error: why it failed
 */

/** A typist who is silent for this time has stopped, even if no frame says so. */
export const TYPIST_MS = 6_000;

/** The known part of one conversation. The rows from `floor` to `ceiling` are all here. */
class Chat {
  /** @type {Conversation | null} null while only its messages were seen */
  info = null;
  /** @type {Map<number, Message>} by seq */
  rows = new Map();
  floor = 1;
  ceiling = 0;
  /** the highest seq heard of */
  top = 0;
  /** the highest seq this person has looked at */
  seen = 0;
  /** @type {Map<number, number>} user id to the moment the sign ends */
  typists = new Map();

  /** @param {Message} message */
  put(message) {
    const held = this.rows.get(message.seq);
    if (held && held.rev > message.rev) return;
    this.rows.set(message.seq, message);
    this.top = Math.max(this.top, message.seq);
    while (this.rows.has(this.ceiling + 1)) this.ceiling += 1;
  }

  /**
   * Marks every row from low to high as known. Two ranges that touch become one; if they do not touch, the newer stays.
   * @param {number} low
   * @param {number} high
   */
  cover(low, high) {
    if (low <= this.ceiling + 1 && high >= this.floor - 1) {
      this.floor = Math.min(this.floor, low);
      this.ceiling = Math.max(this.ceiling, high);
    } else if (high > this.ceiling) {
      this.floor = low;
      this.ceiling = high;
    }
    while (this.rows.has(this.ceiling + 1)) this.ceiling += 1;
  }
}

export class Model {
  /** @type {Map<number, Chat>} */
  #chats = new Map();
  /** @type {Map<number, User>} */
  #users = new Map();
  /** Unconfirmed messages in the order they were written. @type {Map<string, Outgoing>} */
  #outgoing = new Map();
  /** @type {Map<number, {isOnline: boolean, lastSeenAt: string | null}>} */
  #presence = new Map();

  /** @param {number} me */
  constructor(me) {
    this.me = me;
  }

  /**
   * Applies a frame of the socket. Unknown types are ignored.
   * @param {{type: string, [key: string]: any}} frame
   * @param {number} now
   */
  apply(frame, now) {
    switch (frame.type) {
      case 'private_message':
        this.#chats.get(frame.conversation_id)?.typists.delete(frame.sender_id);
        return this.putMessage(frame.message);
      case 'ack':
      case 'message_edited':
      case 'message_deleted':
        return frame.message && this.putMessage(frame.message);
      case 'conversation_update':
        // null: this person is in it no more.
        if (frame.conversation) this.putConversation(frame.conversation);
        else this.#chats.delete(frame.conversation_id);
        return;
      case 'typing_indicator':
        return this.#setTyping(frame.conversation_id, frame.user_id, frame.is_typing, now);
      case 'presence_state':
        for (const presence of this.#presence.values()) presence.isOnline = false;
        for (const id of frame.online) this.#presence.set(id, { isOnline: true, lastSeenAt: null });
        return;
      case 'user_online_status':
        this.#presence.set(frame.user_id, { isOnline: frame.is_online, lastSeenAt: frame.last_seen_at ?? null });
    }
  }

  /** Drops the state that only a live connection provides. */
  disconnected() {
    this.#presence.clear();
    for (const chat of this.#chats.values()) chat.typists.clear();
  }

  /** @param {User} user */
  putUser({ id, username, display_name }) {
    this.#users.set(id, { id, username, display_name });
  }

  /** @param {number} id @returns {User | undefined} */
  user(id) {
    return this.#users.get(id);
  }

  /** The presence of a user; undefined: not known. @param {number} userId */
  presence(userId) {
    return this.#presence.get(userId);
  }

  /**
   * Applies a conversation: complete, from the list, or with the changed participants only, from a live frame.
   * @param {Conversation} conversation
   */
  putConversation(conversation) {
    const chat = this.#chat(conversation.id);
    const held = chat.info;
    const participants = new Map((held?.participants ?? []).map((one) => [one.user_id, one]));
    for (const one of conversation.participants) {
      const before = participants.get(one.user_id);
      if (before && before.rev > one.rev) continue;
      participants.set(one.user_id, one);
      this.putUser({ ...one, id: one.user_id });
    }
    const newest = held && held.rev > conversation.rev ? held : { ...held, ...conversation };
    chat.info = { ...newest, participants: [...participants.values()] };
    chat.top = Math.max(chat.top, conversation.last_seq);
    if (conversation.last_message) this.putMessage(conversation.last_message);
  }

  /** Whether its participants are known, or only messages of it were seen. @param {number} id */
  isKnown(id) {
    return Boolean(this.#chats.get(id)?.info);
  }

  /** Ids of the conversations that a frame mentioned and whose details are unknown. */
  unknown() {
    return [...this.#chats].filter(([, chat]) => !chat.info).map(([id]) => id);
  }

  /** The direct conversation with a user. @param {number} userId @returns {number | undefined} */
  directWith(userId) {
    if (userId === this.me) return undefined;
    for (const [id, { info }] of this.#chats) {
      if (info?.kind === 'direct' && info.participants.some((one) => one.user_id === userId)) return id;
    }
    return undefined;
  }

  /** The other user of a direct conversation. @param {number} id @returns {number | undefined} */
  peerOf(id) {
    const info = this.#chats.get(id)?.info;
    return info?.kind === 'direct' ? info.participants.find((one) => one.user_id !== this.me)?.user_id : undefined;
  }

  /**
   * A group's title, or else the names of the others, and the number of members; undefined: it is not a group.
   * @param {number} id
   */
  group(id) {
    const info = this.#chats.get(id)?.info;
    if (info?.kind !== 'group') return undefined;
    const others = info.participants.filter((one) => one.role !== null && one.user_id !== this.me);
    const title = info.title ?? others.map((one) => one.display_name).join(', ');
    return { title: title || 'Group', size: info.participant_count };
  }

  /** The senders of shown messages who have no name yet. @param {number} id @returns {number[]} user ids */
  unnamed(id) {
    return [...new Set(this.messages(id).map((message) => message.sender_id))].filter((userId) => !this.#users.has(userId));
  }

  /** The list, latest activity first. */
  conversations() {
    return [...this.#chats]
      .filter(([, chat]) => chat.info)
      .map(([id, chat]) => {
        const last = this.#newest(chat);
        return { id, peerId: this.peerOf(id), last, unread: chat.top - chat.seen, activeAt: last?.created_at ?? chat.info?.created_at ?? '' };
      })
      .sort((a, b) => b.activeAt.localeCompare(a.activeAt) || b.id - a.id);
  }

  /** Marks the whole conversation as seen. @param {number} id */
  markSeen(id) {
    const chat = this.#chats.get(id);
    if (chat) chat.seen = chat.top;
  }

  markAllSeen() {
    for (const id of this.#chats.keys()) this.markSeen(id);
  }

  /** Applies one message, from any source. @param {Message} message */
  putMessage(message) {
    const chat = this.#chat(message.conversation_id);
    chat.put(message);
    if (message.sender_id !== this.me) return;
    chat.seen = Math.max(chat.seen, message.seq);
    if (message.client_message_id) this.#outgoing.delete(message.client_message_id);
  }

  /**
   * Applies a page of history: the rows before `beforeSeq`, or the newest.
   * @param {number} id
   * @param {{messages: Message[], has_more: boolean}} page
   * @param {number} [beforeSeq]
   */
  putHistory(id, { messages, has_more }, beforeSeq) {
    for (const message of messages) this.putMessage(message);
    const low = has_more && messages.length > 0 ? messages[0].seq : 1;
    const high = beforeSeq ? beforeSeq - 1 : (messages.at(-1)?.seq ?? 0);
    this.#chat(id).cover(low, high);
  }

  /** The messages to show, ascending, without a gap. @param {number} id @returns {Message[]} */
  messages(id) {
    const chat = this.#chats.get(id);
    if (!chat) return [];
    return [...chat.rows.values()]
      .filter(({ seq }) => seq >= chat.floor && seq <= chat.ceiling)
      .sort((a, b) => a.seq - b.seq);
  }

  /** The position before which the next older page ends, or null when the beginning is here. @param {number} id */
  olderThan(id) {
    const chat = this.#chats.get(id);
    return chat && chat.floor > 1 ? chat.floor : null;
  }

  /** Whether something newer than what is shown exists: a frame was missed. @param {number} id */
  hasGap(id) {
    const chat = this.#chats.get(id);
    return Boolean(chat && chat.top > chat.ceiling);
  }

  /** @param {Omit<Outgoing, 'error'>} outgoing */
  putOutgoing(outgoing) {
    this.#outgoing.set(outgoing.client_message_id, { ...outgoing, error: null });
  }

  /**
   * Records a failure; a message that was confirmed meanwhile stays confirmed.
   * @param {string} clientMessageId
   * @param {unknown} error null: under way again
   */
  setOutgoingError(clientMessageId, error) {
    const outgoing = this.#outgoing.get(clientMessageId);
    if (outgoing) outgoing.error = error;
  }

  /** @param {string} clientMessageId */
  dropOutgoing(clientMessageId) {
    this.#outgoing.delete(clientMessageId);
  }

  /**
   * The unconfirmed messages of a conversation, or to a user without a conversation when they were written.
   * @param {number | undefined} id
   * @param {number | undefined} peerId
   */
  outgoing(id, peerId) {
    return [...this.#outgoing.values()].filter((one) =>
      one.conversation_id === undefined ? one.recipient_id === peerId : one.conversation_id === id);
  }

  /** @param {number} id @param {number} now @returns {number[]} user ids */
  typists(id, now) {
    return [...(this.#chats.get(id)?.typists ?? [])].filter(([, until]) => until > now).map(([userId]) => userId);
  }

  /** The moment the next typing sign expires; Infinity: there is none. @param {number} now */
  nextTypingEnd(now) {
    const ends = [...this.#chats.values()].flatMap((chat) => [...chat.typists.values()]);
    return Math.min(Infinity, ...ends.filter((until) => until > now));
  }

  /** @param {number} id @param {number} userId @param {boolean} isTyping @param {number} now */
  #setTyping(id, userId, isTyping, now) {
    if (userId === this.me) return;
    const { typists } = this.#chat(id);
    if (isTyping) typists.set(userId, now + TYPIST_MS);
    else typists.delete(userId);
  }

  /** @param {Chat} chat @returns {Message | undefined} */
  #newest(chat) {
    return chat.rows.get([...chat.rows.keys()].reduce((a, b) => Math.max(a, b), 0));
  }

  /** @param {number} id */
  #chat(id) {
    let chat = this.#chats.get(id);
    if (!chat) this.#chats.set(id, (chat = new Chat()));
    return chat;
  }
}
