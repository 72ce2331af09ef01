/** The pace of typing frames. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QUIET_MS, REPEAT_MS, TypingNotice } from './typing.js';

function start(t) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const told = [];
  return { told, typing: new TypingNotice({ tell: (id, isTyping) => told.push([id, isTyping]) }) };
}

test('a steady typist is announced at once and then every two seconds', (t) => {
  const { told, typing } = start(t);
  for (let ms = 0; ms <= 2 * REPEAT_MS; ms += 100) {
    typing.pressed(12);
    if (ms < 2 * REPEAT_MS) t.mock.timers.tick(100);
  }
  assert.deepEqual(told, [[12, true], [12, true], [12, true]]);
});

test('the end is told two seconds after the last key, once', (t) => {
  const { told, typing } = start(t);
  typing.pressed(12);
  t.mock.timers.tick(1_000);
  typing.pressed(12);
  t.mock.timers.tick(QUIET_MS - 1);
  assert.deepEqual(told, [[12, true]]);
  t.mock.timers.tick(1);
  assert.deepEqual(told, [[12, true], [12, false]]);
  t.mock.timers.tick(60_000);
  assert.equal(told.length, 2);
});

test('sending ends it at once, and the next key begins it at once', (t) => {
  const { told, typing } = start(t);
  typing.pressed(12);
  typing.stop();
  typing.stop();
  typing.pressed(12);
  assert.deepEqual(told, [[12, true], [12, false], [12, true]]);
});

test('a key in another conversation ends it in the first', (t) => {
  const { told, typing } = start(t);
  typing.pressed(12);
  typing.pressed(13);
  assert.deepEqual(told, [[12, true], [12, false], [13, true]]);
});
