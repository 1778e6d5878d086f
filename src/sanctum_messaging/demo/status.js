import { byId, setText } from './dom.js';
import { announce } from './notices.js';
import { connectionSentence } from './sentences.js';

/** @import { Session } from './session.js' */

const TICK_MS = 500;

/** The state of the connection: a line that is always there, and a banner while it is not as it should be. */
export class Status {
  #session;
  #wasAway = false;

  /** @param {Session} session */
  constructor(session) {
    this.#session = session;
    byId('retry').addEventListener('click', () => this.#retry());
    for (const name of ['online', 'offline']) addEventListener(name, () => this.render());
    addEventListener('online', () => session.retryNow());
    // A tab in the background has its timers slowed down; who looks at it should not wait for them.
    document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && session.retryNow());
    setInterval(() => this.render(), TICK_MS);
  }

  render() {
    const { connection, away } = this.#session;
    const sentence = connectionSentence(connection, { away, onLine: navigator.onLine, now: Date.now() });
    const stopped = connection.name === 'stopped';
    this.#announce(away, sentence);
    setText(byId('connection'), sentence);
    byId('connection').dataset.state = away ? 'away' : connection.name;
    byId('banner').hidden = !away;
    byId('banner').dataset.state = connection.name;
    setText(byId('banner-text'), stopped ? sentence : `${sentence}. What you write waits here and goes out by itself.`);
    setText(byId('retry'), stopped ? 'Connect again' : 'Try now');
  }

  /** The seconds that pass are not read out, only what changes. */
  #announce(away, sentence) {
    if (away !== this.#wasAway) announce(away ? `Connection lost. ${sentence}` : 'Connected again');
    this.#wasAway = away;
  }

  /** After the service said no, only a new beginning can help; what is in the outbox outlives it. */
  #retry() {
    if (this.#session.connection.name === 'stopped') location.reload();
    else this.#session.retryNow();
  }
}
