/** The model: for every order of arrival, each message is shown once, in order, in its newest form. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Model, TYPIST_MS } from './state.js';

const ANN = 1;
const BOB = 2;
const CHAT = 12;

const participant = (user_id, username) =>
  ({ user_id, username, display_name: username, role: 'member', rev: 1, read_seq: 0, delivered_seq: 0 });

const conversation = (id, last_seq, more = {}) => ({
  id, kind: 'direct', title: null, created_at: '2026-01-31T12:00:00.000Z', last_seq, rev: last_seq + 1,
  participants: [participant(ANN, 'ann'), participant(BOB, 'bob')], last_message: null, ...more,
});

const message = (seq, more = {}) => ({
  id: 700 + seq, conversation_id: CHAT, seq, rev: seq + 1, sender_id: BOB, content: `number ${seq}`,
  client_message_id: null, created_at: new Date(Date.UTC(2026, 0, 31, 12, 0, seq)).toISOString(), deleted_at: null, ...more,
});

const frame = (one) => ({ type: 'private_message', conversation_id: one.conversation_id, rev: one.rev, sender_id: one.sender_id, message: one });
const range = (low, high) => Array.from({ length: high - low + 1 }, (_, i) => low + i);
const page = (low, high) => ({ messages: range(low, high).map((seq) => message(seq)), has_more: low > 1 });
const seqs = (model) => model.messages(CHAT).map(({ seq }) => seq);

/** Ann's model, which has her conversation with Bob. */
function annWith(last_seq) {
  const model = new Model(ANN);
  model.putConversation(conversation(CHAT, last_seq));
  return model;
}

test('a message that comes as frame, as ack and in history is shown once', () => {
  const model = annWith(0);
  const mine = message(1, { sender_id: ANN, client_message_id: 'x1' });
  model.putOutgoing({ client_message_id: 'x1', conversation_id: CHAT, content: 'hello', created_at: mine.created_at });
  model.apply({ type: 'ack', ref: '1', message: mine }, 0);
  model.apply(frame(mine), 0);
  model.putHistory(CHAT, { messages: [mine], has_more: false });
  assert.deepEqual(seqs(model), [1]);
  assert.deepEqual(model.outgoing(CHAT, BOB), []);
});

test('an outgoing message ends with its frame when the ack is late, and a late failure does not bring it back', () => {
  const model = annWith(0);
  model.putOutgoing({ client_message_id: 'x1', recipient_id: BOB, content: 'hello', created_at: '' });
  model.apply(frame(message(1, { sender_id: ANN, client_message_id: 'x1' })), 0);
  model.setOutgoingError('x1', new Error('timeout'));
  assert.deepEqual(model.outgoing(CHAT, BOB), []);
});

test('the same client_message_id from somebody else confirms nothing of mine', () => {
  const model = annWith(0);
  model.putOutgoing({ client_message_id: 'x1', conversation_id: CHAT, content: 'hello', created_at: '' });
  model.apply(frame(message(1, { sender_id: BOB, client_message_id: 'x1' })), 0);
  assert.equal(model.outgoing(CHAT, BOB).length, 1);
});

test('outgoing messages stay in the order they were written, and a retry keeps its place', () => {
  const model = annWith(0);
  for (const id of ['x1', 'x2']) model.putOutgoing({ client_message_id: id, conversation_id: CHAT, content: id, created_at: '' });
  model.setOutgoingError('x1', new Error('unavailable'));
  model.setOutgoingError('x1', null);
  assert.deepEqual(model.outgoing(CHAT, BOB).map((one) => one.client_message_id), ['x1', 'x2']);
});

test('what was written to a person is found again in the conversation that it made', () => {
  const model = new Model(ANN);
  model.putOutgoing({ client_message_id: 'x1', recipient_id: BOB, content: 'hello', created_at: '' });
  assert.equal(model.outgoing(undefined, BOB).length, 1);
  assert.equal(model.outgoing(undefined, 3).length, 0);
  model.putConversation(conversation(CHAT, 0));
  assert.equal(model.outgoing(CHAT, model.peerOf(CHAT)).length, 1);
});

test('a row is replaced by one whose rev is not lower, and by no other', () => {
  const model = annWith(1);
  model.putHistory(CHAT, { messages: [message(1, { rev: 9, content: 'edited' })], has_more: false });
  model.apply(frame(message(1, { rev: 2, content: 'as first written' })), 0);
  assert.equal(model.messages(CHAT)[0].content, 'edited');
  model.apply(frame(message(1, { rev: 9, content: 'same rev again' })), 0);
  assert.equal(model.messages(CHAT)[0].content, 'same rev again');
});

test('a frame that came too early waits unseen until the gap is filled', () => {
  const model = annWith(2);
  model.putHistory(CHAT, page(1, 2));
  model.apply(frame(message(4)), 0);
  assert.deepEqual(seqs(model), [1, 2]);
  assert.equal(model.hasGap(CHAT), true);
  model.apply(frame(message(3)), 0);
  assert.deepEqual(seqs(model), [1, 2, 3, 4]);
  assert.equal(model.hasGap(CHAT), false);
});

test('after a long absence the newest page stands alone until the pages before it reach what was held', () => {
  const model = annWith(20);
  model.putHistory(CHAT, page(11, 20));
  model.putHistory(CHAT, page(41, 50));
  assert.deepEqual(seqs(model), range(41, 50));
  assert.equal(model.olderThan(CHAT), 41);
  model.putHistory(CHAT, page(31, 40), 41);
  model.putHistory(CHAT, page(21, 30), 31);
  model.putHistory(CHAT, page(11, 20), 21);
  assert.deepEqual(seqs(model), range(11, 50));
  model.putHistory(CHAT, page(1, 10), 11);
  assert.deepEqual(seqs(model), range(1, 50));
  assert.equal(model.olderThan(CHAT), null);
});

test('an older page that is answered late does not make a hole', () => {
  const model = annWith(50);
  model.putHistory(CHAT, page(41, 50));
  model.putHistory(CHAT, page(11, 20), 21);
  assert.deepEqual(seqs(model), range(41, 50));
});

test('an empty conversation has neither messages nor a beginning to fetch', () => {
  const model = annWith(0);
  model.putHistory(CHAT, { messages: [], has_more: false });
  assert.deepEqual(seqs(model), []);
  assert.equal(model.olderThan(CHAT), null);
  assert.equal(model.hasGap(CHAT), false);
});

test('in every order of frames, acks and pages, the history is unbroken, ascending and without a repeat', () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const model = annWith(0);
    const all = range(1, 30).map((seq) => message(seq, seq % 3 ? {} : { sender_id: ANN, client_message_id: `x${seq}` }));
    const arrivals = [
      ...all.map((one) => () => model.apply(frame(one), 0)),
      ...all.filter((one) => one.sender_id === ANN).map((one) => () => model.apply({ type: 'ack', message: one }, 0)),
      ...[10, 20, 30].map((high) => () => model.putHistory(CHAT, { messages: all.slice(high - 10, high), has_more: high > 10 }, high === 30 ? undefined : high + 1)),
    ];
    for (const arrive of shuffled(arrivals, seed)) {
      arrive();
      const shown = seqs(model);
      shown.forEach((seq, i) => assert.equal(seq, shown[0] + i, `seed ${seed}: ${shown}`));
    }
    const floor = model.olderThan(CHAT) ?? 1;
    assert.deepEqual(seqs(model), range(floor, 30), `seed ${seed}`);
    while (model.olderThan(CHAT)) {
      const before = model.olderThan(CHAT);
      model.putHistory(CHAT, { messages: all.slice(Math.max(0, before - 11), before - 1), has_more: before > 11 }, before);
    }
    assert.deepEqual(seqs(model), range(1, 30), `seed ${seed}`);
  }
});

test('the list has the latest activity first and shows the newest message of each', () => {
  const model = annWith(1);
  model.putHistory(CHAT, page(1, 1));
  model.putConversation(conversation(13, 0, { created_at: '2026-01-31T12:00:30.000Z', participants: [participant(ANN, 'ann'), participant(3, 'cid')] }));
  assert.deepEqual(model.conversations().map(({ id }) => id), [13, CHAT]);
  model.apply(frame(message(40)), 0);
  assert.deepEqual(model.conversations().map(({ id }) => id), [CHAT, 13]);
  assert.equal(model.conversations()[0].last?.content, 'number 40');
});

test('what others wrote counts as new until it is looked at, what I wrote does not', () => {
  const model = annWith(5);
  model.markAllSeen();
  assert.equal(model.conversations()[0].unread, 0);
  model.apply(frame(message(6)), 0);
  model.apply(frame(message(7)), 0);
  assert.equal(model.conversations()[0].unread, 2);
  model.markSeen(CHAT);
  model.apply(frame(message(8, { sender_id: ANN })), 0);
  assert.equal(model.conversations()[0].unread, 0);
});

test('a message of an unknown conversation is kept until somebody describes it', () => {
  const model = new Model(ANN);
  model.apply(frame(message(1)), 0);
  assert.deepEqual(model.unknown(), [CHAT]);
  assert.deepEqual(model.conversations(), []);
  model.putConversation(conversation(CHAT, 1));
  assert.deepEqual(model.unknown(), []);
  assert.equal(model.directWith(BOB), CHAT);
  assert.deepEqual(seqs(model), [1]);
});

test('a live description without the private parts and with changed people only leaves the rest as it was', () => {
  const model = annWith(3);
  const { last_message, ...live } = conversation(CHAT, 3, { rev: 9, participants: [{ ...participant(BOB, 'bob'), display_name: 'Robert', rev: 9 }] });
  model.apply({ type: 'conversation_update', conversation_id: CHAT, rev: 9, conversation: live }, 0);
  assert.equal(model.peerOf(CHAT), BOB);
  assert.equal(model.user(BOB)?.display_name, 'Robert');
  assert.equal(model.directWith(BOB), CHAT);
});

test('a description that was under way when a newer one came changes nothing back', () => {
  const model = annWith(3);
  model.putConversation(conversation(CHAT, 3, { rev: 9, participants: [{ ...participant(BOB, 'bob'), display_name: 'Robert', rev: 9 }] }));
  model.putConversation(conversation(CHAT, 3));
  assert.equal(model.user(BOB)?.display_name, 'Robert');
});

test('typing ends by its own frame, by a message of the typist, and by silence', () => {
  const model = annWith(0);
  const typing = (is_typing, now) => model.apply({ type: 'typing_indicator', conversation_id: CHAT, user_id: BOB, is_typing }, now);
  typing(true, 0);
  assert.deepEqual(model.typists(CHAT, 1), [BOB]);
  typing(false, 1);
  assert.deepEqual(model.typists(CHAT, 1), []);

  typing(true, 0);
  model.apply(frame(message(1)), 1);
  assert.deepEqual(model.typists(CHAT, 1), []);

  typing(true, 0);
  typing(true, 2_000);
  assert.equal(model.nextTypingEnd(2_000), 2_000 + TYPIST_MS);
  assert.deepEqual(model.typists(CHAT, 2_000 + TYPIST_MS - 1), [BOB]);
  assert.deepEqual(model.typists(CHAT, 2_000 + TYPIST_MS), []);
  assert.equal(model.nextTypingEnd(2_000 + TYPIST_MS), Infinity);
});

test('my own typing on another device is not shown to me', () => {
  const model = annWith(0);
  model.apply({ type: 'typing_indicator', conversation_id: CHAT, user_id: ANN, is_typing: true }, 0);
  assert.deepEqual(model.typists(CHAT, 1), []);
});

test('presence follows the state and the changes, and is unknown without a connection', () => {
  const model = annWith(0);
  model.apply({ type: 'presence_state', online: [BOB] }, 0);
  assert.equal(model.presence(BOB)?.isOnline, true);
  model.apply({ type: 'user_online_status', user_id: BOB, is_online: false, last_seen_at: '2026-01-31T12:00:00.000Z' }, 0);
  assert.deepEqual(model.presence(BOB), { isOnline: false, lastSeenAt: '2026-01-31T12:00:00.000Z' });
  model.apply({ type: 'user_online_status', user_id: BOB, is_online: true, last_seen_at: null }, 0);
  model.apply({ type: 'presence_state', online: [] }, 0);
  assert.equal(model.presence(BOB)?.isOnline, false);
  model.disconnected();
  assert.equal(model.presence(BOB), undefined);
});

test('an edit and a deletion change the row, wherever it stands', () => {
  const model = annWith(2);
  model.putHistory(CHAT, page(1, 2));
  model.apply({ type: 'message_edited', conversation_id: CHAT, message: message(1, { rev: 4, content: 'better' }) }, 0);
  model.apply({ type: 'message_deleted', conversation_id: CHAT, message: message(2, { rev: 5, content: '', deleted_at: 'now' }) }, 0);
  model.apply({ type: 'message_edited', conversation_id: CHAT, message: message(1, { rev: 3, content: 'late' }) }, 0);
  assert.deepEqual(model.messages(CHAT).map(({ content }) => content), ['better', '']);
  assert.equal(model.conversations()[0].last?.deleted_at, 'now');
});

test('a group is not its first member: it has a title, or the names of the others', () => {
  const model = new Model(ANN);
  const group = (more) => conversation(CHAT, 0, { kind: 'group', title: 'Lunch', participant_count: 3, ...more });
  model.putConversation(group({}));
  assert.equal(model.peerOf(CHAT), undefined);
  assert.equal(model.directWith(BOB), undefined);
  assert.deepEqual(model.group(CHAT), { title: 'Lunch', size: 3 });
  model.putConversation(group({ title: null, rev: 2, participants: [participant(3, 'cat')] }));
  assert.equal(model.group(CHAT)?.title, 'bob, cat');
  model.putConversation(group({ title: null, rev: 3, participants: [{ ...participant(BOB, 'bob'), role: null, rev: 3 }] }));
  assert.equal(model.group(CHAT)?.title, 'cat', 'who left is not named');
  assert.equal(annWith(0).group(CHAT), undefined);
});

test('who wrote in a large group and is not described is asked for', () => {
  const model = annWith(3);
  model.putHistory(CHAT, { messages: [message(1, { sender_id: 7 }), message(2), message(3, { sender_id: 7 })], has_more: false });
  assert.deepEqual(model.unnamed(CHAT), [7]);
  model.putUser({ id: 7, username: 'gus', display_name: 'Gus' });
  assert.deepEqual(model.unnamed(CHAT), []);
});

test('what one was removed from is gone', () => {
  const model = annWith(1);
  model.apply({ type: 'conversation_update', conversation_id: CHAT, rev: 9, conversation: null }, 0);
  assert.deepEqual(model.conversations(), []);
  assert.deepEqual(model.unknown(), []);
});

/** The same seed gives the same order, so that a failing one can be played again. */
function shuffled(items, seed) {
  const rest = [...items];
  const order = [];
  let state = seed;
  while (rest.length > 0) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    order.push(...rest.splice(Math.floor((state / 2 ** 32) * rest.length), 1));
  }
  return order;
}
