/**
 * Two clients at work on a service whose connections break: Ann sends, Bob reads. Asks on standard output to be cut off,
 * and ends by itself once both are closed, with what each was told.
 */
import { Client } from '../../clients/javascript/sanctum.js';

const ROUNDS = 3;
const SENDS = 10;
const [url, conversationId, annToken, bobToken] = process.argv.slice(2);

/** Let the promise be kept that something was said, sooner or later. */
class Count {
  #seen = 0;
  #waiting = [];

  add() {
    this.#seen += 1;
    this.#waiting = this.#waiting.filter(({ wanted, reached }) => this.#seen < wanted || reached());
  }

  reach(wanted) {
    return this.#seen >= wanted ? undefined : new Promise((reached) => { this.#waiting.push({ wanted, reached }); });
  }
}

const lives = new Count();
const events = new Count();
const received = [];
const sent = [];
const states = [];

const bob = new Client({ url, token: bobToken, onState: ({ name }) => states.push(name) && name === 'live' && lives.add() });
const ann = new Client({ url, token: async () => annToken, name: { name: 'ann' } });

async function read() {
  for await (const event of bob.events()) {
    received.push([event.seq, event.data.message.clientMessageId]);
    events.add();
  }
}

const reading = read();
await lives.reach(1);
for (let round = 1; round <= ROUNDS; round += 1) {
  const sends = Array.from({ length: SENDS }, (_, number) => ann.send(conversationId, `${round}.${number}`));
  console.log('cut');
  sent.push(...(await Promise.all(sends)).map(({ seq, clientMessageId }) => [seq, clientMessageId]));
  await events.reach(round * SENDS);
  await lives.reach(round + 1);
}
const { readSeq } = await bob.read(conversationId, received.at(-1)[0]);
const { total } = await bob.unread();
ann.close();
bob.close();
await reading;
console.log(JSON.stringify({ sent, received, readSeq, total, states }));
