// node main.js FEDERATION.PROTO CHARTER MULTIADDR
//
// Meets a running node as a stranger that knows the charter: syncs, joins the gossip, verifies the next document that the
// node publishes, and shows that both hold the same. Every line on stdout is JSON. Written from `proto/README.md`.
import { readFile } from 'node:fs/promises';
import { hex, need } from './bytes.js';
import { readCharter } from './note.js';
import { Peer } from './peer.js';
import { Replica } from './replica.js';
import { sync } from './sync.js';
import { decode, loadShapes } from './wire.js';

const PATIENCE = 60_000;

const say = (line) => console.log(JSON.stringify(line));

async function main(shapes, charter, address) {
  const signal = AbortSignal.timeout(PATIENCE);
  await loadShapes(shapes);
  const replica = new Replica(readCharter(await readFile(charter)));
  const peer = await Peer.start(replica.federation);
  await peer.call(address, signal);
  const synced = async () => ({ ...(await sync(await peer.openSync(signal), replica)), frontier: hex(replica.frontier.digest) });
  say({ synced: await synced() });

  const document = Promise.withResolvers();
  signal.addEventListener('abort', () => document.reject(new Error('nothing was published')));
  await peer.join((bytes) => {
    const { verdict, why, log, item } = replica.hear(bytes);
    if (verdict === 'reject') document.reject(new Error(why));
    if (item) document.resolve({ log, item });
    return verdict;
  }, signal);
  say({ joined: peer.topic });

  const { log, item } = await document.promise;
  const { slug, title } = decode('Publication', item.body);
  say({ heard: { member: log.member.code, slug, title, index: item.entry.index, digest: hex(item.leaf) } });

  const last = await synced();
  need(last.equal, 'the frontiers differ');
  say({ synced: last });
  await peer.stop();
}

try {
  await main(...process.argv.slice(2));
} catch (error) {
  console.error(`NOT VERIFIED: ${error.stack}`);
  process.exit(1);
}
