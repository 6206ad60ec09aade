"""Asks a node as libraries do, with programs that nobody here wrote, and tells what came as JSON.

    python librarian.py harvest http://127.0.0.1:8014/oai '{"metadataPrefix": "oai_dc"}' [AFTER]
    python librarian.py identify http://127.0.0.1:8014/oai
    python librarian.py feed http://127.0.0.1:8014/feed.atom

With AFTER, it stops after so many records, says `waiting`, and goes on when a line comes.
"""

import json
import sys


def harvest(url, arguments, after=None):
    from sickle import Sickle

    records = []
    try:
        for record in Sickle(url).ListRecords(**json.loads(arguments)):
            header = record.header
            records.append({"id": header.identifier, "at": header.datestamp, "deleted": header.deleted,
                            "sets": header.setSpecs, "metadata": None if header.deleted else dict(record.metadata)})
            if after is not None and len(records) == int(after):
                print("waiting", flush=True)
                sys.stdin.readline()
    except Exception as error:
        if type(error).__module__ != "sickle.oaiexceptions":
            raise
        return {"error": type(error).__name__}
    return {"records": records}


def identify(url):
    from sickle import Sickle

    sickle = Sickle(url, http_method="POST")
    about = sickle.Identify()
    return {"name": about.repositoryName, "deleted": about.deletedRecord, "granularity": about.granularity,
            "sets": {one.setSpec: one.setName for one in sickle.ListSets()},
            "formats": [one.metadataPrefix for one in sickle.ListMetadataFormats()],
            "identifiers": [one.identifier for one in sickle.ListIdentifiers(metadataPrefix="oai_dc")]}


def feed(url):
    import feedparser

    found = feedparser.parse(url)
    kept = ("id", "title", "title_detail", "link", "links", "updated", "summary", "summary_detail", "tags", "author")
    entries = [{name: entry.get(name) for name in kept} for entry in found.entries]
    return {"bozo": bool(found.bozo), "title": found.feed.get("title"), "updated": found.feed.get("updated"),
            "links": found.feed.get("links"), "id": found.feed.get("id"), "entries": entries}


print(json.dumps({"harvest": harvest, "identify": identify, "feed": feed}[sys.argv[1]](*sys.argv[2:])))
