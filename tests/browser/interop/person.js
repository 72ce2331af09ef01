/** A user with an account and one socket, by any client: their actions, and the frames they receive. */
import assert from 'node:assert/strict';

const PASSWORD = 'correct horse battery';

/** More than any step takes on a loaded machine. */
const PATIENCE_MS = 10_000;

export class Person {
  #heard = [];
  #waiting = [];
  #socket;
  #refs = 0;

  /** Registers, and logs in again. */
  static async at(hub, username) {
    const person = new Person();
    person.hub = hub;
    await person.rest('POST', '/api/auth/register', { username, password: PASSWORD });
    const answer = await person.fetch('POST', '/api/auth/login', { username, password: PASSWORD });
    [person.cookie] = answer.headers.get('set-cookie').split(';');
    person.id = (await answer.json()).user.id;
    return person;
  }

  async fetch(method, path, body) {
    const headers = { ...(body && { 'content-type': 'application/json' }), ...(this.cookie && { cookie: this.cookie }) };
    const answer = await fetch(this.hub.url + path, { method, headers, body: body && JSON.stringify(body) });
    assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
    return answer;
  }

  async rest(method, path, body) {
    const text = await (await this.fetch(method, path, body)).text();
    return text && JSON.parse(text);
  }

  async connects(open) {
    const url = `${this.hub.url.replace('http', 'ws')}/ws`;
    this.#socket = await open(url, this.cookie, (what) => this.#hear(what));
  }

  get can() { return { ping: 'ping' in this.#socket, fragments: 'fragments' in this.#socket }; }

  sends(frame) { return this.#socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame)); }
  pings(payload) { return this.#socket.ping(payload); }
  sendsInFragments(parts) { return this.#socket.fragments(parts); }

  /** Sends a frame with a `ref` and returns the answer. */
  async call(frame) {
    this.#refs += 1;
    const ref = String(this.#refs);
    await this.sends({ ...frame, ref });
    return this.#take(`the answer to ${frame.type}`, (heard) => heard.ref === ref);
  }

  async acked(frame) {
    const answer = await this.call(frame);
    assert.equal(answer.type, 'ack', JSON.stringify(answer));
    return answer;
  }

  async refused(code, frame) {
    const answer = await this.call(frame);
    assert.deepEqual([answer.type, answer.code], ['error', code], JSON.stringify(answer));
    return answer;
  }

  /** The next frame of this type that was not asked for yet. */
  hears(type, also = () => true) {
    return this.#take(type, (heard) => heard.type === type && also(heard));
  }

  async hearsPong(payload) {
    await this.#take(`a pong of ${payload}`, (heard) => heard[0] === 'pong' && heard[1] === payload);
  }

  async closes(code) {
    await this.#socket.close(code);
    const [, told] = await this.#take('the end', (heard) => heard[0] === 'closed');
    assert.equal(told, code);
  }

  #kinds() { return this.#heard.map((heard) => heard.type ?? heard).join(', '); }

  #hear(what) {
    const at = this.#waiting.findIndex(({ isIt }) => isIt(what));
    if (at < 0) this.#heard.push(what);
    else this.#waiting.splice(at, 1)[0].found(what);
  }

  async #take(what, isIt) {
    const at = this.#heard.findIndex(isIt);
    if (at >= 0) return this.#heard.splice(at, 1)[0];
    return new Promise((found, failed) => {
      const patience = setTimeout(() => failed(new Error(`waited in vain for ${what}; there is ${this.#kinds()}`)), PATIENCE_MS);
      this.#waiting.push({ isIt, found: (heard) => { clearTimeout(patience); found(heard); } });
    });
  }
}
