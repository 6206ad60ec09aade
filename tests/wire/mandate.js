// What a governance log says about desks: whom it delegated, and where it ended them. Its own order decides, nothing else.
import { hex, same } from './bytes.js';
import { isKey } from './note.js';
import { decodeExactly } from './wire.js';

const [DELEGATE, REVOKE, DRAFT, DRAFT_SIGNATURE] = [2, 3, 4, 5];
const SHAPES = { [DELEGATE]: 'Delegate', [REVOKE]: 'Revoke', [DRAFT]: 'Draft', [DRAFT_SIGNATURE]: 'DraftSignature' };
const DESKS = 16;

export class Mandate {
  constructor(identities) {
    this.identities = identities; // the keys of the charter, in hex: never desks
    this.desks = new Map(); // every desk that was validly delegated: key in hex -> what it is called
    this.cuts = new Map(); // key in hex -> size and root
    this.isInert = false; // from the first body on that a newer Comity wrote
  }

  /** Takes the next entry after the first. */
  read(kind, body) {
    const shape = SHAPES[kind];
    const { fields, exact } = shape ? decodeExactly(shape, body) : { exact: false };
    this.isInert ||= !exact;
    if (this.isInert) return;
    if (kind === DELEGATE) this.#delegate(fields.deskKey, fields.desk);
    if (kind === REVOKE) this.#revoke(fields.cut);
  }

  #delegate(key, name) {
    const [id, held] = [hex(key), [...this.desks.keys()].filter((desk) => !this.cuts.has(desk))];
    const isVoid = held.length >= DESKS || held.includes(id) || this.cuts.has(id) || this.identities.has(id);
    if (!isVoid && isKey(key)) this.desks.set(id, name);
  }

  #revoke(cut) {
    if (!this.cuts.has(hex(cut.log))) this.cuts.set(hex(cut.log), { size: cut.size, root: cut.root });
  }
}

/** Whether a run of a log that ends in this tree stays within the cut. */
export const isWithin = (cut, tree) => !cut || tree.size < cut.size || (tree.size === cut.size && same(tree.root, cut.root));
