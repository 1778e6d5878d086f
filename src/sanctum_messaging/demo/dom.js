/** Making and updating elements. Text always goes in as text: nothing here parses markup. */

const SVG = 'http://www.w3.org/2000/svg';

/**
 * Find an element of the page by its id.
 *
 * @param {string} id
 * @returns {any}
 */
export const byId = (id) => document.getElementById(id);

/**
 * Make an element.
 *
 * @param {string} tag
 * @param {Record<string, string | boolean | ((event: any) => void)>} [attributes]  functions are listeners; true stands
 *   for an attribute without a value, false for none
 * @param {(Node | string | null | undefined | false)[]} children
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') made.addEventListener(name, value);
    else if (value !== false) made.setAttribute(name, value === true ? '' : value);
  }
  made.append(...children.filter((child) => child != null && child !== false));
  return made;
}

/**
 * Have an element say something. What it says already is not written again: it would be laid out, and read out, again.
 *
 * @param {Element} place
 * @param {string} text
 */
export function setText(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

/**
 * Make one of the page's icons.
 *
 * @param {string} name
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `#icon-${name}`);
  svg.setAttribute('aria-hidden', 'true');
  svg.append(use);
  return svg;
}

/**
 * Make a button that shows an icon and is called something.
 *
 * @param {string} iconName
 * @param {string} label
 * @param {(event: Event) => void} click
 */
export function iconButton(iconName, label, click) {
  const attributes = { type: 'button', class: 'icon-button', title: label, 'aria-label': label, click };
  return element('button', attributes, icon(iconName));
}

/**
 * Make the picture of a user: the first letter of his name, in a colour of his own.
 *
 * @param {string} name
 */
export function avatar(name) {
  const [letter = '?'] = name;
  const hue = [...name].reduce((sum, character) => (sum * 31 + (character.codePointAt(0) ?? 0)) % 997, 7) % HUES;
  return element('span', { class: `avatar hue-${hue}`, 'aria-hidden': 'true' }, letter.toUpperCase());
}

const HUES = 8;

/** @type {WeakMap<Element, Map<string, Element>>} */
const shown = new WeakMap();

/**
 * Make the children of an element those of a list, keeping the elements of what was there before.
 *
 * @template T
 * @param {Element} parent
 * @param {T[]} items
 * @param {{key: (item: T) => string, create: (item: T) => Element, update: (element: Element, item: T) => void}} how
 */
export function showList(parent, items, { key, create, update }) {
  const before = shown.get(parent) ?? new Map();
  const after = new Map();
  for (const item of items) after.set(key(item), before.get(key(item)) ?? create(item));
  for (const [each, old] of before) if (!after.has(each)) old.remove();
  let place = parent.firstElementChild;
  for (const item of items) {
    const child = /** @type {Element} */ (after.get(key(item)));
    if (child === place) place = place.nextElementSibling;
    else moveBefore(parent, child, place);
    update(child, item);
  }
  shown.set(parent, after);
}

/** Moving an element takes the focus from it; it is given back. */
function moveBefore(parent, child, place) {
  const focused = child.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement) : null;
  parent.insertBefore(child, place);
  focused?.focus();
}
