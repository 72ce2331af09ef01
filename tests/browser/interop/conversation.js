/** One conversation in 30 steps, the same for every client: Ann has the client under test, Bob one that is known. */
import assert from 'node:assert/strict';

const UNICODE = 'Grüße 😀 👩‍👩‍👧 שלום e\u0301 \u2028 \u{10ffff} "\\/\t';
const LARGEST = '😀'.repeat(1000);
const MAX_FRAME_BYTES = 65_536;

/** The values that the steps pass to each other. */
export function scene(ann, bob, byAnn, byBob) {
  return { ann, bob, byAnn, byBob, to: { recipient_id: bob.id } };
}

const bytes = (text) => new TextEncoder().encode(text).length;
const history = (s, more) => s.ann.acked({ type: 'load_history', ...s.to, ...more });
const contents = ({ messages }) => messages.map(({ content }) => content);

export const STEPS = [
  ['a socket begins with the welcome', async (s) => {
    await s.ann.connects(s.byAnn);
    const welcome = await s.ann.hears('system');
    assert.deepEqual([welcome.event, welcome.protocol, welcome.user_id], ['welcome', 1, s.ann.id]);
  }],
  ['nobody is online', async (s) => assert.deepEqual((await s.ann.hears('presence_state')).online, [])],
  ['a ping is answered', async (s) => {
    await s.ann.sends({ type: 'ping' });
    assert.equal((await s.ann.hears('pong')).ref, undefined);
  }],
  ['a ping with a ref is answered with it', async (s) => assert.equal((await s.ann.call({ type: 'ping' })).type, 'pong')],
  ['a message is acknowledged', async (s) => {
    s.first = { type: 'private_message', ...s.to, content: 'Hello Bob', client_message_id: 'first' };
    const { message } = await s.ann.acked(s.first);
    assert.deepEqual([message.seq, message.rev, message.content, message.status], [1, 2, 'Hello Bob', 'sent']);
    s.id = message.conversation_id;
  }],
  ['it has made the conversation', async (s) => assert.equal((await s.ann.hears('conversation_update')).rev, 1)],
  ['it comes back as everybody gets it', async (s) => {
    const { rev, message } = await s.ann.hears('private_message');
    assert.deepEqual([rev, message.content], [2, 'Hello Bob']);
  }],
  ['sent again it is the same', async (s) => {
    const { duplicate, message } = await s.ann.acked(s.first);
    assert.deepEqual([duplicate, message.seq], [true, 1]);
  }],
  ['its name is good for no other', (s) => s.ann.refused('conflict', { ...s.first, content: 'Other' })],
  ['the answer comes', async (s) => {
    await s.bob.rest('POST', '/api/messages', { recipient_id: s.ann.id, content: 'Hello Ann' });
    s.message = (await s.ann.hears('private_message')).message;
    assert.deepEqual([s.message.seq, s.message.content], [2, 'Hello Ann']);
  }],
  ['it is unread', async (s) => assert.equal((await s.ann.hears('unread_count_update')).total_unread, 1)],
  ['who comes is online', async (s) => {
    await s.bob.connects(s.byBob);
    await s.bob.hears('presence_state');
    await s.ann.hears('user_online_status', (told) => told.user_id === s.bob.id && told.is_online);
  }],
  ['typing is seen', async (s) => {
    await s.ann.acked({ type: 'typing_indicator', ...s.to, is_typing: true });
    assert.equal((await s.bob.hears('typing_indicator')).is_typing, true);
    await s.ann.acked({ type: 'typing_indicator', ...s.to, is_typing: false });
    assert.equal((await s.bob.hears('typing_indicator')).is_typing, false);
  }],
  ['typing of the other is seen', async (s) => {
    await s.bob.acked({ type: 'typing_indicator', recipient_id: s.ann.id, is_typing: true });
    const told = await s.ann.hears('typing_indicator');
    assert.deepEqual([told.user_id, told.is_typing], [s.bob.id, true]);
  }],
  ['a delivery is told', async (s) => {
    await s.ann.acked({ type: 'message_delivered', conversation_id: s.id, seq: 2 });
    const told = await s.ann.hears('message_delivered');
    assert.deepEqual([told.user_id, told.seq], [s.ann.id, 2]);
  }],
  ['reading is told', async (s) => {
    await s.ann.acked({ type: 'message_read', message_id: s.message.id });
    const told = await s.ann.hears('conversation_read');
    assert.deepEqual([told.user_id, told.seq], [s.ann.id, 2]);
    await s.ann.hears('unread_count_update', ({ total_unread }) => total_unread === 0);
  }],
  ['reading by the other is told', async (s) => {
    await s.bob.acked({ type: 'conversation_read', recipient_id: s.ann.id });
    s.rev = (await s.ann.hears('conversation_read', ({ user_id }) => user_id === s.bob.id)).rev;
  }],
  ['the history is there', async (s) => assert.deepEqual(contents(await history(s)), ['Hello Bob', 'Hello Ann'])],
  ['it comes in pages', async (s) => {
    assert.deepEqual(contents(await history(s, { limit: 1 })), ['Hello Ann']);
    assert.deepEqual(contents(await history(s, { before_seq: 2 })), ['Hello Bob']);
  }],
  ['a sync gives everything', async (s) => {
    const answer = await s.ann.acked({ type: 'sync', conversations: {} });
    assert.deepEqual([answer.complete, answer.conversations[0].rev], [true, s.rev]);
    s.position = { epoch: answer.epoch, me: answer.me };
  }],
  ['a sync gives nothing twice', async (s) => {
    const answer = await s.ann.acked({ type: 'sync', ...s.position, conversations: { [s.id]: s.rev } });
    assert.deepEqual([answer.complete, answer.conversations], [true, []]);
  }],
  ['what one person alone sees is told', async (s) => {
    await s.ann.rest('PUT', `/api/contacts/${s.bob.id}`);
    const told = await s.ann.hears('me_update');
    assert.equal(told.contacts[0].user_id, s.bob.id);
  }],
  ['what is no frame is refused', async (s) => {
    await s.ann.sends('{"type":');
    assert.equal((await s.ann.hears('error')).code, 'invalid');
    await s.ann.refused('invalid', { type: 'nonsense' });
    await s.ann.refused('invalid', { type: 'private_message', ...s.to });
  }],
  ['what is not there is not found', (s) => s.ann.refused('not_found', { type: 'load_history', conversation_id: 999_999 })],
  ['text arrives as it was written', async (s) => {
    for (const content of [UNICODE, LARGEST]) {
      await s.ann.acked({ type: 'private_message', ...s.to, content });
      assert.equal((await s.bob.hears('private_message', (told) => told.message.content === content)).rev, s.rev += 1);
      await s.bob.acked({ type: 'private_message', recipient_id: s.ann.id, content });
      await s.ann.hears('private_message', (told) => told.rev === s.rev + 1 && told.message.content === content);
      s.rev += 1;
    }
  }],
  ['a frame may have the largest size', async (s) => {
    const frame = { type: 'ping', ref: 'large', padding: '' };
    frame.padding = 'p'.repeat(MAX_FRAME_BYTES - bytes(JSON.stringify(frame)));
    await s.ann.sends(frame);
    await s.ann.hears('pong', ({ ref }) => ref === 'large');
  }],
  ['an answer may be larger by far', async (s) => {
    for (let count = 0; count < 40; count += 1) {
      await s.bob.acked({ type: 'private_message', recipient_id: s.ann.id, content: LARGEST });
    }
    const answer = await history(s, { limit: 200 });
    assert.ok(bytes(JSON.stringify(answer)) > 2 * MAX_FRAME_BYTES);
    assert.equal(contents(answer).at(-1), LARGEST);
  }],
  ['frames are answered in order, also those in fragments, between pings', async (s) => {
    const refs = ['a', 'b', 'c', 'd', 'e'];
    for (const ref of refs) {
      const text = JSON.stringify({ type: 'ping', ref, word: 'grün' });
      if (s.ann.can.fragments) await s.ann.sendsInFragments([text.slice(0, 3), '', text.slice(3, 9), text.slice(9)]);
      else await s.ann.sends(text);
      if (s.ann.can.ping) await s.ann.pings(ref);
    }
    for (const ref of refs) assert.equal((await s.ann.hears('pong')).ref, ref);
    if (s.ann.can.ping) for (const ref of refs) await s.ann.hearsPong(ref);
  }],
  ['who goes is not online', async (s) => {
    await s.bob.closes(1000);
    await s.ann.hears('user_online_status', (told) => told.user_id === s.bob.id && !told.is_online);
  }],
  ['a close is answered', (s) => s.ann.closes(1000)],
];
