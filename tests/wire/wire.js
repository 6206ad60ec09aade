// What travels: the messages of `federation.proto`, read from that very file, and bodies as zstd frames.
import { decompress } from 'fzstd';
import protobuf from 'protobufjs';
import { need, same, sha256, Wrong } from './bytes.js';

const BODY = 256 * 1024;
const WINDOW = 1024 * 1024;

let shapes;

export async function loadShapes(path) {
  shapes = await protobuf.load(path);
}

const shape = (name) => shapes.lookupType(`comity.v1.${name}`);

export function encode(name, fields) {
  const type = shape(name);
  return Buffer.from(type.encode(type.fromObject(fields)).finish());
}

/** The fields of a message, absent ones with their defaults. */
export function decode(name, bytes) {
  try {
    return shape(name).toObject(shape(name).decode(bytes), { longs: Number, defaults: true });
  } catch (error) {
    throw new Wrong(`this is no ${name}: ${error.message}`);
  }
}

/** The same, and whether the bytes are what an encoder would write: nothing undecodable, unknown, twice, or out of order. */
export function decodeExactly(name, bytes) {
  try {
    const exact = same(shape(name).encode(shape(name).decode(bytes)).finish(), bytes);
    return { fields: decode(name, bytes), exact };
  } catch {
    return { fields: null, exact: false };
  }
}

/** The entry that must be at this place of this log. */
export function readEntry(bytes, log, index) {
  need(bytes.length <= 512, 'an entry is over 512 B');
  const { fields: entry, exact } = decodeExactly('Entry', bytes);
  need(exact, 'an entry is not in its one encoding');
  need(entry.version === 1, 'an entry is of another version');
  need(same(entry.log, log) && entry.index === index, 'an entry is not at its place');
  need(entry.bodySize > 0 && entry.bodySize <= BODY, 'an entry announces no body, or one too large');
  need(entry.bodyDigest.length === 32, 'an entry names no digest');
  return entry;
}

/** The body in a frame, which must be the one that the entry names. */
export function unpackBody(frame, entry) {
  need(frame.length <= BODY + 1024, 'a frame is too large');
  checkFrame(frame, entry.bodySize);
  let body;
  try {
    body = decompress(frame, new Uint8Array(entry.bodySize));
  } catch (error) {
    throw new Wrong(`a frame does not unpack: ${error.message}`);
  }
  need(body.length === entry.bodySize && same(sha256(body), entry.bodyDigest), 'a body is not the one its entry names');
  return body;
}

/** RFC 8878, 3.1.1: one frame and nothing around it, which declares this size and a window that we allow. */
function checkFrame(frame, size) {
  need(frame.length >= 6 && frame.readUInt32LE(0) === 0xfd2fb528, 'a body is no zstd frame');
  const descriptor = frame[4];
  const single = (descriptor & 0x20) !== 0;
  const sizeBytes = [single ? 1 : 0, 2, 4, 8][descriptor >> 6];
  need((descriptor & 0x0b) === 0, 'a frame asks for a dictionary or has reserved bits');
  need(sizeBytes > 0, 'a frame does not declare its size');
  let at = 5;
  if (!single) {
    const base = 2 ** (10 + (frame[at] >> 3));
    need(base + (base / 8) * (frame[at] & 7) <= WINDOW, 'a frame asks for a large window');
    at += 1;
  }
  need(frame.length >= at + sizeBytes, 'a frame is cut short');
  let declared = 0n;
  for (let byte = sizeBytes - 1; byte >= 0; byte--) declared = (declared << 8n) | BigInt(frame[at + byte]);
  need(declared + (sizeBytes === 2 ? 256n : 0n) === BigInt(size), 'a frame declares another size than its entry');
  at += sizeBytes;
  for (let last = false; !last; ) {
    need(frame.length >= at + 3, 'a frame is cut short');
    const header = frame.readUIntLE(at, 3);
    last = (header & 1) === 1;
    at += 3 + (((header >> 1) & 3) === 1 ? 1 : header >> 3);
  }
  need(frame.length === at + (descriptor & 4 ? 4 : 0), 'there is something after a frame');
}
