"""Reads what was exported with programs that nobody here wrote, and compares it with the JSON Lines.

    python export.py FOLDER NAME        # NAME.jsonl, NAME.csv, NAME.ris and, where they are there, NAME.bib, NAME.csl.json, NAME.jsonld
"""

import json
import pathlib
import sys

import bibtexparser
import duckdb
import rispy
from bibtexparser.middlewares import LatexDecodingMiddleware
from rdflib import Dataset, Literal, Namespace, URIRef
from rdflib.namespace import PROV, RDF

FOLDER, NAME = pathlib.Path(sys.argv[1]), sys.argv[2]
SCHEMA = Namespace("https://schema.org/")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def file(ending):
    return FOLDER / f"{NAME}.{ending}"


def same(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: {found!r} instead of {expected!r}")


def spaced(text):
    """A text as forms of one line a value have it."""
    return " ".join(text.split())


def table(ending, reader, **options):
    arguments = "".join(f", {name}={value}" for name, value in options.items())
    found = duckdb.sql(f"select * from {reader}('{file(ending)}'{arguments})")
    return [dict(zip(found.columns, row)) for row in found.fetchall()]


def harmless(text):
    return f"'{text}" if text.startswith(FORMULA) else text


def read_tables(lines):
    rows = table("csv", "read_csv", all_varchar="true", header="true", nullstr="'\\0'")
    same("rows", len(rows), len(lines))
    for row, line in zip(rows, lines):
        for key in ("work", "title", "text", "summary_short", "citation", "frontier", "jurisdiction"):
            same(f"csv {line['work']} {key}", row[key], harmless(line.get(key, "")))
        same("csv topics", row["topics"], " | ".join(line.get("topics", [])))
        same("csv dates", row["dates.in_force"], line.get("dates", {}).get("in_force", ""))
    objects = table("jsonl", "read_json", format="'newline_delimited'", sample_size="-1")
    same("objects", [(one["work"], one["title"], one["text"]) for one in objects],
         [(line["work"], line["title"], line["text"]) for line in lines])


def read_ris(lines):
    with open(file("ris"), encoding="utf-8") as ris:
        entries = rispy.load(ris)
    same("ris", len(entries), len(lines))
    for entry, line in zip(entries, lines):
        same("ris title", entry["title"], spaced(line["title"]))
        same("ris author", entry["authors"], [line["provenance"]["member_name"]])
        same("ris language", entry["language"], line["language"])
        same("ris keywords", entry["keywords"], line.get("topics", []) + line.get("keywords", []))
        if line["citation"] not in entry["notes"] or f"snapshot {line['frontier']}" not in entry["notes"]:
            sys.exit(f"ris notes: {entry['notes']}")


def read_bibtex(lines):
    library = bibtexparser.parse_file(str(file("bib")), append_middleware=[LatexDecodingMiddleware()])
    same("bibtex that is none", library.failed_blocks, [])
    same("bibtex", len(library.entries), len(lines))
    for entry, line in zip(library.entries, lines):
        # The reader takes LaTeX's circumflex for an accent that stands alone, and does not know its braces.
        title = entry["title"].removeprefix("{").removesuffix("}").replace("\u02c6", "^")
        same("bibtex title", title, spaced(line["title"]).replace("{", "").replace("}", ""))
        same("bibtex version", entry["version"], str(line["version"]))
        if line["citation"] not in entry["note"]:
            sys.exit(f"bibtex note: {entry['note']}")


def read_csl(lines):
    items = json.loads(file("csl.json").read_text(encoding="utf-8"))
    same("csl", [(item["title"], item["language"]) for item in items],
         [(spaced(line["title"]), line["language"]) for line in lines])
    same("csl keys", len({item["id"] for item in items}), len(lines))


def read_jsonld(lines):
    text = file("jsonld").read_text(encoding="utf-8")
    if "<" in text:
        sys.exit("json-ld: a page could not have it within a script")
    graph = Dataset(default_union=True)
    graph.parse(data=text, format="json-ld")  # asks nobody: the context is within
    [snapshot] = graph.subjects(RDF.type, SCHEMA.Dataset)
    same("snapshot", str(graph.value(snapshot, SCHEMA.identifier)), lines[0]["frontier"])
    federation = str(snapshot).split("#")[0]
    for line in lines:
        [document] = graph.subjects(SCHEMA.exampleOfWork, URIRef(f"{federation}/{line['work']}"))
        same("json-ld name", graph.value(document, SCHEMA.name), Literal(line["title"], lang=line["language"]))
        same("json-ld text", graph.value(document, SCHEMA.text), Literal(line["text"], lang=line["language"]))
        same("json-ld author", str(graph.value(document, PROV.wasAttributedTo)),
             f"{federation}/{line['provenance']['member']}")
        if line.get("assistance") == {"all": "generated-unreviewed"}:
            same("json-ld assistance", str(graph.value(document, SCHEMA.digitalSourceType)),
                 "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia")
        laws = [node for node in graph.objects(document, SCHEMA.about) if (node, RDF.type, SCHEMA.Legislation) in graph]
        same("json-ld laws", len(laws), int(line["kind"] == "law-summary"))
        for law in laws:
            force = {"in-force": "InForce", "partially-in-force": "PartiallyInForce"}.get(line.get("legal_status"), "NotInForce")
            if line.get("legal_status"):
                same("json-ld force", graph.value(law, SCHEMA.legislationLegalForce), SCHEMA[force])
            same("json-ld identifiers", {str(value) for value in graph.objects(law, SCHEMA.legislationIdentifier)},
                 {one["value"] for one in line.get("identifiers", [])})


lines = [json.loads(line) for line in file("jsonl").read_text(encoding="utf-8").splitlines()]
if not lines:
    sys.exit("there is nothing in it")
read_tables(lines)
read_ris(lines)
for ending, read in (("bib", read_bibtex), ("csl.json", read_csl), ("jsonld", read_jsonld)):
    if file(ending).exists():
        read(lines)
