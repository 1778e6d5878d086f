import { Problem, Unreachable } from './problem.js';

/** @import { Token } from './types.js' */

/** A token that expires within this time is not used for anything new. */
const MARGIN_MS = 30_000;

/** The development tokens of one user, in memory only. A product asks its own identity provider here instead. */
export class Tokens {
  #user;
  #device;
  /** @type {Token | null} */
  #token = null;
  /** @type {Promise<Token> | null} */
  #asked = null;

  /**
   * @param {string} user
   * @param {string} device
   */
  constructor(user, device) {
    this.#user = user;
    this.#device = device;
  }

  /**
   * Give a token that holds, or with `fresh` a new one. Many askers at once cause one request.
   *
   * @returns {Promise<Token>}
   */
  async get({ fresh = false } = {}) {
    if (!fresh && this.#token && Date.parse(this.#token.expiresAt) - Date.now() > MARGIN_MS) return this.#token;
    this.#asked ??= this.#ask().finally(() => { this.#asked = null; });
    return this.#asked;
  }

  async #ask() {
    const answer = await fetch('/dev/token', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ userId: this.#user, deviceId: this.#device }),
    }).catch(() => { throw new Unreachable(); });
    const body = await answer.json().catch(() => { throw new Unreachable(); });
    if (!answer.ok) throw new Problem(body);
    this.#token = body;
    return body;
  }
}
