/**
 * A client of the stream that loses nothing and shows nothing twice: what it remembers from one socket to the next.
 *
 * It owes the server the duties of docs/protocol.md, "Client duties": the cursor moves only after the application took
 * an event; an event whose seq is not above the last one taken in its conversation is dropped; a `resync` is handled by
 * reading the lists again; reconnects are spread.
 */
import { Backoff } from './backoff.js';
import { Connection } from './connection.js';
import { Problem, Unreachable } from './problem.js';

/** @import { ConnectionState, EventFrame, ProblemBody, Token } from './types.js' */

const NORMAL_CLOSE = 1000;
/** Close codes from here on mean that coming back makes no sense. */
const FIRST_FINAL_CLOSE = 4500;
const REFRESH_BEFORE_EXPIRY_MS = 60_000;
const REFRESH_AGAIN_MS = 10_000;
/** A token that is about to expire is refreshed soon, but never in a loop without a pause. */
const REFRESH_SOONEST_MS = 1_000;
/** The longest that a browser's timer can wait. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * @typedef {object} Handlers
 * @property {(event: EventFrame) => void} event  takes an event; once it returns, the event counts as handled
 * @property {() => Promise<void>} resync  reads the lists again; what was held from events is void
 * @property {(signal: any) => void} signal
 * @property {(state: ConnectionState) => void} state
 * @property {(problem: Problem) => void} problem  a refusal of a frame that asked for no answer
 */

export class SanctumClient {
  #url;
  #getToken;
  #name;
  #handlers;
  #backoff = new Backoff();
  /** Where the application stands; the server goes on right after it. */
  #cursor;
  /** @type {string | undefined} */
  #resumeToken;
  /** @type {Map<string, number>} per conversation, the seq of the last event taken; holes are normal */
  #lastSeqs = new Map();
  /** @type {Connection | null} the one whose frames count */
  #current = null;
  /** @type {Connection | null} the one that was not welcomed yet */
  #next = null;
  /** @type {any[]} what came and is not handled yet; nothing overtakes */
  #inbox = [];
  #handling = false;
  #stopped = false;
  #asking = false;
  #notBefore = 0;
  #timers = { reconnect: 0, refresh: 0, replace: 0 };

  /**
   * @param {object} options
   * @param {string} options.url  of the socket
   * @param {string} options.cursor  of the lists that the application has read
   * @param {(options?: {fresh: boolean}) => Promise<Token>} options.getToken
   * @param {{name: string, version: string}} options.name  for the operator
   * @param {Handlers} options.on
   */
  constructor({ url, cursor, getToken, name, on }) {
    this.#url = url;
    this.#cursor = cursor;
    this.#getToken = getToken;
    this.#name = name;
    this.#handlers = on;
  }

  /** Connect, now and whenever the connection is lost, until `stop` or until the server says that there is no point. */
  start() {
    this.#connect();
  }

  /** Leave for good. */
  stop() {
    this.#stopped = true;
    Object.values(this.#timers).forEach(clearTimeout);
    this.#current?.write({ op: 'bye' });
    this.#current?.drop();
    this.#next?.drop();
    this.#current = this.#next = null;
  }

  /** Don't wait any longer: the network is back, or somebody asks for it. */
  retryNow() {
    if (!this.#stopped && !this.#current && !this.#next) this.#connect();
  }

  /**
   * Write a frame and wait for its `ok`; rejects with Problem or Unreachable.
   *
   * @param {object} frame
   * @returns {Promise<any>}
   */
  request(frame) {
    return this.#current ? this.#current.request(frame) : Promise.reject(new Unreachable());
  }

  /**
   * Write a frame that asks for no answer and may get lost.
   *
   * @param {object} frame
   */
  write(frame) {
    this.#current?.write(frame);
  }

  /** Open a socket that takes over as soon as it is welcomed. */
  async #connect() {
    if (this.#asking) return;
    clearTimeout(this.#timers.reconnect);
    if (!this.#current) this.#handlers.state({ name: 'connecting' });
    this.#asking = true;
    try {
      const token = await this.#getToken();
      if (!this.#stopped) this.#open(token);
    } catch (error) {
      if (!this.#stopped && !this.#current) this.#lackToken(/** @type {Error} */ (error));
    } finally {
      this.#asking = false;
    }
  }

  /** @param {Error} error */
  #lackToken(error) {
    if (error instanceof Problem && !error.retryable) {
      this.#stopped = true;
      this.#handlers.state({ name: 'stopped', error });
    } else {
      this.#wait();
    }
  }

  /** @param {Token} token */
  #open({ token, expiresAt }) {
    const hello = { op: 'hello', token, cursor: this.#cursor, resumeToken: this.#resumeToken, client: this.#name };
    const connection = new Connection(this.#url, hello, {
      onFrame: (frame) => this.#receive(connection, frame, expiresAt),
      onGone: (code) => this.#lose(connection, code),
    });
    this.#next = connection;
  }

  /**
   * @param {Connection} connection
   * @param {any} frame
   * @param {string} expiresAt  of the token that was sent
   */
  #receive(connection, frame, expiresAt) {
    if (connection === this.#next && frame.op === 'welcome') this.#welcome(connection, frame, expiresAt);
    if (connection !== this.#current) return;
    if (frame.op === 'event' || frame.op === 'resync' || frame.op === 'live') this.#take(frame);
    else if (frame.op === 'ping') this.#answer(frame);
    else if (frame.op === 'signal') this.#handlers.signal(frame);
    else if (frame.op === 'drain') this.#replaceIn(frame.reconnectInMs);
    else if (frame.op === 'authRequired') this.#refreshToken();
    else if (frame.op === 'error') this.#note(frame.problem);
  }

  /** The new socket goes on from our cursor, so what the old one still holds will come again. */
  #welcome(connection, frame, expiresAt) {
    this.#current?.drop();
    this.#current = connection;
    this.#next = null;
    this.#inbox = [];
    this.#resumeToken = frame.resumeToken;
    this.#handlers.state({ name: 'catchingUp' });
    this.#scheduleRefresh(expiresAt);
  }

  /** @param {any} frame  one that bears a cursor */
  #take(frame) {
    this.#inbox.push(frame);
    if (!this.#handling) this.#handleAll();
  }

  async #handleAll() {
    this.#handling = true;
    try {
      for (let frame = this.#inbox.shift(); frame; frame = this.#inbox.shift()) {
        // A repeat says nothing about how far we are.
        if (frame.op === 'event' && this.#wasTaken(frame)) continue;
        if (frame.op === 'resync') await this.#resync();
        else if (frame.op === 'event') this.#handle(frame);
        this.#cursor = frame.cursor;
        if (frame.op === 'live') this.#goLive();
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#handling = false;
    }
  }

  /** @param {EventFrame} event */
  #handle(event) {
    this.#handlers.event(event);
    this.#lastSeqs.set(event.conversationId, event.seq);
  }

  /** @param {EventFrame} event */
  #wasTaken({ conversationId, seq }) {
    return seq <= (this.#lastSeqs.get(conversationId) ?? 0);
  }

  async #resync() {
    this.#lastSeqs.clear();
    await this.#handlers.resync();
  }

  #goLive() {
    this.#backoff.reset();
    if (this.#current) this.#handlers.state({ name: 'live' });
  }

  /** The application could not take something; it comes again on the next socket, since the cursor did not move. */
  #fail(error) {
    if (!(error instanceof Unreachable || error instanceof Problem)) reportError(error);
    this.#inbox = [];
    this.#current?.drop();
    this.#current = null;
    if (!this.#stopped && !this.#next) this.#wait();
  }

  /** A heartbeat tells how far the stream is; where all was handled, we are there too and say so. */
  #answer(ping) {
    if (this.#handling) {
      this.#current?.write({ op: 'pong' });
      return;
    }
    this.#cursor = ping.cursor;
    this.#current?.write({ op: 'ack', cursor: ping.cursor });
  }

  /** @param {ProblemBody} body */
  #note(body) {
    if (body.retryAfterMs) this.#notBefore = Date.now() + body.retryAfterMs;
    this.#handlers.problem(new Problem(body));
  }

  /** The instance is stopping: have the new socket before the old one is closed. */
  #replaceIn(ms) {
    this.#notBefore = Date.now() + ms;
    clearTimeout(this.#timers.replace);
    this.#timers.replace = setTimeout(() => {
      if (this.#current && !this.#next) this.#connect();
    }, ms);
  }

  /**
   * @param {Connection} connection
   * @param {number} code
   */
  #lose(connection, code) {
    if (connection === this.#next) this.#next = null;
    if (connection === this.#current) {
      this.#current = null;
      this.#inbox = [];
      clearTimeout(this.#timers.refresh);
    }
    // The other socket, old or new, still stands or will be told of its own end.
    if (this.#current || this.#next || this.#stopped) return;
    if (code === NORMAL_CLOSE || code >= FIRST_FINAL_CLOSE) {
      this.#stopped = true;
      this.#handlers.state({ name: 'stopped', code });
    } else {
      this.#wait();
    }
  }

  #wait() {
    const ms = this.#backoff.next(Math.max(0, this.#notBefore - Date.now()));
    this.#timers.reconnect = setTimeout(() => this.#connect(), ms);
    this.#handlers.state({ name: 'waiting', retryAt: Date.now() + ms });
  }

  /** @param {string} expiresAt */
  #scheduleRefresh(expiresAt) {
    const ms = Date.parse(expiresAt) - Date.now() - REFRESH_BEFORE_EXPIRY_MS;
    this.#refreshIn(Math.min(Math.max(ms, REFRESH_SOONEST_MS), LONGEST_TIMER_MS));
  }

  /** @param {number} ms */
  #refreshIn(ms) {
    clearTimeout(this.#timers.refresh);
    this.#timers.refresh = setTimeout(() => this.#refreshToken(), ms);
  }

  /** Refresh the token on the open socket; where that fails the old one holds until it expires. */
  async #refreshToken() {
    const connection = this.#current;
    try {
      const { token, expiresAt } = await this.#getToken({ fresh: true });
      await connection?.request({ op: 'auth', token });
      if (connection === this.#current) this.#scheduleRefresh(expiresAt);
    } catch {
      if (connection && connection === this.#current) this.#refreshIn(REFRESH_AGAIN_MS);
    }
  }
}
