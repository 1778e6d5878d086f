import { byId, element } from './dom.js';
import { problemSentence } from './sentences.js';

const SHOWN_MS = 8_000;

/**
 * Tell the user something in a sentence that goes away by itself.
 *
 * @param {string | Error} what
 */
export function notice(what) {
  const text = typeof what === 'string' ? what : problemSentence(what);
  const note = element('div', { class: 'notice' }, element('span', {}, text));
  note.append(element('button', { type: 'button', 'aria-label': 'Close', click: () => note.remove() }, '×'));
  byId('notices').append(note);
  setTimeout(() => note.remove(), SHOWN_MS);
}

/**
 * Say something to those who don't see the page.
 *
 * @param {string} text
 */
export function announce(text) {
  byId('announcer').textContent = text;
}
