// One sync as its caller, over `/comity/sync/1`.
import { need, same } from './bytes.js';
import { decode, encode } from './wire.js';

const VERSION = 1;
const MESSAGE = 4 * 1024 * 1024;

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

  /** The next message, which must be of this kind. */
  async hear(kind) {
    const { value: message } = await this.messages.next();
    need(message, `the peer ended the sync instead of saying ${kind}`);
    need(!message.refusal, `the peer refuses: ${message.refusal?.reason}`);
    need(message[kind], `the peer said ${Object.keys(message)} instead of ${kind}`);
    return message[kind];
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

/** Asks until nothing is wanted. Says how much came: chunks and bodies, or nothing where the frontiers were equal. */
export async function sync(stream, replica) {
  const dialogue = new Dialogue(stream);
  const came = { equal: false, chunks: 0, bodies: 0 };
  const { digest, ...frontier } = replica.frontier;
  await dialogue.say({ hello: { federation: replica.federation, version: VERSION, frontier: digest } });
  const hello = await dialogue.hear('hello');
  need(same(hello.federation, replica.federation) && hello.version === VERSION, 'the peer is of another federation');
  came.equal = same(hello.frontier, digest);
  if (!came.equal) {
    await dialogue.say({ frontier });
    const { rows } = await dialogue.hear('frontier');
    for (let wants = replica.wants(rows); wants.length > 0; wants = replica.wants(rows)) {
      for (const { log, from, to } of wants) came.chunks += await fetch(dialogue, replica, { log, from, to });
    }
  }
  for (const { log, indexes } of replica.missing()) {
    await dialogue.say({ wantBodies: { log, indexes } });
    const answer = await dialogue.hear('bodies');
    need(same(answer.log, log), 'bodies of another log come');
    for (const { index, body } of answer.bodies) replica.takeBody(log, index, body);
    came.bodies += answer.bodies.length;
  }
  await stream.close();
  return came;
}

async function fetch(dialogue, replica, want) {
  let chunks = 0;
  await dialogue.say({ want });
  for (let at = want.from; at < want.to; chunks++) {
    const chunk = await dialogue.hear('chunk');
    need(same(chunk.log, want.log) && chunk.from === at, 'a chunk does not follow the one before');
    at += chunk.leaves.length;
    need(at <= want.to, 'a chunk brings more than was asked');
    replica.take(chunk);
  }
  return chunks;
}
