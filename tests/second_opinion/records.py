"""The shapes of records: bytes, hashes, keys, notes, trees, entries, forks. Written from proto/README.md and federation.proto."""

import base64
import hashlib
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

P = 2**255 - 19
D = -121665 * pow(121666, P - 2, P) % P
OPEN, DELEGATE, REVOKE, DRAFT, DRAFT_SIGNATURE = 1, 2, 3, 4, 5
GOVERNANCE, PUBLICATION = 1, 2


class Refused(Exception):
    """Bytes that are no such record."""


def check(is_so, why="not sound"):
    if not is_so:
        raise Refused(why)


def sha(data):
    return hashlib.sha256(data).digest()


# ------------------------------------------------------------------------------------------------- protobuf

# Of each message its fields by number: name, and u32, u64, bytes, text, or another message; a list repeats it.
CUT = {1: ("log", "bytes"), 2: ("size", "u64"), 3: ("root", "bytes")}
BRANCH = {1: ("checkpoint", "bytes"), 2: ("joined", ["bytes"]), 3: ("entry", "bytes"), 4: ("path", ["bytes"])}
FORK = {1: ("log", "bytes"), 2: ("at", "u64"), 3: ("root", "bytes"), 4: ("branches", [BRANCH])}
ENTRY = {1: ("version", "u32"), 2: ("log", "bytes"), 3: ("index", "u64"), 4: ("claimed_ms", "u64"), 5: ("kind", "u32"),
         6: ("body_digest", "bytes"), 7: ("body_size", "u32")}
BODIES = {
    OPEN: {1: ("salt", "bytes"), 2: ("purpose", "u32"), 3: ("member", "text"), 4: ("identity_key", "bytes"),
           5: ("successor_digest", "bytes"), 6: ("predecessor", CUT)},
    DELEGATE: {1: ("salt", "bytes"), 2: ("desk_key", "bytes"), 3: ("desk", "text")},
    REVOKE: {1: ("salt", "bytes"), 2: ("cut", CUT), 3: ("reason", "text")},
    DRAFT: {1: ("salt", "bytes"), 2: ("text", "text")},
    DRAFT_SIGNATURE: {1: ("salt", "bytes"), 2: ("draft", "bytes"), 3: ("signature", "text"), 4: ("successor_key", "bytes")},
}


def varint(data, at):
    number = shift = 0
    while True:
        check(at < len(data) and shift < 70)
        byte, at = data[at], at + 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            check(number < 2**64 and (byte > 0 or shift == 7), "a number in a second spelling")
            return number, at


def message(data, fields):
    """Decodes only what encodes to the same bytes: fields known, in order, none with its default value."""
    values = {name: [] if isinstance(kind, list) else None for name, kind in fields.values()}
    at = last = 0
    while at < len(data):
        tag, at = varint(data, at)
        number, wire = tag >> 3, tag & 7
        check(number in fields and number >= last)
        name, kind = fields[number]
        repeated = isinstance(kind, list)
        check(repeated or number > last)
        kind, last = kind[0] if repeated else kind, number
        value, at = varint(data, at)
        if kind in ("u32", "u64"):
            check(wire == 0 and 0 < value < (2**32 if kind == "u32" else 2**64))
        else:
            check(wire == 2 and at + value <= len(data))
            value, at = data[at:at + value], at + value
            check(repeated or value or isinstance(kind, dict))
            if kind == "text":
                value = utf8(value)
            elif isinstance(kind, dict):
                value = message(value, kind)
        if repeated:
            values[name].append(value)
        else:
            values[name] = value
    empty = {"u32": 0, "u64": 0, "bytes": b"", "text": ""}
    for name, kind in fields.values():
        if values[name] is None and isinstance(kind, str):
            values[name] = empty[kind]
    return values


def utf8(data):
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Refused("not UTF-8") from error


# ----------------------------------------------------------------------------------------- keys, notes, trees

def is_point(data):
    """Whether 32 bytes are the one spelling of a point that is not of small order."""
    y = int.from_bytes(data, "little") & (2**255 - 1)
    if len(data) != 32 or y >= P:
        return False
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P == -u % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if v * x * x % P != u:
        return False
    for _ in range(3):  # eight times the point is the neutral one where its order is small
        product = D * x * x * y * y % P
        x, y = 2 * x * y * pow(1 + product, P - 2, P) % P, (y * y + x * x) * pow(1 - product, P - 2, P) % P
    return (x, y) != (0, 1)


def key(data):
    check(len(data) == 32 and is_point(data), "not a key")
    return data


def digest(data):
    check(len(data) == 32, "not a digest")
    return data


def from_hex(text):
    check(re.fullmatch("[0-9a-f]{64}", text), "not 64 digits")
    return bytes.fromhex(text)


def is_by(line, name, public, text):
    """Whether a signature line (name, key id, bytes) is this key's, under this name, over this text."""
    named, key_id, signature = line
    if named != name or key_id != sha(name.encode() + b"\n\x01" + public)[:4] or len(signature) != 64:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text.encode())
    except InvalidSignature:
        return False
    return is_point(signature[:32])


def signature_line(line):
    found = re.fullmatch("— ([^\\s+]+) ([A-Za-z0-9+/]+={0,2})", line)
    check(found, "not a signature line")
    blob = unbase64(found[2])
    check(len(blob) > 4)
    return found[1], blob[:4], blob[4:]


def unbase64(text):
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Refused("not base64") from error
    check(base64.b64encode(data).decode() == text, "base64 in a second spelling")
    return data


def note_text(text):
    is_control = re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    check(text.endswith("\n") and not is_control and len(text.encode()) <= 256 * 1024, "not the text of a note")
    return text


def note(data):
    text, seam, lines = utf8(data).rpartition("\n\n")
    check(seam and lines.endswith("\n"), "not a note")
    lines = lines[:-1].split("\n")
    check(len(lines) <= 400)
    return note_text(text + "\n"), [signature_line(line) for line in lines]


def checkpoint(data, federation, log):
    """Size and root that the log's key signed."""
    check(len(data) <= 512)
    text, lines = note(data)
    origin = f"comity/{federation.hex()}/{log.hex()}"
    found = re.fullmatch(re.escape(origin) + "\n(0|[1-9][0-9]*)\n([^\n]*)\n", text)
    check(found and len(lines) == 1 and is_by(lines[0], origin, log, text), "not a checkpoint of that log")
    return int(found[1]), digest(unbase64(found[2]))


def node(left, right):
    return sha(b"\x01" + left + right)


def split(count):
    return 1 << (count - 1).bit_length() - 1


def root(leaves):
    """RFC 6962, section 2.1, of leaf hashes."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha(b"")
    at = split(len(leaves))
    return node(root(leaves[:at]), root(leaves[at:]))


def from_inclusion(leaf, index, size, path):
    """The root that an inclusion path leads to."""
    check(index < size and (size > 1) == bool(path), "a path of another length")
    if size == 1:
        return leaf
    at, (*rest, sibling) = split(size), path
    if index < at:
        return node(from_inclusion(leaf, index, at, rest), sibling)
    return node(sibling, from_inclusion(leaf, index - at, size - at, rest))


def from_consistency(old, end, size, path, whole=True):
    """The roots before and after that a consistency proof leads to; `end` is the old root, which is not in the proof if whole."""
    if old == size:
        check(len(path) == (0 if whole else 1), "a proof of another length")
        return (end, end) if whole else (path[0], path[0])
    check(path, "a proof of another length")
    at, (*rest, sibling) = split(size), path
    if old <= at:
        before, after = from_consistency(old, end, at, rest, whole)
        return before, node(after, sibling)
    before, after = from_consistency(old - at, end, size - at, rest, False)
    return node(sibling, before), node(sibling, after)


def is_consistent(old, old_root, size, new_root, path):
    if old == 0:
        return not path and old_root == sha(b"")
    return old < size and from_consistency(old, old_root, size, path) == (old_root, new_root)


# ------------------------------------------------------------------------------------------ entries and forks

def entry(data, log, index):
    """An entry that stands at its place, with its leaf hash."""
    check(len(data) <= 512)
    value = message(data, ENTRY)
    check(value["version"] == 1 and value["log"] == log and value["index"] == index and len(value["body_digest"]) == 32)
    check(0 < value["body_size"] <= 256 * 1024)
    return value | {"leaf": sha(b"\x00" + data)}


def cut(value):
    check(value is not None)
    return key(value["log"]), value["size"], digest(value["root"])


def body(kind, data):
    """The body of a governance entry; one that is refused is a newer Comity's."""
    check(kind in BODIES, "of an unknown kind")
    value = message(data, BODIES[kind])
    if kind == OPEN:
        check(value["purpose"] in (GOVERNANCE, PUBLICATION))
        key(value["identity_key"])
        if value["purpose"] == GOVERNANCE:
            digest(value["successor_digest"])
        else:
            check(not value["successor_digest"] and value["predecessor"] is None)
        value["predecessor"] = value["predecessor"] and cut(value["predecessor"])
    elif kind == DELEGATE:
        key(value["desk_key"])
    elif kind == REVOKE:
        value["cut"] = cut(value["cut"])
    elif kind == DRAFT_SIGNATURE:
        digest(value["draft"])
        value["signature"] = signature_line(value["signature"])
        value["successor_key"] = key(value["successor_key"]) if value["successor_key"] else None
    return value


def fork(data, federation):
    """Log and index of a fork that is proven."""
    value = message(data, FORK)
    log, at, before, leaves = key(value["log"]), value["at"], digest(value["root"]), []
    check(len(value["branches"]) == 2)
    for branch in value["branches"]:
        size, end = checkpoint(branch["checkpoint"], federation, log)
        leaf = entry(branch["entry"], log, at)["leaf"]
        check(size > at and from_inclusion(leaf, at, size, branch["path"]) == end, "the entry is not in the tree")
        check(is_consistent(at, before, size, end, branch["joined"]), "the trees before it differ")
        leaves.append(leaf)
    check(leaves[0] != leaves[1], "both branches have the same entry")
    return log, at
