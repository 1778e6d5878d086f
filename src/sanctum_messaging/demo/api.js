import { Problem, Unreachable } from './problem.js';

/** @import { ConversationItem, Message, Participant, Role } from './types.js' */
/** @import { Tokens } from './tokens.js' */

const PAGE = 200;
const HISTORY_PAGE = 50;
const UNAUTHENTICATED = 401;

/** The calls of the HTTP API that the page makes. Each rejects with Problem or Unreachable. */
export class API {
  #tokens;

  /** @param {Tokens} tokens */
  constructor(tokens) {
    this.#tokens = tokens;
  }

  /**
   * List all of one's conversations, and where the stream goes on after the list.
   *
   * The stream's cursor is that of the first page: what changes while the others are read comes as events.
   *
   * @returns {Promise<{items: ConversationItem[], streamCursor: string}>}
   */
  async listConversations() {
    const first = await this.#get(`/v1/conversations?limit=${PAGE}`);
    const items = first.conversations;
    for (let cursor = first.nextCursor; cursor;) {
      const page = await this.#get(`/v1/conversations?limit=${PAGE}&cursor=${encodeURIComponent(cursor)}`);
      items.push(...page.conversations);
      cursor = page.nextCursor;
    }
    return { items, streamCursor: first.streamCursor };
  }

  /**
   * Create a conversation. The key makes a repeat harmless: it returns what the first attempt created.
   *
   * @param {{kind: 'group' | 'direct', title?: string, participants: {userId: string, role?: Role}[]}} wanted
   * @param {string} idempotencyKey
   */
  async createConversation(wanted, idempotencyKey) {
    const headers = { 'Idempotency-Key': idempotencyKey };
    return (await this.#call('POST', '/v1/conversations', wanted, headers)).conversation;
  }

  /**
   * @param {string} conversationId
   * @returns {Promise<Participant[]>}
   */
  async listParticipants(conversationId) {
    const path = `${pathOf(conversationId)}/participants?limit=${PAGE}`;
    const participants = [];
    for (let cursor = ''; cursor !== null;) {
      const page = await this.#get(cursor ? `${path}&cursor=${encodeURIComponent(cursor)}` : path);
      participants.push(...page.participants);
      cursor = page.nextCursor;
    }
    return participants;
  }

  /**
   * @param {string} conversationId
   * @param {string[]} userIds
   * @param {Role} role
   */
  async addParticipants(conversationId, userIds, role) {
    const participants = userIds.map((userId) => ({ userId, role }));
    await this.#call('POST', `${pathOf(conversationId)}/participants`, { participants });
  }

  /**
   * @param {string} conversationId
   * @param {string} userId
   * @param {Role} role
   */
  async changeRole(conversationId, userId, role) {
    await this.#call('PATCH', participantPathOf(conversationId, userId), { role });
  }

  /**
   * Remove a participant, or leave.
   *
   * @param {string} conversationId
   * @param {string} userId
   */
  async removeParticipant(conversationId, userId) {
    await this.#call('DELETE', participantPathOf(conversationId, userId));
  }

  /**
   * Read a page of messages: the newest, or those before a seq.
   *
   * @param {string} conversationId
   * @param {number} [beforeSeq]
   * @returns {Promise<{messages: Message[], hasMore: boolean}>}
   */
  async listMessages(conversationId, beforeSeq) {
    const bound = beforeSeq === undefined ? '' : `&beforeSeq=${beforeSeq}`;
    return this.#get(`${pathOf(conversationId)}/messages?limit=${HISTORY_PAGE}${bound}`);
  }

  /**
   * @param {string} messageId
   * @returns {Promise<Message>}
   */
  async getMessage(messageId) {
    return (await this.#get(messagePathOf(messageId))).message;
  }

  /**
   * Give a message a new body, unless it changed since we saw it.
   *
   * @param {Message} message
   * @param {string} body
   * @returns {Promise<Message>}
   */
  async editMessage(message, body) {
    return (await this.#call('PATCH', messagePathOf(message.id), { body }, ifMatch(message))).message;
  }

  /** @param {Message} message */
  async deleteMessage(message) {
    await this.#call('DELETE', messagePathOf(message.id), undefined, ifMatch(message));
  }

  /** @param {string} path */
  #get(path) {
    return this.#call('GET', path);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @param {Record<string, string>} [headers]
   * @returns {Promise<any>}
   */
  async #call(method, path, body, headers = {}) {
    let answer = await this.#fetch(method, path, body, headers, await this.#tokens.get());
    if (answer.status === UNAUTHENTICATED) {
      answer = await this.#fetch(method, path, body, headers, await this.#tokens.get({ fresh: true }));
    }
    const text = await answer.text().catch(() => { throw new Unreachable(); });
    if (!answer.ok) throw new Problem(JSON.parse(text));
    return text ? JSON.parse(text) : undefined;
  }

  #fetch(method, path, body, headers, { token }) {
    const sent = { ...headers, Authorization: `Bearer ${token}` };
    if (body !== undefined) sent['Content-Type'] = 'application/json';
    return fetch(path, { method, headers: sent, body: body === undefined ? undefined : JSON.stringify(body) })
      .catch(() => { throw new Unreachable(); });
  }
}

const pathOf = (conversationId) => `/v1/conversations/${encodeURIComponent(conversationId)}`;
const participantPathOf = (conversationId, userId) =>
  `${pathOf(conversationId)}/participants/${encodeURIComponent(userId)}`;
const messagePathOf = (messageId) => `/v1/messages/${encodeURIComponent(messageId)}`;
const ifMatch = ({ version }) => ({ 'If-Match': `"v${version}"` });
