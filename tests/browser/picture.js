/** Takes the picture of the page in the README: `node picture.js`, in this folder, with `SWITCHBOARD_BIN` naming the hub. */
import { chromium } from 'playwright-core';
import { FLAGS } from './chromium.js';
import { Hub } from './hub.js';
import { Person } from './person.js';

const hub = await Hub.start();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
try {
  const ann = await Person.registered(hub, browser, 'Ann Abel');
  const bob = await Person.registered(hub, browser, 'Bob Berg');
  const cleo = await Person.registered(hub, browser, 'Cleo Cruz');
  await cleo.find(ann);
  await cleo.writes('The order is on its way.');
  await ann.find(bob);
  await ann.writes('Hi Bob, did the parcel arrive?');
  await bob.open(ann);
  await bob.writes('It did, this morning. Thank you!');
  await ann.seesMessages(['Hi Bob, did the parcel arrive?', 'It did, this morning. Thank you!']);
  await bob.typesUntil(ann.seesTyping(bob));
  await ann.page.screenshot({ path: '../../docs/page.png' });
} finally {
  await browser.close();
  await hub.discard();
}
