/**
 * What the modules of this page hand to one another; the shapes of the wire are the client's.
 *
 * @import { ListedConversation, Message, Participant } from './sanctum.js'
 *
 * @typedef {object} Held  what the page holds of a conversation besides
 * @property {number} activity  grows with each event; the list is ordered by it
 * @property {Map<string, Participant> | null} participants  by user id; null until they were read
 * @property {Map<string, Participant | null> | null} changes  what events told while the participants were being read
 * @property {Map<string, Message>} messages  by id; without holes from the oldest to the newest
 * @property {'none' | 'loading' | 'loaded'} history
 * @property {boolean} hasMore  whether older messages can be read
 * @property {Map<string, number>} typing  by user id: until when it is shown, in milliseconds
 *
 * @typedef {ListedConversation & Held} Conversation
 */

export {};
