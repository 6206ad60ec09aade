// Small things about bytes, and the one way in which a check fails.
import { createHash } from 'node:crypto';

/** A rule of the protocol that does not hold. */
export class Wrong extends Error {}

export function need(condition, words) {
  if (!condition) throw new Wrong(words);
}

export const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();

export const hex = (bytes) => Buffer.from(bytes).toString('hex');

export const same = (a, b) => Buffer.compare(a, b) === 0;

/** Bytes of canonical base64 or lower-case hex: what would be written back the same. */
export function unspell(text, encoding) {
  const bytes = Buffer.from(text, encoding);
  need(bytes.toString(encoding) === text, `this is not ${encoding}: ${text.slice(0, 80)}`);
  return bytes;
}

/** UTF-8 without anything to forgive. */
export function utf8(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Wrong('a text is not UTF-8');
  }
}
