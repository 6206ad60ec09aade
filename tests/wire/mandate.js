// What a governance log says about desks: whom it delegated, and where it ended them. Its own order alone decides.
import { hex, same } from './bytes.js';
import { isKey } from './note.js';
import { decodeExactly } from './wire.js';

const [OPEN, DELEGATE, REVOKE, DRAFT, DRAFT_SIGNATURE] = [1, 2, 3, 4, 5];
const ACTS = {
  [OPEN]: { shape: 'Open', isSound: isOpen }, // again, and without effect
  [DELEGATE]: { shape: 'Delegate', isSound: ({ deskKey }) => isKey(deskKey) },
  [REVOKE]: { shape: 'Revoke', isSound: ({ cut }) => cut !== null && isCut(cut) },
  [DRAFT]: { shape: 'Draft' },
  [DRAFT_SIGNATURE]: { shape: 'DraftSignature' },
};
const DESKS = 16;
export const [GOVERNANCE, PUBLICATION] = [1, 2];

const isCut = (cut) => isKey(cut.log) && cut.root.length === 32;

/** Whether the body of an `open` can be one at all; whether it is true depends on the log. */
export function isOpen({ purpose, identityKey, successorDigest, predecessor }) {
  if (!isKey(identityKey) || (predecessor && !isCut(predecessor))) return false;
  if (purpose === GOVERNANCE) return successorDigest.length === 32;
  return purpose === PUBLICATION && successorDigest.length === 0 && !predecessor;
}

export class Mandate {
  constructor() {
    this.desks = new Map(); // every key that was validly delegated, in hex -> where its log was cut, or null
    this.isInert = false; // from the first body on that a newer Comity wrote
  }

  /** Takes the next entry after the first. */
  read(kind, body) {
    const { shape, isSound = () => true } = ACTS[kind] ?? {};
    const { fields, exact } = shape ? decodeExactly(shape, body) : {};
    this.isInert ||= !exact || !isSound(fields);
    if (this.isInert) return;
    if (kind === DELEGATE) this.#delegate(hex(fields.deskKey));
    if (kind === REVOKE) this.#revoke(hex(fields.cut.log), fields.cut);
  }

  /** Void for a key this log ever delegated, cut since or not, and while sixteen are not cut. */
  #delegate(key) {
    const uncut = [...this.desks.values()].filter((cut) => cut === null);
    if (!this.desks.has(key) && uncut.length < DESKS) this.desks.set(key, null);
  }

  #revoke(key, cut) {
    if (this.desks.get(key) === null) this.desks.set(key, cut);
  }
}

/** Whether a run of a log that ends in this tree stays within the cut. */
export const isWithin = (cut, tree) =>
  !cut || tree.size < cut.size || (tree.size === cut.size && same(tree.root, cut.root));
