/** @import { Message } from './sanctum.js' */
/** @import { Conversation } from './types.js' */

/**
 * What a conversation is called: its title, or else the people in it.
 *
 * @param {Conversation} conversation
 * @param {string} user  who is looking at it
 */
export function titleOf({ title, participants, createdBy, lastMessage }, user) {
  if (title?.trim()) return title;
  if (participants) return [...participants.keys()].filter((userId) => userId !== user).join(', ') || 'Only you';
  // Until the participants were read, whoever we know of.
  return [createdBy, lastMessage?.senderId].find((userId) => userId && userId !== user) ?? 'Conversation';
}

/**
 * A message in one line.
 *
 * @param {Message} message
 * @param {string} user
 */
export function previewOf({ body, senderId }, user) {
  return body === null ? 'A message was deleted' : `${senderId === user ? 'You' : senderId}: ${body}`;
}

/**
 * Who is typing, in words; nothing if nobody is.
 *
 * @param {Conversation} conversation
 */
export function typingSentence({ typing }) {
  const names = [...typing.keys()];
  if (names.length === 0) return '';
  if (names.length === 1) return `${names[0]} is typing…`;
  return names.length === 2 ? `${names[0]} and ${names[1]} are typing…` : `${names.length} people are typing…`;
}
