/** Checks that every code that can reach the page has its own sentence. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CODES, HubError, sentence } from './errors.js';

const HUB_CODES = [
  'invalid', 'unauthenticated', 'bad_credentials', 'forbidden', 'bad_origin', 'not_found', 'conflict', 'username_taken',
  'too_large', 'bad_host', 'rate_limited', 'internal', 'unavailable',
];

test('every code of the hub, and the three of the client, has its own sentence', () => {
  const codes = [...HUB_CODES, 'offline', 'timeout', 'closed'];
  assert.deepEqual([...CODES].sort(), [...codes].sort());
  const sentences = codes.map((code) => sentence(new HubError(code)));
  assert.equal(new Set(sentences).size, codes.length);
  for (const text of sentences) assert.match(text, /^[A-Z].*\.$/);
});

test('what was invalid or is not allowed is named, and how long to wait is said', () => {
  assert.match(sentence(new HubError('invalid', 'password: 8 to 256 characters')), /password: 8 to 256 characters/);
  assert.match(sentence(new HubError('forbidden', 'this account is disabled')), /^This account is disabled\.$/);
  assert.match(sentence(new HubError('rate_limited', '', 1_000)), /1 second\./);
  assert.match(sentence(new HubError('rate_limited', '', 1_001)), /2 seconds\./);
});

test('a code from a newer hub, and an error that is none of the hub’s, still give a sentence', () => {
  assert.equal(sentence(new HubError('brand_new')), sentence(new HubError('internal')));
  assert.match(sentence(new TypeError('x is undefined')), /reload/);
});
