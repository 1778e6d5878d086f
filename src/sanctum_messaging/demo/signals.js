/** The service takes one typing signal of a sender per 3 s, and others show it for 6 s. */
const TYPING_EVERY_MS = 3_500;
/** Scrolling past many messages moves the marker once. */
const READ_AFTER_MS = 300;

/** What is said without waiting for an answer, sparingly: that one types, and how far one has read. */
export class Signals {
  #write;
  /** @type {{conversationId: string | null, at: number}} where one is shown as typing */
  #typing = { conversationId: null, at: 0 };
  /** @type {Map<string, number>} per conversation, the marker to be sent */
  #markers = new Map();

  /** @param {(frame: object) => void} write */
  constructor(write) {
    this.#write = write;
  }

  /**
   * Say that one types, or stopped.
   *
   * @param {string} conversationId
   * @param {boolean} on
   */
  typing(conversationId, on) {
    const shown = this.#typing.conversationId === conversationId;
    const recently = shown && Date.now() - this.#typing.at < TYPING_EVERY_MS;
    if (on ? recently : !shown) return;
    this.#typing = { conversationId: on ? conversationId : null, at: Date.now() };
    this.#write({ op: 'typing', conversationId, on });
  }

  /** The message was sent, which tells everybody that one stopped. */
  sent() {
    this.#typing.conversationId = null;
  }

  /**
   * Move one's read marker.
   *
   * @param {string} conversationId
   * @param {number} seq
   */
  read(conversationId, seq) {
    if (this.#markers.size === 0) setTimeout(() => this.#flush(), READ_AFTER_MS);
    this.#markers.set(conversationId, seq);
  }

  #flush() {
    for (const [conversationId, seq] of this.#markers) this.#write({ op: 'read', conversationId, seq });
    this.#markers.clear();
  }
}
