// RFC 6962 trees: one that grows, and the two proofs about others, checked as RFC 9162 describes (2.1.3.2, 2.1.4.2).
import { need, same, sha256 } from './bytes.js';

export const leafHash = (entry) => sha256(Buffer.of(0), entry);

const nodeHash = (left, right) => sha256(Buffer.of(1), left, right);

const half = (number) => Math.floor(number / 2);

const isOdd = (number) => number % 2 === 1;

/** A tree that never changes: appending gives another. It keeps the roots of its complete subtrees, the largest first. */
export class Tree {
  constructor(size = 0, peaks = []) {
    this.size = size;
    this.peaks = peaks;
  }

  append(leaf) {
    const peaks = [...this.peaks];
    let hash = leaf;
    for (let size = this.size; isOdd(size); size = half(size)) hash = nodeHash(peaks.pop(), hash);
    return new Tree(this.size + 1, [...peaks, hash]);
  }

  get root() {
    return this.size === 0 ? sha256('') : this.peaks.reduceRight((right, left) => nodeHash(left, right));
  }
}

/** The root to which a leaf and its path lead, and the path's left siblings: the peaks of the tree before the leaf. */
export function followPath(leaf, index, size, path) {
  need(index < size && path.length <= 65, 'an inclusion path cannot be one');
  let [node, last, root] = [index, size - 1, leaf];
  const lefts = [];
  for (const sibling of path) {
    need(last > 0 && sibling.length === 32, 'an inclusion path is too long');
    if (isOdd(node) || node === last) {
      lefts.unshift(sibling);
      root = nodeHash(sibling, root);
      while (node > 0 && !isOdd(node)) [node, last] = [half(node), half(last)];
    } else {
      root = nodeHash(root, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  need(last === 0, 'an inclusion path is too short');
  return { root, lefts };
}

/** Whether the tree of `later` (a size and a root) begins with this tree. */
export function isPrefix(tree, later, proof) {
  const whole = [...proof];
  if (tree.size === later.size) return whole.length === 0 && same(tree.root, later.root);
  if (tree.size === 0 || tree.size > later.size || whole.length === 0 || whole.length > 65) return false;
  if (tree.peaks.length === 1) whole.unshift(tree.root);
  let [node, last] = [tree.size - 1, later.size - 1];
  while (isOdd(node)) [node, last] = [half(node), half(last)];
  let [before, after] = [whole[0], whole[0]];
  for (const hash of whole.slice(1)) {
    if (last === 0 || hash.length !== 32) return false;
    if (isOdd(node) || node === last) {
      [before, after] = [nodeHash(hash, before), nodeHash(hash, after)];
      while (node > 0 && !isOdd(node)) [node, last] = [half(node), half(last)];
    } else {
      after = nodeHash(after, hash);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && same(before, tree.root) && same(after, later.root);
}
