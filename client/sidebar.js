/**
 * The left side: the user's own name, the connection, the search for users, the list of conversations. Owns the text of
 * the search; all other data comes from outside.
 */
import { avatar, byId, h, shortTimeOf, showList } from './dom.js';
import { State } from './socket.js';

/** A delay long enough to skip the letters of a word typed at once. */
const SEARCH_DELAY_MS = 200;

/** @type {Record<string, string>} */
const CONNECTION = {
  [State.CONNECTING]: 'Connecting…',
  [State.ONLINE]: 'Online',
  [State.OFFLINE]: 'Offline, reconnecting…',
  [State.STOPPED]: 'Disconnected',
};

/**
 * @typedef {import('./state.js').User} User
 * @typedef {{id: number, user: User | undefined, isOnline: boolean, preview: string, activeAt: string, unread: number, isOpen: boolean}} Row
 */

/** @param {{find: (q: string) => Promise<User[]>, more: () => void, logout: () => void, reconnect: () => void,
 *   failed: (error: unknown) => void}} on */
export function createSidebar(on) {
  const search = /** @type {HTMLInputElement} */ (byId('search'));
  const [foundList, foundEmpty] = byId('found').children;
  const [conversationList, conversationsEmpty] = byId('conversations').children;
  /** @type {any} */
  let searchTimer;

  byId('logout').addEventListener('click', on.logout);
  byId('reconnect').addEventListener('click', on.reconnect);
  byId('more-conversations').addEventListener('click', on.more);
  search.addEventListener('input', () => {
    clearTimeout(searchTimer);
    searchTimer = setTimeout(find, SEARCH_DELAY_MS);
  });
  search.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') endSearch();
    if (event.key === 'ArrowDown') foundList.querySelector('a')?.focus();
  });
  foundList.addEventListener('click', endSearch);

  function endSearch() {
    search.value = '';
    find();
  }

  async function find() {
    const q = search.value.trim();
    byId('found').hidden = !q;
    byId('conversations').hidden = Boolean(q);
    if (!q) return showPeople([]);
    try {
      const users = await on.find(q);
      if (q !== search.value.trim()) return; // an answer to an older question
      showPeople(users);
      foundEmpty.textContent = users.length ? '' : 'No one found';
    } catch (error) {
      on.failed(error);
    }
  }

  /** @param {User[]} users */
  function showPeople(users) {
    showList(foundList, users, (user) => String(user.id), (user) => h('li', {},
      h('a', { href: `#user-${user.id}` },
        avatar(user),
        h('span', { className: 'name' }, user.display_name),
        h('span', { className: 'preview' }, `@${user.username}`))), () => {});
  }

  /** @param {Row} row */
  const makeRow = (row) => h('li', {}, h('a', { href: `#chat-${row.id}` },
    avatar(row.user),
    h('span', { className: 'name' }),
    h('time'),
    h('span', { className: 'preview' }),
    h('span', { className: 'unread' })));

  /** @param {any} node @param {Row} row */
  function updateRow(node, row) {
    const [disc, name, time, preview, unread] = node.firstElementChild.children;
    node.firstElementChild.ariaCurrent = row.isOpen ? 'page' : null;
    disc.classList.toggle('online', row.isOnline);
    name.textContent = row.user?.display_name ?? '';
    time.textContent = shortTimeOf(row.activeAt);
    time.dateTime = row.activeAt;
    preview.textContent = row.preview;
    unread.textContent = row.unread > 0 ? String(row.unread) : '';
    unread.ariaLabel = row.unread > 0 ? `${row.unread} new` : null;
  }

  return {
    /** @param {User} me */
    showMe(me) {
      byId('me').replaceChildren(avatar(me), h('strong', {}, me.display_name));
      endSearch();
    },
    /** @param {{rows: Row[], hasMore: boolean, connection: string}} view */
    render({ rows, hasMore, connection }) {
      byId('connection').textContent = CONNECTION[connection];
      byId('connection').dataset.state = connection;
      byId('reconnect').hidden = connection !== State.STOPPED;
      showList(conversationList, rows, (row) => String(row.id), makeRow, updateRow);
      conversationsEmpty.hidden = rows.length > 0;
      byId('more-conversations').hidden = !hasMore;
    },
  };
}
