"""What records make of members, keys and logs. Written from proto/README.md, sections Forks, Editions and Standing."""

import re
from itertools import pairwise

from records import (DELEGATE, DRAFT, DRAFT_SIGNATURE, GOVERNANCE, OPEN, REVOKE, Refused, body, check, checkpoint, entry, fork,
                     from_hex, is_by, is_consistent, key, note, note_text, root, sha, unbase64)

DESKS_MAX = 16
NOTHING = root([])


# -------------------------------------------------------------------------------------------------- editions

class Edition:
    """A list of members: `members` by code as (is signer, key, digest), `cuts` by key as (key, size, root)."""

    def __init__(self, text):
        kind, name, rule, *rest = note_text(text)[:-1].split("\n") + ["", ""]
        rest = rest[:-2]
        check(kind in ("comity-charter/v1", "comity-edition/v1") and is_name(name) and rule == "threshold 2/3")
        self.digest, self.text, self.number, self.before = sha(text.encode()), text, 0, None
        if kind == "comity-edition/v1":
            number, after = re.fullmatch("edition ([1-9][0-9]*)", rest[0]), re.fullmatch("after (.*)", rest[1])
            check(number and after)
            self.number, self.before, rest = int(number[1]), from_hex(after[1]), rest[2:]
        members = [member(line) for line in rest if not line.startswith("cut ")]
        cuts = [read_cut(line) for line in rest[len(members):]]
        codes, keys = [one[0] for one in members], [one[0] for one in cuts]
        check(codes == sorted(set(codes)) and keys == sorted(set(keys)) and not (cuts and self.number == 0))
        self.members = {code: rest for code, *rest in members}
        self.cuts = {one[0]: one for one in cuts}
        used = [digest for _, public, after in self.members.values() for digest in (sha(public), after)]
        self.used = set(used)
        check(len(used) == len(self.used) and self.signers())

    def signers(self):
        return [code for code, (is_signer, _, _) in self.members.items() if is_signer]


def is_name(name):
    return 0 < len(name.encode()) <= 200 and name.strip() == name


def member(line):
    found = re.fullmatch("([A-Z]{2,}(?:-[A-Z0-9]+)*) (signer|member) ([^ ]*) ([^ ]*) (.*)", line)
    check(found and len(found[1]) <= 12 and is_name(found[5]), "not a member's line")
    return found[1], found[2] == "signer", key(from_hex(found[3])), from_hex(found[4])


def read_cut(line):
    found = re.fullmatch("cut ([^ ]*) (0|[1-9][0-9]*) ([^ ]*)", line)
    check(found, "not a cut, or not after the members")
    return key(from_hex(found[1])), int(found[2]), from_hex(found[3])


def change(before, after, code):
    """What an edition makes of a member."""
    old, new = before.members.get(code), after.members.get(code)
    if old is None or new is None:
        return "removed" if old else "added"
    if old[1:] == new[1:]:
        return "carried"
    succeeded = sha(new[1]) == old[2] and old[1] != new[1] and old[2] != new[2]
    return "succeeded" if succeeded else "re-keyed"


def is_valid(edition, before, spent, lines):
    """Whether it may follow, and enough have signed; a line comes with the successor key that is said to have made it."""
    if edition.number != before.number + 1:
        return False
    for code, (_, public, after) in edition.members.items():
        became = change(before, edition, code)
        if (became != "carried" and after in spent) or (became in ("added", "re-keyed") and sha(public) in spent):
            return False
    signers = before.signers()
    keeps = {code for code in signers
             if edition.members.get(code, [False])[0] and change(before, edition, code) != "re-keyed"}
    lost, need = len(signers) - len(keeps), 2 * len(signers) // 3 + 1
    if lost > 1 or (lost == 1 and len(signers) < 3):
        return False
    need = min(need, len(signers) - 1) if lost else need

    def has_signed(code):
        _, public, after = before.members[code]
        keys = [(line, successor or public) for line, successor in lines if successor is None or sha(successor) == after]
        return any(is_by(line, f"comity/{code}", by, edition.text) for line, by in keys)
    return sum(map(has_signed, keeps)) >= need


def valid_editions(charter, notes, logs):
    """All valid editions by digest, from finished notes and from drafts and signatures, whoever carries them."""
    drafts, lines = [], {}
    for log in logs.values():
        for kind, said in log.said:
            if kind == DRAFT:
                drafts.append(said["text"])
            elif kind == DRAFT_SIGNATURE:
                lines.setdefault(said["draft"], []).append((said["signature"], said["successor_key"]))
    waiting = [(text, [(line, by) for line in signed for by in (None, *keys)]) for text, signed, keys in notes]
    waiting += [(text, lines.get(sha(text.encode()), [])) for text in drafts]
    proposed = []
    for text, signed in waiting:
        try:
            proposed.append((Edition(text), signed))
        except Refused:
            continue
    valid, spent = {charter.digest: charter}, {charter.digest: charter.used}
    while True:
        fresh = [(edition, signed) for edition, signed in proposed
                 if edition.digest not in valid and edition.before in valid
                 and is_valid(edition, valid[edition.before], spent[edition.before], signed)]
        if not fresh:
            return valid
        for edition, _ in fresh:
            valid[edition.digest] = edition
            spent[edition.digest] = spent[edition.before] | edition.used


def lines_of(charter, valid, pin):
    """The line of editions, or one for each rival."""
    pinned = set()
    while pin in valid:
        pinned.add(pin)
        pin = valid[pin].before
    line = [charter]
    while True:
        following = [valid[digest] for digest in sorted(valid) if valid[digest].before == line[-1].digest]
        following = [edition for edition in following if edition.digest in pinned] or following
        if len(following) != 1:
            return [line + [rival] for rival in following] or [line]
        line.append(following[0])


# ------------------------------------------------------------------------------------------------------ logs

class Log:
    """What is held of a log: leaf hashes, entry 0, and what its governance bodies say as far as they can be read."""

    def __init__(self, value, federation):
        self.key = key(from_hex(value["key"]))
        self.leaves, self.said, bodies = [], [], []
        for index, one in enumerate(value["entries"]):
            header = entry(unbase64(one["entry"]), self.key, index)
            self.leaves.append(header["leaf"])
            if "body" in one:
                data = unbase64(one["body"])
                check(len(data) == header["body_size"] and sha(data) == header["body_digest"], "not the entry's body")
                bodies.append((header["kind"], data))
        size, end = checkpoint(value["checkpoint"].encode(), federation, self.key)
        proof = [bytes.fromhex(one) for one in value["proof"]]
        joined = (size, end) == (len(self.leaves), self.root(len(self.leaves))) and not proof
        check(joined or is_consistent(len(self.leaves), self.root(len(self.leaves)), size, end, proof), "not joined")
        check(bodies[0][0] == OPEN, "entry 0 does not open the log")
        self.open = body(*bodies[0])
        for kind, data in bodies if self.open["purpose"] == GOVERNANCE else []:
            try:
                self.said.append((kind, body(kind, data)))
            except Refused:
                break  # a newer Comity's, and all after it

    def root(self, size):
        return root(self.leaves[:size])

    def is_off(self, cut):
        return len(self.leaves) >= cut[1] and self.root(cut[1]) != cut[2]


# ---------------------------------------------------------------------------------------------------- chains

class Chain:
    """A member's identity keys (`links`) and desks, by one line of editions."""

    def __init__(self, code, line, logs, forks):
        self.code, self.logs, self.forks = code, logs, forks
        self.links, self.desks, self.awaited = [], {}, set()
        self.segment(line)

    def segment(self, line):
        segments = []
        for before, after in pairwise([None, *line]):
            became = change(before, after, self.code) if before else "added"
            if self.code not in after.members and not (before and self.code in before.members) or became == "carried":
                continue
            if became == "succeeded":
                segments[-1]["later"].append((len(segments[-1]["listed"]), after))
                segments[-1]["listed"].append(after.members[self.code])
            if became in ("re-keyed", "removed"):
                segments[-1]["closing"], segments[-1]["is_removed"] = after, became == "removed"
            if became in ("added", "re-keyed"):
                segments.append({"listed": [after.members[self.code]], "later": [], "closing": None, "is_removed": False})
        for one in segments:
            self.live(one)

    def live(self, segment):
        links, closing = self.linked(segment), segment["closing"]
        let = closing and {sha(log) for log, size, _ in closing.cuts.values() if size > 0}
        if not closing or links[-1]["digest"] in let:
            self.awaited.add(links[-1]["digest"])
        had = {link["key"] for link in self.links}
        links = [link for link in links if link["key"] not in had]
        self.links += links
        for link in links:
            log = self.agreeing(link)
            for kind, said in log.said[:self.effect(log, link["cut"])] if log else []:
                self.act(link["key"], kind, said)
        if segment["is_removed"]:
            for desk, made in self.desks.items():
                made["cut"] = made["cut"] or closing.cuts.get(desk, (desk, 0, NOTHING))

    def linked(self, segment):
        """Listed keys, then those that took over by rotation, each with its end."""
        links, before = [], None
        for _, public, digest in segment["listed"]:
            links.append({"key": public, "digest": digest, "before": before, "listed": True})
            before = public
        while log := self.heir(links):
            digest = log.open["successor_digest"]
            links.append({"key": log.key, "digest": digest, "before": links[-1]["key"], "listed": False})
        while True:
            self.end(links, segment)
            void = [at for at, link in enumerate(links) if not link["listed"] and self.is_void(link)]
            if not void:
                return links
            first = links[void[0]]
            self.awaited |= set() if first["cut"] else {first["digest"]}
            del links[void[0]:]

    def heir(self, links):
        last = links[-1]
        for log in self.logs.values():
            place = {"key": log.key, "before": last["key"]}
            if sha(log.key) == last["digest"] and self.agreeing(place) and log.key not in [link["key"] for link in links]:
                return log if last["listed"] or log.open["predecessor"][1] > 0 else None
        return None

    def agreeing(self, link):
        """The governance log of a key, if its entry 0 agrees with its place."""
        log = self.logs.get(link["key"])
        if not log or log.open["purpose"] != GOVERNANCE or log.open["identity_key"] != log.key:
            return None
        predecessor = log.open["predecessor"] and log.open["predecessor"][0]
        return log if log.open["member"] == self.code and predecessor == link["before"] else None

    def end(self, links, segment):
        rotation = None
        for at, link in reversed(list(enumerate(links))):
            editions = [edition for before, edition in segment["later"] if at < before] + [segment["closing"]]
            named = [edition.cuts[link["key"]] for edition in editions if edition and link["key"] in edition.cuts]
            nothing = segment["closing"] and (link["key"], 0, NOTHING)
            link["cut"] = named[0] if named else rotation or nothing
            log = self.agreeing(link)
            rotation = log.open["predecessor"] if log and self.effect(log, link["cut"]) > 0 else None

    def is_void(self, link):
        return link["cut"][1] == 0 if link["cut"] else self.forks.get(link["key"]) == 0

    def effect(self, log, cut):
        """Entries of a governance log that count."""
        if cut:
            return 0 if log.is_off(cut) else cut[1]
        return self.forks.get(log.key, len(log.leaves))

    def act(self, by, kind, said):
        if kind == DELEGATE and said["desk_key"] not in self.desks:
            if sum(made["cut"] is None for made in self.desks.values()) < DESKS_MAX:
                self.desks[said["desk_key"]] = {"by": by, "cut": None}
        elif kind == REVOKE:
            made = self.desks.get(said["cut"][0])
            if made and made["cut"] is None:
                made["cut"] = said["cut"]

    def keys(self):
        return {link["key"]: link["cut"] for link in self.links} | {
            desk: made["cut"] for desk, made in self.desks.items() if desk not in {link["key"] for link in self.links}}

    def admission(self, log, governs):
        """Whether it takes a log: as a rank, the more generous the higher, with the cut."""
        link = next((link for link in self.links if link["key"] == log.key), None)
        made = self.desks.get(log.key)
        if log.open["purpose"] == GOVERNANCE and link and self.agreeing(link):
            cut = link["cut"]
        elif log.open["purpose"] != GOVERNANCE and not governs and made and made["by"] == log.open["identity_key"]:
            cut = made["cut"]
        else:
            return (0,), None
        return ((1, cut[1], cut[2]) if cut else (2,)), cut


# --------------------------------------------------------------------------------------------------- opinion

def opinion(records):
    """The second opinion on a set of records."""
    text, signed = note(records["charter"].encode())
    charter = Edition(text)
    for code, (_, public, _) in charter.members.items():
        check(any(is_by(line, f"comity/{code}", public, text) for line in signed), f"{code} has not signed the charter")
    logs = {log.key: log for log in (Log(value, charter.digest) for value in records["logs"])}
    forks = {}
    for proof in records["forks"]:
        log, at = fork(unbase64(proof), charter.digest)
        forks[log] = min(at, forks.get(log, at))
    notes = [(*note(one["note"].encode()), [from_hex(one) for one in one["successors"]]) for one in records["editions"]]
    valid = valid_editions(charter, notes, logs)
    lines = lines_of(charter, valid, from_hex(records["pin"]) if records["pin"] else None)
    codes = [sorted({code for edition in line for code in edition.members}) for line in lines]
    chains = [{code: Chain(code, line, logs, forks) for code in listed} for line, listed in zip(lines, codes)]
    known = sorted({public for line in chains for chain in line.values() for public in chain.keys()})
    rows = {public: row(public, chains, logs, forks) for public in known}
    in_force = lines[0][-1] if len(lines) == 1 else lines[0][-2]
    order = sorted(valid.values(), key=lambda edition: (edition.number, edition.digest))
    return {
        "valid": [edition.digest.hex() for edition in order],
        "in_force": {"digest": in_force.digest.hex(), "members": list(in_force.members), "signers": in_force.signers()},
        "lines": [{"last": line[-1].digest.hex(), "chains": {code: told(chain, line[-1]) for code, chain in made.items()}}
                  for line, made in zip(lines, chains)],
        "awaited": sorted({one.hex() for line in chains for chain in line.values() for one in chain.awaited}),
        "forks": {log.hex(): forks[log] for log in known if log in forks},
        "rows": {public.hex(): {"size": size, "root": end.hex(), "contested": contested}
                 for public, (size, end, contested) in rows.items()},
        "frontier": frontier(charter, order, rows).hex(),
    }


def row(public, chains, logs, forks):
    """Size, root and flag of a known log."""
    log, contested = logs.get(public), public in forks
    taken, cut = (0,), None
    for line in chains if log else []:
        governs = any(link["key"] == public for chain in line.values() for link in chain.links)
        chain = line.get(log.open["member"])
        taken, cut = max((taken, cut), chain.admission(log, governs) if chain else ((0,), None), key=lambda one: one[0])
    if taken == (0,):
        ends = [[chain.keys()[public] for chain in line.values() if public in chain.keys()] for line in chains]
        return 0, NOTHING, contested and not all(any(line) for line in ends if line)
    if cut:
        size = 0 if log.is_off(cut) else min(len(log.leaves), cut[1])
        return size, log.root(size), False
    size = min(len(log.leaves), forks.get(public, len(log.leaves)))
    return size, log.root(size), contested


def told(chain, last):
    def end(cut):
        return cut and {"size": cut[1], "root": cut[2].hex()}
    return {
        "is_member": chain.code in last.members,
        "keys": [{"key": link["key"].hex(), "listed": link["listed"], "cut": end(link["cut"])} for link in chain.links],
        "desks": {desk.hex(): {"by": made["by"].hex(), "cut": end(made["cut"])} for desk, made in sorted(chain.desks.items())},
    }


def frontier(charter, order, rows):
    followed = [edition.before for edition in order]
    rivals = len(set(followed)) < len(followed)
    editions = sha(b"".join(edition.digest for edition in order)) if rivals else order[-1].digest
    told_rows = [public + size.to_bytes(8, "big") + end + bytes([contested]) for public, (size, end, contested) in rows.items()]
    return sha(charter.digest + editions + b"".join(told_rows))
