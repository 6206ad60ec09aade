"""A second opinion on who may speak, written from proto/README.md: `check.py FILE..` compares it with the answers in test vectors."""

import difflib, json, pathlib, sys
from functools import partial
from types import SimpleNamespace

from records import DELEGATE, DRAFT, DRAFT_SIGNATURE, GOVERNANCE, PUBLICATION, REVOKE
from records import Cut, Edition, Log, attempt, check, fork, from_hex, is_by, note, root, sha, unbase64

DESKS_MAX = 16
VECTORS = [pathlib.Path(__file__).parent.parent / "vectors" / f"{name}.json" for name in ("standing", "histories", "forks")]
# An identity key or a desk: what entry 0 of its log must say, and where the log ends; of an identity key its successor's digest.
Place = partial(SimpleNamespace, digest=None, listed=False, endings=(), cut=None)

def change(before, after, code):
    """What an edition makes of a member; None where neither lists it."""
    old, new = before and before.members.get(code), after.members.get(code)
    if not old or not new:
        return "removed" if old else "added" if new else None
    if old[1:] == new[1:]:
        return "carried"
    return "succeeded" if sha(new[1]) == old[2] and old[1] != new[1] and old[2] != new[2] else "re-keyed"

def is_valid(edition, before, lines):
    """Whether it may follow, and enough have signed; a line comes with the successor key that is said to have made it."""
    became = {code: change(before, edition, code) for code in before.members | edition.members}
    spent = {one for earlier in before.line for one in earlier.used}
    respent = [code for code, (_, public, following) in edition.members.items() if became[code] != "carried"
               and (following in spent or became[code] != "succeeded" and sha(public) in spent)]
    keeps = [code for code in before.signers if code in edition.signers and became[code] != "re-keyed"]
    signed = [code for code, (_, public, following) in before.members.items() if code in keeps and any(
        attempt(is_by, line, f"comity/{code}", by or public, edition.text) for line, by in lines if not by or sha(by) == following)]
    count, lost = len(before.signers), len(before.signers) - len(keeps)
    may_follow = edition.number == before.number + 1 and not respent and (lost == 0 or lost == 1 and count >= 3)
    return may_follow and len(signed) >= min(2 * count // 3 + 1, count - lost)

def valid_editions(charter, notes, logs):
    """All valid editions by digest, from finished notes and from drafts and signatures, whoever carries them."""
    said = [one for log in logs.values() if log.opening[0] == GOVERNANCE for one in log.said]
    signed = [(one["draft"], (one["signature"], one["successor_key"])) for one in said if one["kind"] == DRAFT_SIGNATURE]
    drafts = {sha(one["text"].encode()): one["text"] for one in said if one["kind"] == DRAFT}
    proposed = [(text, [line for draft, line in signed if draft == digest]) for digest, text in drafts.items()]
    proposed += [(text, [(line, by) for line in lines for by in (None, *keys)]) for text, lines, keys in notes]
    proposed = [(edition, lines) for text, lines in proposed if (edition := attempt(Edition, text))]
    valid, charter.line = {charter.digest: charter}, [charter]
    while fresh := {edition.digest: edition for edition, lines in proposed if edition.digest not in valid
                    and edition.before in valid and is_valid(edition, valid[edition.before], lines)}:
        for edition in fresh.values():
            edition.line = valid[edition.before].line + [edition]
        valid |= fresh
    return valid

def lines_of(edition, valid, pinned):
    """The lines that follow an edition: one, or one for each rival; where one is pinned, that."""
    following = [valid[one] for one in sorted(valid) if valid[one].before == edition.digest]
    following = [one for one in following if one in pinned] or following
    return lines_of(following[0], valid, pinned) if len(following) == 1 else [one.line for one in following or [edition]]

def segments(code, line):
    """The keys that editions list, from one that others vouch for until they vouch for another or for none, and the closing edition."""
    links = []
    for before, edition in zip([None, *line], line):
        became = change(before, edition, code)
        for link in links if became in ("succeeded", "re-keyed", "removed") else []:
            link.endings.append(edition)
        if became in ("re-keyed", "removed"):
            yield links, edition
            links = []
        if became in ("added", "succeeded", "re-keyed"):
            _, public, following = edition.members[code]
            opening = GOVERNANCE, code, public, links[-1].key if links else None
            links.append(Place(key=public, opening=opening, digest=following, listed=True, endings=[]))
    if links:
        yield links, None

def chain_of(code, line, logs, forks):
    """A member's identity keys and desks by key, and the digests that await a successor, by one line of editions."""
    chain, unrevoked = SimpleNamespace(links={}, desks={}, awaited=set()), {}
    heirs = {sha(log.key): log for log in logs.values()}

    def counting(link):  # what is said in its log and counts
        log = logs.get(link.key)
        return log.said[:log.end(link.cut, forks.get(link.key))] if log and log.opening == link.opening else []

    def end(links, closing):
        """Where each log ends: as an edition says, else as the next key does, else at 0 once the segment is closed."""
        rotation = None
        for link in reversed(links):
            named = [edition.cuts[link.key] for edition in link.endings if edition and link.key in edition.cuts]
            link.cut = named[0] if named else rotation or (closing and Cut(link.key, 0, root([])))
            rotation = next((said["predecessor"] for said in counting(link)), None)
        for at, link in enumerate(links):
            if not link.listed and (link.cut.size == 0 if link.cut else forks.get(link.key) == 0):
                del links[at:]  # it never was, nor any that rests on it
                return end(links, closing) | (set() if link.cut else {link.digest})
        is_let = not closing or any(sha(cut.log) == links[-1].digest and cut.size > 0 for cut in closing.cuts.values())
        return {links[-1].digest} if is_let else set()

    for links, closing in segments(code, line):
        while log := heirs.get(links[-1].digest):
            is_had, last = log.key in [*chain.links, *(link.key for link in links)], links[-1]
            if is_had or log.opening != (GOVERNANCE, code, log.key, last.key) or not (last.listed or log.said[0]["predecessor"].size):
                break
            links.append(Place(key=log.key, opening=log.opening, digest=log.said[0]["successor_digest"], endings=[closing]))
        chain.awaited |= end(links, closing) - {sha(key) for key in [*chain.links, *(link.key for link in links)]}
        for link in [link for link in links if link.key not in chain.links]:
            chain.links[link.key] = link
            for said in counting(link):
                if said["kind"] == DELEGATE and len(unrevoked) < DESKS_MAX and said["desk_key"] not in chain.desks:
                    desk = Place(key=said["desk_key"], opening=(PUBLICATION, code, link.key, None))
                    chain.desks[desk.key] = unrevoked[desk.key] = desk
                elif said["kind"] == REVOKE and said["cut"].log in unrevoked:
                    unrevoked.pop(said["cut"].log).cut = said["cut"]
        for key in [*unrevoked] if closing and code not in closing.members else []:
            unrevoked.pop(key).cut = closing.cuts.get(key, Cut(key, 0, root([])))
    return chain

def row(lines, log, fork_at):
    """Size, root and flag of a key's log, from its places in each line, by the line that is most generous to it: whole before cut."""
    taking, openings = [], {place.opening for places in lines for place in places}
    for places in lines:
        purpose = min(place.opening[0] for place in places)  # an identity key is never a desk
        taking += [place.cut for place in places if log and log.opening == place.opening and log.opening[0] == purpose]
    is_nobodys = fork_at == 0 and len(openings) > 1 and all(purpose == PUBLICATION for purpose, *_ in openings)
    cut = max(taking) if taking and None not in taking and not is_nobodys else None
    is_cut = cut if taking else not is_nobodys and all(any(place.cut for place in places) for places in lines)
    held = log.leaves[:log.end(cut, fork_at)] if taking else []
    return {"size": len(held), "root": root(held).hex(), "contested": fork_at is not None and not is_cut}

def told(chain, is_member):
    ends = {key: place.cut and {"size": place.cut.size, "root": place.cut.root.hex()} for key, place in (chain.desks | chain.links).items()}
    return {"is_member": is_member,
            "keys": [{"key": key.hex(), "listed": link.listed, "cut": ends[key]} for key, link in chain.links.items()],
            "desks": {key.hex(): {"by": desk.opening[2].hex(), "cut": ends[key]} for key, desk in chain.desks.items()}}

def opinion(records):
    text, signed = note(records["charter"])
    charter = Edition(text)
    for code, (_, public, _) in charter.members.items():
        check(any(attempt(is_by, line, f"comity/{code}", public, text) for line in signed), f"{code} has not signed the charter")
    logs = {log.key: log for log in (Log(value, charter.digest) for value in records["logs"])}
    forks = dict(sorted((fork(unbase64(proof), charter.digest) for proof in records["forks"]), reverse=True))  # the smallest counts
    notes = [(*note(one["note"]), [from_hex(successor) for successor in one["successors"]]) for one in records["editions"]]
    valid = valid_editions(charter, notes, logs)
    lines = lines_of(charter, valid, valid.get(records["pin"] and from_hex(records["pin"]), charter).line)
    chains = [{code: chain_of(code, line, logs, forks) for edition in line for code in edition.members} for line in lines]
    places = [[chain.desks | chain.links for chain in line.values()] for line in chains]
    known = {key: [[chain[key] for chain in line if key in chain] for line in places] for line in places for chain in line for key in chain}
    rows = {key: row([*filter(None, known[key])], logs.get(key), forks.get(key)) for key in sorted(known)}
    in_force, order = lines[0][-1 if len(lines) == 1 else -2], sorted(valid, key=lambda one: (valid[one].number, one))
    are_rivals = len({edition.before for edition in valid.values()}) < len(valid)
    hashed = [charter.digest, sha(b"".join(order)) if are_rivals else order[-1]]
    hashed += [key + one["size"].to_bytes(8, "big") + from_hex(one["root"]) + bytes([one["contested"]]) for key, one in rows.items()]
    return {
        "valid": [one.hex() for one in order],
        "in_force": {"digest": in_force.digest.hex(), "members": [*in_force.members], "signers": in_force.signers},
        "lines": [{"last": line[-1].digest.hex(), "chains": {code: told(chain, code in line[-1].members) for code, chain in made.items()}}
                  for line, made in zip(lines, chains)],
        "awaited": sorted({one.hex() for line in chains for chain in line.values() for one in chain.awaited}),
        "forks": {key.hex(): forks[key] for key in rows if key in forks},
        "rows": {key.hex(): one for key, one in rows.items()},
        "frontier": sha(b"".join(hashed)).hex(),
    }

def differences(scenario):
    try:
        answers = scenario["answer"], opinion(scenario["records"])
    except ValueError as error:
        return f"{scenario['name']}: the records are refused: {error}"
    lines = [json.dumps(answer, indent=1, sort_keys=True).split("\n") for answer in answers]
    return "\n".join(difflib.unified_diff(*lines, scenario["name"], "the second opinion", lineterm=""))

if __name__ == "__main__":
    scenarios = [one for file in sys.argv[1:] or VECTORS for one in json.loads(pathlib.Path(file).read_text("utf-8"))["scenarios"]]
    found = [words for scenario in scenarios if (words := differences(scenario))]
    print(*found, f"{len(scenarios)} scenarios, {len(found)} differ", sep="\n")
    sys.exit(bool(found) or not scenarios)
