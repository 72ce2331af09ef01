/**
 * The right side: one open conversation, its history and the field to write in.
 * Owns scrolling and the draft text; messages, names and rules come from outside.
 */
import { avatar, byId, dayOf, h, showList, timeOf } from './dom.js';
import { sentence } from './errors.js';

/** A scroll position closer to an end than this counts as being there. */
const NEAR_PX = 60;

/**
 * @typedef {import('./state.js').User} User
 * @typedef {import('./state.js').Message} Message
 * @typedef {import('./state.js').Outgoing} Outgoing
 * @typedef {{key: string, day?: string, createdAt: string, content?: string, author?: string, note?: string,
 *   isMine?: boolean, outgoing?: Outgoing}} Row
 * @typedef {{peer: User | undefined, isGroup: boolean, nameOf: (userId: number) => string, presence: string, isOnline: boolean,
 *   typing: string, messages: Message[],
 *   outgoing: Outgoing[], me: number, hasOlder: boolean, isFetching: boolean, isConnected: boolean,
 *   isBlocked: boolean, isContact: boolean}} View
 */

/**
 * @param {{send: (content: string) => void, retry: (outgoing: Outgoing) => void, discard: (outgoing: Outgoing) => void,
 *   older: () => void, typing: (isTyping: boolean) => void, block: (isBlocked: boolean) => void,
 *   befriend: (isContact: boolean) => void}} on
 */
export function createChat(on) {
  const history = /** @type {HTMLElement} */ (byId('history'));
  const form = /** @type {HTMLFormElement} */ (byId('compose'));
  const text = /** @type {HTMLTextAreaElement} */ (form.elements.namedItem('content'));
  const menu = byId('chat-menu');
  let isAtEnd = true;
  let shown = { isBlocked: false, isContact: false };

  const toEnd = () => history.scrollTo({ top: history.scrollHeight });

  history.addEventListener('scroll', () => {
    isAtEnd = history.scrollHeight - history.scrollTop - history.clientHeight < NEAR_PX;
    if (history.scrollTop < NEAR_PX && !byId('older').hidden) on.older();
  });
  // A phone's keyboard covers the space below the last message.
  new ResizeObserver(() => isAtEnd && toEnd()).observe(history);

  byId('older').addEventListener('click', on.older);
  byId('block').addEventListener('click', () => {
    menu.hidePopover();
    on.block(!shown.isBlocked);
  });
  byId('contact').addEventListener('click', () => {
    menu.hidePopover();
    on.befriend(!shown.isContact);
  });

  text.addEventListener('input', () => on.typing(text.value.trim() !== ''));
  text.addEventListener('keydown', (event) => {
    // While a word is being composed, Enter takes the suggestion.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const content = text.value.trim();
    if (!content) return;
    text.value = '';
    isAtEnd = true;
    on.send(content);
    text.focus();
  });

  /** @param {View} view @returns {Row[]} */
  function rowsOf({ messages, outgoing, me, nameOf }) {
    /** @type {Row[]} */
    const rows = [
      ...messages.map((message) => ({
        // The user's own messages keep the key of their draft, so confirming one does not replace its row.
        key: message.sender_id === me && message.client_message_id ? message.client_message_id : `seq-${message.seq}`,
        createdAt: message.created_at,
        content: message.content,
        author: message.sender_id === me ? 'You' : nameOf(message.sender_id),
        note: message.deleted_at ? 'Message deleted' : message.edited_at ? 'edited' : '',
        isMine: message.sender_id === me,
      })),
      ...outgoing.map((one) => ({
        key: one.client_message_id, createdAt: one.created_at, content: one.content, author: 'You', isMine: true, outgoing: one,
      })),
    ];
    return rows.flatMap((row, i) => {
      const day = dayOf(row.createdAt);
      return i > 0 && day === dayOf(rows[i - 1].createdAt) ? [row] : [{ key: `day-${day}`, day, createdAt: row.createdAt }, row];
    });
  }

  /** @param {Row} row */
  const makeRow = (row) => (row.day
    ? h('li', { className: 'day' }, row.day)
    : h('li', { className: row.isMine ? 'message mine' : 'message' },
      h('span', { className: 'author' }),
      h('p', { className: 'content', dir: 'auto' }),
      h('p', { className: 'meta' })));

  /** @param {any} node @param {Row} row @param {View} view */
  function updateRow(node, row, { isConnected, isGroup }) {
    if (row.day) return;
    const error = row.outgoing?.error ?? null;
    const state = !row.outgoing ? 'sent' : error ? 'failed' : isConnected ? 'sending' : 'waiting';
    const [author, content, meta] = node.children;
    // Between two users, the side shows the sender; screen readers announce the name all the same.
    author.classList.toggle('spoken', Boolean(row.isMine) || !isGroup);
    const look = JSON.stringify([state, row.author, row.content, row.note]);
    if (node.look === look) return;
    node.look = look;
    node.dataset.state = state;
    author.textContent = `${row.author}: `;
    content.textContent = row.content ?? '';
    meta.replaceChildren(h('time', { dateTime: row.createdAt }, timeOf(row.createdAt)));
    if (row.note) meta.append(` ${row.note}`);
    if (state === 'sending') meta.append(h('span', { className: 'progress' }, ' Sending…'));
    if (state === 'waiting') meta.append(' Waiting for the connection…');
    if (state === 'failed') {
      meta.append(` Not sent. ${sentence(error)} `,
        h('button', { type: 'button', onclick: () => on.retry(/** @type {Outgoing} */ (row.outgoing)) }, 'Retry'), ' ',
        h('button', { type: 'button', onclick: () => takeBack(/** @type {Outgoing} */ (row.outgoing)) }, 'Edit'));
    }
  }

  /**
   * Puts an unsent text back into the field, before the text that is being written there.
   * @param {Outgoing} outgoing
   */
  function takeBack(outgoing) {
    on.discard(outgoing);
    text.value = [outgoing.content, text.value].filter(Boolean).join('\n');
    text.focus();
  }

  return {
    /** Handles that another conversation is opened, or none. @param {boolean} isOpen */
    open(isOpen) {
      byId('workspace').classList.toggle('chatting', isOpen);
      byId('open-chat').hidden = !isOpen;
      byId('nothing-open').hidden = isOpen;
      byId('messages').replaceChildren();
      text.value = '';
      isAtEnd = true;
      if (menu.matches(':popover-open')) menu.hidePopover();
      // On a phone this would raise the keyboard over the history that the user wants to read.
      if (isOpen && matchMedia('(hover: hover)').matches) text.focus();
    },

    /** @param {View} view */
    render(view) {
      shown = view;
      const name = view.peer?.display_name ?? '';
      byId('peer-name').textContent = name;
      byId('peer-avatar').replaceChildren(avatar(view.peer));
      byId('peer-avatar').firstElementChild.classList.toggle('online', view.isOnline);
      byId('peer-presence').textContent = view.presence;
      byId('typing').textContent = view.typing;
      byId('chat-menu-button').hidden = view.isGroup;
      byId('block').textContent = view.isBlocked ? `Unblock ${name}` : `Block ${name}`;
      byId('contact').textContent = view.isContact ? 'Remove from contacts' : 'Add to contacts';
      byId('blocked').hidden = !view.isBlocked;
      form.hidden = view.isBlocked;
      byId('older').hidden = !view.hasOlder;
      history.ariaBusy = String(view.isFetching);

      const first = byId('messages').querySelector('.message');
      const firstTop = first?.offsetTop ?? 0;
      showList(byId('messages'), rowsOf(view), (row) => row.key, makeRow, (node, row) => updateRow(node, row, view));
      // The text that the user is reading stays in place when older messages are inserted above it.
      if (isAtEnd) toEnd();
      else if (first?.isConnected) history.scrollTop += first.offsetTop - firstTop;
    },
  };
}
