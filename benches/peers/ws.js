/** A chat server on Node with the npm packages `ws` and `better-sqlite3`. README.md describes it. */
import Database from 'better-sqlite3';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { WebSocketServer } from 'ws';
import { Chat } from './chat.js';
import { PRESENCE_STATE, authenticate, parseGroup, welcome } from './protocol.js';
import { settings } from './settings.js';
import { Sockets } from './sockets.js';
import { Store } from './store.js';

const HEARTBEAT_MS = 30_000;

const store = new Store(Database, settings.folder, settings.users);
const sockets = new Sockets();
/** The sockets that keep their frames until the end of the turn. */
const corked = new Set();
// With one commit for each turn, the frames are sent at its end anyway.
const afterTurn = settings.commitsOnceATurn ? process.nextTick : setImmediate;
const chat = new Chat(store, { deliver, acknowledge });

function deliver(sender, conversationId, frame) {
  const bytes = Buffer.from(frame);
  for (const userId of store.participantsOf(conversationId)) {
    for (const socket of sockets.of(userId)) {
      if (socket !== sender) send(socket, bytes);
    }
  }
}

function acknowledge(socket, texts) {
  for (const text of texts) send(socket, text);
}

/** Sends data at the end of this turn, so that all frames of a turn to one socket leave in one write. */
function send(socket, data) {
  if (!corked.has(socket)) {
    if (corked.size === 0) afterTurn(uncorkAll);
    corked.add(socket);
    socket.stream.cork();
  }
  socket.send(data, { binary: false });
}

function uncorkAll() {
  for (const socket of corked) socket.stream.uncork();
  corked.clear();
}

const server = createServer(async (request, response) => {
  const answer = (status, body) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const userId = authenticate(request.headers.cookie);
  if (!userId) return answer(401, { error: 'Log in.' });
  switch (`${request.method} ${request.url}`) {
    case 'GET /api/auth/me':
      return answer(200, { user: { id: userId, name: `user${userId}` } });
    case 'POST /api/conversations': {
      const body = parseGroup(await text(request).catch(() => ''));
      if (!body) return answer(400, { error: 'Name the participants and a title.' });
      const id = chat.createGroup(body.title, [userId, ...body.participant_ids]);
      return answer(201, { conversation: { id, title: body.title } });
    }
    default:
      return answer(404, { error: 'There is no such page.' });
  }
});

const webSockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });

server.on('upgrade', (request, stream, head) => {
  // The stream closes after each error.
  stream.on('error', () => {});
  const userId = request.url === '/ws' && authenticate(request.headers.cookie);
  if (!userId) return stream.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n');
  webSockets.handleUpgrade(request, stream, head, (socket) => open(socket, stream, userId));
});

function open(socket, stream, userId) {
  socket.stream = stream;
  sockets.add(userId, socket);
  socket.isAlive = true;
  socket.on('message', (data) => chat.receive(socket, userId, data.toString()));
  socket.on('pong', () => (socket.isAlive = true));
  socket.on('close', () => sockets.remove(userId, socket));
  // The socket closes after each error.
  socket.on('error', () => {});
  socket.send(welcome(userId));
  socket.send(PRESENCE_STATE);
}

/** Pings every socket, and closes those that did not answer the last ping. */
setInterval(() => {
  for (const socket of webSockets.clients) {
    if (!socket.isAlive) socket.terminate();
    socket.isAlive = false;
    socket.ping();
  }
}, HEARTBEAT_MS);

server.listen(settings.port, settings.hostname, () => {
  console.log(`listening on http://${settings.hostname}:${server.address().port}`);
});
