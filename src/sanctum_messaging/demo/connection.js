import { Problem, Unreachable } from './problem.js';

/** @import { ProblemBody } from './types.js' */

const SUBPROTOCOL = 'sanctum.v1';
const OPENING_MS = 15_000;
const SILENT_HEARTBEATS = 2;
const CHECK_MS = 1_000;
export const HEARTBEAT_LOST = 4002;

/**
 * One WebSocket: says hello, matches answers with requests, and notices silence. It ends once, by `onGone`, unless it
 * is dropped on purpose.
 */
export class Connection {
  #socket;
  #handlers;
  #watch;
  #silenceMs = OPENING_MS;
  // By the clock, which goes on while the machine sleeps: waking up is then noticed as silence.
  #heardAt = Date.now();
  #over = false;
  #lastId = 0;
  /** @type {Map<string, {resolve: (frame: any) => void, reject: (error: Error) => void}>} */
  #requests = new Map();

  /**
   * @param {string} url
   * @param {object} hello  the first frame
   * @param {{onFrame: (frame: any) => void, onGone: (code: number) => void}} handlers
   */
  constructor(url, hello, handlers) {
    this.#handlers = handlers;
    this.#socket = new WebSocket(url, SUBPROTOCOL);
    this.#socket.onopen = () => this.write(hello);
    this.#socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    this.#socket.onclose = ({ code }) => this.#end(code);
    this.#watch = setInterval(() => this.#checkHeard(), CHECK_MS);
  }

  /**
   * Write a frame; tells whether the socket took it.
   *
   * @param {object} frame
   */
  write(frame) {
    if (this.#over || this.#socket.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /**
   * Write a frame and wait for its `ok`.
   *
   * @param {object} frame
   * @returns {Promise<any>} the `ok` frame; rejects with Problem, or Unreachable if the socket is lost before
   */
  request(frame) {
    const id = String(++this.#lastId);
    return new Promise((resolve, reject) => {
      this.#requests.set(id, { resolve, reject });
      if (!this.write({ ...frame, id })) this.#settle(id)?.reject(new Unreachable());
    });
  }

  /** Close without telling anybody: another connection has taken over, or nobody wants one. */
  drop() {
    this.#finish();
    this.#socket.close(1000);
  }

  /** @param {any} frame */
  #receive(frame) {
    if (this.#over) return;
    this.#heardAt = Date.now();
    if (frame.op === 'welcome') this.#silenceMs = SILENT_HEARTBEATS * frame.heartbeatMs;
    const answered = frame.id === undefined ? undefined : this.#settle(frame.id);
    if (answered === undefined) this.#handlers.onFrame(frame);
    else if (frame.op === 'ok') answered.resolve(frame);
    else answered.reject(new Problem(/** @type {ProblemBody} */ (frame.problem)));
  }

  /** @param {string} id */
  #settle(id) {
    const request = this.#requests.get(id);
    this.#requests.delete(id);
    return request;
  }

  #checkHeard() {
    if (Date.now() - this.#heardAt < this.#silenceMs) return;
    // The closing handshake of a dead network takes its time; nobody waits for it.
    this.#socket.close(HEARTBEAT_LOST);
    this.#end(HEARTBEAT_LOST);
  }

  /** @param {number} code */
  #end(code) {
    if (this.#over) return;
    this.#finish();
    this.#handlers.onGone(code);
  }

  #finish() {
    this.#over = true;
    clearInterval(this.#watch);
    for (const id of [...this.#requests.keys()]) this.#settle(id)?.reject(new Unreachable());
  }
}
