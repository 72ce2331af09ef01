/**
 * The DOM helpers of the views. Text reaches the page as text nodes only, never as markup.
 */

/** Returns the element of the page with this id. @param {string} id @returns {any} */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * Makes an element. Names of properties are set as properties, `on…` adds a listener, the rest are attributes.
 * @param {string} tag
 * @param {Record<string, any>} [props]
 * @param {...(Node | string)} children
 * @returns {any}
 */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name in node) /** @type {any} */ (node)[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/**
 * Makes the children of `parent` show `items`, one each, in order. An item keeps its element as long as its key stays.
 * So focus and scrolling stay, and screen readers announce only new items.
 * @template T
 * @param {Element} parent
 * @param {T[]} items
 * @param {(item: T) => string} keyOf
 * @param {(item: T) => HTMLElement} make
 * @param {(node: any, item: T) => void} update
 */
export function showList(parent, items, keyOf, make, update) {
  const focused = document.activeElement;
  const held = new Map([...parent.children].map((node) => [/** @type {HTMLElement} */ (node).dataset.key, node]));
  const wanted = new Set(items.map(keyOf));
  for (const [key, node] of held) if (!wanted.has(key ?? '')) node.remove();
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const node = /** @type {HTMLElement} */ (held.get(key) ?? make(item));
    node.dataset.key = key;
    update(node, item);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  // A moved element loses the focus it had.
  if (focused !== document.activeElement && focused instanceof HTMLElement && focused.isConnected) focused.focus();
}

/**
 * A disc with a name's initials, in a colour that depends on the id.
 * @param {{id: number, display_name: string} | undefined} user
 */
export function avatar(user) {
  const words = (user?.display_name ?? '?').split(/\s+/).filter(Boolean);
  const initials = [words[0], words.length > 1 ? words.at(-1) : ''].map((word) => [...(word ?? '')][0] ?? '').join('');
  const node = h('span', { className: 'avatar', ariaHidden: 'true' }, initials.toUpperCase());
  // The golden angle keeps the hues of neighbouring ids far apart.
  node.style.setProperty('--hue', String(Math.round(((user?.id ?? 0) * 137.5) % 360)));
  return node;
}

/** @param {string} iso @param {Intl.DateTimeFormatOptions} options */
const format = (iso, options) => new Intl.DateTimeFormat(undefined, options).format(new Date(iso));

/** The time of day. @param {string} iso */
export const timeOf = (iso) => format(iso, { hour: '2-digit', minute: '2-digit' });

/** "Today", or the date. @param {string} iso */
export function dayOf(iso) {
  const date = new Date(iso);
  if (date.toDateString() === new Date().toDateString()) return 'Today';
  const thisYear = date.getFullYear() === new Date().getFullYear();
  return format(iso, { weekday: 'short', day: 'numeric', month: 'short', ...(thisYear ? {} : { year: 'numeric' }) });
}

/** The time for today, else the date: short enough for a list. @param {string} iso */
export function shortTimeOf(iso) {
  return dayOf(iso) === 'Today' ? timeOf(iso) : format(iso, { day: 'numeric', month: 'short' });
}

/** The time within a sentence: "at 10:24", or with the day before it. @param {string} iso */
export function momentOf(iso) {
  return `${dayOf(iso) === 'Today' ? '' : `${dayOf(iso)} `}at ${timeOf(iso)}`;
}
