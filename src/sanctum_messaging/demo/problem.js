/** @import { ProblemBody } from './types.js' */

/** A refusal by the service. */
export class Problem extends Error {
  /** @param {ProblemBody} body */
  constructor(body) {
    super(body.detail || body.title);
    this.code = body.code;
    this.status = body.status;
    this.retryable = body.retryable;
    this.retryAfterMs = body.retryAfterMs ?? 0;
    this.errors = body.errors ?? [];
  }
}

/** The service could not be reached, or went away before it answered: what was asked for may have happened or not. */
export class Unreachable extends Error {
  constructor() {
    super('The service could not be reached.');
  }
}
