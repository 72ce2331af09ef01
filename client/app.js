/**
 * The page: the login form and, for a user who is logged in, a session and the two views that show it. Owns the
 * fragment of the address (`#chat-12`, `#user-7`), the window's title and the notice line.
 */
import { createApi } from './api.js';
import { createChat } from './chat.js';
import { byId, momentOf } from './dom.js';
import { HubError, sentence } from './errors.js';
import { createLogin } from './login.js';
import { Session } from './session.js';
import { createSidebar } from './sidebar.js';
import { Connection, State } from './socket.js';

const NOTICE_MS = 6_000;

/** @type {Session | null} */
let session = null;
/** @type {Session['open']} */
let shown = null;
let isRenderDue = false;
let isLoggingOut = false;
/** @type {any} */
let typingTimer;
/** @type {any} */
let noticeTimer;

const api = createApi();

const login = createLogin({
  login: async (username, password) => enter((await api.login(username, password)).user),
  register: async (account) => enter((await api.register(account)).user),
});

const sidebar = createSidebar({
  find: async (q) => (session ? session.find(q) : []),
  more: () => session?.moreConversations(),
  reconnect: () => session?.socket.connect(),
  logout,
  failed,
});

const chat = createChat({
  send: (content) => session?.send(content),
  retry: (outgoing) => session?.retry(outgoing),
  discard: (outgoing) => session?.discard(outgoing),
  older: () => session?.older(),
  typing: (isTyping) => session?.typing(isTyping),
  block: (isBlocked) => session?.block(isBlocked),
  befriend: (isContact) => session?.befriend(isContact),
});

/** @param {import('./state.js').User} me */
function enter(me) {
  const socket = new Connection({ url: new URL('/ws', location.href).href.replace(/^http/, 'ws') });
  session = new Session({ me, api, socket, on: { changed, failed, ended: leave } });
  login.hide();
  byId('workspace').hidden = false;
  sidebar.showMe(me);
  session.start();
  route();
}

/** @param {string} why a sentence for the person who did not ask for it */
function leave(why) {
  session?.stop();
  session = shown = null;
  clearTimeout(typingTimer);
  history.replaceState(null, '', location.pathname);
  document.title = 'Switchboard';
  byId('workspace').hidden = true;
  chat.open(false);
  login.show(isLoggingOut ? '' : why);
}

async function logout() {
  // The hub closes the socket of this login, perhaps before the answer to the logout.
  isLoggingOut = true;
  try {
    await api.logout();
    if (session) leave('');
  } catch (error) {
    failed(error);
  } finally {
    isLoggingOut = false;
  }
}

/** @param {unknown} error */
function failed(error) {
  clearTimeout(noticeTimer);
  byId('notice').textContent = sentence(error);
  byId('notice').hidden = false;
  noticeTimer = setTimeout(() => (byId('notice').hidden = true), NOTICE_MS);
}

/** Opens the conversation that the address names. */
function route() {
  const [, kind, digits] = /^#(chat|user)-(\d+)$/.exec(location.hash) ?? [];
  if (kind === 'chat') session?.show({ id: Number(digits) });
  else if (kind === 'user') session?.show({ peerId: Number(digits) });
  else session?.show(null);
}

/** @param {Session['open']} open */
function addressOf(open) {
  if (open?.id) return `#chat-${open.id}`;
  return open ? `#user-${open.peerId}` : '';
}

/** Shows all changes of one moment at once. */
function changed() {
  if (isRenderDue) return;
  isRenderDue = true;
  queueMicrotask(() => {
    isRenderDue = false;
    if (session) render(session);
  });
}

/** @param {Session} live */
function render(live) {
  const { model, open } = live;
  const now = Date.now();
  if (open?.id && document.visibilityState === 'visible') model.markSeen(open.id);
  if (location.hash !== addressOf(open)) history.replaceState(null, '', location.pathname + addressOf(open));
  if (open !== shown) chat.open(Boolean(open));
  shown = open;

  const conversations = model.conversations();
  renderSidebar(live, conversations, now);
  if (open) renderChat(live, open.id ?? 0, now);
  const unread = conversations.reduce((sum, one) => sum + one.unread, 0);
  document.title = unread ? `(${unread}) Switchboard` : 'Switchboard';

  clearTimeout(typingTimer);
  const typingEnd = model.nextTypingEnd(now);
  if (typingEnd !== Infinity) typingTimer = setTimeout(changed, typingEnd - now);
}

/** @param {Session} live @param {ReturnType<Session['model']['conversations']>} conversations @param {number} now */
function renderSidebar({ model, open, me, socket, next }, conversations, now) {
  sidebar.render({
    connection: socket.state,
    hasMore: next !== null,
    rows: conversations.map(({ id, peerId = 0, last, unread, activeAt }) => ({
      id,
      unread,
      activeAt,
      user: faceOf(model, id, peerId),
      isOnline: Boolean(model.presence(peerId)?.isOnline),
      preview: model.typists(id, now).length ? 'typing…' : previewOf(last, me.id),
      isOpen: id === open?.id,
    })),
  });
}

/**
 * The subject of a conversation: the other user, or the group by its title.
 * @param {Session['model']} model
 * @param {number} id
 * @param {number} peerId
 */
function faceOf(model, id, peerId) {
  const group = model.group(id);
  return group ? { id, username: '', display_name: group.title } : model.user(peerId);
}

/** @param {import('./state.js').Message | undefined} last @param {number} me */
function previewOf(last, me) {
  if (last?.deleted_at) return 'Message deleted';
  return `${last?.sender_id === me ? 'You: ' : ''}${last?.content ?? ''}`;
}

/** @param {Session} live @param {number} id @param {number} now */
function renderChat(live, id, now) {
  const { model, me, socket } = live;
  const peerId = live.peerId() ?? 0;
  const group = model.group(id);
  const nameOf = (/** @type {number} */ userId) => model.user(userId)?.display_name ?? '…';
  const typists = model.typists(id, now).map(nameOf);
  const presence = model.presence(peerId);
  const seenAt = presence?.lastSeenAt;
  const isConnected = socket.state === State.ONLINE;
  chat.render({
    me: me.id,
    peer: faceOf(model, id, peerId),
    isGroup: Boolean(group),
    nameOf,
    isOnline: Boolean(presence?.isOnline),
    presence: !isConnected ? 'No connection' : group ? `${group.size} people` : presence?.isOnline ? 'Online' : seenAt ? `Last seen ${momentOf(seenAt)}` : '',
    typing: typists.length > 1 ? `${typists.length} people are typing…` : typists.length ? `${typists[0]} is typing…` : '',
    messages: model.messages(id),
    outgoing: model.outgoing(live.open?.id, peerId),
    hasOlder: model.olderThan(id) !== null,
    isFetching: live.isFetching(id),
    isConnected,
    isBlocked: live.blocks.has(peerId),
    isContact: live.contacts.has(peerId),
  });
}

addEventListener('hashchange', route);
addEventListener('online', () => session?.socket.state === State.OFFLINE && session.socket.connect());
document.addEventListener('visibilitychange', changed);

try {
  enter((await api.me()).user);
} catch (error) {
  login.show(error instanceof HubError && error.code !== 'unauthenticated' ? sentence(error) : '');
}
