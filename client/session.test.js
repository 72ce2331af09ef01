/** A session against a hub of plain objects: its fetches, their times, and its handling of refusals. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HubError } from './errors.js';
import { Session } from './session.js';
import { State } from './socket.js';

const ANN = { id: 1, username: 'ann', display_name: 'Ann' };
const BOB = { id: 2, username: 'bob', display_name: 'Bob' };
const CHAT = 12;

const participants = [ANN, BOB].map((user) => ({ ...user, user_id: user.id, role: 'member', rev: 1 }));
const message = (seq) => ({
  id: seq, conversation_id: CHAT, seq, rev: seq + 1, sender_id: BOB.id, content: `number ${seq}`, client_message_id: null,
  created_at: '2026-01-31T12:00:00.000Z', deleted_at: null,
});

/** The hub of Ann's session: `rows` is its data, `asked` the calls that were made. */
function hubWith(lastSeq) {
  const hub = {
    rows: Array.from({ length: lastSeq }, (_, i) => message(i + 1)),
    hasChat: true,
    people: new Map([[BOB.id, BOB]]),
    asked: /** @type {string[]} */ ([]),
    refusal: /** @type {HubError | null} */ (null),
    conversation: () => ({
      id: CHAT, kind: 'direct', title: null, created_at: '2026-01-31T12:00:00.000Z', participants,
      last_seq: hub.rows.length, rev: hub.rows.length + 1, last_message: hub.rows.at(-1) ?? null,
    }),
  };
  const answer = (name, body) => async (...keys) => {
    hub.asked.push([name, ...keys.filter((key) => key !== undefined)].join(' '));
    if (hub.refusal) throw hub.refusal;
    return body(...keys);
  };
  const list = () => ({ conversations: hub.hasChat ? [hub.conversation()] : [], next: null });
  const api = {
    me: answer('me', () => ({ user: ANN })),
    user: answer('user', (id) => ({ user: hub.people.get(id) ?? BOB })),
    conversations: answer('conversations', list),
    conversationsWith: answer('conversationsWith', list),
    conversation: answer('conversation', () => ({ conversation: hub.conversation() })),
    messages: answer('messages', () => ({ messages: hub.rows.slice(-50), has_more: hub.rows.length > 50 })),
    blocks: answer('blocks', () => ({ users: [] })),
    contacts: answer('contacts', () => ({ users: [] })),
    setBlock: answer('setBlock', () => null),
  };
  return { hub, api };
}

/** A fake connection; `hears` plays the hub's frames, `calls` are the requests of the session. */
class FakeConnection {
  state = State.CONNECTING;
  listeners = [];
  calls = [];
  sent = [];
  on(event, fn) { this.listeners.push([event, fn]); }
  emit(event, value) { for (const [name, fn] of this.listeners) if (name === event) fn(value); }
  hears(frame) { this.emit(frame.type, frame); }
  becomes(state, why = {}) {
    const previous = this.state;
    this.state = state;
    this.emit('state', { state, previous, ...why });
  }
  call(type, body) {
    return new Promise((resolve, reject) => this.calls.push({ type, body, resolve, reject }));
  }
  send(type, body) { this.sent.push({ type, ...body }); }
  connect() {}
  close() { this.becomes(State.STOPPED, { code: 1000 }); }
}

async function start(lastSeq = 3) {
  const { hub, api } = hubWith(lastSeq);
  const socket = new FakeConnection();
  const told = { failed: [], ended: [] };
  const session = new Session({
    me: ANN, api: /** @type {any} */ (api), socket: /** @type {any} */ (socket),
    on: { changed: () => {}, failed: (error) => told.failed.push(error.code), ended: (why) => told.ended.push(why) },
  });
  session.start();
  await settled();
  hub.asked = [];
  return { hub, socket, told, session };
}

/** Waits until every promise that can settle has settled: no test waits for a clock. */
const settled = () => new Promise(setImmediate);

const frame = (one) => ({ type: 'private_message', conversation_id: CHAT, rev: one.rev, sender_id: one.sender_id, message: one });
const seqs = (session) => session.model.messages(CHAT).map(({ seq }) => seq);

test('every return of the connection fetches the list and the open history again', async () => {
  const { hub, socket, session } = await start(3);
  session.show({ id: CHAT });
  await settled();
  socket.becomes(State.ONLINE);
  await settled();
  socket.becomes(State.OFFLINE);
  hub.rows.push(message(4), message(5));
  hub.asked = [];
  socket.becomes(State.ONLINE);
  await settled();
  assert.deepEqual(hub.asked, ['conversations', 'blocks', 'contacts', `messages ${CHAT}`]);
  assert.deepEqual(seqs(session), [1, 2, 3, 4, 5]);
});

test('a frame that shows a gap in the open history fetches what is missing', async () => {
  const { hub, socket, session } = await start(3);
  session.show({ id: CHAT });
  await settled();
  hub.rows.push(message(4), message(5));
  socket.hears(frame(message(5)));
  assert.deepEqual(seqs(session), [1, 2, 3]);
  await settled();
  assert.deepEqual(seqs(session), [1, 2, 3, 4, 5]);
});

test('what is asked for while it is being fetched is fetched once more, not twice', async () => {
  const { hub, socket, session } = await start(3);
  session.show({ id: CHAT });
  await settled();
  hub.asked = [];
  for (const seq of [5, 6, 7]) socket.hears(frame(message(seq)));
  hub.rows.push(...[4, 5, 6, 7].map(message));
  await settled();
  assert.deepEqual(hub.asked, [`messages ${CHAT}`, `messages ${CHAT}`]);
  assert.deepEqual(seqs(session), [1, 2, 3, 4, 5, 6, 7]);
});

test('a first message from a stranger puts the conversation into the list, and it counts as new', async () => {
  const { hub, api } = hubWith(0);
  hub.hasChat = false;
  const socket = new FakeConnection();
  const session = new Session({
    me: ANN, api: /** @type {any} */ (api), socket: /** @type {any} */ (socket), on: { changed() {}, failed: assert.fail, ended: assert.fail },
  });
  session.start();
  await settled();
  hub.rows.push(message(1));
  socket.hears(frame(message(1)));
  await settled();
  const [first] = session.model.conversations();
  assert.equal(first.peerId, BOB.id);
  assert.equal(first.unread, 1);
});

test('a person without a conversation is written to by recipient, and later by the conversation that this made', async () => {
  const { hub, socket, session } = await start(0);
  const other = { id: 3, username: 'cid', display_name: 'Cid' };
  hub.hasChat = false;
  session.show({ peerId: other.id });
  await settled();
  session.send('hello');
  assert.equal(socket.calls[0].body.recipient_id, other.id);
  socket.hears({ type: 'conversation_update', conversation_id: 13, rev: 1, conversation: {
    ...hub.conversation(), id: 13, participants: [participants[0], { ...other, user_id: other.id, role: 'member', rev: 1 }],
  } });
  session.send('again');
  assert.equal(socket.calls[1].body.conversation_id, 13);
  assert.equal(session.model.outgoing(13, other.id).length, 2);
});

test('a message that failed is sent again with the same id, content and target', async () => {
  const { socket, session } = await start();
  session.show({ id: CHAT });
  await settled();
  session.send('hello');
  socket.calls[0].reject(new HubError('unavailable'));
  await settled();
  const [failed] = session.model.outgoing(CHAT, BOB.id);
  assert.equal(failed.error.code, 'unavailable');
  session.retry(failed);
  assert.deepEqual(socket.calls[1].body, socket.calls[0].body);
  assert.deepEqual(Object.keys(socket.calls[1].body).sort(), ['client_message_id', 'content', 'conversation_id']);
  assert.equal(session.model.outgoing(CHAT, BOB.id)[0].error, null);
});

test('ids of messages grow with time and differ within a millisecond', async (t) => {
  const { socket, session } = await start();
  session.show({ id: CHAT });
  await settled();
  const ids = [];
  t.mock.timers.enable({ apis: ['Date'], now: 1_800_000_000_000 });
  for (const milliseconds of [0, 0, 1, 1_000]) {
    t.mock.timers.tick(milliseconds);
    session.send('hello');
    ids.push(socket.calls.at(-1).body.client_message_id);
  }
  assert.ok(ids.every((id) => /^[0-9a-f]{32}$/.test(id)), ids.join());
  assert.notEqual(ids[0], ids[1]);
  assert.ok(ids[1] < ids[2] && ids[2] < ids[3], ids.join());
});

test('typing is told in the open conversation and taken back before the message', async () => {
  const { socket, session } = await start();
  session.show({ id: CHAT });
  session.typing(true);
  session.send('hello');
  assert.deepEqual(socket.sent.map(({ type, is_typing }) => [type, is_typing]), [['typing_indicator', true], ['typing_indicator', false]]);
  session.stop();
});

test('a block is told to the hub before it is shown', async () => {
  const { hub, session } = await start();
  session.show({ id: CHAT });
  await settled();
  session.block(true);
  assert.equal(session.blocks.has(BOB.id), false);
  await settled();
  assert.ok(hub.asked.includes(`setBlock ${BOB.id} true`));
  assert.equal(session.blocks.has(BOB.id), true);
});

test('an address that names nothing one may see is closed again, with the reason', async () => {
  const { hub, told, session } = await start();
  hub.refusal = new HubError('not_found');
  session.show({ id: 99 });
  await settled();
  assert.equal(session.open, null);
  assert.deepEqual(told.failed, ['not_found']);
});

test('a conversation that one is removed from is closed, with the reason', async () => {
  const { told, session, socket } = await start();
  session.show({ id: CHAT });
  await settled();
  socket.hears({ type: 'conversation_update', conversation_id: CHAT, rev: 9, conversation: null });
  await settled();
  assert.equal(session.open, null);
  assert.deepEqual(told.failed, ['not_found']);
});

test('whoever wrote without being described is asked for, once', async () => {
  const { hub, session, socket } = await start();
  session.show({ id: CHAT });
  await settled();
  hub.people.set(7, { id: 7, username: 'gus', display_name: 'Gus' });
  for (const seq of [4, 5]) {
    const one = { ...message(seq), sender_id: 7 };
    hub.rows.push(one);
    socket.hears({ type: 'private_message', conversation_id: CHAT, rev: one.rev, sender_id: 7, message: one });
  }
  await settled();
  assert.equal(session.model.user(7)?.display_name, 'Gus');
  assert.equal(hub.asked.filter((call) => call === 'user 7').length, 1);
});

test('the session ends once: when a call says so, when the socket does, or when another has logged in here', async () => {
  const ways = [
    ({ hub, session }) => {
      hub.refusal = new HubError('unauthenticated');
      session.show({ id: 99 });
    },
    ({ socket }) => socket.becomes(State.STOPPED, { code: 4501 }),
    ({ socket }) => socket.hears({ type: 'system', event: 'welcome', user_id: BOB.id }),
    ({ hub, socket }) => {
      // The handshake is refused, which a page sees as a lost socket.
      hub.refusal = new HubError('unauthenticated');
      socket.becomes(State.OFFLINE, { code: 1006 });
    },
  ];
  for (const way of ways) {
    const started = await start();
    way(started);
    await settled();
    assert.equal(started.told.ended.length, 1);
    assert.equal(started.socket.state, State.STOPPED);
    assert.deepEqual(started.told.failed, []);
  }
});
