"""The shapes of records: keys, notes, messages, trees, forks, logs, editions. Written from proto/README.md and federation.proto."""

import base64, hashlib, re
from collections import namedtuple
from functools import partial

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
OPEN, DELEGATE, REVOKE, DRAFT, DRAFT_SIGNATURE = 1, 2, 3, 4, 5
GOVERNANCE, PUBLICATION = 1, 2
VARINT = re.compile(b"[\x80-\xff]*[\x01-\x7f]|\\0")
NUMBER, HEX = "(0|[1-9][0-9]*)", "([0-9a-f]{64})"
PAGE = f"comity-(charter|edition)/v1\n(.*)\nthreshold 2/3\n(?:edition {NUMBER}\nafter {HEX}\n)?((?:[A-Z].*\n)*)((?:cut .*\n)*)"
Cut = namedtuple("Cut", "log size root at path", defaults=(0, []))
from_hex = bytes.fromhex

def check(is_so, why="not sound"):
    """Refuses what is no such record, as Python refuses what is no hex, base64 or UTF-8."""
    if not is_so:
        raise ValueError(why)

def attempt(read, *given):
    """What is read, or None where it is refused."""
    try:
        return read(*given)
    except (ValueError, InvalidSignature):
        return None

def sha(data):
    return hashlib.sha256(data).digest()

def node(left, right):
    return sha(b"\x01" + left + right)

def parts(pattern, text):
    check(found := re.fullmatch(pattern, text), f"{text!r} does not have its shape")
    return found.groups()

def digest(data):
    check(len(data) == 32, "not a digest")
    return data

def key(data):
    """32 bytes: the one spelling of a point of the curve whose order is not small (whose y is not 1, -1 or 0, nor its double's 0)."""
    y = int.from_bytes(digest(data), "little") % 2**255
    is_point = y < P and pow((y * y - 1) * (D * y * y + 1), (P - 1) // 2, P) in (0, 1)
    check(is_point and y not in (1, P - 1, 0) and (D * y**4 + 2 * y * y - 1) % P != 0, "not a key")
    return data

def unbase64(text):
    data = base64.b64decode(text, validate=True)
    check(base64.b64encode(data).decode() == text, "base64 in a second spelling")
    return data

def is_by(line, name, public, text):
    """Refuses a signature line that is not this key's, under this name, over this text; verified strictly."""
    check(line[:2] == (name, sha(name.encode() + b"\n\x01" + public)[:4]), "another key's line")
    Ed25519PublicKey.from_public_bytes(public).verify(line[2], text.encode())
    return bool(key(line[2][:32]))

def signature_line(data):
    """Name, key id and signature."""
    name, blob = parts(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})", data.decode())
    check(len(unbase64(blob)) > 4)
    return name, unbase64(blob)[:4], unbase64(blob)[4:]

def note(whole):
    """Text and signature lines; the last empty line parts them."""
    text, seam, lines = whole.rpartition("\n\n")
    check(seam and lines.endswith("\n") and lines.count("\n") <= 400, "not a note")
    return text + "\n", [signature_line(line.encode()) for line in lines[:-1].split("\n")]

def checkpoint(whole, federation, log):
    """Size and root that the log's key signed."""
    text, lines = note(whole)
    origin, size, end = parts(f"(.*)\n{NUMBER}\n(.*)\n", text)
    check(len(whole.encode()) <= 512 and origin == f"comity/{federation.hex()}/{log.hex()}", "no checkpoint of that log")
    check(len(lines) == 1 and attempt(is_by, lines[0], origin, log, text), "not signed by the log's key alone")
    return int(size), digest(unbase64(end))

def message(data, fields):
    """Reads only what encodes to the same bytes: fields in the order of their numbers, none twice, unknown or with its default value."""
    values, at = {}, 0
    for place, (name, kind) in enumerate(fields.items(), 1):
        tag, found = bytes([place << 3 | (0 if kind is int else 2)]), []
        while data[at:at + 1] == tag and (not found or isinstance(kind, list)):
            check(spelled := VARINT.match(data, at + 1), "not a number in its shortest spelling")
            value, at = sum((byte & 127) << 7 * nth for nth, byte in enumerate(spelled[0])), spelled.end()
            check(value < 2**64 if kind is int else at + value <= len(data), "beyond its bound")
            if kind is not int:
                value, at = data[at:at + value], at + value
            found.append(value)
        if isinstance(kind, list):
            values[name] = [kind[0](value) for value in found]
        else:
            check(all(found) and (found or kind in PLAIN or name in OPTIONAL), f"{name} is missing, or empty and said")
            values[name] = kind(*found) if found or kind in PLAIN else None
    check(at == len(data), "unknown fields, or not in their order")
    return values

def read_cut(data):
    said = message(data, {"log": key, "size": int, "root": digest, "joined": partial(message, fields={"at": int, "path": [digest]})})
    joined = said.pop("joined")
    check(joined is None or 0 < joined["at"] < said["size"] and len(joined["path"]) <= 65, "joined to nothing, or by too much")
    return Cut(**said, **joined or {})

# What reads each field, in the order of their numbers; a list where there may be several.
utf8 = partial(str, encoding="utf-8")
BRANCH = {"checkpoint": utf8, "joined": [digest], "entry": bytes, "path": [digest]}
FORK = {"log": key, "at": int, "root": digest, "branches": [partial(message, fields=BRANCH)]}
ENTRY = {"version": int, "log": key, "index": int, "claimed_ms": int, "kind": int, "body_digest": digest, "body_size": int}
BODIES = {
    OPEN: {"salt": bytes, "purpose": int, "member": utf8, "identity_key": key, "successor_digest": digest, "predecessor": read_cut},
    DELEGATE: {"salt": bytes, "desk_key": key, "desk": utf8},
    REVOKE: {"salt": bytes, "cut": read_cut, "reason": utf8},
    DRAFT: {"salt": bytes, "text": utf8},
    DRAFT_SIGNATURE: {"salt": bytes, "draft": digest, "signature": signature_line, "successor_key": key},
}
OPTIONAL, PLAIN = {"successor_digest", "predecessor", "successor_key", "joined"}, {int, bytes, utf8}  # plain ones are left out where they are empty

def body(kind, data):
    """What a governance entry says."""
    check(kind in BODIES, "of an unknown kind")
    said = message(data, BODIES[kind]) | {"kind": kind}
    governs, publishes = (kind == OPEN and said["purpose"] == purpose for purpose in (GOVERNANCE, PUBLICATION))
    check(kind != OPEN or governs and said["successor_digest"] or publishes and not (said["successor_digest"] or said["predecessor"]))
    return said

def entry(data, log, index):
    """An entry that is sound at its place, with its leaf hash."""
    said = message(data, ENTRY)
    check(len(data) <= 512 and (said["version"], said["log"], said["index"]) == (1, log, index))
    check(said["kind"] < 2**32 and 0 < said["body_size"] <= 256 * 1024)
    return said | {"leaf": sha(b"\x00" + data)}

def root(leaves):
    """RFC 6962, section 2.1, of leaf hashes."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha(b"")
    at = 1 << (len(leaves) - 1).bit_length() - 1
    return node(root(leaves[:at]), root(leaves[at:]))

def climb(start, index, last, path):
    """The root that a node, of a level that ends at `last`, leads to with the siblings in `path`; first with those on its left alone."""
    are_left = [index >> up & 1 for up in range(last.bit_length()) if index >> up & 1 or index >> up < last >> up]
    before = after = start
    for sibling, is_left in zip(path, are_left, strict=True):
        before, after = (node(sibling, before), node(sibling, after)) if is_left else (before, node(after, sibling))
    return before, after

def is_consistent(old, old_root, size, new_root, path):
    if old in (0, size):
        return not [*path] and old_root == (new_root if old else sha(b""))
    start, *path = path if old & (old - 1) else [old_root, *path]
    height = (old & -old).bit_length() - 1  # of the last whole subtree before `old`
    return old < size and climb(start, old - 1 >> height, size - 1 >> height, path) == (old_root, new_root)

def fork(data, federation):
    """Log and index of a fork that is proven."""
    said = message(data, FORK)
    log, at, leaves = said["log"], said["at"], set()
    for branch in said["branches"]:
        size, end = checkpoint(branch["checkpoint"], federation, log)
        leaves.add(leaf := entry(branch["entry"], log, at)["leaf"])
        check(size > at and climb(leaf, at, size - 1, branch["path"])[1] == end, "the entry is not in the tree")
        check(is_consistent(at, said["root"], size, end, branch["joined"]), "the trees before it differ")
    check(len(said["branches"]) == len(leaves) == 2, "not two branches with different entries")
    return log, at

class Log:
    """What is held of a log: leaf hashes, what bodies say as far as they can be read, and what entry 0 says the log is."""
    def __init__(self, value, federation):
        self.key, self.leaves, bodies = key(from_hex(value["key"])), [], []
        for index, one in enumerate(value["entries"]):
            header, data = entry(unbase64(one["entry"]), self.key, index), unbase64(one.get("body", ""))
            self.leaves.append(header["leaf"])
            if data:
                check((len(data), sha(data)) == (header["body_size"], header["body_digest"]), "not the entry's body")
                bodies.append(attempt(body, header["kind"], data))
        size, end = checkpoint(value["checkpoint"], federation, self.key)
        check(is_consistent(len(self.leaves), root(self.leaves), size, end, map(from_hex, value["proof"])), "not joined")
        self.said = bodies[:[*bodies, None].index(None)]  # the first that is refused is a newer Comity's, and all after it
        check(self.said and self.said[0]["kind"] == OPEN, "entry 0 does not open the log")
        first = self.said[0]
        self.opening = first["purpose"], first["member"], first["identity_key"], first["predecessor"] and first["predecessor"].log

    def end(self, cut, fork_at):
        """How many entries stand, or None for all: as far as its cut, or as a run off it is proven to share; without one its fork."""
        if cut and len(self.leaves) >= cut.size and root(self.leaves[:cut.size]) != cut.root:
            is_shared = cut.at and attempt(is_consistent, cut.at, root(self.leaves[:cut.at]), cut.size, cut.root, cut.path)
            return cut.at if is_shared else 0
        return cut.size if cut else fork_at

class Edition:
    """A list of members by code, as (role, key, digest), and cuts by key; the charter is edition 0."""
    def __init__(self, text):
        check(not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", text) and len(text.encode()) <= 256 * 1024, "not the text of a note")
        kind, name, index, before, members, cuts = parts(PAGE, text)
        members = [parts(f"([A-Z]{{2,}}(?:-[A-Z0-9]+)*) (signer|member) {HEX} {HEX} (.*)", line) for line in members.split("\n")[:-1]]
        cuts = [parts(f"cut {HEX} {NUMBER} {HEX}", line) for line in cuts.split("\n")[:-1]]
        codes, logs, names = [line[0] for line in members], [line[0] for line in cuts], [name, *(line[4] for line in members)]
        self.text, self.digest = text, sha(text.encode())
        self.number, self.before = (int(index), from_hex(before)) if index else (0, None)
        self.members = {code: (role, key(from_hex(public)), from_hex(following)) for code, role, public, following, _ in members}
        self.cuts = {from_hex(log): Cut(key(from_hex(log)), int(size), from_hex(end)) for log, size, end in cuts}
        self.signers = [code for code, role, *_ in members if role == "signer"]
        self.used = {one for _, public, following in self.members.values() for one in (sha(public), following)}
        check((kind == "edition") == (self.number > 0) and (self.number > 0 or not cuts), "neither a charter nor an edition")
        check(codes == sorted(set(codes)) and logs == sorted(set(logs)), "members or cuts not in order, or twice")
        check(self.signers and len(self.used) == 2 * len(codes), "nobody signs, or a key is listed twice")
        check(all(0 < len(one.encode()) <= 200 and one.strip() == one for one in names), "not a name")
        check(all(len(code) <= 12 for code in codes) and all(cut.size < 2**64 for cut in self.cuts.values()), "over a bound")
