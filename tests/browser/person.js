/**
 * A user at a browser, and the helpers of the tests. Finds elements as a user does, by their label and role, and waits
 * until they are there. Every complaint of the browser is kept for `leave` to check.
 */
import assert from 'node:assert/strict';

const PASSWORD = 'correct horse battery';

/** More than any step takes on a loaded machine; a failing test should not take minutes. */
export const PATIENCE_MS = 15_000;

/** Chromium's own reports of refusals that tests cause: the check of who is logged in, and a wrong password. */
const EXPECTED_REFUSAL = /\/api\/auth\/(me|login) Failed to load resource: .* 401/;

/** The reports while the server is stopped on purpose. */
const OUTAGE = /net::ERR_(CONNECTION|EMPTY_RESPONSE|SOCKET)/;

export class Person {
  static password = PASSWORD;
  mayBeCutOff = false;
  #complaints = [];
  /** @type {Set<Person>} */
  static #present = new Set();

  /** Closes the browsers that a failed test left open, and returns the complaints of their pages. */
  static async sendAllHome() {
    const complaints = [];
    for (const person of Person.#present) {
      complaints.push(...person.#complaints);
      await person.context.close();
    }
    Person.#present.clear();
    return complaints;
  }

  /** Opens a browser of its own on the page; `memory` is the storage of an earlier one. */
  static async at(hub, browser, { memory, phone = false, scheme = 'light' } = {}) {
    const person = new Person();
    person.context = await browser.newContext({
      storageState: memory, colorScheme: scheme, hasTouch: phone, viewport: phone ? { width: 390, height: 844 } : { width: 1180, height: 760 },
    });
    person.context.setDefaultTimeout(PATIENCE_MS);
    Person.#present.add(person);
    person.page = await person.context.newPage();
    person.page.on('pageerror', (error) => person.#complaints.push(String(error)));
    person.page.on('console', (message) => {
      if (message.type() === 'error') person.#complaints.push(complaintOf(message));
    });
    const answer = await person.page.goto(hub.url);
    // Without a policy there would be no violation to report.
    assert.match(answer.headers()['content-security-policy'], /^default-src 'none'/);
    return person;
  }

  static async registered(hub, browser, name, options) {
    const person = await Person.at(hub, browser, options);
    await person.register(name);
    return person;
  }

  button(name) { return this.page.getByRole('button', { name, exact: true }); }
  field(label) { return this.page.getByLabel(label, { exact: true }); }

  async register(name) {
    this.name = name;
    this.username = name.toLowerCase().replace(/\W/g, '.');
    await this.button('Create an account').click();
    await this.field('Username').fill(this.username);
    await this.field('Your name').fill(name);
    await this.field('Password').fill(PASSWORD);
    await this.button('Create account').click();
    await this.isOnline();
  }

  async logIn(username, password) {
    await this.field('Username').fill(username);
    await this.field('Password').fill(password);
    await this.button('Log in').click();
  }

  async logOut() {
    await this.button('Log out').click();
    await this.sees('heading', 'Log in');
  }

  async isOnline() { await this.page.locator('#connection', { hasText: /^Online$/ }).waitFor(); }
  async isOffline() { await this.page.locator('#connection', { hasText: 'Offline' }).waitFor(); }

  async sees(role, name) { await this.page.getByRole(role, { name }).waitFor(); }
  async reads(text) { await this.page.getByText(text).first().waitFor(); }

  /** Searches for a user by the beginning of their name and opens the conversation with them. */
  async find(other) {
    await this.field('Search people').fill(other.name.slice(0, 3));
    await this.page.getByRole('region', { name: 'People found' }).getByRole('link', { name: other.name }).click();
    await this.sees('heading', other.name);
  }

  /** Opens a conversation from the list. */
  async open(other) {
    await this.page.getByRole('region', { name: 'Your conversations' }).getByRole('link', { name: other.name }).click();
    await this.sees('heading', other.name);
  }

  /**
   * Keeps typing for as long as the other user should see it: a busy page might not show typing that ended meanwhile.
   */
  async typesUntil(seen) {
    let isSeen = false;
    const looking = seen.finally(() => { isSeen = true; });
    while (!isSeen) await this.field('Message').pressSequentially('Hm ');
    await looking;
  }

  async writes(text) {
    await this.field('Message').fill(text);
    await this.field('Message').press('Enter');
  }

  /** Waits until exactly these messages are shown, in this order. */
  async seesMessages(expected) {
    await this.#becomes('#messages .content', expected);
  }

  async seesTyping(other) { await this.#becomes('#typing', [`${other.name} is typing…`]); }
  async seesNoTyping() { await this.#becomes('#typing', ['']); }
  async seesPresence(pattern) { await this.page.locator('#peer-presence', { hasText: pattern }).waitFor(); }

  /** The texts that are shown now, without waiting. */
  texts(selector) { return this.page.locator(selector).allTextContents(); }

  /** The state of a message: 'sent' once the hub has confirmed it. */
  async seesState(text, state) {
    await this.page.locator(`.message[data-state=${state}]`, { hasText: text }).waitFor();
  }

  async chooses(item) {
    await this.button('More about this person').click();
    await this.button(item).click();
  }

  /** A call of the HTTP interface, as this page may make it. */
  asks(method, path, body) {
    return this.page.evaluate(async ([method, path, body]) => {
      const json = { 'content-type': 'application/json' };
      const answer = await fetch(path, { method, ...(body && { body: JSON.stringify(body), headers: json }) });
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
      return answer.status === 204 ? null : answer.json();
    }, [method, path, body]);
  }

  async id() { return (await this.asks('GET', '/api/auth/me')).user.id; }

  /** The messages between the two, as the hub stores them. */
  async messagesWith(other) {
    const { conversations } = await this.asks('GET', `/api/conversations?with=${await other.id()}`);
    return (await this.asks('GET', `/api/conversations/${conversations[0].id}/messages`)).messages;
  }

  /** A complaint that the test expects. */
  forgives(message) {
    this.#complaints = this.#complaints.filter((text) => text !== complaintOf(message));
  }

  /** Closes the browser, and fails if the page had complained. Returns the browser's storage. */
  async leaves() {
    const memory = await this.context.storageState();
    await this.context.close();
    Person.#present.delete(this);
    const complaints = this.#complaints.filter((text) => !EXPECTED_REFUSAL.test(text) && !(this.mayBeCutOff && OUTAGE.test(text)));
    assert.deepEqual(complaints, [], `${this.name}'s page complained`);
    return memory;
  }

  /** Reports the actual content when the expected one does not come. */
  async #becomes(selector, expected) {
    const isThere = ([css, texts]) => JSON.stringify([...document.querySelectorAll(css)].map((node) => node.textContent)) === JSON.stringify(texts);
    try {
      await this.page.waitForFunction(isThere, [selector, expected]);
    } catch (error) {
      assert.deepEqual(await this.texts(selector), expected);
      throw error;
    }
  }
}

function complaintOf(message) {
  return `${message.location().url} ${message.text()}`;
}
