import { Problem, Stopped } from './sanctum.js';

/** What the keys of all users' messages begin with in the browser's storage. */
export const OUTBOX_KEYS = 'sanctum.outbox/';

/**
 * @typedef {object} Entry  a message that was typed and is not known to be stored
 * @property {string} clientMessageId  makes repeats harmless: however often it is sent, one message comes of it
 * @property {string} conversationId
 * @property {string} body
 * @property {string | null} replyTo
 * @property {number} at  when it was typed, in milliseconds; unique, so that the order is kept
 * @property {string | null} refusal  the code of the problem, where the service will never take it
 */

/**
 * The messages of one user that are on their way. They are kept in the browser's storage until the service has
 * acknowledged them, so that neither a lost connection nor a reload loses one or sends one twice.
 *
 * Each has a storage key of its own: tabs of the same user share them without overwriting one another.
 */
export class Outbox {
  #prefix;
  #storage;
  #send;
  #onChange;
  #open = false;
  /** @type {Map<string, Entry>} */
  #entries = new Map();
  /** @type {Set<string>} conversations of which a message is being sent: one at a time keeps their order */
  #busy = new Set();

  /**
   * @param {object} options
   * @param {string} options.user
   * @param {Storage} options.storage
   * @param {(entry: Entry) => Promise<void>} options.send  resolves once it is stored; else Problem or Stopped
   * @param {(entry: Entry | null) => void} options.onChange  with the entry where one was refused
   */
  constructor({ user, storage, send, onChange }) {
    this.#prefix = `${OUTBOX_KEYS}${encodeURIComponent(user)}/`;
    this.#storage = storage;
    this.#send = send;
    this.#onChange = onChange;
    this.#load();
  }

  /**
   * What waits in a conversation, in the order it was typed.
   *
   * @param {string} conversationId
   */
  of(conversationId) {
    return [...this.#entries.values()]
      .filter((entry) => entry.conversationId === conversationId)
      .sort((one, other) => one.at - other.at);
  }

  /**
   * Keep a new message and send it as soon as there is a connection. Throws where the storage has no room for it.
   *
   * @param {{conversationId: string, body: string, replyTo: string | null}} typed
   */
  add(typed) {
    const last = Math.max(0, ...[...this.#entries.values()].map((entry) => entry.at));
    const at = Math.max(Date.now(), last + 1);
    const entry = { ...typed, clientMessageId: crypto.randomUUID(), at, refusal: null };
    this.#keep(entry);
    this.#pump(entry.conversationId);
  }

  /** There is a connection: send what waits. */
  resume() {
    this.#open = true;
    for (const { conversationId } of this.#entries.values()) this.#pump(conversationId);
  }

  pause() {
    this.#open = false;
  }

  /**
   * The message was seen among those that are stored.
   *
   * @param {string} clientMessageId
   */
  acknowledge(clientMessageId) {
    if (!this.#entries.delete(clientMessageId)) return;
    this.#storage.removeItem(this.#prefix + clientMessageId);
    this.#onChange(null);
  }

  /**
   * Send a refused message again.
   *
   * @param {Entry} entry
   */
  retry(entry) {
    this.#keep({ ...entry, refusal: null });
    this.#pump(entry.conversationId);
  }

  /**
   * Forget a refused message.
   *
   * @param {Entry} entry
   */
  discard(entry) {
    this.acknowledge(entry.clientMessageId);
  }

  /** Another tab of the same user has changed something. What it sends we may send too: it is stored once. */
  reload() {
    this.#load();
    this.#onChange(null);
    if (this.#open) this.resume();
  }

  #load() {
    this.#entries.clear();
    for (let index = 0; index < this.#storage.length; index += 1) {
      const key = this.#storage.key(index) ?? '';
      if (key.startsWith(this.#prefix)) this.#read(key);
    }
  }

  /** @param {string} key */
  #read(key) {
    try {
      const entry = JSON.parse(this.#storage.getItem(key) ?? '');
      this.#entries.set(entry.clientMessageId, entry);
    } catch {
      // Not one of ours any more; it would stand in the way for ever.
      this.#storage.removeItem(key);
    }
  }

  /** @param {Entry} entry */
  #keep(entry) {
    // First, because it throws where there is no room: what is not kept is not sent either.
    this.#storage.setItem(this.#prefix + entry.clientMessageId, JSON.stringify(entry));
    this.#entries.set(entry.clientMessageId, entry);
    this.#onChange(entry.refusal === null ? null : entry);
  }

  /** @param {string} conversationId */
  async #pump(conversationId) {
    if (this.#busy.has(conversationId)) return;
    this.#busy.add(conversationId);
    try {
      for (let entry = this.#first(conversationId); entry; entry = this.#first(conversationId)) {
        await this.#attempt(entry);
      }
    } catch (error) {
      // What was not sent when the client stopped is sent by the next one.
      if (!(error instanceof Stopped)) reportError(error);
    } finally {
      this.#busy.delete(conversationId);
    }
  }

  /** @param {string} conversationId */
  #first(conversationId) {
    return this.#open ? this.of(conversationId).find((entry) => entry.refusal === null) : undefined;
  }

  /** @param {Entry} entry */
  async #attempt(entry) {
    try {
      await this.#send(entry);
      this.acknowledge(entry.clientMessageId);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (this.#entries.has(entry.clientMessageId)) this.#keep({ ...entry, refusal: error.code });
    }
  }
}
