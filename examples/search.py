#!/usr/bin/env python3
"""Search a Comity replica from Python, with the standard library alone.

    python3 examples/search.py "deepfake -draft" --jurisdiction KR

A replica answers from its own disk, so this works offline. Every answer names who signed it; `comity proof` makes a file
that convinces people who do not trust the replica.
"""

import argparse
import html
import json
import re
import sys
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import ProxyHandler, build_opener

# A node on this machine is never behind a proxy.
OPENER = build_opener(ProxyHandler({}))


def ask(node, path, **parameters):
    """The JSON that a node answers with."""
    given = {name: value for name, value in parameters.items() if value is not None}
    query = f"?{urlencode(given)}" if given else ""
    try:
        with OPENER.open(f"{node}{path}{query}", timeout=30) as answer:
            return json.load(answer)
    except HTTPError as error:
        sys.exit("\n".join(json.load(error)["errors"]))
    except URLError as error:
        sys.exit(f"{node} does not answer ({error.reason}); is `comity run` running?")


def main():
    parser = argparse.ArgumentParser(description="Search a Comity replica.")
    parser.add_argument("query", help='words, "phrases", -not, field:value')
    parser.add_argument("--node", default="http://127.0.0.1:8014")
    for name in ("kind", "topic", "jurisdiction", "language", "member"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--limit", type=int, default=10)
    options = vars(parser.parse_args())
    node, query = options.pop("node"), options.pop("query")

    found = ask(node, "/v1/search", q=query, **options)
    for hit in found["hits"]:
        document = ask(node, f"/v1/documents/{quote(hit['work'])}")
        snippet = html.unescape(re.sub("</?mark>", "", hit["snippet"]))
        print(f"{hit['work']}@{hit['version']}  {hit['title']}  [{hit['language']}]")
        print(f"    {snippet}")
        print(f"    {document['provenance']['words']}")
        print(f"    cite: {document['citation']}")
    print(f"{found['total']} found")
    for field, counts in found["counts"].items():
        most = sorted(counts.items(), key=lambda item: -item[1])[:5]
        print(f"    by {field}: " + ", ".join(f"{value} {count}" for value, count in most))


if __name__ == "__main__":
    main()
