/** Lists that the service gives out page by page, read whole. */

/** @import { Client, ListedConversation, Participant } from './sanctum.js' */

const PAGE = 200;

/**
 * List all of one's conversations, and where the stream goes on after the list.
 *
 * The stream's cursor is that of the first page: what changes while the others are read comes as events.
 *
 * @param {Client} client
 */
export async function listAllConversations(client) {
  const first = await client.listConversations({ limit: PAGE });
  const items = first.conversations;
  for (let cursor = first.nextCursor; cursor;) {
    const page = await client.listConversations({ limit: PAGE, cursor });
    items.push(...page.conversations);
    cursor = page.nextCursor;
  }
  return { items, streamCursor: first.streamCursor };
}

/**
 * @param {Client} client
 * @param {string} conversationId
 */
export async function listAllParticipants(client, conversationId) {
  /** @type {Participant[]} */
  const participants = [];
  for (let cursor = /** @type {string | null | undefined} */ (undefined); cursor !== null;) {
    const page = await client.listParticipants(conversationId, { limit: PAGE, cursor });
    participants.push(...page.participants);
    cursor = page.nextCursor;
  }
  return participants;
}
