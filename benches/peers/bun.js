/** A chat server on Bun with `Bun.serve` and `bun:sqlite`. README.md describes it. */
import { Database } from 'bun:sqlite';
import { Chat } from './chat.js';
import { PRESENCE_STATE, authenticate, parseGroup, welcome } from './protocol.js';
import { settings } from './settings.js';
import { Sockets } from './sockets.js';
import { Store } from './store.js';

const sockets = new Sockets();
const store = new Store(Database, settings.folder, settings.users, subscribeAll);
const chat = new Chat(store, { deliver, acknowledge });

/** Subscribes the open sockets of the participants to a new conversation. */
function subscribeAll(conversationId, userIds) {
  for (const userId of userIds) {
    for (const socket of sockets.of(userId)) socket.subscribe(String(conversationId));
  }
}

function deliver(socket, conversationId, frame) {
  // A closed socket cannot publish.
  const publisher = socket.readyState === WebSocket.OPEN ? socket : server;
  publisher.publish(String(conversationId), frame);
}

function acknowledge(socket, texts) {
  socket.cork(() => {
    for (const text of texts) socket.send(text);
  });
}

/** Passes the requests of logged-in users to the handler, and refuses all others. */
function withUser(handle) {
  return (request) => {
    const userId = authenticate(request.headers.get('cookie'));
    return userId ? handle(userId, request) : Response.json({ error: 'Log in.' }, { status: 401 });
  };
}

const server = Bun.serve({
  hostname: settings.hostname,
  port: settings.port,
  routes: {
    '/ws': withUser((userId, request) => {
      const isOpen = server.upgrade(request, { data: { userId } });
      return isOpen ? undefined : Response.json({ error: 'Open a WebSocket.' }, { status: 426 });
    }),
    '/api/auth/me': { GET: withUser((userId) => Response.json({ user: { id: userId, name: `user${userId}` } })) },
    '/api/conversations': {
      POST: withUser(async (userId, request) => {
        const body = parseGroup(await request.text());
        if (!body) return Response.json({ error: 'Name the participants and a title.' }, { status: 400 });
        const id = chat.createGroup(body.title, [userId, ...body.participant_ids]);
        return Response.json({ conversation: { id, title: body.title } }, { status: 201 });
      }),
    },
  },
  fetch: () => Response.json({ error: 'There is no such page.' }, { status: 404 }),
  websocket: {
    // Bun pings a silent socket after 28 seconds, and closes it 16 seconds later.
    idleTimeout: 44,
    perMessageDeflate: false,
    open(socket) {
      const { userId } = socket.data;
      sockets.add(userId, socket);
      for (const conversationId of store.conversationsOf(userId)) socket.subscribe(String(conversationId));
      socket.send(welcome(userId));
      socket.send(PRESENCE_STATE);
    },
    message(socket, text) {
      chat.receive(socket, socket.data.userId, text);
    },
    close(socket) {
      sockets.remove(socket.data.userId, socket);
    },
  },
});

console.log(`listening on http://${settings.hostname}:${server.port}`);
