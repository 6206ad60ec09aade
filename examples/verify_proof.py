#!/usr/bin/env python3
"""Verify a Comity proof file from first principles: SHA-256 from the standard library, Ed25519 from `cryptography`.

    python3 examples/verify_proof.py FILE CHARTER

Shares no code with Comity. The rules are in `proto/README.md`; the formats of notes, checkpoints and proofs are C2SP's.
A file cannot show what came later: a revocation, a correction, a newer version, a withdrawal.
"""

import base64
import hashlib
import json
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

OPEN, DELEGATE = 1, 2  # kinds of entry
GOVERNANCE, PUBLICATION = 1, 2  # purposes of a log


def need(condition, words):
    """Ends here unless the condition holds."""
    if not condition:
        sys.exit(f"NOT PROVEN: {words}")


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def unbase64(text):
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        sys.exit("NOT PROVEN: what should be base64 is not")


def verify_note(note, name, key):
    """C2SP signed-note: the text, if `key` signed it under `name`."""
    text, found, lines = note.partition("\n\n")
    need(found, "a signed note has no signatures")
    text += "\n"
    key_id = sha256(name.encode(), b"\n", b"\x01", key)[:4]
    for line in lines.splitlines():
        dash, who, blob = (line.split(" ") + ["", ""])[:3]
        blob = unbase64(blob)
        if dash == "\u2014" and who == name and blob[:4] == key_id:
            try:
                Ed25519PublicKey.from_public_bytes(key).verify(blob[4:], text.encode())
                return text
            except (InvalidSignature, ValueError):
                break
    sys.exit(f"NOT PROVEN: the signature of {name} is missing or false")


def read_charter(note):
    """Federation id, name, and members by code; every founder's signature is verified."""
    text = note.partition("\n\n")[0] + "\n"
    lines = text.splitlines()
    need(lines[0] == "comity-charter/v1", "this is not a charter")
    members = {}
    for line in lines[3:]:
        code, _role, key, successor, name = line.split(" ", 4)
        members[code] = (bytes.fromhex(key), bytes.fromhex(successor), name)
        verify_note(note, f"comity/{code}", bytes.fromhex(key))
    return sha256(text.encode()).hex(), lines[1], members


def protobuf(data):
    """The fields of a message, each number with its last value: an int or bytes. Enough for what is read here."""

    def varint(at):
        value = shift = 0
        while True:
            need(at < len(data) and shift < 64, "a message is cut short")
            value |= (data[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if data[at - 1] < 0x80:
                return value, at

    fields, at = {}, 0
    while at < len(data):
        tag, at = varint(at)
        value, at = varint(at)
        if tag & 7 == 2:
            need(at + value <= len(data), "a message is cut short")
            value, at = data[at : at + value], at + value
        else:
            need(tag & 7 == 0, "a message has a field of an unknown type")
        fields[tag >> 3] = value
    return fields


def root_from_path(leaf, index, size, path):
    """RFC 9162, 2.1.3.2: the root to which a leaf and its inclusion path lead."""
    need(index < size, "the entry lies beyond the checkpoint")
    node, last, root = index, size - 1, leaf
    for sibling in path:
        need(last > 0, "the inclusion path is too long")
        if node & 1 or node == last:
            root = sha256(b"\x01", sibling, root)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            root = sha256(b"\x01", root, sibling)
        node, last = node >> 1, last >> 1
    need(last == 0, "the inclusion path is too short")
    return root


def verify_item(item, federation):
    """An entry and its body, both proven to be in the log that the entry names."""
    raw, body = unbase64(item["entry"]), unbase64(item["body"])
    entry = protobuf(raw)
    log, index = entry[2], entry.get(3, 0)
    need(sha256(body) == entry[6], "the body is not the one the entry names")

    head, _, checkpoint = item["proof"].partition("\n\n")
    kind, place, *path = head.splitlines()
    need(kind == "c2sp.org/tlog-proof@v1" and place == f"index {index}", "the proof is of another entry")
    origin = f"comity/{federation}/{log.hex()}"
    lines = verify_note(checkpoint, origin, log).splitlines()
    need(lines[0] == origin and len(lines) == 3, "the checkpoint is of another log")
    size, root = int(lines[1]), unbase64(lines[2])
    leaf = sha256(b"\x00", raw)
    need(root_from_path(leaf, index, size, [unbase64(line) for line in path]) == root, "the entry is not in its log")
    return log, index, entry.get(5, 0), protobuf(body), size, leaf


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file, open(sys.argv[2], encoding="utf-8") as charter:
        proof, (federation, federation_name, members) = json.load(file), read_charter(charter.read())
    need(proof["format"] == "comity-proof/v1", "this is not a proof file")
    need(proof["federation"] == federation, "the proof is of another federation")

    # The document, in a log ..
    desk_log, index, _, document, size, leaf = verify_item(proof["document"], federation)
    # .. that opens as the publication log of a member of the charter ..
    log, place, kind, opening, _, _ = verify_item(proof["log_open"], federation)
    need((log, place, kind) == (desk_log, 0, OPEN) and opening[2] == PUBLICATION, "the log is not a publication log")
    code = opening[3].decode()
    need(code in members, "the charter names no such member")
    identity, successor, member_name = members[code]
    need(opening[4] == identity, "the log was opened for another identity key")
    # .. whose governance log opens with the keys that the charter lists ..
    log, place, kind, mandate, _, _ = verify_item(proof["governance_open"], federation)
    need((log, place, kind) == (identity, 0, OPEN) and mandate[2] == GOVERNANCE, "the governance log is not one")
    need(mandate[3].decode() == code and mandate[5] == successor, "the governance log is another member's")
    # .. and delegates the key of the document's log.
    log, _, kind, delegation, _, _ = verify_item(proof["delegation"], federation)
    need(log == identity and kind == DELEGATE and delegation[2] == desk_log, "the member did not delegate that key")

    print(f"PROVEN: {code}/{document[2].decode()}@{document.get(3, 0)} “{document[6].decode()}”")
    print(f"was signed by the desk “{delegation[3].decode()}” of {member_name}")
    print(f"as entry {index + 1} of {size}, digest {leaf.hex()}, in the federation “{federation_name}”")
    print("Not shown by any file: whether it was revoked, corrected, superseded or withdrawn later.")


if __name__ == "__main__":
    try:
        main()
    except (KeyError, ValueError, AttributeError, TypeError, IndexError) as error:
        sys.exit(f"NOT PROVEN: the file has not the form of a proof ({type(error).__name__}: {error})")
