/** The page with two users, in real browsers against the real server. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { FLAGS } from './chromium.js';
import { Hub, freePort } from './hub.js';
import { Person } from './person.js';

let hub;
let browser;

before(async () => {
  hub = await Hub.start();
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
});

after(async () => {
  await browser?.close();
  await hub?.discard();
});

afterEach(async (t) => {
  for (const complaint of await Person.sendAllHome()) t.diagnostic(complaint);
});

/** Two users who have just found each other; each has a unique name, as all tests share one hub. */
async function pair(nameA, nameB, optionsA, optionsB) {
  const a = await Person.registered(hub, browser, nameA, optionsA);
  const b = await Person.registered(hub, browser, nameB, optionsB);
  await a.find(b);
  return [a, b];
}

test('two people find each other, write, and see the same messages in the same order', async () => {
  const [ann, bob] = await pair('Ann Abel', 'Bob Berg');
  await ann.writes('Hello Bob');
  await ann.seesState('Hello Bob', 'sent');
  await bob.open(ann);
  await bob.seesMessages(['Hello Bob']);
  await bob.writes('Hello Ann');
  await ann.seesMessages(['Hello Bob', 'Hello Ann']);
  await ann.writes('How are you?\nAnd the cat?');
  await ann.writes('Tell me');
  const all = ['Hello Bob', 'Hello Ann', 'How are you?\nAnd the cat?', 'Tell me'];
  await ann.seesMessages(all);
  await bob.seesMessages(all);
  await ann.seesState('Tell me', 'sent');
  await ann.leaves();
  await bob.leaves();
});

test('typing is seen while it lasts: until the keys rest, and until the message comes', async () => {
  const [cid, dora] = await pair('Cid Cole', 'Dora Dunn');
  await cid.writes('Hello');
  await dora.open(cid);
  await dora.typesUntil(cid.seesTyping(dora));
  await cid.seesNoTyping();
  await dora.typesUntil(cid.seesTyping(dora));
  await dora.writes('Hello yourself');
  await cid.seesMessages(['Hello', 'Hello yourself']);
  await cid.seesNoTyping();
  await cid.leaves();
  await dora.leaves();
});

test('a closed browser goes offline for the other, and comes back online', async () => {
  const [eve, finn] = await pair('Eve East', 'Finn Falk');
  await eve.writes('Are you there?');
  await finn.open(eve);
  await finn.writes('Yes');
  await eve.seesMessages(['Are you there?', 'Yes']);
  await eve.seesPresence('Online');
  const memory = await finn.leaves();
  await eve.seesPresence(/^Last seen at/);
  const finnAgain = await Person.at(hub, browser, { memory });
  await finnAgain.isOnline();
  await eve.seesPresence('Online');
  await eve.leaves();
  await finnAgain.leaves();
});

test('AU-5: a reload keeps the login, the open conversation, its history and the contacts', async () => {
  const [gus, hedy] = await pair('Gus Gray', 'Hedy Hill');
  await gus.writes('One');
  await gus.writes('Two');
  await gus.seesState('Two', 'sent');
  await gus.chooses('Add to contacts');
  await gus.page.reload();
  await gus.isOnline();
  const [{ name, path, httpOnly, secure, sameSite }, ...others] = await gus.context.cookies();
  assert.deepEqual({ name, path, httpOnly, secure, sameSite, others }, { name: 'switchboard', path: '/', httpOnly: true, secure: false, sameSite: 'Lax', others: [] });
  assert.equal(await gus.page.evaluate(() => document.cookie), '', 'no script reads it');
  await gus.sees('heading', 'Hedy Hill');
  await gus.seesMessages(['One', 'Two']);
  await gus.chooses('Remove from contacts');
  await gus.leaves();
  await hedy.leaves();
});

test('logging out returns to the form, a wrong password is told in a sentence, the right one comes back to the history', async () => {
  const [ida, jon] = await pair('Ida Ivers', 'Jon Jonas');
  await ida.writes('Keep this');
  await ida.seesState('Keep this', 'sent');
  await ida.logOut();
  assert.equal(await ida.page.locator('#workspace').isVisible(), false);
  await ida.logIn(ida.username, 'not the password');
  await ida.reads('Wrong username or password.');
  await ida.logIn(ida.username, Person.password);
  await ida.isOnline();
  await ida.open(jon);
  await ida.seesMessages(['Keep this']);
  await ida.leaves();
  await jon.leaves();
});

test('logging out in one tab ends the other tab of the same login', async () => {
  const kim = await Person.registered(hub, browser, 'Kim Kane');
  const other = await kim.context.newPage();
  await other.goto(hub.url);
  await other.locator('#connection', { hasText: /^Online$/ }).waitFor();
  await kim.logOut();
  await other.getByText('You were logged out.').waitFor();
  await kim.leaves();
});

test('a taken username is told in a sentence', async () => {
  const lea = await Person.registered(hub, browser, 'Lea Lund');
  await lea.logOut();
  await lea.button('Create an account').click();
  await lea.field('Username').fill(lea.username);
  await lea.field('Password').fill(Person.password);
  const refusal = lea.page.waitForEvent('console', (message) => message.text().includes('409'));
  await lea.button('Create account').click();
  await lea.reads('That username is taken.');
  lea.forgives(await refusal);
  await lea.leaves();
});

test('hostile text is shown as text, in messages, names and the list', async () => {
  const hostile = '<img src=x onerror=document.title=1><script>document.title=2</script>';
  const [mia, ned] = await pair('Mia <b>Moss</b>', 'Ned Nash');
  await mia.writes(hostile);
  await ned.open(mia);
  await ned.seesMessages([hostile]);
  assert.equal(await ned.page.locator('#workspace').locator('b, script, img').count(), 0);
  assert.deepEqual(await ned.texts('#conversations .preview'), [hostile]);
  assert.equal(await ned.page.title(), 'Switchboard');
  await mia.leaves();
  await ned.leaves();
});

test('a blocked person cannot write, is told so, and can again after the unblocking', async () => {
  const [olga, paul] = await pair('Olga Orr', 'Paul Penn');
  await olga.writes('Hello');
  await paul.open(olga);
  await paul.chooses('Block Olga Orr');
  await paul.reads('You have blocked this person.');
  await olga.writes('Hello?');
  await olga.seesState('Hello?', 'failed');
  await olga.reads('You may not message this person.');
  await paul.chooses('Unblock Olga Orr');
  await paul.field('Message').waitFor();
  await olga.button('Retry').click();
  await paul.seesMessages(['Hello', 'Hello?']);
  await olga.seesMessages(['Hello', 'Hello?']);
  await olga.leaves();
  await paul.leaves();
});

test('a message that is too long is refused in a sentence, and can be shortened and sent', async () => {
  const [wim, xena] = await pair('Wim Wolf', 'Xena Xu');
  await wim.writes('x'.repeat(1001));
  await wim.reads('That is too long. Please shorten it.');
  await wim.button('Edit').click();
  await wim.seesMessages([]);
  assert.equal(await wim.field('Message').inputValue(), 'x'.repeat(1001));
  await wim.writes('x'.repeat(1000));
  await xena.open(wim);
  await xena.seesMessages(['x'.repeat(1000)]);
  await wim.leaves();
  await xena.leaves();
});

test('scrolling up brings the older messages, without moving what one reads', async () => {
  const [quin, rosa] = await pair('Quin Quist', 'Rosa Reed');
  const all = Array.from({ length: 120 }, (_, i) => `Message ${i + 1}`);
  await quin.page.evaluate(async ([texts, recipient_id]) => {
    for (const content of texts) {
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch('/api/messages', { method: 'POST', headers, body: JSON.stringify({ recipient_id, content }) });
      if (!answer.ok) throw new Error(await answer.text());
    }
  }, [all, Number(/#user-(\d+)/.exec(quin.page.url())[1])]);
  await rosa.page.reload(); // what came live she has in full
  await rosa.open(quin);
  await rosa.seesMessages(all.slice(70));
  const oldest = rosa.page.getByText('Message 71', { exact: true });
  const topOf = (locator) => locator.evaluate((node) => node.getBoundingClientRect().top);
  await rosa.page.locator('#history').evaluate((node) => { node.scrollTop = 0; });
  const topBefore = await topOf(oldest);
  await rosa.seesMessages(all.slice(20));
  assert.ok(Math.abs((await topOf(oldest)) - topBefore) < 60, 'what was read has moved away');
  await rosa.page.locator('#history').evaluate((node) => { node.scrollTop = 0; });
  await rosa.seesMessages(all);
  await quin.seesMessages(all);
  await quin.leaves();
  await rosa.leaves();
});

test('while the server is away a message waits, and goes out once when it is back', async () => {
  const frail = await Hub.start({ port: await freePort() });
  const sam = await Person.registered(frail, browser, 'Sam Stone');
  const tess = await Person.registered(frail, browser, 'Tess Tate');
  sam.mayBeCutOff = tess.mayBeCutOff = true;
  await sam.find(tess);
  await sam.writes('Before');
  await tess.open(sam);
  await tess.seesMessages(['Before']);
  await frail.stop();
  await sam.isOffline();
  await sam.writes('Meanwhile');
  await sam.writes('And this');
  await sam.seesState('And this', 'waiting');
  await frail.startAgain();
  for (const person of [sam, tess]) {
    await person.isOnline();
    await person.seesMessages(['Before', 'Meanwhile', 'And this']);
  }
  await sam.seesState('And this', 'sent');
  await sam.leaves();
  await tess.leaves();
  await frail.discard();
});

test('edits and deletions are seen as they happen', async () => {
  const [una, vic] = await pair('Una Unger', 'Vic Voss');
  await una.writes('Helo');
  await una.writes('Nobody should read this');
  await vic.open(una);
  await vic.seesMessages(['Helo', 'Nobody should read this']);
  const [first, second] = await una.messagesWith(vic);
  await una.asks('PATCH', `/api/messages/${first.id}`, { content: 'Hello' });
  await una.asks('DELETE', `/api/messages/${second.id}?for=everyone`);
  for (const person of [una, vic]) {
    await person.seesMessages(['Hello', '']);
    await person.reads('edited');
    await person.reads('Message deleted');
    await person.leaves();
  }
});

test('a group is shown by its title, its messages by who wrote them, and is closed for whoever is removed', async () => {
  const [wanda, zora] = await pair('Wanda Wald', 'Zora Zinn');
  const yvo = await Person.registered(hub, browser, 'Yvo Yew');
  const others = [await zora.id(), await yvo.id()];
  const { conversation } = await wanda.asks('POST', '/api/conversations', { participant_ids: others, title: 'Lunch' });
  await wanda.open({ name: 'Lunch' });
  await wanda.writes('Where do we eat?');
  await zora.open({ name: 'Lunch' });
  await zora.reads('3 people');
  await zora.writes('At home');
  await yvo.open({ name: 'Lunch' });
  await yvo.seesMessages(['Where do we eat?', 'At home']);
  assert.deepEqual(await yvo.texts('#messages .author'), ['Wanda Wald: ', 'Zora Zinn: ']);
  assert.equal(await yvo.button('More about this person').isVisible(), false);
  await wanda.asks('DELETE', `/api/conversations/${conversation.id}/participants/${others[1]}`);
  await yvo.reads('Select a conversation');
  assert.equal(await yvo.page.getByRole('link', { name: 'Lunch' }).count(), 0);
  for (const person of [wanda, zora, yvo]) await person.leaves();
});

test('on a phone the list and the conversation take turns', async () => {
  const [uma, vito] = await pair('Uma Ueda', 'Vito Voss', { phone: true });
  assert.equal(await uma.field('Search people').isVisible(), false);
  await uma.writes('From the train');
  await vito.open(uma);
  await vito.seesMessages(['From the train']);
  await uma.page.getByRole('link', { name: 'Back to the conversations' }).click();
  await uma.field('Search people').waitFor();
  await vito.writes('Safe journey');
  await uma.page.getByRole('link', { name: /Vito Voss.*1 new/ }).click();
  await uma.seesMessages(['From the train', 'Safe journey']);
  assert.equal(await uma.page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, 'the page scrolls sideways');
  await uma.leaves();
  await vito.leaves();
});
