import { Problem, Unreachable } from './sanctum.js';

/** A token that expires within this time is not used for anything new. */
const MARGIN_MS = 30_000;

/** The development tokens of one user, in memory only. A product asks its own identity provider here instead. */
export class Tokens {
  #user;
  #device;
  /** @type {{token: string, expiresAt: string} | null} */
  #held = null;
  /** @type {Promise<string> | null} */
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
   * @param {{fresh: boolean}} asked
   */
  async get({ fresh }) {
    const held = this.#held;
    if (!fresh && held && Date.parse(held.expiresAt) - Date.now() > MARGIN_MS) return held.token;
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
    this.#held = body;
    return body.token;
  }
}
