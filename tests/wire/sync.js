// One sync as its caller, over `/comity/sync/1`.
import { hex, need, same } from './bytes.js';
import { decode, encode } from './wire.js';

const VERSION = 1;
const MESSAGE = 4 * 1024 * 1024;
const BODIES = 256;

/** A stream as a dialogue: each message after its length, u32 big-endian. */
class Dialogue {
  constructor(stream) {
    this.stream = stream;
    this.messages = this.#read();
  }

  async say(message) {
    const bytes = encode('SyncMessage', message);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    if (!this.stream.send(Buffer.concat([length, bytes]))) await this.stream.onDrain();
  }

  /** The next message, which must be of one of these kinds. */
  async hear(...kinds) {
    const { value: message } = await this.messages.next();
    need(message, `the peer ended the sync instead of saying ${kinds[0]}`);
    need(kinds.some((kind) => message[kind]), `the peer said ${JSON.stringify(message).slice(0, 200)}, not ${kinds[0]}`);
    return message;
  }

  async *#read() {
    let held = Buffer.alloc(0);
    for await (const part of this.stream) {
      held = Buffer.concat([held, part.subarray()]);
      while (held.length >= 4 && held.length >= 4 + held.readUInt32BE()) {
        const end = 4 + held.readUInt32BE();
        yield decode('SyncMessage', held.subarray(4, end));
        held = held.subarray(end);
      }
      need(held.length < 4 || held.readUInt32BE() <= MESSAGE, 'a message is over 4 MiB');
    }
    need(held.length === 0, 'a message is cut short');
  }
}

/** Asks until nothing is wanted, and says what came: nothing but a hello where the frontiers were equal. */
export async function sync(stream, replica) {
  const dialogue = new Dialogue(stream);
  const came = { equal: false, chunks: 0, bodies: 0, refused: [] };
  const { digest, ...frontier } = replica.frontier;
  await dialogue.say({ hello: { federation: replica.federation, version: VERSION, frontier: digest } });
  const { hello, refusal } = await dialogue.hear('hello', 'refusal');
  need(!refusal, `the peer refuses: ${refusal?.reason}`);
  need(same(hello.federation, replica.federation) && hello.version === VERSION, 'the peer is of another federation');
  came.equal = same(hello.frontier, digest);
  if (!came.equal) {
    await dialogue.say({ frontier });
    const { rows } = (await dialogue.hear('frontier')).frontier;
    const refused = new Set();
    const wants = () => replica.wants(rows).filter(({ log }) => !refused.has(hex(log)));
    for (let asked = wants(); asked.length > 0; asked = wants()) {
      for (const want of asked) if (!(await askRun(dialogue, replica, want, came))) refused.add(hex(want.log));
    }
  }
  for (const log of replica.logs.values()) await askBodies(dialogue, replica, log, came);
  await stream.close();
  return came;
}

/** Takes a run chunk by chunk. False where there is no use in asking again: it was refused, or its log cannot open. */
async function askRun(dialogue, replica, { log, from, to }, came) {
  await dialogue.say({ want: { log, from, to } });
  let isOpen = true;
  for (let [at, end] = [from, to]; at < end; ) {
    const { chunk, refusal } = await dialogue.hear('chunk', 'refusal');
    if (refusal) return came.refused.push(refusal.reason) === 0;
    need(same(chunk.log, log) && chunk.from === at, 'a chunk does not follow the one before');
    at += chunk.leaves.length;
    need(at <= to, 'a chunk brings more than was asked for');
    isOpen &&= replica.take(chunk);
    end = Math.min(to, chunk.total);
    came.chunks += 1;
  }
  return isOpen;
}

/** Asks for the bodies that a log lacks, each once: an answer may end early, and the next question begins after it. */
async function askBodies(dialogue, replica, log, came) {
  for (let from = 0; ; ) {
    const indexes = log.missing(from).slice(0, BODIES);
    if (indexes.length === 0) return;
    await dialogue.say({ wantBodies: { log: log.key, indexes } });
    const { bodies } = await dialogue.hear('bodies');
    need(same(bodies.log, log.key), 'bodies of another log come');
    for (const { index, body } of bodies.bodies) {
      need(index >= from && indexes.includes(index), 'a body comes that was not asked for');
      replica.takeBody(log.key, index, body);
      from = index + 1;
    }
    came.bodies += bodies.bodies.length;
    if (bodies.bodies.length === 0) from = indexes.at(-1) + 1;
  }
}
