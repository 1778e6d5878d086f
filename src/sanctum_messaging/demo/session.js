/** One user at work: ties the lists, the stream, the store and the outbox together, and offers what the page does. */
import { listAllConversations, listAllParticipants } from './lists.js';
import { Outbox } from './outbox.js';
import { Backoff, Client, Problem, Stopped, Unreachable } from './sanctum.js';
import { goneSentence, problemSentence, refusalSentence } from './sentences.js';
import { Signals } from './signals.js';
import { Store } from './store.js';
import { titleOf } from './titles.js';
import { Tokens } from './tokens.js';

/** @import { ConnectionState, Message, Role } from './sanctum.js' */
/** @import { Conversation } from './types.js' */
/** @import { Entry } from './outbox.js' */

const NAME = { name: 'sanctum-chat-page', version: '1' };
const REFRESH_AFTER_MS = 200;
const HISTORY_PAGE = 50;

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
  #client;
  #wasLive = false;
  #refreshing = 0;
  #signals = new Signals({
    typing: (conversationId, on) => this.#client.typing(conversationId, on),
    read: (conversationId, seq) => this.#ignoringLoss(() => this.#client.read(conversationId, seq)),
  });
  /** @type {(() => void) | null} ends the wait for the next attempt to read the lists */
  #wake = null;

  /**
   * @param {string} user
   * @param {string} device
   * @param {Listeners} on
   */
  constructor(user, device, on) {
    this.user = user;
    this.#on = on;
    const tokens = new Tokens(user, device);
    this.#client = new Client({
      url: location.origin,
      token: (asked) => tokens.get(asked),
      name: NAME,
      onState: (state) => this.#setConnection(state),
      onSignal: (signal) => this.store.takeSignal(signal),
      onProblem: (problem) => problem.retryable && on.notice(problemSentence(problem)),
    });
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
    try {
      await this.#begin();
      for await (const frame of this.#client.events()) {
        if (frame.op === 'resync') await this.#resync();
        else this.store.takeEvent(frame);
      }
    } catch (error) {
      // Why the client has stopped it has told already; it can't go on after anything else either.
      if (error instanceof Stopped) return;
      this.#client.close();
      this.#setConnection({ name: 'stopped', error });
      if (!(error instanceof Problem)) reportError(error);
    }
  }

  /** Try again now rather than when it was planned. */
  retryNow() {
    this.#wake?.();
    this.#client.retryNow();
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
    const { id } = await this.#client.createConversation(wanted, { idempotencyKey });
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
    const edited = this.#client.editMessage(message, { body });
    this.store.putMessage(await edited.catch((error) => this.#reread(message, error)));
  }

  /** @param {Message} message */
  async delete(message) {
    await this.#client.deleteMessage(message).catch((error) => this.#reread(message, error));
  }

  /**
   * @param {string[]} userIds
   * @param {Role} role
   */
  addPeople(userIds, role) {
    return this.#client.addParticipants(this.#openId(), userIds.map((userId) => ({ userId, role })));
  }

  /**
   * @param {string} userId
   * @param {Role} role
   */
  changeRole(userId, role) {
    return this.#client.updateParticipant(this.#openId(), userId, { role });
  }

  /**
   * Remove somebody, or leave.
   *
   * @param {string} userId
   */
  removePerson(userId) {
    return this.#client.removeParticipant(this.#openId(), userId);
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
    const { items, streamCursor } = await listAllConversations(this.#client);
    this.ready = true;
    this.store.putList(items);
    this.#readNames();
    return streamCursor;
  }

  async #begin() {
    this.#setConnection({ name: 'connecting' });
    const cursor = await this.#persevere(() => this.#readLists(), (retryAt) => {
      this.#setConnection({ name: retryAt === null ? 'connecting' : 'waiting', retryAt: retryAt ?? undefined });
    });
    this.#client.open({ cursor });
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
    await this.#persevere(() => this.#readLists());
    await this.look(this.openId);
  }

  #refreshSoon() {
    clearTimeout(this.#refreshing);
    this.#refreshing = setTimeout(() => this.#ignoringLoss(() => this.#readLists()), REFRESH_AFTER_MS);
  }

  /** Read who is in the conversations that are named after the people in them. */
  #readNames() {
    return this.#ignoringLoss(async () => {
      const untitled = this.store.list().filter(({ title }) => !title?.trim());
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
      const page = await this.#client.listMessages(conversation.id, { limit: HISTORY_PAGE, beforeSeq: before });
      this.store.putHistory(conversation, page);
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
      this.store.putParticipants(conversation, await listAllParticipants(this.#client, conversation.id));
    } finally {
      conversation.changes = null;
    }
  }

  /** @param {Entry} entry */
  async #sendEntry({ conversationId, clientMessageId, body, replyTo }) {
    this.store.putMessage(await this.#client.send(conversationId, body, { clientMessageId, replyTo }));
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
      this.store.putMessage(await this.#client.getMessage(message.id));
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

  /**
   * Do what can't be done without until it is done, unless the service will never let us.
   *
   * @template T
   * @param {() => Promise<T>} work
   * @param {(retryAt: number | null) => void} onWait  told when the next attempt is planned, and when it is made
   */
  async #persevere(work, onWait = () => undefined) {
    const backoff = new Backoff();
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof Unreachable) && !error.retryable) throw error;
        const ms = backoff.next(error.retryAfterMs);
        onWait(Date.now() + ms);
        await this.#pause(ms);
        onWait(null);
      }
    }
  }

  /** @param {number} ms */
  async #pause(ms) {
    await new Promise((/** @type {(value?: any) => void} */ resolve) => {
      this.#wake = resolve;
      setTimeout(resolve, ms);
    });
    this.#wake = null;
  }
}
