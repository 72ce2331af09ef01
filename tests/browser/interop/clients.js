/**
 * WebSocket clients of several implementations with one interface. Each `open` returns the sender: `send`, `close`, and
 * where the client can, `ping` and `fragments`. Received data goes to `hear`: frames as objects, the rest as `['pong',
 * payload]` and `['closed', code]`.
 */
import { spawn } from 'node:child_process';
import WebSocket from 'ws';

/** The npm package `ws`. */
export function byWs(url, cookie, hear) {
  const socket = new WebSocket(url, { headers: { cookie } });
  socket.on('message', (data) => hear(JSON.parse(data)));
  socket.on('pong', (payload) => hear(['pong', String(payload)]));
  socket.on('close', (code) => hear(['closed', code]));
  socket.on('error', (error) => hear(['error', String(error)]));
  return {
    send: (text) => socket.send(text),
    ping: (payload) => socket.ping(payload),
    fragments: (parts) => parts.forEach((part, at) => socket.send(part, { fin: at === parts.length - 1 })),
    close: (code) => socket.close(code),
  };
}

/** A page of the hub in Chromium. */
export function byChromium(browser) {
  return async (url, cookie, hear) => {
    const context = await browser.newContext();
    const [name, value] = cookie.split('=');
    const origin = url.replace(/^ws(.*)\/ws$/, 'http$1');
    const page = await context.newPage();
    await page.goto(`${origin}/style.css`);
    await context.addCookies([{ name, value, url: origin }]);
    await page.exposeFunction('hear', async (what) => {
      hear(what);
      if (what[0] === 'closed') await context.close();
    });
    await page.evaluate((where) => {
      window.socket = new WebSocket(where);
      window.socket.onmessage = ({ data }) => window.hear(JSON.parse(data));
      window.socket.onclose = ({ code }) => window.hear(['closed', code]);
    }, url);
    return {
      send: (text) => page.evaluate((data) => window.socket.send(data), text),
      close: (code) => page.evaluate((number) => window.socket.close(number), code),
    };
  };
}

const children = [];

/** Ends the programs that a failed test left running. */
export function endPrograms() {
  children.forEach((child) => child.kill());
}

function spawned(command, args, hear) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  child.on('error', (error) => hear(['error', String(error)]));
  let unread = '';
  // `readline` is not used, because it accepts more line endings than one.
  child.stdout.setEncoding('utf8').on('data', (text) => {
    const lines = (unread + text).split('\n');
    unread = lines.pop();
    lines.forEach((line) => hear(JSON.parse(line)));
  });
  return child;
}

/** A program with the protocol that `examples/pipe.rs` describes. */
export function byPipe(command, args, { fragments = true } = {}) {
  return (url, cookie, hear) => {
    const child = spawned(command, [...args, url, cookie], hear);
    const say = (...what) => child.stdin.write(`${JSON.stringify(what)}\n`);
    return {
      send: (text) => child.stdin.write(`${text}\n`),
      ping: (payload) => say('ping', payload),
      ...(fragments && { fragments: (parts) => say('fragments', parts) }),
      close: (code) => say('close', code),
    };
  };
}

/** websocat, which has frames as lines; it closes when its input ends, and cannot report the close code. */
export function byWebsocat(command) {
  return (url, cookie, hear) => {
    const args = ['--text', '--linemode-strip-newlines', '--buffer-size', String(1 << 21), '--close-status-code', '1000'];
    args.push(`--header=Cookie: ${cookie}`, url);
    const child = spawned(command, args, hear);
    child.on('exit', (status) => hear(['closed', status === 0 ? 1000 : `exit ${status}`]));
    return { send: (text) => child.stdin.write(`${text}\n`), close: () => child.stdin.end() };
  };
}
