//! What the fuzzers ask of the protocol: one function a target, each with properties that hold for any bytes. The fuzzers
//! look for bytes that break one; `tests/run` asks the same of every input that was kept.

use std::sync::{Arc, LazyLock};

use proto::body::{self, Act, Open, Purpose};
use proto::charter::{Charter, Member};
use proto::checkpoint::SignedCheckpoint;
use proto::digest::Digest;
use proto::entry::Entry;
use proto::key::{PublicKey, SecretKey};
use proto::limits;
use proto::message;
use proto::note::Note;
use proto::proof::TlogProof;
use proto::replica::{Effect, Input, Record, Replica, Verdict};
use proto::schema::sync_message::Message;
use proto::schema::{self, Kind};
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

/// A note has one spelling, and nobody's signature is on what nobody signed.
pub fn note(bytes: &[u8]) {
    let stage = &*STAGE;
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.to_bytes(), bytes);
        for name in ["comity/FI", "x"] {
            assert!(note.verify(name, &stage.desk.public()).is_err() || stage.signed(&note.text));
        }
        let mut again = note;
        again.sign("comity/FI", &stage.desk);
        assert_eq!(again.verify("comity/FI", &stage.desk.public()), Ok(()));
        assert_eq!(Note::parse(&again.to_bytes()), Ok(again));
    }
    if let Ok(checkpoint) = SignedCheckpoint::verify(bytes, &stage.charter.id()) {
        assert_eq!(checkpoint.as_bytes(), bytes);
        assert!(bytes.len() <= limits::CHECKPOINT_BYTES_MAX);
    }
}

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

/// A charter is written as it is read, and only its founders' signatures make it one.
pub fn charter(bytes: &[u8]) {
    let Ok(charter) = Charter::verify(bytes) else { return };
    assert_eq!(charter.to_bytes(), bytes);
    assert!(bytes.len() <= limits::CHARTER_BYTES_MAX);
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
/// is a sequence of answers: a byte that chooses, a length, and either the answer itself or what is altered in a true one.
pub fn sync(bytes: &[u8]) {
    let stage = &*STAGE;
    let mut replica = stage.replica();
    let peer: Peer = "peer".into();
    let mut rest = bytes;
    let mut effects = replica.handle(1, Input::Connected(peer.clone())).expect("nothing is written");
    for turn in 2..64 {
        stage.judge(&replica, &effects);
        let Some(([choice, head @ ..], tail)) = rest.split_first_chunk::<3>() else { break };
        let len = usize::from(u16::from_be_bytes(*head)).min(tail.len());
        let (one, tail) = tail.split_at(len);
        rest = tail;
        let one = match stage.answers.get(usize::from(*choice)) {
            Some(honest) => altered(honest, one),
            None => one.to_vec(),
        };
        let input = match message::decode(&one) {
            Some(answer) => {
                assert_eq!(message::decode(&message::encode(answer.clone())).as_ref(), Some(&answer));
                Input::Answered(peer.clone(), answer)
            }
            None => Input::Tick,
        };
        effects = replica.handle(turn * 1_000, input).expect("nothing is written");
        if !replica.peers()[&peer].syncing {
            let frontier = replica.frontier().to_wire();
            effects
                .extend(replica.handle(turn * 1_000, Input::Told(peer.clone(), frontier)).expect("nothing is written"));
            effects.extend(replica.handle(turn * 20_000, Input::Tick).expect("nothing is written"));
        }
    }
    stage.judge(&replica, &effects);
}

/// Gossip may say anything: it is judged, and what is kept of it is verified. The first byte chooses: the bytes as they are, or
/// a true announcement with some of its bytes altered.
pub fn gossip(bytes: &[u8]) {
    let stage = &*STAGE;
    let Some((choice, rest)) = bytes.split_first() else { return };
    let mut replica = stage.replica();
    let honest = stage.announced.get(usize::from(*choice));
    let sent = honest.map_or_else(|| rest.to_vec(), |honest| altered(honest, rest));
    let is_true = honest.is_some_and(|honest| *honest == sent);
    let input = Input::Gossip { from: "peer".into(), id: 7, bytes: sent };
    let effects = replica.handle(1, input).expect("nothing is written");
    let Some(Effect::Judge { id: 7, verdict, .. }) = effects.last() else { panic!("gossip was not judged") };
    assert!(!is_true || *verdict == Verdict::Accept, "true gossip is forwarded");
    stage.judge(&replica, &effects);
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
    /// What a peer that holds twenty entries more answers: greeting, frontier, chunk.
    answers: Vec<Vec<u8>>,
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
        let open = |purpose, successor_digest| Open {
            purpose,
            member: "FI".to_owned(),
            identity_key: identity.public(),
            successor_digest,
            predecessor: None,
        };
        let governance = vec![
            (Kind::Open as u32, open(Purpose::Governance, Some(successor_digest)).to_body([4; 16])),
            (Kind::Delegate as u32, body::delegation(&desk.public(), "Library", [5; 16])),
        ];
        let library = vec![
            (Kind::Open as u32, open(Purpose::Publication, None).to_body([6; 16])),
            (Kind::LawSummary as u32, b"a text".to_vec()),
        ];
        let records = vec![(identity.public(), governance), (desk.public(), library)];
        let mut stage =
            Stage { identity, desk, charter: Arc::new(charter), records, announced: Vec::new(), answers: Vec::new() };
        for bodies in [
            vec![(Kind::LawSummary as u32, b"the next text".to_vec())],
            vec![(Kind::LawSummary as u32, vec![b'x'; limits::BODY_BYTES_MAX])],
            (0..20).map(|number| (Kind::LawSummary as u32, vec![number + 1])).collect(),
        ] {
            let mut author = stage.replica();
            let written = author.handle(1, Input::Write { log: stage.desk.public(), bodies }).expect("the desk writes");
            stage.answers = stage.told(&author, &written);
            stage.announced.extend(written.into_iter().find_map(|effect| match effect {
                Effect::Announce(bytes) => Some(bytes),
                _ => None,
            }));
        }
        stage
    }

    fn replica(&self) -> Replica {
        let mut replica = Replica::new(self.charter.clone());
        replica.hold_key(self.identity.clone());
        replica.hold_key(self.desk.clone());
        for (log, bodies) in &self.records {
            replica.handle(0, Input::Write { log: *log, bodies: bodies.clone() }).expect("its own keys write");
        }
        replica
    }

    fn told(&self, author: &Replica, written: &[Effect]) -> Vec<Vec<u8>> {
        let frontier = author.frontier();
        let chunks = written.iter().filter_map(|effect| match effect {
            Effect::Keep(Record::Run(run)) => Some(Message::Chunk(schema::Chunk {
                log: run.log().as_bytes().to_vec(),
                from: run.from(),
                total: run.after().size(),
                leaves: run.leaves().iter().map(leaf).collect(),
                closing: Some(run.closing().to_wire()),
            })),
            _ => None,
        });
        let greetings =
            [message::hello(&frontier.federation, &frontier.digest()), Message::Frontier(frontier.to_wire())];
        greetings.into_iter().chain(chunks).map(message::encode).collect()
    }

    /// Whether a text is one that the stage's desk may have signed.
    fn signed(&self, text: &str) -> bool {
        text.starts_with("comity")
    }

    /// Everything that is kept is verified from its bytes alone, and what is asked for is within the bounds.
    fn judge(&self, replica: &Replica, effects: &[Effect]) {
        assert!(replica.log(&self.desk.public()).is_some_and(|log| log.size() >= 2), "a log became shorter");
        for effect in effects {
            match effect {
                Effect::Keep(Record::Run(run)) => {
                    let mut leaves = 0;
                    for (leaf, index) in run.leaves().iter().zip(run.from()..) {
                        let entry =
                            Entry::parse(leaf.entry.as_bytes(), run.log(), index).expect("a kept entry is sound");
                        if let Some(body) = &leaf.body {
                            assert_eq!(body::unpack(&body.frame, &entry).as_ref(), Ok(&body.bytes));
                        }
                        leaves += 1;
                    }
                    assert!((1..=limits::CHUNK_ENTRIES_MAX).contains(&leaves));
                    let checkpoint = SignedCheckpoint::verify(run.closing().checkpoint.as_bytes(), &self.charter.id());
                    let checkpoint = checkpoint.expect("a kept closing is signed");
                    let (end, root) = (run.after().size(), run.after().root());
                    let joined = tree::root_from_consistency(end, &root, checkpoint.size(), &run.closing().proof);
                    assert_eq!(joined.as_ref(), Ok(checkpoint.root()));
                }
                Effect::Keep(Record::Body { body, .. }) => assert!(body.bytes.len() <= limits::BODY_BYTES_MAX),
                Effect::Open(_, asked) | Effect::Ask(_, asked) => {
                    assert!(message::encode(asked.clone()).len() <= limits::SYNC_BYTES_MAX);
                }
                _ => {}
            }
        }
    }
}
