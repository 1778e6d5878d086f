/** Refusals and states as sentences for people. */
import { Unreachable } from './sanctum.js';

/** @import { ConnectionState, Problem } from './sanctum.js' */

const REFUSALS = {
  forbidden: 'Your role in this conversation does not allow it.',
  not_found: 'It is not there any more, or not for you.',
  direct_conversation_fixed: 'The people in a direct conversation can’t be changed.',
  last_owner: 'A group keeps at least one owner: make somebody else an owner first.',
  too_many_participants: 'There are as many people in it as there can be.',
  message_deleted: 'The message was deleted.',
  precondition_failed: 'Somebody changed it just before you. Look at it again.',
  body_too_large: 'It is too long.',
  client_message_id_reused: 'It was changed after it had been sent.',
  unauthenticated: 'You are not signed in any more. Reload the page.',
  outcome_unknown: 'Whether it worked is not known. Look, and try again.',
  stopping: 'The service is just being restarted. Try again in a moment.',
};

const CLOSES = {
  1000: 'This connection was closed.',
  4500: 'The service did not understand this page. A newer one may be there: reload.',
  4501: 'You are not signed in any more.',
  4503: 'Your access was taken away.',
  4504: 'This session went on somewhere else.',
  4505: 'You have too many connections open. Close a tab.',
  4506: 'This page is too old for the service. Reload it.',
};

const FIELDS = {
  too_long: 'too long',
  too_short: 'too short',
  missing: 'missing',
  pattern: 'with a character that is not allowed',
  oneself: 'you: you are in it already',
  duplicate: 'named twice',
  not_found: 'not there any more',
};

/**
 * Why the service will never take a message.
 *
 * @param {string | null} code
 */
export function refusalSentence(code) {
  return REFUSALS[code ?? ''] ?? 'The service refused it.';
}

/**
 * What went wrong, and what to do about it.
 *
 * @param {Error} error
 */
export function problemSentence(error) {
  if (error instanceof Unreachable) return 'The service can’t be reached. Try again once the connection is back.';
  const problem = /** @type {Problem} */ (error);
  if (problem.retryAfterMs) return `That was too much at once. Try again in ${seconds(problem.retryAfterMs)}.`;
  const [fault] = problem.errors ?? [];
  if (fault) return `The field ${fault.field} is ${FIELDS[fault.code] ?? 'not right'}.`;
  return REFUSALS[problem.code] ?? problem.message;
}

/**
 * The state of the connection; empty while it is as it should be.
 *
 * @param {ConnectionState} connection
 * @param {{away: boolean, onLine: boolean, now: number}} seen
 */
export function connectionSentence(connection, { away, onLine, now }) {
  if (connection.name === 'live') return 'Live';
  if (connection.name === 'stopped') return stopSentence(connection);
  if (!onLine) return 'Offline';
  if (connection.name === 'catchingUp') return 'Catching up…';
  if (connection.name === 'connecting') return away ? 'Reconnecting…' : 'Connecting…';
  return `Reconnecting in ${seconds((connection.retryAt ?? now) - now)}`;
}

/** @param {ConnectionState} connection */
const stopSentence = ({ code, error }) => CLOSES[code ?? 0] ?? problemSentence(error ?? new Unreachable());

/**
 * Why a conversation is gone.
 *
 * @param {'removed' | 'left' | 'deleted'} why
 * @param {string} actorId
 * @param {string} title
 */
export function goneSentence(why, actorId, title) {
  if (why === 'left') return '';
  return why === 'deleted' ? `${actorId} deleted “${title}”.` : `${actorId} removed you from “${title}”.`;
}

/** @param {number} ms */
const seconds = (ms) => `${Math.max(1, Math.ceil(ms / 1000))} s`;
