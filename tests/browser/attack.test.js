/** Attacks by others on a logged-in user: from a page of another origin, and by the content they write. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, afterEach, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { FLAGS } from './chromium.js';
import { HOSTILE, HOSTILE_NAMES, watch } from './hostile.js';
import { Hub } from './hub.js';
import { PATIENCE_MS, Person } from './person.js';

/** A marker that is part of no other name. */
const WRITER = '<b onclick=alert(1)>Will Wood</b>';

let hub;
let browser;
/** Serves one empty page to every host name. */
let elsewhere;

before(async () => {
  hub = await Hub.start();
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
  elsewhere = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<!doctype html><title>elsewhere</title><body>'));
  elsewhere.listen(0);
  await once(elsewhere, 'listening');
});

after(async () => {
  await browser?.close();
  elsewhere?.closeAllConnections();
  elsewhere?.close();
  await hub?.discard();
});

afterEach(async (t) => {
  for (const complaint of await Person.sendAllHome()) t.diagnostic(complaint);
});

/** Runs in the page of a logged-in user, with their login. */
async function calls(person, method, path, body) {
  return person.page.evaluate(async ([method, path, body]) => {
    const answer = await fetch(path, { method, headers: { 'content-type': 'application/json' }, body: body && JSON.stringify(body) });
    return { status: answer.status, body: answer.status === 204 ? null : await answer.json() };
  }, [method, path, body]);
}

/** All data of a user, as the hub stores it. */
const everythingOf = async (person) => (await calls(person, 'POST', '/api/sync', {})).body;

/** An account without a browser: its id, and its way to send. */
async function registered(username, displayName) {
  const headers = { 'content-type': 'application/json' };
  const form = { username, password: Person.password, display_name: displayName };
  const answer = await fetch(`${hub.url}/api/auth/register`, { method: 'POST', headers, body: JSON.stringify(form) });
  assert.equal(answer.status, 201, `${displayName}: ${await answer.clone().text()}`);
  const [cookie] = answer.headers.get('set-cookie').split(';');
  const writes = async (to, content) => {
    const sent = await fetch(`${hub.url}/api/messages`, { method: 'POST', headers: { ...headers, cookie }, body: JSON.stringify({ recipient_id: to, content }) });
    assert.equal(sent.status, 201, content);
  };
  return { id: (await answer.json()).user.id, writes };
}

/** Number of sockets that the hub has; it notices a closed socket when it closes. */
async function connections() {
  const { services } = await (await fetch(`${hub.url}/health`)).json();
  return services.websocket.connections;
}

/** Polls until the condition holds, for as long as any step may take. */
async function becomes(look, expected, what) {
  const until = Date.now() + PATIENCE_MS;
  let seen = await look();
  while (seen !== expected && Date.now() < until) seen = await look();
  assert.equal(seen, expected, what);
}

/**
 * The attempts of a page of another origin; returns the results: sockets that opened, bytes that it read, answers it
 * may see.
 */
async function attack([hubUrl, friendId]) {
  const got = { sockets: 0, read: [], tried: 0 };
  const change = { recipient_id: friendId, content: 'forged' };
  const settled = async (promise) => { got.tried += 1; await promise.catch(() => {}); };
  for (const path of ['/ws', '/%77s', '/ws?auth=message', '/ws?ticket=x']) {
    await settled(new Promise((resolve) => {
      const socket = new WebSocket(hubUrl.replace('http', 'ws') + path);
      socket.onopen = () => { got.sockets += 1; resolve(); };
      socket.onmessage = ({ data }) => got.read.push(data);
      socket.onerror = resolve;
    }));
  }
  for (const path of ['/api/auth/me', '/api/conversations', '/api/unread', '/api/search?q=secret', '/api/users?q=a', '/health', '/']) {
    for (const mode of ['cors', 'no-cors']) {
      await settled(fetch(hubUrl + path, { mode, credentials: 'include' }).then(async (answer) => {
        const text = await answer.text();
        if (text) got.read.push(`${mode} ${path} ${text}`);
      }));
    }
  }
  const CHANGES = [
    ['POST', '/api/messages', change], ['POST', '/api/sync', {}], ['POST', '/api/auth/token', {}], ['POST', '/api/auth/logout', {}],
    ['PUT', `/api/blocks/${friendId}`, {}], ['PUT', `/api/contacts/${friendId}`, {}], ['DELETE', '/api/conversations/1', {}],
    ['POST', '/api/conversations', { participant_ids: [friendId], title: 'x' }], ['PATCH', '/api/messages/1', { content: 'x' }],
    ['POST', '/api/reports', { user_id: friendId, reason: 'x' }], ['POST', '/api/conversations/1/read', {}],
  ];
  for (const [method, path, body] of CHANGES) {
    for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded']) {
      for (const mode of ['cors', 'no-cors']) {
        await settled(fetch(hubUrl + path, { method, mode, credentials: 'include', headers: { 'content-type': type }, body: JSON.stringify(body) })
          .then(async (answer) => {
            const text = await answer.text();
            if (text) got.read.push(`${method} ${path} ${text}`);
          }));
      }
    }
    navigator.sendBeacon(hubUrl + path, new Blob([JSON.stringify(body)], { type: 'text/plain' }));
  }
  const inFrame = (node) => new Promise((resolve) => {
    got.tried += 1;
    node.onload = resolve;
    node.onerror = resolve;
    setTimeout(resolve, 2000); // Some never say anything.
    document.body.append(node);
  });
  const make = (tag, properties) => Object.assign(document.createElement(tag), properties);
  for (const path of ['/', '/api/auth/me', '/api/auth/logout', '/api/conversations', `/api/messages?recipient_id=${friendId}&content=x`]) {
    for (const tag of ['img', 'script', 'iframe']) await inFrame(make(tag, { src: hubUrl + path }));
    await inFrame(make('link', { rel: 'stylesheet', href: hubUrl + path }));
  }
  for (const enctype of ['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain']) {
    for (const path of ['/api/messages', '/api/auth/logout', '/api/auth/login', '/api/auth/register']) {
      const frame = make('iframe', { name: `frame${Math.random()}` });
      document.body.append(frame);
      const form = make('form', { method: 'post', action: hubUrl + path, enctype, target: frame.name });
      form.append(make('input', { name: '{"recipient_id":1,"content":"forged","x":"', value: '"}' }));
      document.body.append(form);
      const loaded = new Promise((resolve) => { frame.onload = resolve; setTimeout(resolve, 2000); });
      form.submit();
      got.tried += 1;
      await loaded;
    }
  }
  for (const frame of document.querySelectorAll('iframe')) {
    try { if (frame.contentDocument?.body.textContent) got.read.push(frame.contentDocument.body.textContent); } catch { /* as it should be */ }
  }
  return got;
}

/** The same host at another port is the same site, so the browser sends the login; the other name is another site. */
for (const host of ['127.0.0.1', 'localhost']) {
  test(`OR-2: a page of ${host} at another port opens no socket, reads nothing and changes nothing`, async () => {
    const name = host === 'localhost' ? 'Vera Vane' : 'Walt West';
    const victim = await Person.registered(hub, browser, name);
    const friend = await registered(`friend.${host.replaceAll('.', '')}`.slice(0, 32), 'Friend');
    const me = (await calls(victim, 'GET', '/api/auth/me')).body.user;
    await friend.writes(me.id, 'a secret');
    await victim.reads('a secret');
    const earlier = await everythingOf(victim);
    assert.match(JSON.stringify(earlier), /a secret/);

    const page = await victim.context.newPage();
    await page.goto(`http://${host}:${elsewhere.address().port}/`);
    const got = await page.evaluate(attack, [hub.url, friend.id]);
    assert.ok(got.tried > 80, `it tried ${got.tried} things`);
    assert.equal(got.sockets, 0);
    assert.deepEqual(got.read, []);
    await page.close();

    assert.deepEqual(await everythingOf(victim), earlier);
    await victim.page.reload();
    await victim.isOnline();
    await becomes(connections, 1, 'the socket of the own page alone');
    await victim.leaves();
  });
}

test('IN-6: 200 hostile messages and names are shown as they are written, and nothing of them runs', async () => {
  assert.equal(new Set(HOSTILE).size, 200);
  assert.ok(HOSTILE_NAMES.length >= 20, `${HOSTILE_NAMES.length} names`);
  const reader = await Person.registered(hub, browser, 'Rita Rowe');
  const ran = await watch(reader.page);
  const me = (await calls(reader, 'GET', '/api/auth/me')).body.user;
  const writer = await registered('writer', WRITER);
  await writer.writes(me.id, 'first');
  await reader.open({ name: WRITER });
  for (const text of HOSTILE) await writer.writes(me.id, text);
  await reader.seesMessages(['first', ...HOSTILE]);
  for (const [at, name] of HOSTILE_NAMES.entries()) {
    const other = await registered(`hostile${at}`, name);
    await other.writes(me.id, HOSTILE[at]);
  }
  const names = reader.page.locator('#conversations .name');
  await names.nth(HOSTILE_NAMES.length).waitFor();
  assert.deepEqual(new Set(await names.allTextContents()), new Set([WRITER, ...HOSTILE_NAMES]));
  await reader.field('Search people').fill('hostile');
  await reader.page.locator('#found .name').first().waitFor();
  const elements = await reader.page.locator('#workspace').locator('script, img, svg, iframe, object, embed, video, audio, math, base, meta, link, style, template, marquee, [onerror], [onload], [onfocus]').count();
  assert.equal(elements, 0);
  assert.deepEqual(await ran(), []);
  await reader.page.reload();
  await reader.isOnline();
  await reader.open({ name: WRITER });
  await reader.reads(HOSTILE.at(-1));
  assert.deepEqual(await ran(), []);
  await reader.leaves();
});
