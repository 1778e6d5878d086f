/** @import { Message } from './sanctum.js' */
/** @import { Conversation } from './types.js' */
/** @import { Entry } from './outbox.js' */
import { dayOf } from './times.js';

/** Messages of one sender within this time stand together. */
const TOGETHER_MS = 5 * 60 * 1000;

/**
 * @typedef {{key: string, heading: string, day?: string}} HeadingRow  a day, or where the unread messages begin
 *
 * @typedef {object} ContentRow  a message, or an entry that is on its way to be one
 * @property {string} key
 * @property {Message} [message]
 * @property {Entry} [entry]
 * @property {string} senderId
 * @property {Date} at
 * @property {boolean} [first]  of those that stand together
 * @property {boolean} [last]
 *
 * @typedef {HeadingRow | ContentRow} Row
 */

/**
 * Lay out a conversation: days, the mark above what is new, the messages, and at the end those on their way.
 *
 * @param {Conversation} conversation
 * @param {Entry[]} entries
 * @param {{user: string, newAfter: number | null}} seen  where the mark above what is new belongs, if anywhere
 * @returns {Row[]}
 */
export function rowsOf(conversation, entries, { user, newAfter }) {
  const stored = [...conversation.messages.values()].sort((one, other) => one.seq - other.seq);
  /** @type {Row[]} */
  const rows = [];
  let marked = false;
  const isNew = ({ seq, senderId }) => newAfter !== null && seq > newAfter && senderId !== user;
  for (const message of stored) {
    const row = { ...storedRow(message, user), message };
    addDay(rows, row.at);
    if (!marked && isNew(message)) {
      rows.push({ key: 'unread', heading: 'New' });
      marked = true;
    }
    rows.push(row);
  }
  for (const entry of entries) {
    const row = { key: `mine:${entry.clientMessageId}`, entry, senderId: user, at: new Date(entry.at) };
    addDay(rows, row.at);
    rows.push(row);
  }
  return group(rows);
}

/** A message keeps its key when it is stored, so that it keeps its place on the page. */
function storedRow({ id, clientMessageId, senderId, createdAt }, user) {
  const key = senderId === user ? `mine:${clientMessageId}` : id;
  return { key, senderId, at: new Date(createdAt) };
}

function addDay(rows, at) {
  const heading = dayOf(at);
  const before = rows.findLast((row) => row.day)?.day;
  if (heading !== before) rows.push({ key: `day:${at.toDateString()}`, heading, day: heading });
}

function group(rows) {
  rows.forEach((row, index) => {
    if ('heading' in row) return;
    row.first = !standsWith(rows[index - 1], row);
    row.last = !standsWith(row, rows[index + 1]);
  });
  return rows;
}

function standsWith(row, next) {
  if (!row?.senderId || row.senderId !== next?.senderId) return false;
  return next.at.getTime() - row.at.getTime() < TOGETHER_MS;
}
