import { avatar, element, iconButton } from './dom.js';
import { refusalSentence } from './sentences.js';
import { timeOf } from './times.js';

/** @import { Message } from './sanctum.js' */
/** @import { Conversation } from './types.js' */
/** @import { Entry } from './outbox.js' */
/** @import { ContentRow, Row } from './rows.js' */

/**
 * @typedef {object} Actions  what can be done with a message
 * @property {(message: Message) => void} reply
 * @property {(message: Message) => void} edit
 * @property {(message: Message) => void} remove
 * @property {(entry: Entry) => void} retry
 * @property {(entry: Entry) => void} discard
 * @property {(id: string) => void} [show]  goes to another message
 */

/**
 * @typedef {object} View  what a row depends on besides itself
 * @property {string} user
 * @property {Conversation} conversation
 * @property {Actions} actions
 */

/** @type {WeakMap<Element, string>} what each element shows: it is made again only when that changes */
const drawn = new WeakMap();

/**
 * Make the element of a row.
 *
 * @param {Row} row
 */
export function createRow(row) {
  if (!('heading' in row)) return element('li');
  const kind = row.key === 'unread' ? 'heading unread' : 'heading';
  return element('li', { class: kind }, element('span', {}, row.heading));
}

/**
 * Bring the element of a row up to date.
 *
 * @param {Element} line
 * @param {Row} row
 * @param {View} view
 */
export function updateRow(line, row, view) {
  if ('heading' in row) return;
  const signature = signatureOf(row, view);
  if (drawn.get(line) === signature) return;
  drawn.set(line, signature);
  line.className = classesOf(row, view);
  if (row.message) line.id = `message-${row.message.id}`;
  line.replaceChildren(...partsOf(row, view));
}

/**
 * @param {ContentRow} row
 * @param {View} view
 */
function signatureOf(row, { conversation }) {
  const { message, entry, first, last } = row;
  const quoted = quotedOf(contentOf(row), conversation);
  const { kind, role } = conversation;
  return [message?.id, message?.version, entry?.refusal, first, last, quoted?.version, kind, role].join();
}

/**
 * @param {ContentRow} row
 * @param {View} view
 */
function classesOf({ message, entry, senderId, first, last }, { user }) {
  const classes = ['message'];
  if (senderId === user) classes.push('mine');
  if (first) classes.push('first');
  if (last) classes.push('last');
  if (entry) classes.push(entry.refusal ? 'refused' : 'sending');
  if (message?.deletedAt) classes.push('deleted');
  return classes.join(' ');
}

/**
 * @param {ContentRow} row
 * @param {View} view
 */
function partsOf(row, view) {
  const { message, entry, senderId, first } = row;
  const mine = senderId === view.user;
  const block = element(
    'div',
    { class: 'block' },
    !mine && first && view.conversation.kind === 'group' && element('div', { class: 'who' }, senderId),
    bubbleOf(row, view),
    entry?.refusal != null && refusalOf(entry, view.actions),
    message && actionsOf(message, view),
  );
  return mine ? [block] : [first ? avatar(senderId) : element('span', { class: 'avatar-space' }), block];
}

/**
 * @param {ContentRow} row
 * @param {View} view
 */
function bubbleOf(row, view) {
  const { message, entry, senderId, at } = row;
  const { body } = contentOf(row);
  const speaker = senderId === view.user ? 'You' : senderId;
  return element(
    'div',
    { class: 'bubble' },
    element('span', { class: 'visually-hidden' }, `${speaker}: `),
    quoteOf(contentOf(row), view),
    element('p', { class: 'body', dir: 'auto' }, body ?? 'This message was deleted.'),
    element('span', { class: 'meta' }, ...metaOf(message, entry, at)),
  );
}

/**
 * @param {ContentRow} row
 * @returns {Message | Entry}
 */
const contentOf = ({ message, entry }) => /** @type {Message | Entry} */ (message ?? entry);

function metaOf(message, entry, at) {
  if (entry) return [element('span', { class: 'state' }, entry.refusal ? 'not sent' : 'sending')];
  const time = element('time', { datetime: message.createdAt, title: at.toLocaleString() }, timeOf(at));
  return message.editedAt && !message.deletedAt ? [element('span', { class: 'state' }, 'edited'), time] : [time];
}

function quotedOf({ replyTo }, { messages }) {
  return replyTo ? messages.get(replyTo) : undefined;
}

function quoteOf(source, { conversation, user, actions }) {
  if (!source.replyTo) return null;
  const quoted = quotedOf(source, conversation);
  if (!quoted) return element('div', { class: 'quote' }, 'An earlier message');
  const sender = quoted.senderId === user ? 'You' : quoted.senderId;
  return element(
    'button',
    { type: 'button', class: 'quote', title: 'Show this message', click: () => actions.show(quoted.id) },
    element('strong', {}, sender),
    element('span', {}, quoted.body ?? 'This message was deleted.'),
  );
}

function refusalOf(entry, actions) {
  return element(
    'div',
    { class: 'refusal', role: 'alert' },
    element('span', {}, `Not sent. ${refusalSentence(entry.refusal)}`),
    element('button', { type: 'button', click: () => actions.retry(entry) }, 'Try again'),
    element('button', { type: 'button', click: () => actions.discard(entry) }, 'Discard'),
  );
}

function actionsOf(message, { user, conversation, actions }) {
  const { role } = conversation;
  if (message.deletedAt) return null;
  const mine = message.senderId === user;
  const writes = role !== 'observer';
  const deletes = (mine && writes) || role === 'admin' || role === 'owner';
  const buttons = [
    writes && iconButton('reply', 'Reply', () => actions.reply(message)),
    mine && writes && iconButton('edit', 'Edit', () => actions.edit(message)),
    deletes && iconButton('delete', 'Delete', () => actions.remove(message)),
  ];
  const attributes = { class: 'actions', role: 'group', 'aria-label': 'Actions' };
  return buttons.some(Boolean) && element('div', attributes, ...buttons);
}
