"""Compares the second opinion with the answers in test vectors: `check.py FILE..`. Exits with 1 where they differ."""

import json
import pathlib
import sys

from records import Refused
from standing import opinion

VECTORS = pathlib.Path(__file__).parent.parent / "vectors"


def differences(ours, theirs, path=""):
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted(ours.keys() | theirs.keys()):
            yield from differences(ours.get(name), theirs.get(name), f"{path}/{name}")
    elif ours != theirs:
        yield f"{path}: the vector says {theirs}, the second opinion {ours}"


def main(paths):
    told = differing = 0
    for path in paths or [VECTORS / f"{name}.json" for name in ("standing", "histories", "forks")]:
        for scenario in json.loads(pathlib.Path(path).read_text(encoding="utf-8"))["scenarios"]:
            told += 1
            try:
                found = list(differences(opinion(scenario["records"]), scenario["answer"]))
            except Refused as error:
                found = [f"the records are refused: {error}"]
            differing += bool(found)
            for difference in found:
                print(f"{scenario['name']}{difference}")
    print(f"{told} scenarios, {differing} differ")
    return int(differing > 0 or told == 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
