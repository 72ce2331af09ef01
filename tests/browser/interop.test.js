/**
 * The same conversation by every client: Chromium, the npm package `ws` and tokio-tungstenite, and, where `scripts/interop`
 * has installed them (INTEROP_BIN), websocat and two libraries of Python.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { FLAGS } from './chromium.js';
import { Hub } from './hub.js';
import { byChromium, byPipe, byWebsocat, byWs, endPrograms } from './interop/clients.js';
import { STEPS, scene } from './interop/conversation.js';
import { Person } from './interop/person.js';

let hub;
let browser;

before(async () => {
  hub = await Hub.start();
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
});

after(async () => {
  endPrograms();
  await browser?.close();
  await hub?.discard();
});

const clients = {
  chromium: () => byChromium(browser),
  ws: () => byWs,
  tungstenite: () => byPipe(join(process.env.SWITCHBOARD_BIN, '../examples/pipe'), []),
};
const installed = process.env.INTEROP_BIN;
if (installed) {
  const python = join(installed, 'python');
  const pipe = new URL('interop/pipe.py', import.meta.url).pathname;
  clients.websockets = () => byPipe(python, [pipe, 'websockets']);
  clients.aiohttp = () => byPipe(python, [pipe, 'aiohttp'], { fragments: false });
  clients.websocat = () => byWebsocat(join(installed, 'websocat'));
}

for (const [name, client] of Object.entries(clients)) {
  test(`${name} has the conversation of ${STEPS.length} steps`, async () => {
    const [ann, bob] = [await Person.at(hub, `ann.${name}`), await Person.at(hub, `bob.${name}`)];
    const talk = scene(ann, bob, client(), byWs);
    for (const [step, act] of STEPS) {
      try {
        await act(talk);
      } catch (error) {
        throw new Error(`${step}: ${error.message}`, { cause: error });
      }
    }
  });
}

test('the conversation has 30 steps', () => assert.equal(STEPS.length, 30));
