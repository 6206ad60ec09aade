// A replica that reads: the charter, every log it makes known, and what may be added to them.
import { hex, need, same, sha256, Wrong } from './bytes.js';
import { GOVERNANCE, isOpen, isWithin, Mandate, PUBLICATION } from './mandate.js';
import { readCheckpoint } from './note.js';
import { followPath, isPrefix, leafHash, Tree } from './tree.js';
import { decode, decodeExactly, readEntry, unpackBody } from './wire.js';

const OPEN = 1;
const GOVERNANCE_ENTRIES = 4096;
const GOVERNANCE_BYTES = 16 * 1024 * 1024;

/** A log as it is held: a tree, and each entry with its body, or null where that has not come yet. */
class Log {
  constructor(key, mandate = null) {
    this.key = key;
    this.mandate = mandate; // of a governance log
    this.member = null; // once it is open
    this.tree = new Tree();
    this.items = [];
  }

  /** The places from this one on whose bodies have not come. */
  missing(from) {
    return this.items.flatMap(({ body }, index) => (index >= from && !body ? [index] : []));
  }
}

export class Replica {
  constructor(charter) {
    this.federation = charter.id;
    this.members = new Map(charter.members.map((member) => [hex(member.key), member]));
    this.logs = new Map();
    for (const [id, { key }] of this.members) this.logs.set(id, new Log(key, new Mandate()));
  }

  /** Rows of all known keys, in their order, and the digest over them. */
  get frontier() {
    const logs = [...this.logs.values()].sort((a, b) => Buffer.compare(a.key, b.key));
    const rows = logs.map(({ key, tree }) => ({ log: key, size: tree.size, root: tree.root, contested: false }));
    const edition = this.federation; // the newest one is the charter
    const parts = rows.flatMap(({ log, size, root }) => {
      const number = Buffer.alloc(8);
      number.writeBigUInt64BE(BigInt(size));
      return [log, number, root, Buffer.of(0)];
    });
    return { rows, editions: [edition], digest: sha256(this.federation, edition, ...parts) };
  }

  /**
   * What of these rows is to be asked for: of governance logs as long as there is any, then of publication logs. Of these
   * entry 0 comes first and alone, because it says whose log it is, and with that where it ends.
   */
  wants(rows) {
    const wants = rows.flatMap((row) => {
      const log = this.logs.get(hex(row.log));
      const end = log?.mandate || log?.member ? (this.#cut(log, log.member)?.size ?? Infinity) : 1;
      const to = Math.min(row.size, end);
      return log && to > log.tree.size ? [{ log: log.key, from: log.tree.size, to, first: log.mandate !== null }] : [];
    });
    const first = wants.filter((want) => want.first);
    return first.length > 0 ? first : wants;
  }

  /** Takes a run of entries, which its closing must prove. False where no record makes its log open as it says. */
  take({ log: key, from, leaves, closing }) {
    const log = this.logs.get(hex(key));
    need(log && from === log.tree.size && leaves.length > 0 && closing, 'a chunk does not follow what is held');
    const items = leaves.map((leaf, at) => {
      const entry = readEntry(leaf.entry, key, from + at);
      return { entry, leaf: leafHash(leaf.entry), body: leaf.body.length > 0 ? unpackBody(leaf.body, entry) : null };
    });
    const tree = items.reduce((grown, { leaf }) => grown.append(leaf), log.tree);
    const checkpoint = readCheckpoint(closing.checkpoint, this.federation, key);
    need(isPrefix(tree, checkpoint, closing.proof), 'the closing does not prove the run');
    return this.#keep(log, tree, items);
  }

  takeBody(key, index, frame) {
    const item = this.logs.get(hex(key))?.items[index];
    need(item, 'a body comes without its entry');
    item.body ??= unpackBody(frame, item.entry);
  }

  /** Judges a gossiped message: what to do with it, and the item if it was the next of its log and is kept now. */
  hear(bytes) {
    let heard;
    try {
      heard = this.#examine(bytes);
    } catch (error) {
      if (error instanceof Wrong) return { verdict: 'reject', why: error.message };
      throw error;
    }
    const { key, entry, leaf, body, lefts } = heard;
    const log = this.logs.get(hex(key));
    const cut = log && this.#cut(log, log.member);
    if (!log || (cut && entry?.index >= cut.size)) return { verdict: 'ignore', why: 'unknown key or beyond a cut' };
    const isNext = entry?.index === log.tree.size && lefts.length === log.tree.peaks.length;
    if (!isNext || !lefts.every((left, at) => same(left, log.tree.peaks[at]))) return { verdict: 'accept' };
    try {
      const isKept = this.#keep(log, log.tree.append(leaf), [{ entry, leaf, body }]);
      return { verdict: 'accept', log, item: isKept && log.items.at(-1) };
    } catch (error) {
      if (error instanceof Wrong) return { verdict: 'ignore', why: error.message };
      throw error;
    }
  }

  /** Everything about a gossiped message that is false whatever one holds. */
  #examine(bytes) {
    need(bytes.length <= 64 * 1024, 'a gossiped message is over 64 KiB');
    const message = decode('Gossip', bytes);
    if (message.entry.length === 0) {
      const key = message.checkpoint.toString().match(/^comity\/[0-9a-f]{64}\/([0-9a-f]{64})\n/)?.[1];
      need(key, 'what is gossiped is no checkpoint');
      readCheckpoint(message.checkpoint, this.federation, Buffer.from(key, 'hex'));
      return { key: Buffer.from(key, 'hex') };
    }
    const { log: key, index } = decode('Entry', message.entry);
    const entry = readEntry(message.entry, key, index);
    const leaf = leafHash(message.entry);
    const checkpoint = readCheckpoint(message.checkpoint, this.federation, key);
    const { root, lefts } = followPath(leaf, index, checkpoint.size, message.path);
    need(same(root, checkpoint.root), 'a path does not lead to the root of its checkpoint');
    return { key, entry, leaf, lefts, body: message.body.length > 0 ? unpackBody(message.body, entry) : null };
  }

  /** The last door: rules about the log itself. Only what passes them all changes anything. */
  #keep(log, tree, items) {
    const member = log.member ?? this.#opener(log, items[0]);
    if (!member) return false;
    need(isWithin(this.#cut(log, member), tree), 'a run goes beyond the cut of its log, or has another root there');
    const isGovernance = log.mandate !== null;
    need(!isGovernance || items.every(({ body }) => body), 'a governance entry comes without its body');
    need(!isGovernance || tree.size <= GOVERNANCE_ENTRIES, 'a governance log is too long');
    const bytes = [...log.items, ...items].reduce((sum, { entry }) => sum + entry.bodySize, 0);
    need(!isGovernance || bytes <= GOVERNANCE_BYTES, 'a governance log is too large');
    for (const { entry, body } of items) if (isGovernance && entry.index > 0) log.mandate.read(entry.kind, body);
    log.items.push(...items);
    [log.tree, log.member] = [tree, member];
    for (const id of log.mandate?.desks.keys() ?? []) {
      if (!this.logs.has(id)) this.logs.set(id, new Log(Buffer.from(id, 'hex')));
    }
    return true;
  }

  /** The member whose log this is, where entry 0 agrees with what made the key known. */
  #opener(log, { entry, body }) {
    need(body, 'entry 0 comes without its body');
    const { fields: open, exact } = decodeExactly('Open', body);
    if (entry.kind !== OPEN || !exact || !isOpen(open) || open.predecessor) return null;
    const member = this.members.get(hex(open.identityKey));
    if (member?.code !== open.member) return null;
    const isGovernance = open.purpose === GOVERNANCE && same(log.key, member.key);
    const isDesk = open.purpose === PUBLICATION && this.logs.get(hex(member.key)).mandate.desks.has(hex(log.key));
    if (log.mandate) return isGovernance && same(open.successorDigest, member.successor) ? member : null;
    return isDesk ? member : null;
  }

  /** Where the log of a member's desk ends, if that member has revoked it. */
  #cut(log, member) {
    return member && !log.mandate ? this.logs.get(hex(member.key)).mandate.desks.get(hex(log.key)) : null;
  }
}
