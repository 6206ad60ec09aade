// node main.js FEDERATION.PROTO CHARTER MULTIADDR
//
// A stranger that knows the charter meets a running node. It does what the lines of its input say, `sync` or `join`, tells
// of each document that it hears and verifies, and ends with its input. Every line of its output is JSON. Written from
// `proto/README.md`: what one of the two gets wrong, the other shows.
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { hex, need, Wrong } from './bytes.js';
import { readCharter } from './note.js';
import { Peer } from './peer.js';
import { Replica } from './replica.js';
import { sync } from './sync.js';
import { decode, loadShapes } from './wire.js';

const FIRST_DOCUMENT = 32; // smaller kinds are the log's own business and the phone book

const say = (line) => console.log(JSON.stringify(line));

/** Judges a message for gossipsub, and tells of it if it is a document and the next of its log. */
function hear(replica, bytes) {
  const { verdict, why, log, item } = replica.hear(bytes);
  if (verdict === 'reject') say({ rejected: why });
  if (item?.entry.kind >= FIRST_DOCUMENT) {
    const { entry, leaf, body } = item;
    const slug = body && decode('Publication', body).slug;
    say({ heard: { member: log.member.code, index: entry.index, digest: hex(leaf), slug } });
  }
  return verdict;
}

async function main(shapes, charter, address) {
  await loadShapes(shapes);
  const replica = new Replica(readCharter(await readFile(charter)));
  const peer = await Peer.start(replica.federation);
  await peer.call(address);
  for await (const command of createInterface({ input: process.stdin })) {
    need(command === 'sync' || command === 'join', `what is ${command}?`);
    if (command === 'sync') {
      const came = await sync(await peer.openSync(), replica);
      say({ ...came, frontier: hex(replica.frontier.digest) });
    } else {
      await peer.join((bytes) => hear(replica, bytes));
      say({ joined: peer.topic });
    }
  }
  await peer.stop();
}

try {
  await main(...process.argv.slice(2));
} catch (error) {
  console.error(`NOT VERIFIED: ${error instanceof Wrong ? error.message : error.stack}`);
  process.exit(1);
}
