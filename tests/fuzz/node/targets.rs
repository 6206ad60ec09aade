//! What the fuzzers ask of the node: one function a target, each with properties that hold for any bytes. The fuzzers look for
//! bytes that break one; `tests/run` asks the same of every input that was kept.

use std::path::Path;
use std::sync::LazyLock;

use axum::extract::Query;
use axum::http::Uri;
use comity::app::SearchParams;
use comity::document;
use comity::frame;
use comity::index::{Card, Index, LIMIT_MAX, Searcher};
use comity::markdown;
use comity::name::Name;
use comity::proof_file;
use comity::segments::{Cursor, PAYLOAD_BYTES_MAX, Replayed, SegmentError, SegmentReader, Segments};
use comity::snippet;
use comity::text;
use proto::charter::Charter;
use proto::digest::Digest;
use proto::key::SecretKey;
use proto::member::Member;
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

/// Whatever a crash or a failing disk left of a segment: what opens keeps every frame up to the last that ends something whole
/// and cuts what follows, opening again cuts nothing, and what is appended then is read back. A file that is no segment of ours
/// is refused and stays as it is.
pub fn segments(bytes: &[u8]) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("00000001.seg");
    let (mut whole, mut left) = (b"COMITYSG\x01\0\0\0".to_vec(), bytes);
    // What follows this mark alters the header, or is all there is of it.
    if let Some((0xf0, rest)) = left.split_first().map(|(mark, rest)| (*mark, rest)) {
        let (changes, rest) = rest.split_at(rest.len().min(whole.len()));
        whole.truncate(changes.len());
        whole.iter_mut().zip(changes).for_each(|(byte, change)| *byte ^= change);
        left = rest;
    }
    let head = Head::read(&whole);
    // So that it gets past the checksums: stretches it marks as frames become frames.
    let mut written = Vec::new();
    while let Some(([0xf1, kind, len], rest)) = left.split_first_chunk::<3>() {
        let (payload, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        let scratch = tempfile::tempdir().expect("a temporary folder");
        let (mut one, _) = Segments::open(scratch.path(), frame::is_boundary).expect("a new segment");
        one.append(*kind, 1, 2, payload).expect("a short frame");
        one.sync().expect("a disk");
        whole.extend(std::fs::read(scratch.path().join("00000001.seg")).expect("it was written").split_off(12));
        written.push((*kind, payload.to_vec(), whole.len() as u32));
        left = rest;
    }
    whole.extend(left);
    std::fs::write(&file, &whole).expect("a disk");

    let before = match frames(dir.path()) {
        Ok(frames) => frames,
        Err(error) => {
            assert!(matches!((head, &error), (Head::Newer, SegmentError::NotASegment(_))), "{error}");
            Vec::new()
        }
    };
    assert!(head == Head::Newer || before.starts_with(&written), "a frame that was written is not read");
    let ends = before.iter().rposition(|(kind, ..)| frame::is_boundary(*kind));
    let held = ends.map_or(&[][..], |ends| &before[..=ends]);
    let end = held.last().map_or(12, |(.., end)| *end);

    let opened = Segments::open(dir.path(), frame::is_boundary);
    if head == Head::Newer || (head == Head::Damaged && held.is_empty()) {
        assert!(matches!(opened, Err(SegmentError::NotASegment(_))), "what is not ours is opened");
        assert_eq!(std::fs::read(&file).expect("a disk"), whole, "what is not ours is changed");
        return;
    }
    let (opened, found) = opened.expect("a damaged tail is no reason to stop");
    drop(opened);
    let cut = if head == Head::Torn { whole.len() as u64 } else { whole.len() as u64 - u64::from(end) };
    assert_eq!(found.cut_bytes, cut);
    assert_eq!(frames(dir.path()).expect("a disk that reads"), held, "opening keeps every whole run");
    if head != Head::Torn {
        assert_eq!(
            std::fs::read(&file).expect("a disk"),
            whole[..end as usize],
            "opening changes nothing but the tail"
        );
    }

    let (mut opened, again) = Segments::open(dir.path(), frame::is_boundary).expect("it opens again");
    assert_eq!(again.cut_bytes, 0, "what was cut stays cut");
    let at = opened.append(frame::LOCAL, 1, 2, b"and on").expect("a sound segment");
    opened.sync().expect("a disk");
    drop(opened);
    assert_eq!(SegmentReader::new(dir.path()).read(&at).expect("what was appended"), b"and on");
    let (_, again) = Segments::open(dir.path(), frame::is_boundary).expect("it opens once more");
    assert_eq!(again.cut_bytes, 0, "what was appended is whole");
    let after = frames(dir.path()).expect("a disk that reads");
    let (last, rest) = after.split_last().expect("what was appended");
    assert_eq!((last.1.as_slice(), rest), (b"and on".as_slice(), held));
}

/// What the header of a segment says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Head {
    /// Not all of it was written.
    Torn,
    /// It is a segment.
    Sound,
    /// A program to come wrote it.
    Newer,
    /// Anything else.
    Damaged,
}

impl Head {
    fn read(bytes: &[u8]) -> Head {
        let Some(version) = bytes.get(8..12) else { return Head::Torn };
        match u32::from_le_bytes(version.try_into().expect("four bytes")) {
            1 if bytes.starts_with(b"COMITYSG") => Head::Sound,
            2..=1_000 if bytes.starts_with(b"COMITYSG") => Head::Newer,
            _ => Head::Damaged,
        }
    }
}

/// Every sound frame as a replay comes upon it: kind, payload, and where it ends in the file.
fn frames(dir: &Path) -> Result<Vec<(u8, Vec<u8>, u32)>, SegmentError> {
    let mut frames = Vec::new();
    for item in SegmentReader::new(dir).replay(Cursor::default(), None) {
        match item? {
            Replayed::Frame(frame) => {
                assert!(frame.payload.len() <= PAYLOAD_BYTES_MAX);
                frames.push((frame.kind, frame.payload, frame.next.offset));
            }
            Replayed::Damaged { from, to, bytes } => {
                assert!(to > from && bytes == u64::from(to.offset - from.offset), "damage has an extent");
            }
        }
    }
    Ok(frames)
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
            // YAML ends a line at a carriage return too.
            let lines = bytes.iter().filter(|byte| [b'\n', b'\r'].contains(*byte)).count() + 1;
            assert!(
                errors.iter().all(|error| error.line.is_none_or(|line| (1..=lines + 1).contains(&line))),
                "{errors:?}"
            );
        }
    }
}

/// Elements a text may have, and the two that a reader puts around them.
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
/// Where a link of a text may lead, besides a place on the same site.
const SCHEMES: [&str; 3] = ["http", "https", "mailto"];

/// A page shows what a text says and does nothing else: read as a browser reads it, its HTML has the elements and attributes of a
/// text, links lead to a page or to a mailbox, and there is nothing besides.
pub fn html(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let shown = markdown::to_html(&text);
    let page = Html::parse_fragment(&shown);
    for node in page.tree.values() {
        match node {
            Node::Element(element) => {
                assert!(ELEMENTS.contains(&element.name()), "<{}> in {shown}", element.name());
                for (name, value) in element.attrs() {
                    let is_sound = match (element.name(), name) {
                        ("a", "href") => scheme(value).is_none_or(|scheme| SCHEMES.contains(&scheme.as_str())),
                        ("a", "rel") => value == "noopener nofollow ugc",
                        ("ol", "start") => value.parse::<u64>().is_ok(),
                        _ => false,
                    };
                    assert!(is_sound, "<{} {name}=\"{value}\"> in {shown}", element.name());
                }
            }
            Node::Fragment | Node::Document | Node::Text(_) => {}
            Node::Comment(_) | Node::ProcessingInstruction(_) | Node::Doctype(_) => panic!("{shown}"),
        }
    }
    let snippet = snippet::snippet(&text, "en", &["a".to_owned(), "en:law".to_owned()]);
    for node in Html::parse_fragment(&snippet).tree.values() {
        if let Node::Element(element) = node {
            assert!(
                ["mark", "html", "body"].contains(&element.name()) && element.attrs().next().is_none(),
                "{snippet}"
            );
        }
    }
}

/// The scheme of a link as a browser takes it (WHATWG URL, 4.4): blanks and control characters before it and tabs and line ends
/// within it do not count. `None`: a place on the same site.
fn scheme(link: &str) -> Option<String> {
    let link = link.trim_start_matches(|c| c <= ' ').replace(['\t', '\n', '\r'], "");
    let (scheme, _) = link.split_once(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    is_scheme.then(|| scheme.to_ascii_lowercase())
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
        let (question, _) = params.question();
        let (found, limit) = (INDEX.0.search(&question).expect("every query has an answer"), question.limit);
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
            values: vec![("topic", "children".to_owned()), ("language", language.to_owned())],
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
