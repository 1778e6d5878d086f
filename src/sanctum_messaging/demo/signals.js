/** The service takes one typing signal of a sender per 3 s, and others show it for 6 s. */
const TYPING_EVERY_MS = 3_500;
/** Scrolling past many messages moves the marker once. */
const READ_AFTER_MS = 300;

/** What is said without waiting for an answer, sparingly: that one types, and how far one has read. */
export class Signals {
  #say;
  /** @type {string | null} the conversation where one is shown as typing */
  #shown = null;
  #shownAt = 0;
  #timer = 0;
  /** @type {Map<string, number>} per conversation, the marker to be sent */
  #markers = new Map();

  /**
   * @param {object} say
   * @param {(conversationId: string, on: boolean) => void} say.typing
   * @param {(conversationId: string, seq: number) => void} say.read
   */
  constructor(say) {
    this.#say = say;
  }

  /**
   * Say that one types, or stopped.
   *
   * @param {string} conversationId
   * @param {boolean} on
   */
  typing(conversationId, on) {
    clearTimeout(this.#timer);
    const wait = this.#shownAt + TYPING_EVERY_MS - Date.now();
    if (!on && this.#shown === conversationId) this.#stop();
    else if (on && wait <= 0) this.#show(conversationId);
    // The next key goes on; but where nothing is shown yet, there may be no other key for long.
    else if (on && this.#shown !== conversationId) this.#timer = setTimeout(() => this.#show(conversationId), wait);
  }

  /** The message was sent, which tells everybody that one stopped. */
  sent() {
    clearTimeout(this.#timer);
    this.#shown = null;
  }

  /** @param {string} conversationId */
  #show(conversationId) {
    this.#shown = conversationId;
    this.#shownAt = Date.now();
    this.#say.typing(conversationId, true);
  }

  #stop() {
    if (this.#shown !== null) this.#say.typing(this.#shown, false);
    this.#shown = null;
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
    for (const [conversationId, seq] of this.#markers) this.#say.read(conversationId, seq);
    this.#markers.clear();
  }
}
