/** One user at work: ties the lists, the stream, the store and the outbox together, and offers what the page does. */
import { API } from './api.js';
import { Backoff } from './backoff.js';
import { SanctumClient } from './client.js';
import { Outbox } from './outbox.js';
import { Problem, Unreachable } from './problem.js';
import { goneSentence, problemSentence, refusalSentence } from './sentences.js';
import { Signals } from './signals.js';
import { Store } from './store.js';
import { titleOf } from './titles.js';
import { Tokens } from './tokens.js';

/** @import { ConnectionState, Conversation, Message, Role } from './types.js' */
/** @import { Entry } from './outbox.js' */

const NAME = { name: 'sanctum-chat-page', version: '1' };
const REFRESH_AFTER_MS = 200;

/**
 * @typedef {object} Listeners
 * @property {() => void} changed  something that is shown has changed
 * @property {(text: string) => void} notice  a sentence that the user should read
 * @property {(message: Message, conversation: Conversation) => void} arrived
 */

export class Session {
  /** @type {ConnectionState} */
  connection = { name: 'connecting' };
  /** Whether the list of conversations was read. */
  ready = false;
  /** Whether the connection was lost and is not back; an attempt to reconnect changes nothing about it. */
  away = false;
  /** @type {string | null} the conversation that is looked at */
  openId = null;
  #on;
  #api;
  #tokens;
  /** @type {SanctumClient | null} */
  #client = null;
  #wasLive = false;
  #refreshing = 0;
  #signals = new Signals((frame) => this.#client?.write(frame));
  /** @type {(() => void) | null} ends the wait for the next attempt to start */
  #wake = null;

  /**
   * @param {string} user
   * @param {string} device
   * @param {Listeners} on
   */
  constructor(user, device, on) {
    this.user = user;
    this.#on = on;
    this.#tokens = new Tokens(user, device);
    this.#api = new API(this.#tokens);
    this.outbox = new Outbox({
      user,
      storage: localStorage,
      send: (entry) => this.#sendEntry(entry),
      onChange: (refused) => this.#outboxChanged(refused),
    });
    this.store = new Store(user, {
      changed: () => on.changed(),
      gone: (...gone) => this.#lose(...gone),
      incomplete: () => this.#refreshSoon(),
      arrived: (message, conversation) => message.body !== null && on.arrived(message, conversation),
      own: (message) => this.outbox.acknowledge(message.clientMessageId),
    });
  }

  /** The conversation that is looked at. */
  get open() {
    return this.openId === null ? undefined : this.store.conversations.get(this.openId);
  }

  /** Read the lists, then follow the stream from there on. */
  async start() {
    const backoff = new Backoff();
    for (;;) {
      try {
        this.#setConnection({ name: 'connecting' });
        return this.#follow(await this.#readLists());
      } catch (error) {
        if (!(error instanceof Unreachable) && !error.retryable) {
          return this.#setConnection({ name: 'stopped', error });
        }
        await this.#pause(backoff.next(error.retryAfterMs));
      }
    }
  }

  /** Try again now rather than when it was planned. */
  retryNow() {
    this.#wake?.();
    this.#client?.retryNow();
  }

  /** @param {string | null} conversationId */
  async look(conversationId) {
    this.openId = conversationId;
    this.#on.changed();
    const conversation = this.open;
    if (!conversation) return;
    await this.#ignoringLoss(() => Promise.all([
      conversation.history === 'none' && this.#readHistory(conversation),
      this.#readParticipants(conversation),
    ]));
  }

  /** Read the next older page of the open conversation. */
  async lookBack() {
    const conversation = this.open;
    if (!conversation?.hasMore || conversation.history !== 'loaded') return;
    await this.#ignoringLoss(() => this.#readHistory(conversation));
  }

  /**
   * @param {{kind: 'group' | 'direct', title?: string, participants: {userId: string}[]}} wanted
   * @param {string} idempotencyKey
   */
  async create(wanted, idempotencyKey) {
    const { id } = await this.#api.createConversation(wanted, idempotencyKey);
    if (!this.store.conversations.has(id)) await this.#readLists();
    await this.look(id);
  }

  /**
   * @param {string} body
   * @param {Message | null} replyTo
   */
  send(body, replyTo) {
    if (this.openId === null) return;
    this.outbox.add({ conversationId: this.openId, body, replyTo: replyTo?.id ?? null });
    this.#signals.sent();
  }

  /**
   * @param {Message} message
   * @param {string} body
   */
  async edit(message, body) {
    this.store.putMessage(await this.#api.editMessage(message, body).catch((error) => this.#reread(message, error)));
  }

  /** @param {Message} message */
  async delete(message) {
    await this.#api.deleteMessage(message).catch((error) => this.#reread(message, error));
  }

  /**
   * @param {string[]} userIds
   * @param {Role} role
   */
  addPeople(userIds, role) {
    return this.#api.addParticipants(this.#openId(), userIds, role);
  }

  /**
   * @param {string} userId
   * @param {Role} role
   */
  changeRole(userId, role) {
    return this.#api.changeRole(this.#openId(), userId, role);
  }

  /**
   * Remove somebody, or leave.
   *
   * @param {string} userId
   */
  removePerson(userId) {
    return this.#api.removeParticipant(this.#openId(), userId);
  }

  /**
   * Say that one types, or stopped.
   *
   * @param {boolean} on
   */
  typing(on) {
    if (this.openId !== null) this.#signals.typing(this.openId, on);
  }

  /**
   * Everything up to a seq was looked at.
   *
   * @param {Conversation} conversation
   * @param {number} seq
   */
  seen({ id, readSeq }, seq) {
    if (seq <= readSeq || this.connection.name !== 'live') return;
    this.#signals.read(id, seq);
    this.store.read(id, seq);
  }

  /** @returns {Promise<string>} where the stream goes on */
  async #readLists() {
    const { items, streamCursor } = await this.#api.listConversations();
    this.ready = true;
    this.store.putList(items);
    this.#readNames();
    return streamCursor;
  }

  /** @param {string} cursor */
  #follow(cursor) {
    const url = new URL('/v1/ws', location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    this.#client = new SanctumClient({
      url: url.href,
      cursor,
      getToken: (options) => this.#tokens.get(options),
      name: NAME,
      on: {
        event: (event) => this.store.takeEvent(event),
        resync: () => this.#resync(),
        signal: (signal) => this.store.takeSignal(signal),
        state: (state) => this.#setConnection(state),
        problem: (problem) => problem.retryable && this.#on.notice(problemSentence(problem)),
      },
    });
    this.#client.start();
  }

  /** @param {ConnectionState} connection */
  #setConnection(connection) {
    this.connection = connection;
    if (connection.name === 'waiting' || connection.name === 'stopped') this.away = true;
    if (connection.name === 'live') this.#goLive();
    else this.outbox.pause();
    this.#on.changed();
  }

  /** Only now: had the service stored one of them already, the stream has just told. */
  #goLive() {
    this.away = false;
    this.outbox.resume();
    // Read markers are no events: those moved on other devices meanwhile stand in the list only.
    if (this.#wasLive) this.#refreshSoon();
    this.#wasLive = true;
    this.look(this.openId);
  }

  async #resync() {
    this.store.clear();
    await this.#readLists();
    await this.look(this.openId);
  }

  #refreshSoon() {
    clearTimeout(this.#refreshing);
    this.#refreshing = setTimeout(() => this.#ignoringLoss(() => this.#readLists()), REFRESH_AFTER_MS);
  }

  /** Read who is in the conversations that are named after the people in them. */
  #readNames() {
    return this.#ignoringLoss(async () => {
      const untitled = this.store.list().filter(({ title }) => !title);
      for (const conversation of untitled) await this.#readParticipants(conversation);
    });
  }

  /** @param {Conversation} conversation */
  async #readHistory(conversation) {
    const oldest = Math.min(...[...conversation.messages.values()].map(({ seq }) => seq));
    const before = conversation.history === 'loaded' ? oldest : undefined;
    const previous = conversation.history;
    conversation.history = 'loading';
    try {
      this.store.putHistory(conversation, await this.#api.listMessages(conversation.id, before));
    } finally {
      if (conversation.history === 'loading') conversation.history = previous;
      if (conversation.history === 'none') conversation.messages.clear();
    }
  }

  /** @param {Conversation} conversation */
  async #readParticipants(conversation) {
    if (conversation.participants || conversation.changes) return;
    this.store.awaitParticipants(conversation);
    try {
      this.store.putParticipants(conversation, await this.#api.listParticipants(conversation.id));
    } finally {
      conversation.changes = null;
    }
  }

  /** @param {Entry} entry */
  async #sendEntry({ conversationId, clientMessageId, body, replyTo }) {
    if (!this.#client) throw new Unreachable();
    const { result } = await this.#client.request({ op: 'send', conversationId, clientMessageId, body, replyTo });
    this.store.putMessage(result.message);
  }

  /** @param {Entry | null} refused */
  #outboxChanged(refused) {
    this.#on.changed();
    if (!refused || this.store.conversations.has(refused.conversationId)) return;
    this.#on.notice(`“${refused.body}” was not sent. ${refusalSentence(refused.refusal)}`);
    this.outbox.discard(refused);
  }

  /**
   * @param {Conversation} conversation
   * @param {'removed' | 'left' | 'deleted'} why
   * @param {string} actorId
   */
  #lose(conversation, why, actorId) {
    if (conversation.id === this.openId) this.openId = null;
    const sentence = goneSentence(why, actorId, titleOf(conversation, this.user));
    if (sentence && actorId !== this.user) this.#on.notice(sentence);
  }

  /** Somebody changed the message first: show how it is now, and let the user decide again. */
  async #reread(message, error) {
    if (error instanceof Problem && error.code === 'precondition_failed') {
      this.store.putMessage(await this.#api.getMessage(message.id));
    }
    throw error;
  }

  #openId() {
    return this.openId ?? '';
  }

  /** Do what is done again after the next reconnect anyway. */
  async #ignoringLoss(work) {
    try {
      await work();
    } catch (error) {
      // Who was removed meanwhile is told so by an event.
      if (error instanceof Problem && error.code !== 'not_found') this.#on.notice(problemSentence(error));
      else if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
    }
  }

  /** @param {number} ms */
  async #pause(ms) {
    this.#setConnection({ name: 'waiting', retryAt: Date.now() + ms });
    await new Promise((/** @type {(value?: any) => void} */ resolve) => {
      this.#wake = resolve;
      setTimeout(resolve, ms);
    });
    this.#wake = null;
  }
}
