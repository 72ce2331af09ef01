/** The database. `bun:sqlite` and `better-sqlite3` have the same methods as far as this file uses them. */
import { join } from 'node:path';

/** `synchronous = FULL` makes each commit durable. The sizes of the log and of the cache are the hub's. */
const SETTINGS = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA wal_autocheckpoint = 8192;
  PRAGMA cache_size = -65536;
`;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS conversations (
    id INTEGER PRIMARY KEY,
    title TEXT,
    -- The two users of a direct conversation, the lower id first.
    low_id INTEGER,
    high_id INTEGER,
    UNIQUE (low_id, high_id)
  );
  CREATE TABLE IF NOT EXISTS participants (
    conversation_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    PRIMARY KEY (conversation_id, user_id)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS participants_of_user ON participants (user_id);
  CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY,
    conversation_id INTEGER NOT NULL,
    sender_id INTEGER NOT NULL,
    content TEXT NOT NULL,
    client_message_id TEXT,
    created_at TEXT NOT NULL,
    UNIQUE (sender_id, client_message_id)
  );
  CREATE INDEX IF NOT EXISTS messages_of_conversation ON messages (conversation_id, id);
`;

export class Store {
  #db;
  #statements;
  #createConversation;
  /** The ids of the direct conversations by their two users. */
  #directs = new Map();
  /** The user ids of the participants by conversation. */
  #participants = new Map();

  /**
   * Opens the database in the folder, and creates the tables and the users 1 to `users` if they are missing. Calls
   * `onCreated(conversationId, userIds)` for each new conversation.
   */
  constructor(Database, folder, users, onCreated = () => {}) {
    const db = new Database(join(folder, 'peer.db'));
    db.exec(SETTINGS);
    db.exec(SCHEMA);
    const { journal_mode } = db.prepare('PRAGMA journal_mode').get();
    const { synchronous } = db.prepare('PRAGMA synchronous').get();
    if (journal_mode !== 'wal' || synchronous !== 2) throw new Error('SQLite did not take its settings');
    const addUser = db.prepare('INSERT INTO users (id, name) VALUES (?, ?) ON CONFLICT DO NOTHING');
    db.transaction(() => {
      for (let id = 1; id <= users; id += 1) addUser.run(id, `user${id}`);
    })();
    this.#db = db;
    this.#statements = {
      user: db.prepare('SELECT 1 FROM users WHERE id = ?'),
      direct: db.prepare('SELECT id FROM conversations WHERE low_id = ? AND high_id = ?'),
      addConversation: db.prepare('INSERT INTO conversations (title, low_id, high_id) VALUES (?, ?, ?)'),
      participants: db.prepare('SELECT user_id FROM participants WHERE conversation_id = ?'),
      conversations: db.prepare('SELECT conversation_id FROM participants WHERE user_id = ?'),
      addParticipant: db.prepare('INSERT INTO participants (conversation_id, user_id) VALUES (?, ?)'),
      permission: db.prepare('SELECT 1 FROM participants WHERE conversation_id = ? AND user_id = ?'),
      addMessage: db.prepare(`
        INSERT INTO messages (conversation_id, sender_id, content, client_message_id, created_at)
        VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
      `),
      earlier: db.prepare(`
        SELECT id, conversation_id, sender_id, content, client_message_id, created_at
        FROM messages WHERE sender_id = ? AND client_message_id = ?
      `),
    };
    this.#createConversation = db.transaction((title, low, high, userIds) => {
      const { addConversation, addParticipant } = this.#statements;
      const id = Number(addConversation.run(title, low, high).lastInsertRowid);
      for (const userId of userIds) addParticipant.run(id, userId);
      onCreated(id, userIds);
      return id;
    });
  }

  begin() {
    this.#db.exec('BEGIN IMMEDIATE');
  }

  commit() {
    this.#db.exec('COMMIT');
  }

  /** Returns the id of the new group. */
  createGroup(title, userIds) {
    return this.#createConversation(title, null, null, new Set(userIds));
  }

  participantsOf(conversationId) {
    let userIds = this.#participants.get(conversationId);
    if (!userIds) {
      userIds = this.#statements.participants.all(conversationId).map((row) => row.user_id);
      this.#participants.set(conversationId, userIds);
    }
    return userIds;
  }

  conversationsOf(userId) {
    return this.#statements.conversations.all(userId).map((row) => row.conversation_id);
  }

  /**
   * Stores the message of a frame. Returns the message, and whether an earlier attempt stored it. Returns null if the
   * sender may not write there.
   */
  addMessage(senderId, frame) {
    const { content, client_message_id = null } = frame;
    const conversation_id = frame.recipient_id ? this.#direct(senderId, frame.recipient_id) : frame.conversation_id;
    if (!this.#statements.permission.get(conversation_id, senderId)) return null;
    const created_at = new Date().toISOString();
    const added = this.#statements.addMessage.run(conversation_id, senderId, content, client_message_id, created_at);
    if (added.changes === 0) {
      return { message: this.#statements.earlier.get(senderId, client_message_id), isDuplicate: true };
    }
    const id = Number(added.lastInsertRowid);
    const message = { id, conversation_id, sender_id: senderId, content, client_message_id, created_at };
    return { message, isDuplicate: false };
  }

  /** Returns the id of the direct conversation of two users, and creates it if it is missing. */
  #direct(one, other) {
    const [low, high] = one < other ? [one, other] : [other, one];
    const pair = `${low}:${high}`;
    let id = this.#directs.get(pair);
    if (id === undefined && low !== high && this.#statements.user.get(other)) {
      id = this.#statements.direct.get(low, high)?.id ?? this.#createConversation(null, low, high, [low, high]);
      this.#directs.set(pair, id);
    }
    return id ?? null;
  }
}
