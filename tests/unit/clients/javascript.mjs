/**
 * What the JavaScript client does that no transcript can say, on Node, with sockets and a clock that are moved by hand.
 * Writes, for each behaviour, what went wrong with it.
 */
import { Client, Problem, Stopped, Unreachable } from '../../../clients/javascript/sanctum.js';
import { check, Clock, FakeSocket, settle } from '../../conformance/world.mjs';

const HEARTBEAT_MS = 20_000;
const MOST_WAITING = 1_000;
const MOST_UNSENT = 1_000;
const FRAME_BYTES = 65_536;
const LIMITS = { sendsInFlight: 32 };

const behaviours = {
  'it holds no more than a thousand events, and loses none': async () => {
    const world = await World.live();
    const first = world.socket;
    const events = world.client.events();
    const asked = events.next();
    await settle();
    world.push(...range(1, MOST_WAITING + 100).map(event));
    equal(first.closedWith, 1000);
    equal(world.sockets.length, 1);
    equal((await asked).value.seq, 1);
    const given = [];
    for (let next = 2; next <= MOST_WAITING; next += 1) given.push((await events.next()).value.seq);
    equal(given, range(2, MOST_WAITING));
    const last = events.next();
    await settle();
    equal(world.sockets.length, 2);
    await world.welcome();
    equal(world.hello.cursor, `${MOST_WAITING}-a`);
    world.push(...range(MOST_WAITING - 1, MOST_WAITING + 1).map(event));
    equal((await last).value.seq, MOST_WAITING + 1);
  },

  'where nobody reads nothing is held, and who reads later misses nothing': async () => {
    const world = await World.live();
    world.push(...range(1, 2 * MOST_WAITING).map(event), { op: 'ping', cursor: '9999-a' });
    equal([world.sockets.length, world.frames.at(-1).op], [1, 'pong']);
    const asked = world.client.events().next();
    await settle();
    equal(world.sockets.length, 2);
    await world.welcome();
    equal(world.hello.cursor, '0-a');
    world.push(event(1));
    equal((await asked).value.seq, 1);
  },

  'an event at which the loop was left comes first in the next loop': async () => {
    const world = await World.live();
    const seen = [];
    const read = async (upto) => {
      for await (const { seq } of world.client.events()) {
        seen.push(seq);
        if (seq === upto) break;
      }
    };
    const first = read(2);
    await settle();
    world.push(event(1), event(2), event(3));
    await first;
    equal(world.client.cursor, '1-a');
    await read(3);
    equal(seen, [1, 2, 2, 3]);
  },

  'what is counted as taken before a loop is left does not come again': async () => {
    const world = await World.live();
    const reading = (async () => {
      for await (const given of world.client.events()) {
        world.client.taken(given);
        return given;
      }
    })();
    await settle();
    world.push(event(1), event(2));
    const given = await reading;
    equal(world.client.cursor, '1-a');
    await rejects((async () => world.client.taken(given))(), Error, /taken already/);
    equal((await world.client.events().next()).value.seq, 2);
  },

  'there is one reader at a time': async () => {
    const world = await World.live();
    world.client.events().next();
    await rejects(world.client.events().next(), Error, /being read already/);
  },

  'what waits is given before the end is told': async () => {
    const world = await World.live();
    const events = world.client.events();
    const asked = events.next();
    await settle();
    world.push(event(1), event(2));
    world.socket.onclose({ code: 4503 });
    equal((await asked).value.seq, 1);
    equal((await events.next()).value.seq, 2);
    const { code } = await rejects(events.next(), Stopped);
    equal(code, 4503);
  },

  'after close the loop ends, and what was not sent is rejected': async () => {
    const world = await World.live();
    const asked = world.client.events().next();
    const sent = rejects(world.client.send('c', 'One'), Stopped);
    await settle();
    world.client.close();
    equal((await asked).done, true);
    await sent;
    await rejects(world.client.send('c', 'Two'), Stopped);
    await rejects(world.client.read('c', 1), Unreachable);
    equal(world.frames.at(-1), { op: 'bye' });
    await world.clock.advance(120_000);
    equal(world.sockets.length, 1);
  },

  'a close that is final rejects what was not sent': async () => {
    const world = await World.live();
    const sent = rejects(world.client.send('c', 'One'), Stopped, /4501/);
    world.socket.onclose({ code: 4501 });
    await sent;
    equal(world.client.connection, { name: 'stopped', code: 4501 });
  },

  'no more than a thousand messages wait to be sent': async () => {
    const world = new World();
    const sends = range(1, MOST_UNSENT).map((number) => world.client.send('c', `${number}`));
    await rejects(world.client.send('c', 'One more'), RangeError);
    world.client.close();
    await Promise.allSettled(sends);
  },

  'the same send is on its way once': async () => {
    const world = await World.live();
    const draft = { clientMessageId: 'k' };
    const [one, other] = [world.client.send('c', 'One', draft), world.client.send('c', 'One', draft)];
    equal(world.frames.filter(({ op }) => op === 'send').length, 1);
    world.push({ op: 'ok', id: '1', result: { message: { id: 'm' } } });
    equal(await Promise.all([one, other]), [{ id: 'm' }, { id: 'm' }]);
  },

  'a client message id is one of its conversation, and used for other content it is refused': async () => {
    const world = await World.live();
    const draft = { clientMessageId: 'k' };
    const [one, there, other] = [['c', 'One'], ['d', 'One'], ['c', 'Two']].map((said) => world.client.send(...said, draft));
    const refused = rejects(other, Problem);
    equal(world.frames.slice(1).map(({ conversationId, body }) => [conversationId, body]), [
      ['c', 'One'], ['d', 'One'], ['c', 'Two'],
    ]);
    world.push({ op: 'ok', id: '1', result: { message: { id: 'm' } } }, { op: 'ok', id: '2', result: { message: { id: 'n' } } });
    world.push({ op: 'error', id: '3', problem: problem('client_message_id_reused') });
    equal([await one, await there, (await refused).code], [{ id: 'm' }, { id: 'n' }, 'client_message_id_reused']);
  },

  'a send that would cost the connection is refused at once': async () => {
    const world = await World.live();
    const frame = (body) => ({ op: 'send', conversationId: 'c', clientMessageId: 'k', body, id: '9'.repeat(16) });
    const room = FRAME_BYTES - JSON.stringify(frame('')).length;
    const wide = '\u4e2d'.repeat(Math.floor(room / 3));
    world.client.send('c', wide + 'x'.repeat(room % 3), { clientMessageId: 'k' });
    equal(world.frames.at(-1).op, 'send');
    const large = await rejects(world.client.send('c', wide + 'xxx', { clientMessageId: 'l' }), Problem, /too large/);
    equal([large.code, large.status, large.retryable], ['body_too_large', 413, false]);
    const nested = (levels) => (levels ? [nested(levels - 1)] : 0);
    const deep = await rejects(world.client.send('c', 'Deep', { metadata: { a: nested(8) } }), Problem);
    equal([deep.code, deep.status, deep.errors], ['invalid', 422, [{ field: 'metadata', code: 'too_deep' }]]);
    world.client.send('c', 'Not too deep', { metadata: { a: nested(7) } });
    const sent = world.frames.filter(({ op }) => op === 'send').map(({ body }) => body.slice(-12));
    equal(sent, [(wide + 'x'.repeat(room % 3)).slice(-12), 'Not too deep']);
  },

  'a send that is no JSON is rejected, and keeps no place': async () => {
    const world = await World.live();
    const metadata = {};
    metadata.itself = metadata;
    await rejects(world.client.send('c', 'No', { metadata: { n: 1n } }), TypeError, /BigInt/);
    await rejects(world.client.send('c', 'No', { metadata }), TypeError, /circular/);
    world.socket.onclose({ code: 1006 });
    await world.clock.advance(1);
    await world.welcome();
    world.client.send('c', 'Yes');
    equal(world.frames.map(({ op, body }) => [op, body]).slice(1), [['send', 'Yes']]);
  },

  'sends that were put off together go out in their order': async () => {
    const world = await World.live();
    for (const body of ['1', '2', '3', '4']) world.client.send('c', body);
    const [, ...sends] = world.frames;
    for (const { id } of [sends[2], sends[0], sends[3], sends[1]]) {
      world.push({ op: 'error', id, problem: problem('overloaded', { retryable: true, retryAfterMs: 1_000 }) });
    }
    await settle();
    world.client.send('c', '5');
    equal(world.frames.length, 5);
    await world.clock.advance(1_000);
    equal(world.frames.slice(5).map(({ body }) => body), ['1', '2', '3', '4', '5']);
  },

  'a send is what it was when it was asked for': async () => {
    const world = new World();
    const metadata = { kind: 'first' };
    world.client.send('c', 'One', { metadata });
    metadata.kind = 'second';
    await settle();
    await world.welcome();
    equal(world.frames.at(-1).metadata, { kind: 'first' });
  },

  'a send that the socket does not take is rejected, and gives its place back': async () => {
    const world = await World.live();
    const { socket } = world;
    const broken = new TypeError('Not now.');
    const send = socket.send.bind(socket);
    socket.send = () => { throw broken; };
    const sends = range(1, LIMITS.sendsInFlight).map((number) => world.client.send('c', `${number}`));
    const last = world.client.send('c', 'Last');
    socket.send = send;
    for (const sent of sends) equal(await rejects(sent, TypeError), broken);
    world.push({ op: 'ok', id: world.frames.at(-1).id, result: { message: { id: 'm' } } });
    equal(await last, { id: 'm' });
  },

  'the newest cursor is saved, one save at a time': async () => {
    const saves = [];
    const storage = {
      load: () => null,
      save: (cursor) => new Promise((done) => { saves.push({ cursor, done }); }),
    };
    const world = await World.live({ storage });
    saves[0].done();
    const reading = readAll(world.client);
    await settle();
    world.push(event(1), event(2), event(3));
    await settle();
    equal(saves.map(({ cursor }) => cursor), ['0-a', '1-a']);
    saves[1].done();
    await settle();
    equal(saves.map(({ cursor }) => cursor), ['0-a', '1-a', '3-a']);
    saves[2].done();
    world.client.close();
    await reading;
  },

  'the cursor with which the stream begins is saved, before there is an event': async () => {
    const saves = [];
    const save = (cursor) => { saves.push(cursor); };
    await World.live({ storage: { load: () => null, save } });
    equal(saves, ['0-a']);

    const given = new World({ storage: { load: () => '1-a', save } });
    given.client.open({ cursor: '5-a' });
    equal([saves, given.client.cursor], [['0-a', '5-a'], '5-a']);

    const loaded = new World({ storage: { load: () => '7-a', save } });
    loaded.client.open();
    await settle();
    await loaded.welcome();
    equal([loaded.hello.cursor, loaded.client.cursor, saves.length], ['7-a', '7-a', 2]);
  },

  'a storage that fails ends the client': async () => {
    const broken = new Error('The disk is full.');
    const world = await World.live({ storage: { load: () => null, save: () => Promise.reject(broken) } });
    const reading = rejects(readAll(world.client), Stopped, /disk is full/);
    await settle();
    world.push(event(1));
    equal((await reading).cause, broken);

    const unread = new World({ storage: { load: () => Promise.reject(broken), save: () => {} } });
    await rejects(unread.client.events().next(), Stopped, /disk is full/);
    equal(unread.sockets.length, 0);
  },

  'after a token expired a fresh one is asked for': async () => {
    const world = await World.live();
    world.socket.onclose({ code: 4005 });
    await world.clock.advance(1);
    await world.welcome();
    world.socket.onclose({ code: 1006 });
    await world.clock.advance(1);
    equal(world.asked, [false, true, false]);
  },

  'a token that is refused in hello is asked for again once, fresh': async () => {
    const world = await World.live();
    const refuse = async () => {
      world.socket.onopen();
      world.socket.onclose({ code: 4501 });
      await world.clock.advance(1);
    };
    world.socket.onclose({ code: 1006 });
    await world.clock.advance(1);
    await refuse();
    await world.welcome();
    equal([world.asked, world.hello.token], [[false, false, true], 'token-3']);

    world.socket.onclose({ code: 1006 });
    await world.clock.advance(1);
    await refuse();
    await refuse();
    equal([world.asked.slice(3), world.client.connection], [[false, true], { name: 'stopped', code: 4501 }]);
    await world.clock.advance(120_000);
    equal(world.sockets.length, 5);
  },

  'a token of a drained client that expires on the way is asked for again, fresh': async () => {
    const world = await World.live();
    world.push({ op: 'drain', reconnectInMs: 1_000 });
    await world.clock.advance(1_000);
    const [old, next] = world.sockets;
    old.onclose({ code: 4005 });
    next.onclose({ code: 4501 });
    await world.clock.advance(1);
    equal([world.asked, world.sockets.length], [[false, false, true], 3]);
  },

  'a token that can not be had is asked for again, unless it is refused': async () => {
    let failure = new TypeError('No network.');
    const world = new World({ token: () => (failure ? Promise.reject(failure) : 'token') });
    world.client.open();
    await settle();
    equal([world.client.connection.name, world.client.connection.error], ['waiting', failure]);
    failure = null;
    await world.clock.advance(1);
    equal(world.sockets.length, 1);
    failure = new Problem({ code: 'forbidden', title: '', detail: 'No.', status: 403, retryable: false });
    world.socket.onclose({ code: 1006 });
    await world.clock.advance(1);
    equal([world.client.connection.name, world.client.connection.error], ['stopped', failure]);
  },

  'a token that does not come is asked for again': async () => {
    let asked = 0;
    const token = () => (asked++ ? 'token' : new Promise(() => {}));
    const world = new World({ token, random: () => 0.5 });
    world.client.open();
    await settle();
    await world.clock.advance(29_999);
    equal([asked, world.client.connection.name], [1, 'connecting']);
    await world.clock.advance(1);
    const { name, error } = world.client.connection;
    equal([name, error.message], ['waiting', 'The access token took too long.']);
    await world.clock.advance(500);
    equal([asked, world.sockets.length], [2, 1]);
  },

  'a refused refresh is made again, until one succeeds': async () => {
    const world = await World.live();
    world.push({ op: 'authRequired', expiresAt: '2026-11-23T00:01:00Z' });
    await settle();
    equal(world.frames.at(-1), { op: 'auth', token: 'token-2', id: '1' });
    world.push({ op: 'error', id: '1', problem: { code: 'unauthenticated' } });
    await settle();
    await world.clock.advance(10_000);
    equal(world.frames.at(-1), { op: 'auth', token: 'token-3', id: '2' });
    world.push({ op: 'ok', id: '2', result: {} });
    await settle();
    await world.clock.advance(10_000);
    equal(world.frames.at(-1).id, '2');
    equal(world.asked, [false, true, true]);
  },

  'a drained client whose new socket fails tries again beside the old one': async () => {
    const world = await World.live();
    world.push({ op: 'drain', reconnectInMs: 1_000 });
    await world.clock.advance(1_000);
    world.socket.onclose({ code: 1006 });
    await world.clock.advance(1);
    equal(world.sockets.length, 3);
    equal([world.sockets[0].closedWith, world.client.connection.name], [null, 'live']);
    await world.welcome();
    equal(world.sockets[0].closedWith, 1000);
  },

  'a hello that is refused for good ends the client': async () => {
    const world = new World();
    world.client.open({ cursor: 'nonsense' });
    await settle();
    world.socket.onopen();
    world.push({ op: 'error', problem: problem('invalid_cursor') });
    equal([world.client.connection.name, world.client.connection.error.code], ['stopped', 'invalid_cursor']);
    equal(world.socket.closedWith, 1000);
  },

  'a client that was closed before it was open stays closed': async () => {
    let loaded;
    const loading = new Promise((resolve) => { loaded = resolve; });
    const world = new World({ storage: { load: () => loading, save: () => {} } });
    world.client.open();
    world.client.close();
    loaded('1-a');
    await settle();
    const never = new World();
    never.client.close();
    equal((await never.client.events().next()).done, true);
    equal([world.sockets.length, never.sockets.length], [0, 0]);
  },

  'whoever speaks no JSON is left': async () => {
    const world = await World.live();
    world.socket.onmessage({ data: 'nonsense' });
    equal(world.socket.closedWith, 1000);
    await world.clock.advance(1);
    equal(world.sockets.length, 2);
  },

  'whoever does not want to wait need not': async () => {
    const world = new World({ random: () => 0.9 });
    world.client.open();
    await settle();
    world.socket.onclose({ code: 1006 });
    equal(world.client.connection, { name: 'waiting', retryAt: world.clock.now + 450, error: undefined });
    world.client.retryNow();
    await settle();
    equal(world.sockets.length, 2);
    await world.clock.advance(1_000);
    equal(world.sockets.length, 2);
  },

  'an error of the application in what it is told is reported, and the client goes on': async () => {
    const uncaught = [];
    const catchIt = (error) => uncaught.push(error.message);
    process.on('uncaughtException', catchIt);
    const fail = (what) => { throw new Error(what); };
    const world = await World.live({
      onState: ({ name }) => fail(name),
      onSignal: ({ type }) => fail(type),
      onProblem: ({ code }) => fail(code),
    });
    world.push({ op: 'signal', type: 'typing' }, { op: 'error', problem: problem('rate_limited') });
    world.socket.onclose({ code: 1006 });
    await world.clock.advance(1);
    const sent = rejects(world.client.send('c', 'One'), Stopped);
    await world.welcome();
    equal(world.frames.at(-1).body, 'One');
    world.client.close();
    await sent;
    await settle();
    process.off('uncaughtException', catchIt);
    equal(uncaught, [
      'connecting', 'catchingUp', 'live', 'typing', 'rate_limited', 'waiting', 'connecting', 'catchingUp', 'stopped',
    ]);
  },

  'a service may stand anywhere under its host': async () => {
    const addresses = [];
    const platform = {
      openSocket: (address) => addresses.push(address) && new FakeSocket(),
      fetch: async (address) => addresses.push(address) && answer(200, {}),
    };
    const client = new Client({ url: 'http://chat.test:8080/api/', token: 'token', platform });
    await client.unread();
    client.open();
    await settle();
    client.close();
    equal(addresses, ['http://chat.test:8080/api/v1/unread', 'ws://chat.test:8080/api/v1/ws']);
  },

  'a call bears the token, and a fresh one where that is refused': async () => {
    const calls = [];
    const fetch = async (address, init) => {
      calls.push([init.method, address, init.headers, init.body, init.redirect]);
      return calls.length === 1 ? answer(401, problem('unauthenticated')) : answer(200, { conversations: [] });
    };
    const world = new World({ fetch });
    await world.client.listConversations({ limit: 2 });
    const address = 'https://chat.test/v1/conversations?limit=2';
    equal(calls, [
      ['GET', address, { Authorization: 'Bearer token-1' }, undefined, 'error'],
      ['GET', address, { Authorization: 'Bearer token-2' }, undefined, 'error'],
    ]);
    equal(world.asked, [false, true]);
  },

  'a call says what the API asks for': async () => {
    const calls = [];
    const world = new World({
      fetch: async (address, { method, headers, body }) => {
        calls.push([method, new URL(address).pathname + new URL(address).search, headers['If-Match'], body]);
        return answer(200, { conversation: 1, message: 2, participants: 3, participant: 4, limits: 5 });
      },
    });
    const { client } = world;
    const [held, change] = [{ id: 'a/b', version: 3 }, { title: 'T' }];
    equal(await client.updateConversation(held, change), 1);
    equal(await client.editMessage(held, { body: 'B' }), 2);
    equal(await client.addParticipants('a/b', [{ userId: 'u' }]), 3);
    equal(await client.updateParticipant('a/b', 'x/y', { role: 'admin' }), 4);
    equal(await client.rateLimits(), 5);
    await client.listMessages('a/b', { beforeSeq: 7, limit: undefined });
    await client.deleteMessage(held);
    equal(calls, [
      ['PATCH', '/v1/conversations/a%2Fb', '"v3"', '{"title":"T"}'],
      ['PATCH', '/v1/messages/a%2Fb', '"v3"', '{"body":"B"}'],
      ['POST', '/v1/conversations/a%2Fb/participants', undefined, '{"participants":[{"userId":"u"}]}'],
      ['PATCH', '/v1/conversations/a%2Fb/participants/x%2Fy', undefined, '{"role":"admin"}'],
      ['GET', '/v1/rate-limits', undefined, undefined],
      ['GET', '/v1/conversations/a%2Fb/messages?beforeSeq=7', undefined, undefined],
      ['DELETE', '/v1/messages/a%2Fb', '"v3"', undefined],
    ]);
  },

  'what can go wrong with a call has two names': async () => {
    const answers = [
      () => answer(429, problem('rate_limited', { retryable: true, retryAfterMs: 200 })),
      () => new Response('<h1>Bad gateway</h1>', { status: 502 }),
      () => { throw new TypeError('fetch failed'); },
      () => new Response('<h1>Log in first</h1>', { status: 200 }),
      () => answer(502, null),
      () => answer(204),
    ];
    const { client } = new World({ fetch: async () => answers.shift()() });
    const refusal = await rejects(client.unread(), Problem);
    equal([refusal.code, refusal.retryable, refusal.retryAfterMs, refusal.errors], ['rate_limited', true, 200, []]);
    await rejects(client.unread(), Unreachable, /502/);
    await rejects(client.unread(), Unreachable);
    await rejects(client.unread(), Unreachable, /200/);
    await rejects(client.unread(), Unreachable, /502/);
    equal(await client.removeParticipant('c', 'u'), undefined);
  },
};

/** A client, and the rest of the world. */
class World {
  clock = new Clock();
  /** @type {FakeSocket[]} */
  sockets = [];
  /** @type {boolean[]} for each token that was asked for, whether it had to be fresh */
  asked = [];

  constructor({ random = () => 0, fetch = undefined, ...options } = {}) {
    this.client = new Client({
      url: 'https://chat.test',
      token: ({ fresh }) => `token-${this.asked.push(fresh)}`,
      platform: {
        openSocket: (address, subprotocol) => this.#openSocket(address, subprotocol),
        fetch,
        now: () => this.clock.now,
        random,
        after: (ms, work) => this.clock.plan(ms, work),
      },
      ...options,
    });
  }

  static async live(options) {
    const world = new World(options);
    world.client.open();
    await settle();
    await world.welcome();
    world.push({ op: 'live', cursor: '0-a' });
    await settle();
    return world;
  }

  get socket() {
    return this.sockets.at(-1);
  }

  get frames() {
    return this.socket.frames;
  }

  get hello() {
    return this.frames[0];
  }

  async welcome() {
    this.socket.onopen();
    this.push({ op: 'welcome', resumeToken: 'r', cursor: '0-a', heartbeatMs: HEARTBEAT_MS, limits: LIMITS });
    await settle();
  }

  push(...frames) {
    for (const frame of frames) this.socket.onmessage({ data: JSON.stringify(frame) });
  }

  #openSocket(address, subprotocol) {
    equal([address, subprotocol], ['wss://chat.test/v1/ws', 'sanctum.v1']);
    this.sockets.push(new FakeSocket());
    return this.socket;
  }
}

async function readAll(client) {
  for await (const event of client.events()) check(event.op === 'event', event.op);
}

const event = (seq) => ({ op: 'event', cursor: `${seq}-a`, conversationId: 'c', seq, type: 'message.created' });
const range = (first, last) => Array.from({ length: last - first + 1 }, (_, index) => first + index);
const answer = (status, body) => new Response(body === undefined ? null : JSON.stringify(body), { status });
const problem = (code, more = {}) => ({ code, title: code, detail: code, status: 400, retryable: false, ...more });

function equal(found, wanted) {
  const [one, other] = [JSON.stringify(found), JSON.stringify(wanted)];
  check(one === other, `${one}, not ${other}`);
}

async function rejects(promise, kind, pattern = /./) {
  const error = await promise.then(() => null, (reason) => reason);
  check(error instanceof kind && pattern.test(error.message), `${error}`);
  return error;
}

const faults = {};
for (const [name, behaves] of Object.entries(behaviours)) {
  faults[name] = await behaves().then(() => null, ({ stack }) => stack);
}
process.stdout.write(JSON.stringify(faults));
