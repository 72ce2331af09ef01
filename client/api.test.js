/** The HTTP calls against a fake fetch: the requests they make, and how they handle answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createApi } from './api.js';

/** An api whose every request gets `answer`, and the requests it made. */
function apiWith(answer) {
  const asked = [];
  const api = createApi(async (path, init) => {
    asked.push({ path, ...init });
    return answer();
  });
  return { api, asked };
}

const problem = (status, body, headers = {}) => () => new Response(JSON.stringify(body), { status, headers });

test('a body is sent as JSON, and the answer’s JSON comes back', async () => {
  const { api, asked } = apiWith(() => Response.json({ user: { id: 1 } }, { status: 201 }));
  assert.deepEqual(await api.register({ username: 'ann', password: 'correct horse' }), { user: { id: 1 } });
  assert.equal(asked[0].method, 'POST');
  assert.equal(asked[0].path, '/api/auth/register');
  assert.equal(asked[0].headers['content-type'], 'application/json');
  assert.deepEqual(JSON.parse(asked[0].body), { username: 'ann', password: 'correct horse' });
});

test('a search is encoded, and keys that are not given are left out', async () => {
  const { api, asked } = apiWith(() => Response.json({}));
  await api.findUsers('ann & bob?');
  await api.messages(12);
  await api.messages(12, 51);
  assert.equal(asked[0].path, '/api/users?q=ann+%26+bob%3F&limit=20');
  assert.equal(asked[1].path, '/api/conversations/12/messages');
  assert.equal(asked[2].path, '/api/conversations/12/messages?before_seq=51');
});

test('an answer without a body is null', async () => {
  const { api } = apiWith(() => new Response(null, { status: 204 }));
  assert.equal(await api.setBlock(2, true), null);
});

test('a problem becomes an error with its code, its detail and its wait', async () => {
  const { api } = apiWith(problem(429, { code: 'rate_limited', detail: 'too many' }, { 'retry-after': '3' }));
  await assert.rejects(api.me(), { code: 'rate_limited', detail: 'too many', retryInMs: 3_000 });
});

test('a proxy’s error page is still an error with a code', async () => {
  const { api } = apiWith(() => new Response('<html>Bad gateway</html>', { status: 502 }));
  await assert.rejects(api.me(), { code: 'unavailable' });
});

test('a network that is away is the code offline', async () => {
  const { api } = apiWith(() => { throw new TypeError('Failed to fetch'); });
  await assert.rejects(api.me(), { code: 'offline' });
});
