//! What the fuzzers ask of the protocol: one function a target, each with properties that hold for any bytes. The fuzzers
//! look for bytes that break one; `tests/run` asks the same of every input that was kept.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, LazyLock};

use proto::archive::{Archive, Head, StoredLeaf};
use proto::body::{self, Act, Open, Purpose};
use proto::charter::Charter;
use proto::checkpoint::{Checkpoint, SignedCheckpoint};
use proto::digest::Digest;
use proto::edition::Edition;
use proto::entry::Entry;
use proto::fork::Fork;
use proto::frontier::{Claim, Frontier, Row};
use proto::key::{PublicKey, SecretKey};
use proto::limits;
use proto::log::{Admission, Closing, Log, Run};
use proto::member::Member;
use proto::message;
use proto::note::Note;
use proto::proof::TlogProof;
use proto::replica::{Effect, Input, Record, Replica, Verdict};
use proto::schema::sync_message::Message;
use proto::schema::{self, Kind};
use proto::serve::{self, Answer, Asked};
use proto::session::Peer;
use proto::tree::{self, Compact, Hashes};

/// Takes any bytes, and panics where a property does not hold.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("entry", entry),
    ("note", note),
    ("proof", proof),
    ("charter", charter),
    ("body", body),
    ("sync", sync),
    ("gossip", gossip),
    ("questions", questions),
];

/// An entry that is read is read the same again, stands in one place only, and announces no body over the bound.
pub fn entry(bytes: &[u8]) {
    let Ok(entry) = Entry::parse_anywhere(bytes) else { return };
    assert_eq!(entry.as_bytes(), bytes);
    assert!(bytes.len() <= limits::ENTRY_BYTES_MAX);
    assert!((1..=limits::BODY_BYTES_MAX).contains(&(entry.body_size() as usize)));
    assert_eq!(Entry::parse(bytes, entry.log(), entry.index()).as_ref(), Ok(&entry));
    assert!(Entry::parse(bytes, entry.log(), entry.index() ^ 1).is_err());
    assert_eq!(PublicKey::from_bytes(entry.log().as_bytes()).as_ref(), Ok(entry.log()));
}

/// A note has one spelling, and a key's signature is on what its holder signed and on nothing else. The first byte chooses: the
/// bytes as they are, or a note or checkpoint that the stage signed with some of its bytes altered.
pub fn note(bytes: &[u8]) {
    let stage = &*STAGE;
    let Some((choice, rest)) = bytes.split_first() else { return };
    let honest = stage.signed.get(usize::from(*choice));
    let bytes = honest.map_or_else(|| rest.to_vec(), |honest| altered(&honest.note, rest));
    let parsed = Note::parse(&bytes);
    let verified = SignedCheckpoint::verify(&bytes, &stage.charter.id());
    if let Some(honest) = honest.filter(|honest| honest.note == bytes) {
        let note = parsed.as_ref().expect("what was signed is a note");
        assert_eq!(note.verify(&honest.name, &honest.key), Ok(()));
        assert_eq!(verified.as_ref().ok().map(SignedCheckpoint::checkpoint), honest.checkpoint.as_ref());
    }
    if let Ok(note) = parsed {
        assert_eq!(note.to_bytes(), bytes);
        for line in &note.signatures {
            for key in [stage.identity.public(), stage.desk.public()] {
                let is_signed = note.verify(&line.name, &key).is_ok();
                assert!(!is_signed || stage.signed(&key, &note.text).is_some(), "{} signed no such text", line.name);
            }
        }
        let mut again = note;
        again.sign("comity/FI", &stage.desk);
        assert_eq!(again.verify("comity/FI", &stage.desk.public()), Ok(()));
        let is_full = again.signatures.len() > SIGNATURES_MAX;
        assert!(is_full || Note::parse(&again.to_bytes()) == Ok(again));
    }
    if let Ok(checkpoint) = verified {
        assert_eq!(checkpoint.as_bytes(), bytes);
        assert!(bytes.len() <= limits::CHECKPOINT_BYTES_MAX);
        let text = Note::parse(&bytes).expect("a checkpoint is a note").text;
        let made = stage.signed(checkpoint.log(), &text).expect("nobody signed that checkpoint");
        assert_eq!(Some(checkpoint.checkpoint()), made.checkpoint.as_ref());
    }
}

/// Signature lines that a note may have.
const SIGNATURES_MAX: usize = 400;

/// Hashes of a tree, computed from its leaves each time.
struct Leaves(Vec<Digest>);

impl Hashes for Leaves {
    fn hash(&self, level: u8, index: u64) -> Option<Digest> {
        let width = 1usize.checked_shl(u32::from(level))?;
        let from = usize::try_from(index).ok()?.checked_mul(width)?;
        let mut tree = Compact::new();
        self.0.get(from..from.checked_add(width)?)?.iter().for_each(|leaf| tree.push(*leaf, |_, _, _| {}));
        Some(tree.root())
    }
}

/// Proofs that were made verify, altered ones do not, and invented ones end. The first bytes say which tree and which proof,
/// the rest how it is altered; all of it is then read as a proof in text.
pub fn proof(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(proof) = TlogProof::parse(text)
    {
        assert_eq!(proof.to_text(), text);
        assert!(proof.verify(&Digest::of(b"nobody's leaf"), &STAGE.charter.id()).is_err());
    }
    let [size, from, index, at, bit, rest @ ..] = bytes else { return };
    let size = u64::from(*size % 64) + 1;
    let (from, index) = (u64::from(*from) % size + 1, u64::from(*index) % size);
    let leaves = Leaves((0..size).map(|leaf| Digest::of(&leaf.to_be_bytes())).collect());
    let root = |size| tree::root_at(&leaves, size).expect("a tree has a root");
    let included = tree::inclusion(&leaves, index, size).expect("every leaf has a path");
    let consistent = tree::consistency(&leaves, from, size).expect("every size has a proof");
    let leaf = leaves.0[index as usize];
    assert!(tree::verify_inclusion(&leaf, index, size, &included, &root(size)).is_ok());
    assert!(tree::verify_consistency(from, &root(from), size, &root(size), &consistent).is_ok());
    for (path, is_inclusion) in [(included, true), (consistent, false)] {
        let mut altered = path.clone();
        match altered.len() {
            0 => altered.push(leaf),
            len => altered[usize::from(*at) % len].0[usize::from(*bit >> 3) % 32] ^= 1 << (bit & 7),
        }
        let verified = match is_inclusion {
            true => tree::verify_inclusion(&leaf, index, size, &altered, &root(size)),
            false => tree::verify_consistency(from, &root(from), size, &root(size), &altered),
        };
        assert!(verified.is_err(), "an altered proof verifies");
    }
    // Invented: any sizes and any hashes.
    let number =
        |at: usize| rest.get(at..at + 8).map_or(u64::MAX, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()));
    let path: Vec<Digest> = rest.iter().skip(24).map(|byte| Digest([*byte; 32])).collect();
    let (one, two, three) = (number(0), number(8), number(16));
    let _ = tree::root_from_inclusion(&leaf, one, two, &path);
    let _ = tree::root_from_consistency(one, &leaf, two, &path);
    if let Some(tree) = Compact::from_parts(three, path.iter().copied().take(64).collect()) {
        assert_eq!(tree.peaks().len() as u32, three.count_ones());
        let _ = tree::consistency_from_inclusion(&tree, &leaf, two, &path);
    }
}

/// A charter is written as it is read, and only the signatures of all its founders, as its text lists them, make it one.
pub fn charter(bytes: &[u8]) {
    let Ok(charter) = Charter::verify(bytes) else { return };
    assert_eq!(charter.to_bytes(), bytes);
    assert!(bytes.len() <= limits::CHARTER_BYTES_MAX);
    let note = Note::parse(bytes).expect("a charter is a note");
    let listed: Vec<&str> = note.text.lines().skip(3).collect();
    assert_eq!(listed.len(), charter.members().len());
    for (line, member) in listed.iter().zip(charter.members()) {
        let [code, _, key, ..] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}: not a founder") };
        assert_eq!((code, key), (member.code.as_str(), member.identity_key.to_string().as_str()));
        assert_eq!(note.verify(&format!("comity/{code}"), &key.parse().expect("a key")), Ok(()), "{line}");
    }
    let codes: std::collections::BTreeSet<&str> = charter.members().iter().map(|member| member.code.as_str()).collect();
    assert_eq!(codes.len(), charter.members().len());
    assert!(charter.members().iter().any(|member| member.signer));
}

/// A frame is the body its entry names or nothing; governance bodies are read only where they are written the same.
pub fn body(bytes: &[u8]) {
    if let Some(open) = Open::parse(bytes) {
        let Ok(wire) = <schema::Open as prost::Message>::decode(bytes) else { panic!("read, and does not decode") };
        if let Ok(salt) = wire.salt.try_into() {
            assert_eq!(open.to_body(salt), bytes);
        }
    }
    for kind in [Kind::Open, Kind::Delegate, Kind::Revoke, Kind::Draft, Kind::DraftSignature, Kind::Address] {
        let _ = Act::parse(kind as u32, bytes);
    }
    if let Some((publication, newer)) = body::publication(bytes) {
        assert_eq!(newer, prost::Message::encode_to_vec(&publication) != bytes);
    }
    if bytes.len() <= limits::BODY_BYTES_MAX && !bytes.is_empty() {
        let entry = Entry::new(STAGE.desk.public(), 1, 2, 32, bytes);
        let frame = body::pack(bytes).expect("a body within the bound is packed");
        assert!(frame.len() <= limits::FRAME_BYTES_MAX);
        assert_eq!(body::unpack(&frame, &entry).as_deref(), Ok(bytes));
    }
    // As a frame: whatever it claims, what comes out is what the entry names.
    for said in [b"sixteen of salt.".as_slice(), bytes] {
        if (1..=limits::BODY_BYTES_MAX).contains(&said.len()) {
            let entry = Entry::new(STAGE.desk.public(), 1, 2, 32, said);
            if let Ok(unpacked) = body::unpack(bytes, &entry) {
                assert_eq!(unpacked, said);
            }
        }
    }
}

/// A peer may answer anything: a replica ends in a state, holds only what is verified, and never less than before. The input
/// is a sequence of [`turns`]: an answer or, where [`TOLD`] is set in the byte that chooses, what the peer tells when it calls.
pub fn sync(bytes: &[u8]) {
    let stage = &*STAGE;
    let (mut replica, mut records) = stage.replica();
    let peer: Peer = "peer".into();
    let effects = replica.handle(1, Input::Connected(peer.clone())).expect("nothing is written");
    records.take(&replica, effects);
    for (turn, (choice, one)) in (2..64).zip(turns(bytes)) {
        let one = match stage.answers.get(usize::from(choice & !TOLD)) {
            Some(honest) => altered(honest, one),
            None => one.to_vec(),
        };
        let input = match message::decode(&one) {
            Some(answer) => {
                assert_eq!(message::decode(&message::encode(answer.clone())).as_ref(), Some(&answer));
                match answer {
                    Message::Frontier(told) if choice & TOLD != 0 => Input::Told(peer.clone(), told),
                    answer => Input::Answered(peer.clone(), answer),
                }
            }
            None => Input::Tick,
        };
        let mut effects = replica.handle(turn * 1_000, input).expect("nothing is written");
        if !replica.peers()[&peer].syncing {
            let frontier = replica.frontier().to_wire();
            effects
                .extend(replica.handle(turn * 1_000, Input::Told(peer.clone(), frontier)).expect("nothing is written"));
            effects.extend(replica.handle(turn * 20_000, Input::Tick).expect("nothing is written"));
        }
        records.take(&replica, effects);
    }
}

/// Set where a frontier is not the answer on our sync but told on the peer's own.
const TOLD: u8 = 0x20;

/// Gossip may say anything: it is judged, and what is kept of it is verified. The first byte chooses: the bytes as they are, or
/// a true announcement with some of its bytes altered.
pub fn gossip(bytes: &[u8]) {
    let stage = &*STAGE;
    let Some((choice, rest)) = bytes.split_first() else { return };
    let (mut replica, mut records) = stage.replica();
    let honest = stage.announced.get(usize::from(*choice));
    let sent = honest.map_or_else(|| rest.to_vec(), |honest| altered(honest, rest));
    let input = Input::Gossip { from: "peer".into(), id: 7, bytes: sent.clone() };
    let effects = replica.handle(1, input).expect("nothing is written");
    let Some(Effect::Judge { id: 7, verdict, .. }) = effects.last() else { panic!("gossip was not judged") };
    assert!(honest != Some(&sent) || *verdict == Verdict::Accept, "true gossip is forwarded");
    if *verdict == Verdict::Accept {
        stage.forwarded(&sent);
    }
    records.take(&replica, effects);
}

/// A stranger may ask anything: no answer is over the bounds or other than what is held, and whoever asked can verify it with
/// nothing but the log's key. The input is a sequence of [`turns`], taken as a node takes the questions of one sync.
pub fn questions(bytes: &[u8]) {
    let library = &*LIBRARY;
    let mut noted = Asked::default();
    for (choice, one) in turns(bytes).take(16) {
        let one = match library.questions.get(usize::from(choice)) {
            Some(honest) => altered(honest, one),
            None => one.to_vec(),
        };
        let Some(asked) = message::decode(&one).filter(|asked| noted.note(asked).is_ok()) else { return };
        match serve::answer(&library.records, &library.frontier, asked.clone()).unwrap_or_else(|never| match never {}) {
            Answer::One(answer) => library.verify(&asked, answer),
            Answer::Range(want) => library.verify_range(&want),
            Answer::Broken(_) => return,
        }
    }
}

/// What an input says turn by turn: a byte that chooses, a length, and as many bytes: a message, or what is altered in a true
/// one.
fn turns(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let ([choice, head @ ..], tail) = rest.split_first_chunk::<3>()?;
        let (one, tail) = tail.split_at(usize::from(u16::from_be_bytes(*head)).min(tail.len()));
        rest = tail;
        Some((*choice, one))
    })
}

/// Bytes with some of them altered: each three bytes say where and how.
fn altered(honest: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut bytes = honest.to_vec();
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % bytes.len();
        bytes[at] ^= change[2];
    }
    bytes
}

// --------------------------------------------------------------------------------------------------------- the stage

/// A member, what it wrote, and what it announced last.
struct Stage {
    identity: SecretKey,
    desk: SecretKey,
    charter: Arc<Charter>,
    /// What a replica holds before the fuzzer speaks: both logs open.
    records: Vec<Written>,
    /// Announcements of the entry that comes next, of one whose body is missing, and of a batch.
    announced: Vec<Vec<u8>>,
    /// What a peer that holds twenty entries more answers: greeting, frontier, chunk; and, should it lack the bodies at first,
    /// the chunk without them, and the bodies.
    answers: Vec<Vec<u8>>,
    /// Everything that was signed on the stage.
    signed: Vec<Signed>,
}

/// A note that a key of the stage signed.
struct Signed {
    name: String,
    key: PublicKey,
    text: String,
    note: Vec<u8>,
    /// What it says, where it is a checkpoint.
    checkpoint: Option<Checkpoint>,
    /// The entries under its root, in order.
    entries: Vec<Vec<u8>>,
}

/// A write of the stage.
type Written = (PublicKey, Vec<(u32, Vec<u8>)>);

static STAGE: LazyLock<Stage> = LazyLock::new(Stage::new);

fn leaf(leaf: &proto::log::Leaf) -> schema::Leaf {
    let body = leaf.body.as_ref().map(|body| body.frame.clone()).unwrap_or_default();
    schema::Leaf { entry: leaf.entry.as_bytes().to_vec(), body }
}

impl Stage {
    fn new() -> Stage {
        let (identity, desk) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
        let successor_digest = Digest::of(SecretKey::from_seed(&[3; 32]).public().as_bytes());
        let member = Member {
            code: "FI".to_owned(),
            signer: true,
            identity_key: identity.public(),
            successor_digest,
            name: "Parliament of Finland".to_owned(),
        };
        let mut charter = Charter::draft("Fuzzed", vec![member]).expect("a sound charter");
        charter.sign("FI", &identity).expect("the founder signs");
        let governance = vec![
            (Kind::Open as u32, open(&identity, Purpose::Governance, Some(successor_digest)).to_body([4; 16])),
            (Kind::Delegate as u32, body::delegation(&desk.public(), "Library", [5; 16])),
        ];
        let library = vec![
            (Kind::Open as u32, open(&identity, Purpose::Publication, None).to_body([6; 16])),
            (Kind::LawSummary as u32, b"a text".to_vec()),
        ];
        let records = vec![(identity.public(), governance), (desk.public(), library)];
        let (announced, answers, signed) = (Vec::new(), Vec::new(), Vec::new());
        let mut stage = Stage { identity, desk, charter: Arc::new(charter), records, announced, answers, signed };
        stage.sign();
        for bodies in [
            vec![(Kind::LawSummary as u32, b"the next text".to_vec())],
            vec![(Kind::LawSummary as u32, vec![b'x'; limits::BODY_BYTES_MAX])],
            (0..20).map(|number| (Kind::LawSummary as u32, vec![number + 1])).collect(),
        ] {
            let (mut author, mut records) = stage.replica();
            let written = author.handle(1, Input::Write { log: stage.desk.public(), bodies }).expect("the desk writes");
            stage.answers = stage.told(&author, &written);
            stage.announced.extend(written.iter().find_map(|effect| match effect {
                Effect::Announce(bytes) => Some(bytes.clone()),
                _ => None,
            }));
            records.take(&author, written);
            stage.signed.push(records.signed(&stage.desk.public()));
        }
        stage
    }

    /// The charter, a text by each key, and the checkpoints that every replica begins with.
    fn sign(&mut self) {
        let names = ["comity/FI", "x"];
        let mut notes = vec![("comity/FI", &self.identity, self.charter.to_bytes())];
        for (name, key) in names.into_iter().zip([&self.desk, &self.identity]) {
            let mut note = Note::new("a text\n\nwith a seam\n").expect("a sound text");
            for (name, key) in [(name, key), ("another", &self.identity)] {
                note.sign(name, key);
            }
            notes.push((name, key, note.to_bytes()));
        }
        let signed = notes.into_iter().map(|(name, key, note)| Signed {
            name: name.to_owned(),
            key: key.public(),
            text: Note::parse(&note).expect("a note").text,
            note,
            checkpoint: None,
            entries: Vec::new(),
        });
        self.signed = signed.collect();
        let (_, records) = self.replica();
        self.signed.extend(self.records.iter().map(|(log, _)| records.signed(log)));
    }

    /// A replica that holds what the stage wrote first, and the records it gave to keep.
    fn replica(&self) -> (Replica, Records) {
        let mut replica = Replica::new(self.charter.clone());
        replica.hold_key(self.identity.clone());
        replica.hold_key(self.desk.clone());
        let mut records = Records { federation: self.charter.id(), logs: BTreeMap::new() };
        for (log, bodies) in &self.records {
            let input = Input::Write { log: *log, bodies: bodies.clone() };
            let effects = replica.handle(0, input).expect("its own keys write");
            records.take(&replica, effects);
        }
        (replica, records)
    }

    fn told(&self, author: &Replica, written: &[Effect]) -> Vec<Vec<u8>> {
        let frontier = author.frontier();
        let mut told =
            vec![message::hello(&frontier.federation, &frontier.digest()), Message::Frontier(frontier.to_wire())];
        for effect in written {
            let Effect::Keep(Record::Run(run)) = effect else { continue };
            let log = run.log().as_bytes().to_vec();
            let chunk = schema::Chunk {
                log: log.clone(),
                from: run.from(),
                total: run.after().size(),
                leaves: run.leaves().iter().map(leaf).collect(),
                closing: Some(run.closing().to_wire()),
                joined: Vec::new(),
            };
            let mut without = chunk.clone();
            without.leaves.iter_mut().for_each(|leaf| leaf.body.clear());
            let bodies = chunk.leaves.iter().zip(run.from()..);
            let bodies = bodies.map(|(leaf, index)| schema::IndexedBody { index, body: leaf.body.clone() });
            let bodies = schema::Bodies { log, bodies: bodies.collect() };
            told.extend([Message::Chunk(chunk), Message::Chunk(without), Message::Bodies(bodies)]);
        }
        told.into_iter().map(message::encode).collect()
    }

    /// What a key signed under that text; `None` where it signed no such text.
    fn signed(&self, key: &PublicKey, text: &str) -> Option<&Signed> {
        self.signed.iter().find(|signed| signed.key == *key && signed.text == text)
    }

    /// What is forwarded is a checkpoint that a key of the stage signed, alone or with an entry under its root and that entry's
    /// body: judged by the bytes that were sent and by what the stage knows that it signed.
    fn forwarded(&self, sent: &[u8]) {
        let gossip: schema::Gossip = prost::Message::decode(sent).expect("what is forwarded can be read");
        let note = Note::parse(&gossip.checkpoint).expect("what is forwarded has a checkpoint");
        let signers = [&self.identity, &self.desk].map(SecretKey::public);
        let made =
            signers.iter().find_map(|key| self.signed(key, &note.text)).expect("nobody signed what is forwarded");
        assert_eq!(note.verify(&made.name, &made.key), Ok(()));
        let checkpoint = made.checkpoint.as_ref().expect("what is forwarded is a checkpoint");
        if gossip.entry.is_empty() {
            return;
        }
        let index = made.entries.iter().position(|entry| *entry == gossip.entry);
        let index = index.expect("an entry is forwarded that is not under its checkpoint") as u64;
        let path: Vec<Digest> =
            gossip.path.iter().map(|hash| Digest::try_from(hash.as_slice()).expect("a hash")).collect();
        let (leaf, size) = (tree::leaf_hash(&gossip.entry), checkpoint.size);
        assert_eq!(tree::verify_inclusion(&leaf, index, size, &path, &checkpoint.root), Ok(()));
        if !gossip.body.is_empty() {
            let entry = Entry::parse(&gossip.entry, &made.key, index).expect("an entry that was signed");
            assert!(body::unpack(&gossip.body, &entry).is_ok(), "a body is forwarded that is not its entry's");
        }
    }
}

/// What opens a log of the stage's member.
fn open(identity: &SecretKey, purpose: Purpose, successor_digest: Option<Digest>) -> Open {
    Open { purpose, member: "FI".to_owned(), identity_key: identity.public(), successor_digest, predecessor: None }
}

// ------------------------------------------------------------------------------------------------------- the records

/// What one node keeps, in memory.
struct Records {
    federation: Digest,
    logs: BTreeMap<PublicKey, Kept>,
}

/// One log of it.
struct Kept {
    open: Open,
    leaves: Vec<StoredLeaf>,
    closing: Closing,
    tree: Compact,
    hashes: BTreeMap<(u8, u64), Digest>,
    /// The index of a record that the disk does not give back.
    damaged: Option<u64>,
}

impl Records {
    /// Takes what a replica gives: everything that is kept is verified from its bytes alone, what is asked for is within the
    /// bounds, and the replica holds what was kept and not an entry less.
    fn take(&mut self, replica: &Replica, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Keep(Record::Run(run)) => {
                    assert!((1..=limits::CHUNK_ENTRIES_MAX).contains(&run.leaves().len()));
                    self.keep(&run);
                }
                Effect::Keep(Record::Body { log, index, body }) => {
                    let kept = self.logs.get_mut(&log).expect("a late body is of a log that is held");
                    let (entry, place) = &mut kept.leaves[index as usize];
                    let entry = Entry::parse(entry, &log, index).expect("a kept entry is sound");
                    assert_eq!(body.bytes.len(), entry.body_size() as usize);
                    assert_eq!(Digest::of(&body.bytes), *entry.body_digest(), "a late body is its entry's");
                    assert_eq!(body::unpack(&body.frame, &entry).as_ref(), Ok(&body.bytes));
                    assert!(place.replace(body.frame).is_none(), "a body is kept once");
                }
                Effect::Open(_, asked) | Effect::Ask(_, asked) => {
                    assert!(message::encode(asked).len() <= limits::QUESTION_BYTES_MAX);
                }
                _ => {}
            }
        }
        for (key, kept) in &self.logs {
            assert_eq!(replica.log(key).map(Log::tree), Some(&kept.tree), "what is held is what was kept");
        }
    }

    /// Keeps a run after those before it.
    fn keep(&mut self, run: &Run) {
        let kept = self.logs.entry(*run.log()).or_insert_with(|| Kept {
            open: Open::parse(&run.leaves()[0].body.as_ref().expect("entry 0 has a body").bytes).expect("it opens"),
            leaves: Vec::new(),
            closing: run.closing().clone(),
            tree: Compact::new(),
            hashes: BTreeMap::new(),
            damaged: None,
        });
        assert_eq!(run.from(), kept.leaves.len() as u64, "a run leaves no gap and repeats nothing");
        for (leaf, index) in run.leaves().iter().zip(run.from()..) {
            let entry = Entry::parse(leaf.entry.as_bytes(), run.log(), index).expect("a kept entry is sound");
            if let Some(body) = &leaf.body {
                assert_eq!(body::unpack(&body.frame, &entry).as_ref(), Ok(&body.bytes));
            }
            let hashes = &mut kept.hashes;
            kept.tree.push(tree::leaf_hash(leaf.entry.as_bytes()), |level, index, hash| {
                hashes.insert((level, index), hash);
            });
            kept.leaves.push((leaf.entry.as_bytes().to_vec(), leaf.body.as_ref().map(|body| body.frame.clone())));
        }
        let checkpoint = SignedCheckpoint::verify(run.closing().checkpoint.as_bytes(), &self.federation);
        let checkpoint = checkpoint.expect("a kept closing is signed");
        assert_eq!(checkpoint.log(), run.log());
        let (end, root) = (kept.tree.size(), kept.tree.root());
        let joined = tree::root_from_consistency(end, &root, checkpoint.size(), &run.closing().proof);
        assert_eq!(joined.as_ref(), Ok(checkpoint.root()));
        kept.closing = run.closing().clone();
    }

    /// The checkpoint by which an author closed its log.
    fn signed(&self, log: &PublicKey) -> Signed {
        let Kept { closing, leaves, .. } = &self.logs[log];
        let (checkpoint, note) = (closing.checkpoint.checkpoint(), closing.checkpoint.as_bytes());
        Signed {
            name: checkpoint.origin(),
            key: *log,
            text: Note::parse(note).expect("a checkpoint is a note").text,
            note: note.to_vec(),
            checkpoint: Some(checkpoint.clone()),
            entries: leaves.iter().map(|(entry, _)| entry.clone()).collect(),
        }
    }
}

impl Hashes for Kept {
    fn hash(&self, level: u8, index: u64) -> Option<Digest> {
        self.hashes.get(&(level, index)).copied()
    }
}

/// The hashes of a log that may not be there.
struct Borrowed<'a>(Option<&'a Kept>);

impl Hashes for Borrowed<'_> {
    fn hash(&self, level: u8, index: u64) -> Option<Digest> {
        self.0?.hash(level, index)
    }
}

impl Archive for Records {
    type Error = Infallible;
    type Hashes<'a> = Borrowed<'a>;

    fn head(&self, log: &PublicKey) -> Result<Option<Head>, Infallible> {
        Ok(self.logs.get(log).map(|kept| Head {
            purpose: kept.open.purpose,
            size: kept.tree.size(),
            closing: kept.closing.clone(),
        }))
    }

    fn leaf(&self, log: &PublicKey, index: u64) -> Result<Option<StoredLeaf>, Infallible> {
        let kept = self.logs.get(log).filter(|kept| kept.damaged != Some(index));
        Ok(kept.and_then(|kept| kept.leaves.get(usize::try_from(index).ok()?).cloned()))
    }

    fn fork(&self, _: &PublicKey) -> Result<Option<Arc<Fork>>, Infallible> {
        Ok(None)
    }

    fn hashes<'a>(&'a self, log: &PublicKey) -> Borrowed<'a> {
        Borrowed(self.logs.get(log))
    }
}

// ------------------------------------------------------------------------------------------------------- the library

/// A node that is asked: it holds a governance log; the first part of a long log, not all bodies of it; and a log of the
/// largest bodies, of which one record is damaged.
struct Library {
    records: Records,
    frontier: Frontier,
    /// What an honest caller may ask: a greeting, a frontier, the runs of each log and some bodies.
    questions: Vec<Vec<u8>>,
}

static LIBRARY: LazyLock<Library> = LazyLock::new(Library::new);

impl Library {
    /// Entries of the long log when it was closed, and of them those held: more than one chunk has.
    const WRITTEN: u64 = 1_100;
    const HELD: u64 = 1_060;

    fn new() -> Library {
        let federation = STAGE.charter.id();
        let large = SecretKey::from_seed(&[7; 32]);
        let (_, records) = STAGE.replica();
        let governance = records.logs.into_iter().filter(|(log, _)| *log == STAGE.identity.public());
        let mut library = Library {
            records: Records { federation, logs: governance.collect() },
            frontier: Frontier {
                federation,
                editions: vec![Arc::new(Edition::from(&*STAGE.charter))],
                rows: BTreeMap::new(),
                forks: BTreeMap::new(),
            },
            questions: Vec::new(),
        };
        // The long log comes as it would from its author: by chunks.
        let short = |number: u64| (Kind::LawSummary as u32, number.to_be_bytes().to_vec());
        let author = library.written(&STAGE.desk, (1..Library::WRITTEN).map(short).collect());
        let mut log = Log::new(STAGE.desk.public(), Purpose::Publication);
        while log.size() < Library::HELD {
            let (key, from) = (STAGE.desk.public().as_bytes().to_vec(), log.size());
            let want = schema::Want { log: key, from, to: Library::HELD, root: Vec::new() };
            let chunk = serve::chunk(&author, &want, from);
            let Ok(Message::Chunk(mut chunk)) = chunk else { panic!("the author gives its log") };
            let without = chunk.leaves.iter_mut().zip(chunk.from..).filter(|(_, index)| index % 5 == 4);
            without.for_each(|(leaf, _)| leaf.body.clear());
            let run = log.verify(&federation, &chunk, |_| Admission::Whole).expect("an author's chunk");
            log.extend(&run);
            library.records.keep(&run);
        }
        let mut noise = Digest::of(b"bytes that no compression shortens");
        let mut long = |_| {
            let blocks = std::iter::repeat_with(|| {
                noise = Digest::of(noise.as_bytes());
                noise.0
            });
            (Kind::LawSummary as u32, blocks.take(limits::BODY_BYTES_MAX / 32).flatten().collect())
        };
        let mut written = library.written(&large, (1..8).map(&mut long).collect());
        written.logs.get_mut(&large.public()).expect("it was written").damaged = Some(6);
        library.records.logs.append(&mut written.logs);

        let row = |kept: &Kept| Row { size: kept.tree.size(), root: kept.tree.root(), contested: false };
        library.frontier.rows = library.records.logs.iter().map(|(log, kept)| (*log, row(kept))).collect();
        let key = |key: &SecretKey| key.public().as_bytes().to_vec();
        let want = |log, from, to| Message::Want(schema::Want { log: key(log), from, to, root: Vec::new() });
        let bodies = |log, indexes| Message::WantBodies(schema::WantBodies { log: key(log), indexes });
        let questions = [
            message::hello(&federation, &Digest::of(b"another frontier")),
            Message::Frontier(library.frontier.to_wire()),
            want(&STAGE.identity, 0, 2),
            want(&STAGE.desk, 0, Library::HELD),
            want(&STAGE.desk, 1_000, Library::HELD),
            want(&large, 0, 8),
            bodies(&STAGE.desk, (1..9).collect()),
            bodies(&large, (1..8).collect()),
        ];
        library.questions = questions.into_iter().map(message::encode).collect();
        library
    }

    /// The records of a desk after one write.
    fn written(&self, desk: &SecretKey, mut bodies: Vec<(u32, Vec<u8>)>) -> Records {
        let federation = self.records.federation;
        let open = open(&STAGE.identity, Purpose::Publication, None);
        bodies.insert(0, (Kind::Open as u32, open.to_body([8; 16])));
        let log = Log::new(desk.public(), Purpose::Publication);
        let mut records = Records { federation, logs: BTreeMap::new() };
        records.keep(&log.write(&federation, desk, &bodies, 1).expect("a desk writes"));
        records
    }

    /// Whoever asked can read the answer, and what it brings is what was asked for.
    fn verify(&self, asked: &Message, answer: Message) {
        let encoded = message::encode(answer.clone());
        assert!(encoded.len() <= limits::SYNC_BYTES_MAX, "an answer has {} bytes", encoded.len());
        assert_eq!(message::decode(&encoded).as_ref(), Some(&answer), "an answer cannot be read");
        match (asked, answer) {
            (Message::Hello(_), Message::Hello(hello)) => assert_eq!(hello.frontier, self.frontier.digest().as_bytes()),
            (Message::Frontier(_), Message::Frontier(wire)) => {
                assert_eq!(wire, self.frontier.to_wire());
                assert!(Claim::from_wire(&wire).is_some(), "a frontier is told that is no claim");
            }
            (Message::WantBodies(want), Message::Bodies(answer)) => {
                assert_eq!(want.log, answer.log);
                let log = PublicKey::from_bytes(&want.log).expect("bodies of a log");
                let mut places = want.indexes.iter();
                for sent in answer.bodies {
                    assert!(places.any(|index| *index == sent.index), "bodies come in the order asked");
                    let (entry, _) = &self.records.logs[&log].leaves[sent.index as usize];
                    let entry = Entry::parse(entry, &log, sent.index).expect("a kept entry is sound");
                    assert!(body::unpack(&sent.body, &entry).is_ok(), "a body is sent that is not its entry's");
                }
            }
            (Message::Hello(_) | Message::WantFork(_) | Message::WantBranch(_), Message::Refusal(_)) => {}
            (Message::WantTile(_), Message::Tile(_) | Message::Refusal(_)) => {}
            (Message::WantBranch(_), Message::Branch(branch)) => assert!(!branch.entry.is_empty()),
            (asked, answer) => panic!("{asked:?} was answered by {answer:?}"),
        }
    }

    /// As a node answers a range: chunk after chunk until one is refused or the last was sent. A replica that holds what comes
    /// before takes each.
    fn verify_range(&self, want: &schema::Want) {
        let Ok(log) = PublicKey::from_bytes(&want.log) else { return };
        let mut from = want.from;
        loop {
            let answer = serve::chunk(&self.records, want, from).unwrap_or_else(|never| match never {});
            let encoded = message::encode(answer.clone());
            assert!(encoded.len() <= limits::SYNC_BYTES_MAX);
            assert!(message::decode(&encoded).is_some(), "a chunk cannot be read");
            let chunk = match answer {
                Message::Chunk(chunk) => chunk,
                Message::Refusal(_) => {
                    let kept = self.records.logs.get(&log);
                    let held = kept.map_or(0, |kept| kept.damaged.unwrap_or(kept.tree.size())).min(want.to);
                    let is_any = want.root.is_empty();
                    assert!(!is_any || !(want.from..held).contains(&from), "entry {from} is held and refused");
                    return;
                }
                other => panic!("a run was answered by {other:?}"),
            };
            assert_eq!((chunk.from, chunk.log.as_slice()), (from, want.log.as_slice()));
            assert!((1..=limits::CHUNK_ENTRIES_MAX).contains(&chunk.leaves.len()));
            let kept = &self.records.logs[&log];
            assert_eq!(chunk.total, kept.tree.size());
            let before = match from {
                0 => Log::new(log, kept.open.purpose),
                _ => {
                    let tree = tree::compact_at(kept, from).expect("a run begins within the log");
                    Log::resume(log, kept.open.clone(), tree, kept.closing.clone(), BTreeMap::new(), 0)
                }
            };
            let run = before.verify(&self.records.federation, &chunk, |_| Admission::Whole);
            from = run.expect("a chunk that was sent is verified").after().size();
            assert_eq!(from, chunk.from + chunk.leaves.len() as u64);
            if from >= want.to.min(chunk.total) {
                return;
            }
        }
    }
}
