/** What a client needs of the world, moved by hand: sockets, time, and what is to be said over them. */

/** What the application took, and so may be acknowledged. */
export class Acknowledgeable {
  fault = null;
  /** @type {{cursor: string, key: string | null}[]} */
  #written = [];
  #taken = new Set();

  written({ op, cursor, conversationId, seq }) {
    if (cursor === undefined) return;
    if (op === 'resync') this.#written = [];
    const key = op === 'event' ? `${conversationId} ${seq}` : null;
    this.#written.push({ cursor, key: op === 'resync' ? `resync ${cursor}` : key });
  }

  taken(frame) {
    if (!frame) return;
    this.#taken.add(frame.op === 'resync' ? `resync ${frame.cursor}` : `${frame.conversationId} ${frame.seq}`);
  }

  check({ op, cursor }) {
    if (op !== 'ack') return;
    const upto = this.#written.findLastIndex((each) => each.cursor === cursor);
    const untaken = this.#written.slice(0, upto + 1).filter(({ key }) => key !== null && !this.#taken.has(key));
    if (upto < 0) this.fault = `the client acknowledged ${cursor}, which nobody said`;
    else if (untaken.length > 0) this.fault = `the client acknowledged ${cursor} before ${JSON.stringify(untaken)} was taken`;
  }
}

/** A socket whose other end is the runner. */
export class FakeSocket {
  frames = [];
  closedWith = null;
  onopen = () => {};
  onmessage = () => {};
  onclose = () => {};
  #heard;

  /** @param {(frame: any) => void} heard  sees each frame first */
  constructor(heard = () => {}) {
    this.#heard = heard;
  }

  send(text) {
    const frame = JSON.parse(text);
    this.#heard(frame);
    this.frames.push(frame);
  }

  close(code) {
    this.closedWith ??= code;
  }

  /** The process at the other end is gone. */
  mute() {
    this.onopen = this.onmessage = this.onclose = () => {};
  }
}

/** Time, as the runner lets it pass. */
export class Clock {
  now = Date.parse('2026-11-23T00:00:00Z');
  /** @type {Set<{at: number, work: () => void}>} */
  #plans = new Set();

  plan(ms, work) {
    const plan = { at: this.now + Math.max(ms, 0), work };
    this.#plans.add(plan);
    return () => this.#plans.delete(plan);
  }

  stop() {
    this.#plans.clear();
  }

  async advance(ms, isEnough = () => false) {
    const end = this.now + ms;
    for (let plan = this.#nextUpto(end); plan && !isEnough(); plan = this.#nextUpto(end)) {
      this.#plans.delete(plan);
      this.now = plan.at;
      plan.work();
      await settle();
    }
    if (!isEnough()) this.now = end;
  }

  #nextUpto(end) {
    return [...this.#plans].filter(({ at }) => at <= end).sort((one, other) => one.at - other.at)[0];
  }
}

/** What the placeholders of a transcript stand for: as in transcripts.py. */
export class Values {
  #values;
  #bound = new Map();

  constructor(values) {
    this.#values = values;
  }

  write(pattern) {
    if (Array.isArray(pattern)) return pattern.map((each) => this.write(each));
    if (isObject(pattern)) return mapped(pattern, (each) => this.write(each));
    if (!isPlaceholder(pattern)) return pattern;
    const name = pattern.slice(1);
    if (!this.#bound.has(name)) this.#bound.set(name, this.#values[name]);
    check(this.#bound.get(name) !== undefined, `the transcript does not say what ${pattern} is`);
    return this.#bound.get(name);
  }

  fits(pattern, found) {
    const before = new Map(this.#bound);
    if (this.#fits(pattern, found)) return true;
    this.#bound = before;
    return false;
  }

  #fits(pattern, found) {
    if (Array.isArray(pattern)) {
      return Array.isArray(found) && found.length === pattern.length
        && pattern.every((each, index) => this.#fits(each, found[index]));
    }
    if (isObject(pattern)) {
      return isObject(found) && Object.entries(pattern).every(([name, each]) => this.#fieldFits(each, found[name]));
    }
    if (!isPlaceholder(pattern)) return pattern === '*' || pattern === found;
    const name = pattern.slice(1);
    if (!this.#bound.has(name)) this.#bound.set(name, found);
    return this.#bound.get(name) === found;
  }

  #fieldFits(pattern, found) {
    const isThere = found !== undefined && found !== null;
    if (!isThere || pattern === '-') return !isThere && (pattern === '-' || pattern === null);
    return this.#fits(pattern, found);
  }
}

export class Fault extends Error {}

/** Fail, with a word about it, unless something is so. */
export function check(isRight, detail) {
  if (!isRight) throw new Fault(detail);
}

/** Let everything happen that waits for nothing but its turn. A browser makes timers wait longer than that. */
export const settle = () => new Promise((resolve) => { (globalThis.setImmediate ?? afterMessage)(resolve); });

function afterMessage(work) {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = work;
  port2.postMessage(null);
}

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isPlaceholder = (value) => typeof value === 'string' && value.length > 1 && value.startsWith('$');
const mapped = (object, map) => Object.fromEntries(Object.entries(object).map(([name, each]) => [name, map(each)]));
