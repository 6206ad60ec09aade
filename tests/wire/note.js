// C2SP signed notes with Ed25519, and the two notes of a federation: its charter and the checkpoints of its logs.
import { createPublicKey, verify } from 'node:crypto';
import { hex, need, same, sha256, unspell, utf8 } from './bytes.js';

/** The two encodings of points of order eight; OpenSSL does not refuse weak keys by itself. */
const ORDER_8 = [
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
];
const CODE = /^(?=.{1,12}$)[A-Z]{2,}(-[A-Z0-9]+)*$/;
const P = 2n ** 255n - 19n;

/** Whether 32 bytes can be a key: canonical, and not of small order. */
export function isKey(bytes) {
  if (bytes.length !== 32) return false;
  const y = BigInt(`0x${hex(Buffer.from(bytes).reverse())}`) & (2n ** 255n - 1n);
  const weak = ORDER_8.map((point) => BigInt(`0x${hex(Buffer.from(point, 'hex').reverse())}`));
  return y > 1n && y < P - 1n && !weak.includes(y);
}

/** The text before the signatures, and these by key name; refused unless written in the one way there is. */
function parse(note) {
  const text = note.slice(0, note.lastIndexOf('\n\n') + 1);
  need(text !== '' && note.endsWith('\n'), 'a note has no text or no signatures');
  const signatures = note.slice(text.length + 1, -1).split('\n').map((line) => {
    const [, name, blob] = line.match(/^— ([^ +]+) ([^ ]+)$/) ?? [];
    need(name, 'a signature line is not one');
    return { name, blob: unspell(blob, 'base64') };
  });
  return { text, signatures };
}

/** Whether one of the signatures is that of this key under this name. */
function isSigned({ text, signatures }, name, key) {
  need(isKey(key), `the key of ${name} is weak or no key`);
  const id = sha256(name, '\n', Buffer.of(1), key).subarray(0, 4);
  const x = Buffer.from(key).toString('base64url');
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  return signatures.some(
    ({ name: signer, blob }) =>
      signer === name && same(blob.subarray(0, 4), id) && verify(null, Buffer.from(text), publicKey, blob.subarray(4)),
  );
}

/** One line of at most 200 bytes, trimmed. */
const isName = (name) => name !== '' && name.trim() === name && Buffer.from(name).length <= 200 && !/\p{Cc}/u.test(name);

/** Id, name and members of a federation; every line's key must have signed. */
export function readCharter(bytes) {
  need(bytes.length <= 256 * 1024, 'a charter is over 256 KiB');
  const note = parse(utf8(bytes));
  const [type, name, threshold, ...lines] = note.text.slice(0, -1).split('\n');
  need(type === 'comity-charter/v1' && threshold === 'threshold 2/3', 'this is no charter');
  need(isName(name), 'a federation has no name');
  const members = lines.map((line) => {
    const words = line.match(/^(\S+) (signer|member) ([0-9a-f]{64}) ([0-9a-f]{64}) (.+)$/);
    need(words, `this is no line of a charter: ${line}`);
    const [, code, role, key, successor, name] = words;
    need(CODE.test(code) && isName(name), `this is no code or no name: ${code} ${name}`);
    return { code, role, key: unspell(key, 'hex'), successor: unspell(successor, 'hex'), name };
  });
  need(members.some(({ role }) => role === 'signer'), 'a charter has no signer');
  need(lines.every((line, at) => at === 0 || members[at - 1].code < members[at].code), 'members are out of order');
  const digests = new Set(members.flatMap(({ key, successor }) => [hex(key), hex(successor)]));
  need(digests.size === 2 * members.length, 'two members share a key or a successor');
  for (const { code, key } of members) need(isSigned(note, `comity/${code}`, key), `${code} has not signed the charter`);
  return { id: sha256(note.text), name, members };
}

/** Size and root of a log, signed by its key. */
export function readCheckpoint(bytes, federation, log) {
  need(bytes.length <= 512, 'a checkpoint is over 512 B');
  const note = parse(utf8(bytes));
  const [origin, size, root, ...more] = note.text.slice(0, -1).split('\n');
  need(origin === `comity/${hex(federation)}/${hex(log)}`, 'a checkpoint is of another federation or log');
  need(/^(0|[1-9][0-9]*)$/.test(size) && Number.isSafeInteger(Number(size)), 'a checkpoint has no size');
  need(more.length === 0 && note.signatures.length === 1, 'a checkpoint is three lines and one signature');
  need(isSigned(note, origin, log), 'the signature of a checkpoint is false');
  return { size: Number(size), root: unspell(root, 'base64') };
}
