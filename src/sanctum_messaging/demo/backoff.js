const FIRST_MS = 500;
const LONGEST_MS = 30_000;
const MOST_DOUBLINGS = 6;

/**
 * Full jitter: a random wait between nothing and a bound that doubles from half a second to 30 seconds, so that the
 * clients of a service that comes back don't all arrive at once.
 */
export class Backoff {
  #attempts = 0;
  #random;

  /** @param {() => number} random  draws from [0, 1) */
  constructor(random = Math.random) {
    this.#random = random;
  }

  /**
   * Draw the next wait.
   *
   * @param {number} atLeastMs  what the server asked for
   */
  next(atLeastMs = 0) {
    const bound = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#attempts);
    this.#attempts = Math.min(this.#attempts + 1, MOST_DOUBLINGS);
    return Math.max(atLeastMs, this.#random() * bound);
  }

  reset() {
    this.#attempts = 0;
  }
}
