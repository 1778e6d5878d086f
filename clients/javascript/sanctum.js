/**
 * The client of Sanctum Messaging for browsers and Node 22 or newer: one module without dependencies.
 *
 *     import { Client } from './sanctum.js';
 *
 *     const client = new Client({ url: 'https://chat.example.com', token: () => askYourLogin() });
 *     for await (const event of client.events()) console.log(event);
 *
 * Each event reaches the application once and in order, over any number of reconnects; each message that is sent is
 * stored once. What it does on the wire is told in docs/protocol.md, how it is used in docs/clients.md.
 */

/**
 * @typedef {'observer' | 'member' | 'admin' | 'owner'} Role
 *
 * @typedef {object} Conversation
 * @property {string} id
 * @property {'group' | 'direct'} kind
 * @property {string | null} title
 * @property {Record<string, any>} metadata
 * @property {'all' | 'joined'} historyVisibility
 * @property {string} createdBy
 * @property {string} createdAt
 * @property {number} version
 * @property {number} lastSeq  an event whose seq is not above it is already in here
 *
 * @typedef {object} OwnMarks
 * @property {boolean} muted
 * @property {boolean} hidden
 * @property {boolean} pinned
 *
 * @typedef {object} OwnView  what a list of one's conversations tells besides
 * @property {Role} role
 * @property {number} readSeq
 * @property {number} unreadCount  1,000 means that or more
 * @property {Message | null} lastMessage
 *
 * @typedef {Conversation & OwnView & OwnMarks} ListedConversation
 *
 * @typedef {object} Membership
 * @property {string} userId
 * @property {Role} role
 * @property {string} joinedAt
 * @property {string | null} leftAt
 *
 * @typedef {Membership & Partial<OwnMarks>} Participant  the marks are told to the user himself only
 *
 * @typedef {object} Message
 * @property {string} id
 * @property {string} conversationId
 * @property {number} seq
 * @property {string} senderId
 * @property {string} deviceId
 * @property {string} clientMessageId
 * @property {string} type
 * @property {string | null} body  null once it was deleted
 * @property {Record<string, any> | null} metadata  null once it was deleted
 * @property {string | null} replyTo
 * @property {string} createdAt
 * @property {string | null} editedAt
 * @property {string | null} deletedAt
 * @property {number} version
 *
 * @typedef {object} EventFrame  one durable fact; types that are not known are to be ignored
 * @property {'event'} op
 * @property {string} cursor
 * @property {string} conversationId
 * @property {number} seq
 * @property {string} type
 * @property {string} actorId
 * @property {string} at
 * @property {any} data
 *
 * @typedef {object} ResyncFrame  what is known can't be mended: read the lists again, then ask for the next event
 * @property {'resync'} op
 * @property {'too_old' | 'diverged'} reason
 * @property {string} cursor
 *
 * @typedef {object} SignalFrame
 * @property {'signal'} op
 * @property {'typing' | 'read'} type
 * @property {string} conversationId
 * @property {string} userId
 * @property {boolean} [on]
 * @property {number} [seq]
 *
 * @typedef {object} ProblemBody  a refusal, the same over HTTP and in an `error` frame
 * @property {string} code
 * @property {string} title
 * @property {string} detail
 * @property {number} status
 * @property {boolean} retryable
 * @property {number} [retryAfterMs]
 * @property {{field: string, code: string}[]} [errors]
 *
 * @typedef {object} ConnectionState
 * @property {'idle' | 'connecting' | 'catchingUp' | 'live' | 'waiting' | 'stopped'} name
 * @property {number} [retryAt]  while waiting: when the next attempt is made, in milliseconds
 * @property {number} [code]  when stopped: the close code, if the service stopped it
 * @property {Error} [error]  what kept the client from connecting, where it was no lost connection
 *
 * @typedef {object} CursorStorage  where the cursor outlives the process; both may be asynchronous
 * @property {() => string | null | undefined | Promise<string | null | undefined>} load
 * @property {(cursor: string) => void | Promise<void>} save  never called again before it is done
 *
 * @typedef {(asked: {fresh: boolean}) => string | Promise<string>} TokenProvider
 *   gives an access token; with `fresh` the last one is refused or about to expire
 *
 * @typedef {object} Draft
 * @property {string} [clientMessageId]  drawn unless given; a repeat with the same one is the same message
 * @property {string} [type]
 * @property {Record<string, any>} [metadata]
 * @property {string | null} [replyTo]
 *
 * @typedef {object} Platform  what the client needs of the world; tests bring their own
 * @property {(address: string, subprotocol: string) => WebSocket} openSocket
 * @property {(address: string, init: RequestInit) => Promise<Response>} fetch
 * @property {() => number} now  in milliseconds
 * @property {() => number} random  of [0, 1)
 * @property {(ms: number, work: () => void) => () => void} after  plans some work; what it returns calls that off
 *
 * @typedef {object} Options
 * @property {string | URL} url  of the service, such as `https://chat.example.com`
 * @property {string | TokenProvider} token
 * @property {CursorStorage} [storage]  without it each client begins at the stream's end, or where `open` says
 * @property {{name: string, version?: string}} [name]  of the application, for the operator
 * @property {(state: ConnectionState) => void} [onState]
 * @property {(signal: SignalFrame) => void} [onSignal]
 * @property {(problem: Problem) => void} [onProblem]  a refusal of a frame that asked for no answer
 * @property {Partial<Platform>} [platform]
 */

const SUBPROTOCOL = 'sanctum.v1';
const NAME = { name: 'sanctum.js', version: '1' };

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
const MOST_DOUBLINGS = 6;
/** The longest that a timer can wait. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** How long a socket may take from its opening to its welcome. */
const OPENING_MS = 15_000;
const SILENT_HEARTBEATS = 2;
const SILENCE_CHECK_MS = 1_000;
const REFRESH_AGAIN_MS = 10_000;
/** How long the application may take for a token, so that one lost answer does not keep it offline for ever. */
const TOKEN_MS = 30_000;

/** How much may wait for the application; above it the client lets the socket go, and reads on once there is room. */
const MOST_WAITING = 1_000;
/** How many messages may wait to be sent. */
const MOST_UNSENT = 1_000;
const SENDS_IN_FLIGHT = 32;
/** What a frame may have in UTF-8, and what its id takes of that at most. */
const FRAME_BYTES = 65_536;
const ID_BYTES = ',"id":""'.length + String(Number.MAX_SAFE_INTEGER).length;
const METADATA_LEVELS = 8;

const NORMAL_CLOSE = 1000;
const NOT_UNDERSTOOD = 1002;
const HEARTBEAT_LOST = 4002;
const TOKEN_EXPIRED = 4005;
const TOKEN_REFUSED = 4501;
/** Close codes from here on mean that coming back makes no sense. */
const FIRST_FINAL_CLOSE = 4500;

const UNAUTHENTICATED = 401;

/** @type {Platform} */
const PLATFORM = {
  openSocket: (address, subprotocol) => new WebSocket(address, subprotocol),
  fetch: (address, init) => fetch(address, init),
  now: () => Date.now(),
  random: () => Math.random(),
  after: (ms, work) => {
    const timer = setTimeout(work, Math.min(ms, LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  },
};

/** A refusal by the service. */
export class Problem extends Error {
  name = 'Problem';

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
  name = 'Unreachable';

  constructor(detail = 'The service could not be reached.') {
    super(detail);
  }
}

/** The client has ended: it was closed, or the service said that there is no coming back. */
export class Stopped extends Error {
  name = 'Stopped';

  /** @param {ConnectionState} state  the last one */
  constructor(state) {
    super(state.error?.message ?? (state.code ? `The service closed the connection with ${state.code}.` : 'Closed.'));
    this.code = state.code;
    this.cause = state.error;
  }
}

/**
 * A user on a device: the HTTP API as methods, and one connection that comes back by itself.
 *
 * Nothing is connected before `open`, or the first of `events` and `send`.
 */
export class Client {
  #url;
  #platform;
  #askToken;
  #storage;
  #on;
  #stream;
  #outbox;
  #line;
  #isOpen = false;
  /** @type {ConnectionState} */
  #state = { name: 'idle' };

  /** @param {Options} options */
  constructor({ url, token, storage, name = NAME, onState, onSignal, onProblem, platform = {} }) {
    this.#url = new URL(url).href.replace(/\/+$/, '');
    this.#platform = { ...PLATFORM, ...platform };
    /** @type {TokenProvider} */
    this.#askToken = (asked) => inTime(this.#platform, () => (typeof token === 'function' ? token(asked) : token));
    this.#storage = storage;
    this.#on = { state: onState, signal: onSignal, problem: onProblem };
    this.#stream = new Stream({
      onMoved: storage ? saver(storage, (error) => this.#stop({ name: 'stopped', error })) : () => undefined,
      onLive: () => this.#setState({ name: 'live' }),
      onRoom: () => this.#line.resume(),
    });
    this.#outbox = new Outbox(this.#platform);
    this.#line = new Line(this.#platform, {
      address: `${this.#url.replace('http', 'ws')}/v1/ws`,
      askToken: this.#askToken,
      hello: () => ({ cursor: this.#stream.cursor, client: name }),
      onWelcome: (connection, welcome) => this.#begin(connection, welcome),
      onFrame: (connection, frame) => this.#receive(connection, frame),
      onLost: () => this.#pause(),
      onState: (state) => (state.name === 'stopped' ? this.#stop(state) : this.#setState(state)),
    });
  }

  /** How the connection is now; `onState` tells when it changes. */
  get connection() {
    return this.#state;
  }

  /** Where the stream goes on for a client that begins here. */
  get cursor() {
    return this.#stream.cursor;
  }

  /**
   * Connect, now and whenever the connection is lost, until `close` or until the service says that there is no point.
   *
   * @param {object} [from]
   * @param {string} [from.cursor]  of the lists that the application has read; it wins over what the storage holds
   */
  open({ cursor } = {}) {
    if (this.#isOpen || this.#state.name === 'stopped') return;
    this.#isOpen = true;
    this.#openAt(cursor);
  }

  /**
   * Read the stream, one event after the other.
   *
   * An event was taken when the next one is asked for: only then does the cursor move. The one at which a loop is left
   * was not taken, and is the first of the next loop. Without a cursor the stream begins at its end. Ends after
   * `close`; throws `Stopped` where the service ended it, or the storage failed.
   *
   * @returns {AsyncGenerator<EventFrame | ResyncFrame, void, void>}
   */
  async *events() {
    this.#stream.attach();
    this.open();
    if (this.#stream.isBehind) this.#line.restart();
    try {
      for (let frame = await this.#stream.next(); frame; frame = await this.#stream.next()) {
        yield frame;
        this.#stream.taken();
      }
    } finally {
      this.#stream.detach();
    }
  }

  /**
   * Count the event that was given last as taken now, before the next is asked for: for the last one before a `break`.
   *
   * @param {EventFrame | ResyncFrame} event
   */
  taken(event) {
    if (!this.#stream.isWith(event)) throw new Error('Something else was given last, or it was taken already.');
    this.#stream.taken();
  }

  /**
   * Send a message, over as many connections as it takes.
   *
   * Messages are stored in the order in which they were sent, unless the service had to put one off.
   *
   * @param {string} conversationId
   * @param {string} body
   * @param {Draft} [draft]
   * @returns {Promise<Message>} the stored message; rejects with Problem once it is refused for good, or with Stopped;
   *   at once with what `JSON.stringify` says of a draft that is no JSON
   */
  send(conversationId, body, { clientMessageId = newId(), ...draft } = {}) {
    if (this.#state.name === 'stopped') return Promise.reject(new Stopped(this.#state));
    this.open();
    return this.#outbox.add({ op: 'send', conversationId, clientMessageId, body, ...draft });
  }

  /**
   * Move one's read marker; it never moves back. It is not repeated by itself where the connection is lost.
   *
   * @param {string} conversationId
   * @param {number} seq
   * @returns {Promise<{readSeq: number, unreadCount: number}>} rejects with Problem or Unreachable
   */
  async read(conversationId, seq) {
    return (await this.#line.request({ op: 'read', conversationId, seq })).result;
  }

  /**
   * Tell the others that one types, or stopped. It may get lost.
   *
   * @param {string} conversationId
   * @param {boolean} on
   */
  typing(conversationId, on) {
    this.#line.write({ op: 'typing', conversationId, on });
  }

  /** Don't wait any longer: the network is back, or somebody asks for it. */
  retryNow() {
    this.#line.retryNow();
  }

  /** Leave for good. What was not sent yet is rejected. */
  close() {
    this.#line.write({ op: 'bye' });
    this.#stop({ name: 'stopped' });
  }

  /**
   * Read a page of one's conversations, the most recently active first. `streamCursor` of the first page is where
   * `open` goes on: nothing falls in between.
   *
   * @param {{limit?: number, cursor?: string}} [page]
   * @returns {Promise<{conversations: ListedConversation[], nextCursor: string | null, streamCursor: string}>}
   */
  listConversations(page = {}) {
    return this.call('GET', withQuery('/v1/conversations', page));
  }

  /** @returns {Promise<{total: number, conversations: number}>} */
  unread() {
    return this.call('GET', '/v1/unread');
  }

  /**
   * Create a conversation. The key makes a repeat harmless: it returns what the first attempt created.
   *
   * @param {{kind: 'group' | 'direct', participants: {userId: string, role?: Role}[], title?: string,
   *   metadata?: Record<string, any>, historyVisibility?: 'all' | 'joined'}} wanted
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Conversation>}
   */
  async createConversation(wanted, { idempotencyKey = newId() } = {}) {
    return (await this.call('POST', '/v1/conversations', wanted, keyed(idempotencyKey))).conversation;
  }

  /**
   * @param {string} conversationId
   * @returns {Promise<Conversation>}
   */
  async getConversation(conversationId) {
    return (await this.call('GET', conversationPath(conversationId))).conversation;
  }

  /**
   * Change a conversation, unless it changed since we saw it.
   *
   * @param {{id: string, version: number}} conversation
   * @param {{title?: string | null, metadata?: Record<string, any>, historyVisibility?: 'all' | 'joined'}} changes
   * @returns {Promise<Conversation>}
   */
  async updateConversation({ id, version }, changes) {
    return (await this.call('PATCH', conversationPath(id), changes, ifMatch(version))).conversation;
  }

  /**
   * @param {{id: string, version: number}} conversation
   * @returns {Promise<void>}
   */
  deleteConversation({ id, version }) {
    return this.call('DELETE', conversationPath(id), undefined, ifMatch(version));
  }

  /**
   * @param {string} conversationId
   * @param {{limit?: number, cursor?: string}} [page]
   * @returns {Promise<{participants: Participant[], nextCursor: string | null}>}
   */
  listParticipants(conversationId, page = {}) {
    return this.call('GET', withQuery(`${conversationPath(conversationId)}/participants`, page));
  }

  /**
   * @param {string} conversationId
   * @param {{userId: string, role?: Role}[]} participants
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Participant[]>}
   */
  async addParticipants(conversationId, participants, { idempotencyKey = newId() } = {}) {
    const path = `${conversationPath(conversationId)}/participants`;
    return (await this.call('POST', path, { participants }, keyed(idempotencyKey))).participants;
  }

  /**
   * Change a role, or one's own marks.
   *
   * @param {string} conversationId
   * @param {string} userId
   * @param {{role?: Role} & Partial<OwnMarks>} changes
   * @returns {Promise<Participant>}
   */
  async updateParticipant(conversationId, userId, changes) {
    return (await this.call('PATCH', participantPath(conversationId, userId), changes)).participant;
  }

  /**
   * Remove a participant, or leave.
   *
   * @param {string} conversationId
   * @param {string} userId
   * @returns {Promise<void>}
   */
  removeParticipant(conversationId, userId) {
    return this.call('DELETE', participantPath(conversationId, userId));
  }

  /**
   * Read a page of messages in ascending order: the newest, or those at a seq.
   *
   * @param {string} conversationId
   * @param {{limit?: number, beforeSeq?: number, afterSeq?: number, aroundSeq?: number}} [page]
   * @returns {Promise<{messages: Message[], hasMore: boolean}>}
   */
  listMessages(conversationId, page = {}) {
    return this.call('GET', withQuery(`${conversationPath(conversationId)}/messages`, page));
  }

  /**
   * @param {string} messageId
   * @returns {Promise<Message>}
   */
  async getMessage(messageId) {
    return (await this.call('GET', messagePath(messageId))).message;
  }

  /**
   * Give a message of one's own another body, unless it changed since we saw it.
   *
   * @param {{id: string, version: number}} message
   * @param {{body: string, metadata?: Record<string, any>}} changes
   * @returns {Promise<Message>}
   */
  async editMessage({ id, version }, changes) {
    return (await this.call('PATCH', messagePath(id), changes, ifMatch(version))).message;
  }

  /**
   * @param {{id: string, version: number}} message
   * @returns {Promise<void>}
   */
  deleteMessage({ id, version }) {
    return this.call('DELETE', messagePath(id), undefined, ifMatch(version));
  }

  /** @returns {Promise<any>} */
  async rateLimits() {
    return (await this.call('GET', '/v1/rate-limits')).limits;
  }

  /**
   * Make any call of the HTTP API.
   *
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @param {Record<string, string>} [headers]
   * @returns {Promise<any>} the body of the answer; rejects with Problem or Unreachable
   */
  async call(method, path, body, headers = {}) {
    let answer = await this.#fetch(method, path, body, headers, { fresh: false });
    if (answer.status === UNAUTHENTICATED) answer = await this.#fetch(method, path, body, headers, { fresh: true });
    const text = await answer.text().catch(lost);
    const said = text ? parseAnswer(answer, text) : undefined;
    if (answer.ok) return said;
    throw typeof said?.code === 'string' ? new Problem(said) : notOurs(answer);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object | undefined} body
   * @param {Record<string, string>} headers
   * @param {{fresh: boolean}} asked  of the token
   */
  async #fetch(method, path, body, headers, asked) {
    /** @type {Record<string, string>} */
    const sent = { ...headers, Authorization: `Bearer ${await this.#askToken(asked)}` };
    if (body !== undefined) sent['Content-Type'] = 'application/json';
    const said = body === undefined ? undefined : JSON.stringify(body);
    // What leads elsewhere comes from something before the service, and what is found there is no answer of ours.
    const init = /** @type {RequestInit} */ ({ method, headers: sent, body: said, redirect: 'error' });
    return this.#platform.fetch(this.#url + path, init).catch(lost);
  }

  /** @param {string | undefined} cursor */
  async #openAt(cursor) {
    try {
      if (cursor) this.#stream.reach(cursor);
      else this.#stream.cursor = (await this.#storage?.load()) ?? undefined;
      if (this.#state.name !== 'stopped') this.#line.open();
    } catch (error) {
      this.#stop({ name: 'stopped', error: asError(error) });
    }
  }

  /**
   * @param {Connection} connection
   * @param {any} welcome
   */
  #begin(connection, welcome) {
    this.#stream.begin(welcome);
    this.#setState({ name: 'catchingUp' });
    this.#outbox.resume(connection, welcome.limits?.sendsInFlight ?? SENDS_IN_FLIGHT);
  }

  /**
   * @param {Connection} connection
   * @param {any} frame
   */
  #receive(connection, frame) {
    this.#stream.receive(frame);
    if (this.#stream.isFull) this.#line.pause();
    else if (frame.op === 'ping') connection.write(this.#stream.answer());
    else if (frame.op === 'signal') tell(this.#on.signal, frame);
    else if (frame.op === 'error') tell(this.#on.problem, new Problem(frame.problem));
  }

  #pause() {
    this.#stream.pause();
    this.#outbox.pause();
  }

  /** @param {ConnectionState} state  the last one */
  #stop(state) {
    if (this.#state.name === 'stopped') return;
    this.#line.close();
    this.#setState(state);
    this.#outbox.close(new Stopped(state));
    this.#stream.close(state.code || state.error ? new Stopped(state) : null);
  }

  /** @param {ConnectionState} state */
  #setState(state) {
    if (this.#state.name === 'stopped') return;
    this.#state = state;
    tell(this.#on.state, state);
  }
}

/**
 * What came over one socket after the other and was not taken yet. It outlives sockets: what comes again is dropped, so
 * what waits here need not come again.
 */
class Stream {
  /** @type {string | undefined} where the application stands; the server goes on right after it */
  cursor;
  /** Something passed by while nobody was reading: the cursor stays before it, and who reads needs another socket. */
  isBehind = false;
  /** What waits is more than is to be held: no more may come before it was taken. */
  isFull = false;
  #on;
  /** @type {any[]} what was received and is not taken, in order */
  #waiting = [];
  /** Whether the first of these is with the application. */
  #isGiven = false;
  /** @type {Map<string, number>} per conversation, the seq of the last event received; holes are normal */
  #lastSeqs = new Map();
  /** Whether the replay of this socket is over; before, its heartbeats may be older than what waits. */
  #isAbreast = false;
  #isRead = false;
  /** @type {{resolve: (frame: any) => void, reject: (error: Error) => void} | null} */
  #asker = null;
  /** @type {{error: Error | null} | null} */
  #end = null;

  /** @param {{onMoved: (cursor: string) => void, onLive: () => void, onRoom: () => void}} on */
  constructor(on) {
    this.#on = on;
  }

  attach() {
    if (this.#isRead) throw new Error('The events are being read already.');
    this.#isRead = true;
  }

  /** Nobody reads any more; the next who does begins with what was not taken. */
  detach() {
    this.#isRead = false;
    this.#isGiven = false;
  }

  /** @param {any} welcome  of the socket that is read from now on */
  begin(welcome) {
    this.pause();
    this.isBehind = false;
    if (this.cursor === undefined) this.reach(welcome.cursor);
  }

  /** @param {string | undefined} cursor  where the application stands now, also before it was given anything */
  reach(cursor) {
    if (cursor === undefined || this.cursor === cursor) return;
    this.cursor = cursor;
    this.#on.onMoved(cursor);
  }

  /** The socket is gone: what waits is taken all the same, and makes nothing live. */
  pause() {
    this.#isAbreast = false;
    for (const frame of this.#waiting) if (frame.op === 'live') frame.op = 'ping';
  }

  /** @param {any} frame */
  receive(frame) {
    const receive = this.#receivers[frame.op];
    if (!receive) return;
    if (!this.#isRead && !isBareCursor(frame)) this.isBehind = true;
    else if (!this.isBehind) receive(frame);
    else if (frame.op === 'live') this.#on.onLive();
    this.#move();
    this.isFull = this.#waiting.length >= MOST_WAITING;
  }

  /** Answer a heartbeat: where everything was taken, we stand where it says. */
  answer() {
    const isIdle = this.#isAbreast && !this.isBehind && this.#waiting.length === 0;
    return isIdle ? { op: 'ack', cursor: this.cursor } : { op: 'pong' };
  }

  /** @returns {Promise<EventFrame | ResyncFrame | undefined>} */
  next() {
    const asked = new Promise((resolve, reject) => { this.#asker = { resolve, reject }; });
    this.#give();
    return asked;
  }

  /**
   * Tell whether the application has a frame and has not taken it.
   *
   * @param {EventFrame | ResyncFrame} frame
   */
  isWith(frame) {
    return this.#isGiven && this.#waiting[0] === frame;
  }

  /** The application has taken what it was given. */
  taken() {
    if (!this.#isGiven) return;
    this.#isGiven = false;
    this.reach(this.#waiting.shift()?.cursor);
    this.#move();
  }

  /**
   * There will be nothing more. With an error what waits is still given, before whoever reads is told of it.
   *
   * @param {Error | null} error
   */
  close(error) {
    this.#end = { error };
    if (!error) this.#waiting = [];
    this.#move();
  }

  /** @type {Record<string, (frame: any) => void>} */
  #receivers = {
    event: (frame) => this.#receiveEvent(frame),
    resync: (frame) => this.#receiveResync(frame),
    live: (frame) => {
      this.#isAbreast = true;
      this.#waiting.push(frame);
    },
    ping: (frame) => this.#receiveCursor(frame),
    pong: (frame) => this.#receiveCursor(frame),
  };

  /** @param {EventFrame} event */
  #receiveEvent(event) {
    if (event.seq <= (this.#lastSeqs.get(event.conversationId) ?? 0)) return;
    this.#lastSeqs.set(event.conversationId, event.seq);
    this.#waiting.push(event);
  }

  /** @param {ResyncFrame} resync  what waits is void: the lists that are read next have all of it */
  #receiveResync(resync) {
    this.#lastSeqs.clear();
    this.#waiting = [...this.#waiting.slice(0, this.#isGiven ? 1 : 0), resync];
  }

  /** @param {any} frame */
  #receiveCursor(frame) {
    if (!this.#isAbreast) return;
    // Many heartbeats while the application is busy say no more than the last.
    if (this.#waiting.at(-1)?.op === frame.op) this.#waiting.pop();
    this.#waiting.push(frame);
  }

  /** Pass what says only how far the stream is, where nothing stands before it; then give what comes. */
  #move() {
    while (!this.#isGiven && this.#waiting.length > 0 && isBareCursor(this.#waiting[0])) {
      const { op, cursor } = this.#waiting.shift();
      this.reach(cursor);
      if (op === 'live') this.#on.onLive();
    }
    this.#give();
    if (this.isFull && this.#waiting.length === 0) {
      this.isFull = false;
      this.#on.onRoom();
    }
  }

  /** Give whoever asks what comes next: an event, or the end. */
  #give() {
    const asker = this.#asker;
    if (!asker || (this.#waiting.length === 0 && !this.#end)) return;
    this.#asker = null;
    if (this.#waiting.length > 0) {
      this.#isGiven = true;
      asker.resolve(this.#waiting[0]);
    } else if (this.#end?.error) {
      asker.reject(this.#end.error);
    } else {
      asker.resolve(undefined);
    }
  }
}

/** Messages on their way. Each is written to every new connection until the service has stored or refused it. */
class Outbox {
  #platform;
  #backoff;
  /** @type {Map<string, Sending>} by all that they say, in the order in which they were sent */
  #sendings = new Map();
  /** @type {Sending[]} those that are not in flight, in the same order */
  #waiting = [];
  #lastNumber = 0;
  #inFlight = 0;
  #mostInFlight = SENDS_IN_FLIGHT;
  /** @type {Connection | null} */
  #connection = null;
  /** @type {(() => void) | null} while the service has put them off, calls off to go on */
  #putOff = null;

  /** @param {Platform} platform */
  constructor(platform) {
    this.#platform = platform;
    this.#backoff = new Backoff(platform.random);
  }

  /**
   * What would cost the connection, now and after each reconnect, is refused here. What is on its way already is not
   * sent twice; whether a client message id may be used again, the service says.
   *
   * @param {{clientMessageId: string} & Record<string, any>} frame
   * @returns {Promise<Message>}
   */
  add(frame) {
    let said;
    try {
      said = sendable(frame);
    } catch (error) {
      return Promise.reject(error);
    }
    const known = this.#sendings.get(said);
    if (known) return known.promise;
    if (this.#sendings.size >= MOST_UNSENT) {
      return Promise.reject(new RangeError(`${MOST_UNSENT} messages wait to be sent already.`));
    }
    this.#lastNumber += 1;
    const sending = new Sending(said, this.#lastNumber);
    this.#sendings.set(said, sending);
    this.#waiting.push(sending);
    this.#write();
    return sending.promise;
  }

  /**
   * There is another connection: whatever was not answered on the one before is written to it.
   *
   * @param {Connection} connection
   * @param {number} mostInFlight
   */
  resume(connection, mostInFlight) {
    this.#connection = connection;
    this.#mostInFlight = mostInFlight;
    this.#inFlight = 0;
    this.#waiting = [...this.#sendings.values()];
    this.#write();
  }

  pause() {
    this.#connection = null;
  }

  /** @param {Error} error  what those are told that were not sent */
  close(error) {
    this.pause();
    this.#putOff?.();
    for (const sending of this.#sendings.values()) sending.reject(error);
    this.#sendings.clear();
    this.#waiting = [];
  }

  #write() {
    while (this.#connection && !this.#putOff && this.#inFlight < this.#mostInFlight && this.#waiting.length > 0) {
      const sending = /** @type {Sending} */ (this.#waiting.shift());
      this.#inFlight += 1;
      this.#attempt(sending, this.#connection);
    }
  }

  /**
   * @param {Sending} sending
   * @param {Connection} connection
   */
  async #attempt(sending, connection) {
    try {
      const { result } = await connection.request(sending.frame);
      this.#settle(sending).resolve(result.message);
      this.#backoff.reset();
    } catch (error) {
      // The next connection has it again.
      if (error instanceof Unreachable) return;
      if (error instanceof Problem && error.retryable) this.#repeat(sending, error, connection);
      else this.#settle(sending).reject(asError(error));
    }
    if (connection !== this.#connection) return;
    this.#inFlight -= 1;
    this.#write();
  }

  /** @param {Sending} sending */
  #settle(sending) {
    this.#sendings.delete(sending.said);
    return sending;
  }

  /**
   * @param {Sending} sending
   * @param {Problem} problem
   * @param {Connection} connection
   */
  #repeat(sending, problem, connection) {
    if (connection === this.#connection) this.#waitAgain(sending);
    this.#putOff?.();
    this.#putOff = this.#platform.after(this.#backoff.next(problem.retryAfterMs), () => {
      this.#putOff = null;
      this.#write();
    });
  }

  /** @param {Sending} sending  before all that were sent after it */
  #waitAgain(sending) {
    const after = this.#waiting.findIndex(({ number }) => number > sending.number);
    this.#waiting.splice(after < 0 ? this.#waiting.length : after, 0, sending);
  }
}

/** One message on its way. */
class Sending {
  /** @type {(message: Message) => void} */
  resolve = () => undefined;
  /** @type {(error: Error) => void} */
  reject = () => undefined;

  /**
   * @param {string} said  the frame, as nobody changes it any more
   * @param {number} number  above those of all that were sent before
   */
  constructor(said, number) {
    this.said = said;
    this.frame = JSON.parse(said);
    this.number = number;
    /** @type {Promise<Message>} */
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/** Keeps one socket open: another follows each that is lost, and takes over from one that is being closed. */
class Line {
  #platform;
  #with;
  #backoff;
  /** @type {Connection | null} the one whose frames count */
  #current = null;
  /** @type {Connection | null} the one that was not welcomed yet */
  #next = null;
  /** @type {string | undefined} */
  #resumeToken;
  #isOpen = false;
  #isPaused = false;
  #isAsking = false;
  /** Until another socket is welcomed the end of the current one is none: the other may have taken its session. */
  #isDraining = false;
  #needsFreshToken = false;
  /** Whether the token of the socket that was not welcomed yet was asked for as a fresh one. */
  #isTokenFresh = false;
  #notBefore = 0;
  /** Calls off the next attempt. */
  #callOff = () => {};
  #callOffRefresh = () => {};

  /**
   * @param {Platform} platform
   * @param {object} handlers
   * @param {string} handlers.address
   * @param {TokenProvider} handlers.askToken
   * @param {() => object} handlers.hello  what the first frame says besides
   * @param {(connection: Connection, welcome: any) => void} handlers.onWelcome
   * @param {(connection: Connection, frame: any) => void} handlers.onFrame
   * @param {() => void} handlers.onLost
   * @param {(state: ConnectionState) => void} handlers.onState
   */
  constructor(platform, handlers) {
    this.#platform = platform;
    this.#with = handlers;
    this.#backoff = new Backoff(platform.random);
  }

  open() {
    this.#isOpen = true;
    this.#connect();
  }

  close() {
    this.#isOpen = false;
    this.#callOff();
    this.#drop();
  }

  /** Hold no socket until there is room for what comes over it. */
  pause() {
    this.#isPaused = true;
    this.#callOff();
    this.#drop();
    this.#with.onState({ name: 'catchingUp' });
  }

  resume() {
    this.#isPaused = false;
    this.retryNow();
  }

  /** Read on from the cursor, over another socket. */
  restart() {
    if (!this.#current) return;
    this.#drop();
    this.retryNow();
  }

  retryNow() {
    if (this.#isOpen && !this.#isPaused && !this.#current && !this.#next) this.#connect();
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
    if (this.#isAsking || this.#next) return;
    this.#callOff();
    if (!this.#current) this.#with.onState({ name: 'connecting' });
    this.#isAsking = true;
    try {
      this.#isTokenFresh = this.#needsFreshToken;
      const token = await this.#with.askToken({ fresh: this.#isTokenFresh });
      this.#isAsking = false;
      if (this.#isOpen && !this.#isPaused) this.#openWith(token);
    } catch (error) {
      this.#isAsking = false;
      if (this.#isOpen && !this.#current) this.#lackToken(asError(error));
    }
  }

  /** @param {Error} error */
  #lackToken(error) {
    if (error instanceof Problem && !error.retryable) this.#with.onState({ name: 'stopped', error });
    else this.#wait(error instanceof Unreachable ? undefined : error);
  }

  /** @param {string} token */
  #openWith(token) {
    const hello = () => ({ op: 'hello', token, ...this.#with.hello(), resumeToken: this.#resumeToken });
    const connection = new Connection(this.#platform, this.#with.address, {
      hello,
      onFrame: (frame) => this.#receive(connection, frame),
      onGone: (code) => this.#lose(connection, code),
    });
    this.#next = connection;
  }

  /**
   * @param {Connection} connection
   * @param {any} frame
   */
  #receive(connection, frame) {
    const isNext = connection === this.#next;
    if (isNext && frame.op === 'welcome') this.#welcome(connection, frame);
    else if (isNext && frame.op === 'error') this.#takeRefusal(connection, new Problem(frame.problem));
    else if (connection !== this.#current) return;
    else if (frame.op === 'drain') this.#replaceIn(frame.reconnectInMs);
    else if (frame.op === 'authRequired') this.#refresh(connection);
    else this.#pass(connection, frame);
  }

  /**
   * @param {Connection} connection
   * @param {any} frame
   */
  #pass(connection, frame) {
    if (frame.op === 'error') this.#notBeforeIn(frame.problem.retryAfterMs ?? 0);
    this.#with.onFrame(connection, frame);
  }

  /**
   * The new socket goes on from where we are, so what the old one still holds will come again.
   *
   * @param {Connection} connection
   * @param {any} welcome
   */
  #welcome(connection, welcome) {
    this.#next = null;
    this.#drop();
    this.#current = connection;
    this.#backoff.reset();
    this.#isDraining = this.#needsFreshToken = false;
    this.#resumeToken = welcome.resumeToken;
    this.#with.onWelcome(connection, welcome);
  }

  /**
   * The hello was refused; another would be the same.
   *
   * @param {Connection} connection
   * @param {Problem} problem
   */
  #takeRefusal(connection, problem) {
    this.#next = null;
    connection.drop();
    this.#notBeforeIn(problem.retryAfterMs);
    if (problem.retryable || this.#current) this.#wait();
    else this.#with.onState({ name: 'stopped', error: problem });
  }

  /**
   * The instance is stopping: have the new socket before the old one is closed.
   *
   * @param {number} ms
   */
  #replaceIn(ms) {
    this.#isDraining = true;
    this.#notBeforeIn(ms);
    this.#plan(ms);
  }

  /**
   * @param {Connection} connection
   * @param {number} code
   */
  #lose(connection, code) {
    const wasCurrent = connection === this.#current;
    if (wasCurrent) this.#current = null;
    else if (connection === this.#next) this.#next = null;
    else return;
    if (wasCurrent) this.#with.onLost();
    // A token that is refused in hello may just be old, unless it is a fresh one already.
    const isRenewable = code === TOKEN_REFUSED && !wasCurrent && !this.#isTokenFresh;
    if (code === TOKEN_EXPIRED || isRenewable) this.#needsFreshToken = true;
    // The other socket still stands, or will be told of its own end.
    if (this.#current ? !this.#isDraining : this.#next) return;
    const isReplacing = wasCurrent ? this.#isDraining : this.#current !== null;
    if (isFinal(code) && !isReplacing && !isRenewable) this.#with.onState({ name: 'stopped', code });
    else this.#wait();
  }

  /** @param {Error} [error] */
  #wait(error) {
    const ms = this.#backoff.next(this.#notBefore - this.#platform.now());
    this.#plan(ms);
    if (!this.#current) this.#with.onState({ name: 'waiting', retryAt: this.#platform.now() + ms, error });
  }

  /** @param {number} ms */
  #plan(ms) {
    this.#callOff();
    this.#callOff = this.#platform.after(ms, () => this.#connect());
  }

  /** @param {number} ms */
  #notBeforeIn(ms) {
    this.#notBefore = Math.max(this.#notBefore, this.#platform.now() + ms);
  }

  /**
   * Refresh the token on the open socket; where that fails the old one holds until it expires.
   *
   * @param {Connection} connection
   */
  async #refresh(connection) {
    try {
      const token = await this.#with.askToken({ fresh: true });
      await connection.request({ op: 'auth', token });
    } catch {
      // Whatever went wrong, and wherever: there is time for another attempt, and an end if none succeeds.
      if (connection !== this.#current) return;
      this.#callOffRefresh();
      this.#callOffRefresh = this.#platform.after(REFRESH_AGAIN_MS, () => this.#refresh(connection));
    }
  }

  /** Let all sockets go. */
  #drop() {
    this.#callOffRefresh();
    const [current, next] = [this.#current, this.#next];
    this.#current = this.#next = null;
    next?.drop();
    current?.drop();
    if (current) this.#with.onLost();
  }
}

/**
 * One WebSocket: says hello, matches answers with requests, and notices silence. It ends once, by `onGone`, unless it
 * is dropped on purpose.
 */
class Connection {
  #platform;
  #handlers;
  #socket;
  #isOver = false;
  #isOpen = false;
  #silenceMs = OPENING_MS;
  // By the clock, which goes on while the machine sleeps: waking up is then noticed as silence.
  #heardAt;
  #callOffCheck = () => {};
  #lastId = 0;
  /** @type {Map<string, {resolve: (frame: any) => void, reject: (error: Error) => void}>} */
  #requests = new Map();

  /**
   * @param {Platform} platform
   * @param {string} address
   * @param {{hello: () => object, onFrame: (frame: any) => void, onGone: (code: number) => void}} handlers
   */
  constructor(platform, address, handlers) {
    this.#platform = platform;
    this.#handlers = handlers;
    this.#heardAt = platform.now();
    this.#socket = platform.openSocket(address, SUBPROTOCOL);
    this.#socket.onopen = () => this.#open();
    this.#socket.onmessage = ({ data }) => this.#receive(data);
    this.#socket.onclose = ({ code }) => this.#end(code);
    this.#checkLater();
  }

  /**
   * Write a frame; tells whether the socket took it.
   *
   * @param {object} frame
   */
  write(frame) {
    if (this.#isOver || !this.#isOpen) return false;
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
    this.#lastId += 1;
    const id = String(this.#lastId);
    return new Promise((resolve, reject) => {
      this.#requests.set(id, { resolve, reject });
      if (!this.write({ ...frame, id })) this.#settle(id)?.reject(new Unreachable());
    });
  }

  /** Close without telling anybody: another connection has taken over, or nobody wants one. */
  drop() {
    if (this.#isOver) return;
    this.#finish();
    this.#socket.close(NORMAL_CLOSE);
  }

  #open() {
    this.#isOpen = true;
    this.write(this.#handlers.hello());
  }

  /** @param {string} text */
  #receive(text) {
    if (this.#isOver) return;
    this.#heardAt = this.#platform.now();
    const frame = parseFrame(text);
    if (!frame) {
      this.#giveUp(NOT_UNDERSTOOD);
      return;
    }
    if (frame.op === 'welcome') this.#silenceMs = SILENT_HEARTBEATS * frame.heartbeatMs;
    const asked = frame.op === 'ok' || frame.op === 'error' ? this.#settle(frame.id) : undefined;
    if (!asked) this.#handlers.onFrame(frame);
    else if (frame.op === 'ok') asked.resolve(frame);
    else asked.reject(new Problem(frame.problem));
  }

  /** @param {string | undefined} id */
  #settle(id) {
    const request = this.#requests.get(id ?? '');
    this.#requests.delete(id ?? '');
    return request;
  }

  #checkLater() {
    this.#callOffCheck = this.#platform.after(SILENCE_CHECK_MS, () => {
      if (this.#platform.now() - this.#heardAt >= this.#silenceMs) this.#giveUp(HEARTBEAT_LOST);
      else this.#checkLater();
    });
  }

  /**
   * The closing handshake of a dead network takes its time; nobody waits for it.
   *
   * @param {number} code  what the loss counts as; a page may not send codes below 3000 but the normal one
   */
  #giveUp(code) {
    this.#socket.close(code < 3000 ? NORMAL_CLOSE : code);
    this.#end(code);
  }

  /** @param {number} code */
  #end(code) {
    if (this.#isOver) return;
    this.#finish();
    this.#handlers.onGone(code);
  }

  #finish() {
    this.#isOver = true;
    this.#callOffCheck();
    for (const id of [...this.#requests.keys()]) this.#settle(id)?.reject(new Unreachable());
  }
}

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
   * Draw the next wait, in milliseconds.
   *
   * @param {number} atLeastMs  what the service asked for
   */
  next(atLeastMs = 0) {
    const bound = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#attempts);
    this.#attempts = Math.min(this.#attempts + 1, MOST_DOUBLINGS);
    return Math.max(atLeastMs, this.#random() * bound);
  }

  reset() {
    this.#attempts = 0;
  }
}

/**
 * Tell the application something. An error of its own is reported as any that nobody catches, and does not keep the
 * client from going on.
 *
 * @template T
 * @param {((something: T) => void) | undefined} listener
 * @param {T} something
 */
function tell(listener, something) {
  try {
    listener?.(something);
  } catch (error) {
    queueMicrotask(() => { throw error; });
  }
}

/**
 * Save each cursor, or the newest of those that came while one was being saved.
 *
 * @param {CursorStorage} storage
 * @param {(error: Error) => void} onError
 * @returns {(cursor: string) => void}
 */
function saver(storage, onError) {
  /** @type {string | null} */
  let newest = null;
  let isSaving = false;
  return async (cursor) => {
    newest = cursor;
    if (isSaving) return;
    isSaving = true;
    try {
      while (newest !== null) {
        const saved = newest;
        newest = null;
        await storage.save(saved);
      }
    } catch (error) {
      onError(asError(error));
    } finally {
      isSaving = false;
    }
  };
}

/**
 * Give what is asked for, unless it takes too long.
 *
 * @template T
 * @param {Platform} platform
 * @param {() => T | Promise<T>} ask
 * @returns {Promise<T>}
 */
async function inTime(platform, ask) {
  let callOff = () => {};
  const late = new Promise((_, reject) => {
    callOff = platform.after(TOKEN_MS, () => reject(new Error('The access token took too long.')));
  });
  try {
    return await Promise.race([ask(), late]);
  } finally {
    callOff();
  }
}

/**
 * Write a frame down, so that nobody changes it while it waits.
 *
 * @param {{clientMessageId: string} & Record<string, any>} frame
 * @returns {string}
 * @throws {Problem} the service would not read it, and close the connection
 */
function sendable(frame) {
  const text = JSON.stringify(frame);
  if (new TextEncoder().encode(text).length + ID_BYTES > FRAME_BYTES) {
    throw refusal('body_too_large', 413, 'The body is too large.');
  }
  if (isDeeper(JSON.parse(text).metadata, METADATA_LEVELS)) {
    throw refusal('invalid', 422, 'The request makes no sense.', [{ field: 'metadata', code: 'too_deep' }]);
  }
  return text;
}

/**
 * Say what the service says to the same over HTTP.
 *
 * @param {string} code
 * @param {number} status
 * @param {string} title
 * @param {{field: string, code: string}[]} [errors]
 */
function refusal(code, status, title, errors) {
  return new Problem({ code, status, title, detail: '', retryable: false, errors });
}

/**
 * @param {any} value
 * @param {number} levels
 * @returns {boolean}
 */
function isDeeper(value, levels) {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((each) => isDeeper(each, levels - 1));
}

/** @param {string} text */
function parseFrame(text) {
  try {
    const frame = JSON.parse(text);
    return typeof frame?.op === 'string' ? frame : null;
  } catch {
    // Whoever speaks so is none of ours.
    return null;
  }
}

/**
 * @param {Response} answer
 * @param {string} text
 */
function parseAnswer(answer, text) {
  try {
    return JSON.parse(text);
  } catch {
    throw notOurs(answer);
  }
}

/** @param {Response} answer */
const notOurs = ({ status }) => new Unreachable(`Something between here and the service has answered with ${status}.`);

/** @returns {never} */
function lost() {
  throw new Unreachable();
}

/** Drawn so that it is good as a client message id and as an idempotency key, also where there is no `randomUUID`. */
function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** @param {{op: string}} frame */
const isBareCursor = ({ op }) => op !== 'event' && op !== 'resync';

/** @param {number} code */
const isFinal = (code) => code === NORMAL_CLOSE || code >= FIRST_FINAL_CLOSE;

/** @param {unknown} error */
const asError = (error) => (error instanceof Error ? error : new Error(String(error)));

/** @param {string} conversationId */
const conversationPath = (conversationId) => `/v1/conversations/${encodeURIComponent(conversationId)}`;

/**
 * @param {string} conversationId
 * @param {string} userId
 */
const participantPath = (conversationId, userId) =>
  `${conversationPath(conversationId)}/participants/${encodeURIComponent(userId)}`;

/** @param {string} messageId */
const messagePath = (messageId) => `/v1/messages/${encodeURIComponent(messageId)}`;

/** @param {number} version */
const ifMatch = (version) => ({ 'If-Match': `"v${version}"` });

/** @param {string} key */
const keyed = (key) => ({ 'Idempotency-Key': key });

/**
 * @param {string} path
 * @param {Record<string, string | number | undefined>} query
 */
function withQuery(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return given.length > 0 ? `${path}?${search}` : path;
}
