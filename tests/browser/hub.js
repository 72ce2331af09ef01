/**
 * Runs the real server for the browser tests: on a free port, with a data directory of its own. It gets nothing of the
 * surrounding environment, so that a test behaves the same everywhere.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const SETTINGS = {
  PRESENCE_GRACE: '300ms',
  // A test writes a long history at once.
  MESSAGE_RATE: '1000',
  MESSAGE_BURST: '1000',
  REQUEST_RATE: '1000',
  REQUEST_BURST: '1000',
};

/**
 * Ports for a server that restarts: below the ports that the system gives to outgoing connections, so that none of them
 * takes it meanwhile.
 */
export async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const taken = createServer().listen(port, '127.0.0.1');
    try {
      await once(taken, 'listening');
    } catch {
      continue;
    }
    taken.close();
    await once(taken, 'close');
    return port;
  }
}

export class Hub {
  #dataDir = '';
  #log = '';
  #process;

  static async start({ port = 0 } = {}) {
    const hub = new Hub();
    hub.#dataDir = await mkdtemp(join(tmpdir(), 'switchboard-'));
    await hub.#run(`127.0.0.1:${port}`);
    return hub;
  }

  /** Ends the server as an operator would, and expects a clean exit. The data stays. */
  async stop() {
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    const [code] = await ended;
    assert.equal(code, 0, `the server ended with ${code}:\n${this.#log}`);
    assert.doesNotMatch(this.#log, /\bERROR\b|panicked/, 'the server logged an error');
  }

  /** Starts the server again on the same port and data. */
  async startAgain() {
    await this.#run(new URL(this.url).host);
  }

  /** Stops the server and deletes its data. */
  async discard() {
    await this.stop();
    await rm(this.#dataDir, { recursive: true });
  }

  async #run(bind) {
    const binary = process.env.SWITCHBOARD_BIN;
    assert.ok(binary, 'set SWITCHBOARD_BIN to the server to test, such as target/debug/switchboard');
    this.#process = spawn(resolve(binary), [], {
      cwd: this.#dataDir, // where no .env lies
      env: { PATH: process.env.PATH, DATA_DIR: this.#dataDir, BIND: bind, ...SETTINGS },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process.on('error', (error) => { this.#log += error.message; });
    this.#process.stderr.setEncoding('utf8').on('data', (text) => { this.#log += text; });
    for await (const line of createInterface({ input: this.#process.stdout })) {
      const [address] = /http:\/\/\S+/.exec(line) ?? [];
      if (address) {
        this.url = address;
        this.#process.stdout.resume();
        return;
      }
    }
    throw new Error(`the server ended before it printed its address:\n${this.#log}`);
  }
}
