/**
 * A transcript against the JavaScript client: the runner is the service, the network, the clock, chance and the
 * application (conformance/README.md). Nothing here waits for time.
 */
import { Acknowledgeable, check, Clock, FakeSocket, Fault, settle, Values } from './world.mjs';

const SET_ASIDE = new Set(['ack', 'pong', 'ping']);
const CUT = 1006;

/**
 * Play transcripts, whose steps were filled in; returns what each went wrong with, by its name.
 *
 * @param {any} sanctum  the module
 * @param {any[]} transcripts
 */
export async function runAll(sanctum, transcripts) {
  const faults = {};
  for (const transcript of transcripts) faults[transcript.stem] = await new Run(sanctum, transcript).run();
  return faults;
}

class Run {
  #sanctum;
  #transcript;
  #values;
  #clock = new Clock();
  #stored;
  #tokens = 0;
  /** @type {FakeSocket[]} those that were opened and not looked at */
  #opened = [];
  /** @type {Map<string, FakeSocket>} */
  #sockets = new Map();
  #newest = '';
  #application;
  #acknowledgeable = new Acknowledgeable();

  constructor(sanctum, transcript) {
    this.#sanctum = sanctum;
    this.#transcript = transcript;
    this.#values = new Values(transcript.values);
    this.#stored = transcript.cursor === null ? null : this.#values.write(transcript.cursor);
  }

  /** @returns {Promise<string | null>} what went wrong */
  async run() {
    this.#application = this.#begin();
    for (const [number, step] of this.#transcript.steps.entries()) {
      const fault = await this.#attempt(() => this.#play(step));
      if (fault) return `step ${number} ${JSON.stringify(step)}: ${fault}`;
    }
    const fault = await this.#attempt(() => this.#checkNothingIsLeft());
    this.#application.client.close();
    return fault && `at the end: ${fault}`;
  }

  async #attempt(work) {
    try {
      await work();
      await settle();
      return this.#acknowledgeable.fault;
    } catch (error) {
      return error instanceof Fault ? error.message : `${error.stack}`;
    }
  }

  async #play(step) {
    const [kind] = Object.keys(step).filter((name) => name !== 'socket' && name !== 'run');
    const play = this.#plays[kind];
    await settle();
    if (play) await play(step[kind], step.socket ?? this.#newest);
  }

  #plays = {
    connect: (how, name) => this.#connect(how, name),
    client: (frame, name) => this.#readFrame(frame, this.#sockets.get(name)),
    server: (said, name) => this.#write([said].flat(), this.#sockets.get(name)),
    close: (code, name) => this.#sockets.get(name).onclose({ code }),
    cut: (_, name) => this.#sockets.get(name).onclose({ code: CUT }),
    closed: (code, name) => this.#checkClosed(code, this.#sockets.get(name)),
    advance: (ms) => this.#clock.advance(ms),
    silent: (ms) => this.#silent(ms),
    until: (ms) => this.#until(ms),
    application: (act) => this.#act(act),
  };

  #begin() {
    const client = new this.#sanctum.Client({
      url: 'http://service.test',
      token: () => `token-${++this.#tokens}`,
      storage: { load: async () => this.#stored, save: async (cursor) => { this.#stored = cursor; } },
      platform: {
        openSocket: () => this.#openSocket(),
        fetch: () => Promise.reject(new Error('There is no HTTP here.')),
        now: () => this.#clock.now,
        random: () => this.#transcript.draw,
        after: (ms, work) => this.#clock.plan(ms, work),
      },
    });
    return new Application(client, this.#values);
  }

  #openSocket() {
    const socket = new FakeSocket((frame) => this.#acknowledgeable.check(frame));
    this.#opened.push(socket);
    return socket;
  }

  #connect(how, name) {
    check(this.#opened.length === 1, `the client opened ${this.#opened.length} sockets`);
    const socket = this.#opened.pop();
    if (how.refused || how.unreachable) {
      socket.onclose({ code: CUT });
      return;
    }
    this.#newest = this.#sockets.has(name) || name === '' ? `socket ${this.#sockets.size}` : name;
    this.#sockets.set(this.#newest, socket);
    socket.onopen();
  }

  #readFrame(pattern, socket) {
    const index = socket.frames.findIndex(({ op }) => op === pattern.op || !SET_ASIDE.has(op));
    check(index >= 0, `the client wrote ${JSON.stringify(socket.frames)}`);
    const [frame] = socket.frames.splice(index, 1);
    check(this.#values.fits(pattern, frame), `the client wrote ${JSON.stringify(frame)}`);
  }

  #write(frames, socket) {
    for (const frame of frames.map((each) => this.#values.write(each))) {
      this.#acknowledgeable.written(frame);
      socket.onmessage({ data: JSON.stringify(frame) });
    }
  }

  #checkClosed(code, socket) {
    check(socket.closedWith !== null, 'the client did not close it');
    check(code === '*' || code === socket.closedWith, `the client closed it with ${socket.closedWith}`);
  }

  async #silent(ms) {
    await this.#clock.advance(ms);
    this.#checkNothingIsUnnamed();
  }

  async #until(ms) {
    const before = this.#said();
    await this.#clock.advance(ms, () => this.#said() !== before);
    check(this.#said() !== before, 'the client was silent');
  }

  #said() {
    const named = [...this.#sockets].map(([name, { frames }]) => [name, frames.filter(({ op }) => !SET_ASIDE.has(op))]);
    return JSON.stringify([this.#opened.length, named]);
  }

  async #act(act) {
    if (act.restart) this.#restart();
    else if (act.taken) await this.#take();
    else await this.#application.act(act);
  }

  async #take() {
    this.#acknowledgeable.taken(this.#application.given);
    await this.#application.take();
  }

  #restart() {
    this.#clock.stop();
    for (const socket of this.#sockets.values()) socket.mute();
    this.#application = this.#begin();
  }

  async #checkNothingIsLeft() {
    await settle();
    this.#checkNothingIsUnnamed();
    this.#application.checkNothing();
  }

  #checkNothingIsUnnamed() {
    check(this.#opened.length === 0, `the client opened ${this.#opened.length} sockets more`);
    for (const [name, { frames }] of this.#sockets) {
      const left = frames.filter(({ op }) => !SET_ASIDE.has(op));
      check(left.length === 0, `the client wrote ${JSON.stringify(left)} on ${name}`);
    }
  }
}

/** Reads the stream one event after the other, and remembers what became of its sends. */
class Application {
  given = null;
  #events;
  #asked = null;
  #sends = new Map();

  constructor(client, values) {
    this.client = client;
    this.values = values;
    this.#events = client.events();
    this.#ask();
  }

  async act({ as, message, code, ...act }) {
    const [kind] = Object.keys(act);
    await this.#acts[kind](act[kind], { as, message, code });
  }

  async take() {
    check(this.given, 'nothing was given');
    this.given = null;
    this.#ask();
    await settle();
  }

  checkNothing() {
    check(!this.#asked?.frame, `the client gave ${JSON.stringify(this.#asked?.frame)}`);
    check(!this.#asked?.error, `the client gave up with ${this.#asked?.error}`);
  }

  #acts = {
    event: (pattern) => this.#see('event', pattern),
    resync: (pattern) => this.#see('resync', pattern),
    nothing: () => this.checkNothing(),
    send: (message, { as }) => this.#send(this.values.write(message), as),
    sent: (as, { message }) => this.#seeSent(this.#sends.get(as), message),
    refused: (as, { code }) => check(this.#sends.get(as).problem === code, `the send is ${JSON.stringify(this.#sends.get(as))}`),
    waiting: (as) => check(this.#sends.get(as).waits, `the send is ${JSON.stringify(this.#sends.get(as))}`),
    read: (fields) => this.#read(this.values.write(fields)),
    typing: (fields) => this.#type(this.values.write(fields)),
    state: (name) => check(this.client.connection.name === name, `the client is ${JSON.stringify(this.client.connection)}`),
    close: () => this.client.close(),
  };

  /** Ask for the next event; the answer may come much later. */
  #ask() {
    const asked = { frame: null, error: null };
    this.#asked = asked;
    this.#events.next().then(
      ({ value }) => { asked.frame = value ?? null; },
      (error) => { asked.error = error; },
    );
  }

  #see(op, pattern) {
    const { frame } = this.#asked;
    check(frame, 'the client gave nothing');
    check(frame.op === op && this.values.fits(pattern, frame), `the client gave ${JSON.stringify(frame)}`);
    this.given = frame;
    this.#asked = null;
  }

  #send({ conversationId, body, ...draft }, as) {
    const send = { waits: true, message: null, problem: null };
    this.#sends.set(as, send);
    this.client.send(conversationId, body, draft).then(
      (message) => Object.assign(send, { waits: false, message }),
      (error) => Object.assign(send, { waits: false, problem: error.code ?? String(error) }),
    );
  }

  #seeSent(send, message) {
    check(send.message && this.values.fits(message, send.message), `the send is ${JSON.stringify(send)}`);
  }

  #read({ conversationId, seq }) {
    // What becomes of it is the application's own affair.
    this.client.read(conversationId, seq).catch(() => undefined);
  }

  #type({ conversationId, on }) {
    this.client.typing(conversationId, on);
  }
}
