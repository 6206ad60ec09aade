//! What the fuzzers ask of the node: one function a target, each with properties that hold for any bytes. The fuzzers look for
//! bytes that break one; `tests/run` asks the same of every input that was kept.

use std::sync::LazyLock;

use axum::extract::Query;
use axum::http::Uri;
use comity::app::SearchParams;
use comity::document;
use comity::frame;
use comity::index::{Card, Index, LIMIT_MAX, Searcher};
use comity::library::Name;
use comity::markdown;
use comity::proof_file;
use comity::segments::{Cursor, PAYLOAD_BYTES_MAX, Replayed, SegmentReader, Segments};
use comity::text;
use proto::charter::{Charter, Member};
use proto::digest::Digest;
use proto::key::SecretKey;
use scraper::{Html, Node};

/// Takes any bytes, and panics where a property does not hold.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("segments", segments),
    ("front_matter", front_matter),
    ("html", html),
    ("query", query),
    ("proof_file", proof_file),
];

/// Whatever a crash or a failing disk left of a segment: it opens, every frame read is whole, opening again finds the same and
/// has nothing to cut, and what is appended then is read back.
pub fn segments(bytes: &[u8]) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("00000001.seg");
    // The header is written by whoever creates the file; what follows it is the fuzzer's.
    let (mut whole, mut left) = (b"COMITYSG\x01\0\0\0".to_vec(), bytes);
    // So that it gets past the checksums: stretches it marks as frames become frames.
    while let Some(([0xf1, kind, len], rest)) = left.split_first_chunk::<3>() {
        let (payload, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        let scratch = tempfile::tempdir().expect("a temporary folder");
        let (mut one, _) = Segments::open(scratch.path(), frame::is_boundary).expect("a new segment");
        one.append(*kind, 1, 2, payload).expect("a short frame");
        one.sync().expect("a disk");
        whole.extend(std::fs::read(scratch.path().join("00000001.seg")).expect("it was written").split_off(12));
        left = rest;
    }
    whole.extend(left);
    std::fs::write(&file, &whole).expect("a disk");

    let frames = |dir: &std::path::Path| {
        let items = SegmentReader::new(dir).replay(Cursor::default(), None);
        let mut frames = Vec::new();
        for item in items {
            match item.expect("a disk that reads") {
                Replayed::Frame(frame) => {
                    assert!(frame.payload.len() <= PAYLOAD_BYTES_MAX);
                    frames.push((frame.kind, frame.payload));
                }
                Replayed::Damaged { from, to, bytes } => {
                    assert!(to > from && bytes == u64::from(to.offset - from.offset), "damage has an extent");
                }
            }
        }
        frames
    };
    let (mut opened, found) =
        Segments::open(dir.path(), frame::is_boundary).expect("a damaged tail is no reason to stop");
    let held = frames(dir.path());
    assert!(found.cut_bytes <= whole.len() as u64);
    let at = opened.append(frame::LOCAL, 1, 2, b"and on").expect("a sound segment");
    opened.sync().expect("a disk");
    drop(opened);
    assert_eq!(SegmentReader::new(dir.path()).read(&at).expect("what was appended"), b"and on");
    let (_, again) = Segments::open(dir.path(), frame::is_boundary).expect("it opens again");
    assert_eq!(again.cut_bytes, 0, "what was cut stays cut");
    let after = frames(dir.path());
    assert_eq!(
        after.split_last().map(|(last, rest)| (last.1.as_slice(), rest)),
        Some((b"and on".as_slice(), &held[..]))
    );
}

/// What may be published is written as a file that says the same, and complaints name a line there is.
pub fn front_matter(bytes: &[u8]) {
    match document::read("a-file.md", bytes) {
        Ok((document, _)) => {
            let written = document::write(document.kind as u32, &document.publication);
            let again = document::read("a-file.md", written.as_bytes());
            let again = again.unwrap_or_else(|errors| panic!("what was written is refused: {errors:?}\n{written}")).0;
            assert_eq!(again, document, "{written}");
            let _ = text::words(&markdown::to_text(&document.publication.text));
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
            assert!(
                errors.iter().all(|error| error.line.is_none_or(|line| (1..=lines + 1).contains(&line))),
                "{errors:?}"
            );
        }
    }
}

/// Elements a text may have.
const ELEMENTS: [&str; 26] = [
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "p",
    "br",
    "hr",
    "ul",
    "ol",
    "li",
    "blockquote",
    "pre",
    "code",
    "em",
    "strong",
    "del",
    "a",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "html",
    "body",
];

/// A page shows what a text says and does nothing else: read as a browser reads it, its HTML has no element or attribute beyond
/// those of a text, and no link that runs.
pub fn html(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let shown = markdown::to_html(&text);
    let page = Html::parse_fragment(&shown);
    for node in page.tree.values() {
        match node {
            Node::Element(element) => {
                assert!(ELEMENTS.contains(&element.name()), "<{}> in {shown}", element.name());
                for (name, value) in element.attrs() {
                    let value: String =
                        value.to_lowercase().chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect();
                    let sound = match name {
                        "href" => {
                            !["javascript:", "data:", "vbscript:", "file:"].iter().any(|bad| value.starts_with(bad))
                        }
                        "rel" => value == "noopenernofollowugc",
                        "start" => value.parse::<i64>().is_ok(),
                        _ => false,
                    };
                    assert!(sound, "{name}=\"{value}\" in {shown}");
                }
            }
            Node::Comment(_) | Node::ProcessingInstruction(_) | Node::Doctype(_) => panic!("{shown}"),
            _ => {}
        }
    }
    let snippet = text::snippet(&text, "en", &["a".to_owned(), "en:law".to_owned()]);
    for node in Html::parse_fragment(&snippet).tree.values() {
        if let Node::Element(element) = node {
            assert!(
                ["mark", "html", "body"].contains(&element.name()) && element.attrs().next().is_none(),
                "{snippet}"
            );
        }
    }
}

/// What a stranger types into an address: it is answered within the bounds, or refused.
pub fn query(bytes: &[u8]) {
    let typed = String::from_utf8_lossy(bytes);
    let _ = Name::parse(&typed);
    // Twice: as a query string, where it is one, and as the words of the search box.
    let percent = comity::client::percent(&typed);
    for string in [typed.as_ref(), &format!("q={percent}"), &format!("q=act&topic={percent}&limit=3")] {
        let Ok(uri) = format!("/v1/search?{string}").parse::<Uri>() else { continue };
        let Ok(Query(params)) = Query::<SearchParams>::try_from_uri(&uri) else { continue };
        let (limit, offset) = (params.limit.unwrap_or(20), params.offset.unwrap_or(0));
        let found = INDEX.0.search(&params.q, &params.filters(), limit, offset).expect("every query has an answer");
        assert!(found.total <= DOCUMENTS && found.works.len() <= limit.clamp(1, LIMIT_MAX));
        assert!(found.works.len() as u64 <= found.total);
        assert!(found.counts.values().flat_map(|values| values.values()).all(|count| *count <= found.total));
    }
}

/// A file that nobody signed proves nothing.
pub fn proof_file(bytes: &[u8]) {
    let json = String::from_utf8_lossy(bytes);
    // The kept inputs that are true bear the name of their federation; nothing here is of this one.
    assert!(proof_file::verify(&json, &CHARTER).is_err());
    let id = CHARTER.id().to_string();
    let renamed = json.replace("0000000000000000000000000000000000000000000000000000000000000000", &id);
    assert!(proof_file::verify(&renamed, &CHARTER).is_err());
}

const DOCUMENTS: u64 = 3;

static INDEX: LazyLock<(Searcher, tempfile::TempDir, std::sync::Mutex<Index>)> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (mut index, _) = Index::open(dir.path(), 1).expect("a new index");
    for (work, language, title) in
        [("FI/a", "fi", "Laki tekoälystä"), ("KE/b", "ar", "قانون"), ("UY/c", "zh", "人工智能 act")]
    {
        let card = Card {
            work: work.to_owned(),
            title: title.to_owned(),
            text: format!("{title} and an act of children's data, 2026"),
            language: language.to_owned(),
            topics: vec!["children".to_owned()],
            ..Card::default()
        };
        index.put(&card).expect("a card");
    }
    index.commit(1).expect("a commit");
    (index.searcher(), dir, std::sync::Mutex::new(index))
});

static CHARTER: LazyLock<Charter> = LazyLock::new(|| {
    let key = SecretKey::from_seed(&[1; 32]);
    let member = Member {
        code: "FI".to_owned(),
        signer: true,
        identity_key: key.public(),
        successor_digest: Digest::of(b"the next key"),
        name: "Parliament of Finland".to_owned(),
    };
    let mut charter = Charter::draft("Fuzzed", vec![member]).expect("a sound charter");
    charter.sign("FI", &key).expect("the founder signs");
    charter
});
