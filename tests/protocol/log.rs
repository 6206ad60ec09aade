//! One log as a receiver meets it: a chunk is the next run of a log or it is refused with the reason, and nothing changes.

use std::sync::Arc;

use prost::Message as _;
use proto::body::{self, BodyError, Cut, Open, Purpose};
use proto::checkpoint::CheckpointError;
use proto::digest::Digest;
use proto::entry::{Entry, EntryError};
use proto::key::SecretKey;
use proto::limits;
use proto::log::{Admission, Log, RunError};
use proto::replica::Record;
use proto::schema::{self, Kind};
use proto::serve;
use proto::tree;

use crate::world::{Memory, Parliament, Rng, charter, delegates, key, parliaments, summary, want};

/// Finland's library has published nine summaries in three goes; a newcomer holds none of them yet.
struct Library {
    federation: Digest,
    finland: Parliament,
    log: Log,
    archive: Memory,
}

impl Library {
    fn new() -> Library {
        let members = parliaments(2);
        let (federation, finland) = (charter(&members).id(), members[0].clone());
        let log = Log::new(finland.desk.public(), Purpose::Publication);
        let mut library = Library { federation, finland, log, archive: Memory::default() };
        library.publish(&[library.finland.desk_open(), summary("one"), summary("two")]);
        library.publish(&[summary("three"), summary("four")]);
        library.publish(&(5..9).map(|number| summary(&format!("summary {number}"))).collect::<Vec<_>>());
        library
    }

    fn publish(&mut self, bodies: &[(u32, Vec<u8>)]) {
        let run = self.log.write(&self.federation, &self.finland.desk, bodies, 1_700_000_000_000).unwrap();
        self.log.extend(&run);
        self.archive.keep(&Record::Run(Arc::new(run)));
    }

    fn chunk(&self, from: u64, to: u64) -> schema::Chunk {
        match serve::chunk(&self.archive, &want(&self.finland.desk.public(), from, to), from) {
            Ok(schema::sync_message::Message::Chunk(chunk)) => chunk,
            other => panic!("expected a chunk, got {other:?}"),
        }
    }

    fn newcomer(&self) -> Log {
        Log::new(self.finland.desk.public(), Purpose::Publication)
    }

    fn newcomer_with(&self, size: u64) -> Log {
        let mut log = self.newcomer();
        let run = self.verify(&log, &self.chunk(0, size)).unwrap();
        log.extend(&run);
        assert_eq!(log.size(), size);
        log
    }

    fn verify(&self, log: &Log, chunk: &schema::Chunk) -> Result<proto::log::Run, RunError> {
        let identity = self.finland.identity.public();
        let admits = |open: &Open| if open.identity_key == identity { Admission::Whole } else { Admission::Refused };
        log.verify(&self.federation, chunk, admits)
    }

    /// The error with which a newcomer refuses the whole log, altered.
    fn refuses(&self, alter: impl FnOnce(&mut schema::Chunk)) -> RunError {
        let mut chunk = self.chunk(0, 9);
        assert!(self.verify(&self.newcomer(), &chunk).is_ok());
        alter(&mut chunk);
        self.verify(&self.newcomer(), &chunk).unwrap_err()
    }

    /// The bytes of another entry in place of `index`, with its body.
    fn entry(&self, index: u64, change: impl FnOnce(&mut schema::Entry)) -> Vec<u8> {
        let mut wire = schema::Entry::decode(self.chunk(0, 9).leaves[index as usize].entry.as_slice()).unwrap();
        change(&mut wire);
        wire.encode_to_vec()
    }
}

#[test]
fn a_log_arrives_in_pieces_of_any_size_and_every_piece_verifies_by_itself() {
    let library = Library::new();
    for step in 1..=9u64 {
        let mut log = library.newcomer();
        while log.size() < 9 {
            let run = library.verify(&log, &library.chunk(log.size(), log.size() + step)).unwrap();
            log.extend(&run);
        }
        assert_eq!(log.tree(), library.log.tree());
        assert!(log.missing().is_empty());
    }
}

#[test]
fn any_piece_of_a_piece_can_be_handed_on_and_proves_itself() {
    let library = Library::new();
    let desk = library.finland.desk.public();
    let chunk = |memory: &Memory, to| match serve::chunk(memory, &want(&desk, 0, to), 0) {
        Ok(schema::sync_message::Message::Chunk(chunk)) => chunk,
        other => panic!("expected a chunk, got {other:?}"),
    };
    // A relay holds some of nine, closed by the checkpoint over nine; it hands on some of them; and so once more.
    for held in 1..=9 {
        let mut relay = Memory::default();
        relay.keep(&Record::Run(Arc::new(library.verify(&library.newcomer(), &library.chunk(0, held)).unwrap())));
        for piece in 1..=held {
            let run = library.verify(&library.newcomer(), &chunk(&relay, piece)).unwrap();
            assert_eq!((run.after().size(), run.closing().checkpoint.size()), (piece, 9));
            let mut third = Memory::default();
            third.keep(&Record::Run(Arc::new(run.clone())));
            for rest in 1..=piece {
                library.verify(&library.newcomer(), &chunk(&third, rest)).unwrap();
            }
            // A store gives back the very closing it kept.
            let kept = proto::log::Closing::from_wire(&library.federation, &run.closing().to_wire()).unwrap();
            assert_eq!(kept, *run.closing());
        }
    }
    for alter in [
        |closing: &mut schema::Closing| closing.proof[0][0] ^= 1,
        |closing: &mut schema::Closing| drop(closing.proof.pop()),
        |closing: &mut schema::Closing| closing.proof.push(vec![0; 32]),
    ] {
        let mut chunk = library.chunk(0, 3);
        alter(chunk.closing.as_mut().unwrap());
        assert_eq!(library.verify(&library.newcomer(), &chunk).unwrap_err(), RunError::NotJoined(3));
    }
}

#[test]
fn a_chunk_that_overlaps_brings_what_is_new_and_one_beyond_a_gap_waits() {
    let library = Library::new();
    let log = library.newcomer_with(4);
    let run = library.verify(&log, &library.chunk(2, 7)).unwrap();
    assert_eq!((run.from(), run.after().size()), (4, 7));
    assert_eq!(library.verify(&log, &library.chunk(1, 4)).unwrap_err(), RunError::Nothing);
    assert_eq!(library.verify(&log, &library.chunk(6, 9)).unwrap_err(), RunError::Gap { from: 6, held: 4 });
}

#[test]
fn no_byte_of_an_entry_can_be_altered() {
    let library = Library::new();
    let bytes = library.chunk(0, 9).leaves[4].entry.clone();
    for at in 0..bytes.len() {
        let refused = library.refuses(|chunk| chunk.leaves[4].entry[at] ^= 1);
        let named = matches!(refused, RunError::Entry(_) | RunError::Body { index: 4, .. } | RunError::NotJoined(9));
        assert!(named, "byte {at}: {refused}");
    }
    let truncated = library.refuses(|chunk| chunk.leaves[4].entry.truncate(20));
    assert_eq!(truncated, RunError::Entry(EntryError::Shape));
    // The claimed time is read by no rule, but it is signed.
    let redated = library.entry(4, |entry| entry.claimed_ms += 1);
    assert_eq!(library.refuses(|chunk| chunk.leaves[4].entry = redated), RunError::NotJoined(9));
}

#[test]
fn an_entry_stands_in_its_own_place_only() {
    let library = Library::new();
    let swapped = library.refuses(|chunk| chunk.leaves.swap(3, 4));
    assert!(matches!(swapped, RunError::Entry(EntryError::Misplaced { index: 3, said_index: 4, .. })));
    let other_log = library.entry(4, |entry| entry.log = key(99).public().as_bytes().to_vec());
    let refused = library.refuses(|chunk| chunk.leaves[4].entry = other_log);
    assert!(matches!(refused, RunError::Entry(EntryError::Misplaced { index: 4, .. })));
}

#[test]
fn an_entry_has_one_spelling() {
    let library = Library::new();
    let written = library.chunk(0, 9).leaves[4].entry.clone();
    let spelled_otherwise = [
        // An unknown field, a default written out, and a field twice.
        [written.as_slice(), &[0x78, 1]].concat(),
        [written.as_slice(), &[0x28, 0]].concat(),
        [&[0x08, 1], written.as_slice()].concat(),
    ];
    for other in spelled_otherwise {
        let refused = library.refuses(|chunk| chunk.leaves[4].entry = other);
        assert_eq!(refused, RunError::Entry(EntryError::NotCanonical));
    }
    let long = [written.as_slice(), &[0x7a, 0xff, 0x03], &[0; 511]].concat();
    assert_eq!(long.len(), written.len() + 514);
    let refused = library.refuses(|chunk| chunk.leaves[4].entry = long.clone());
    assert_eq!(refused, RunError::Entry(EntryError::TooLong(long.len())));
}

#[test]
fn an_entry_of_another_format_or_with_an_impossible_body_is_refused() {
    let library = Library::new();
    let put = |change: fn(&mut schema::Entry)| {
        let entry = library.entry(4, change);
        library.refuses(|chunk| chunk.leaves[4].entry = entry)
    };
    assert_eq!(put(|entry| entry.version = 2), RunError::Entry(EntryError::Format(2)));
    assert_eq!(put(|entry| entry.body_size = 0), RunError::Entry(EntryError::BodySize(0)));
    let over = limits::BODY_BYTES_MAX as u32 + 1;
    assert_eq!(
        put(|entry| entry.body_size = limits::BODY_BYTES_MAX as u32 + 1),
        RunError::Entry(EntryError::BodySize(over))
    );
    assert_eq!(put(|entry| entry.body_digest.truncate(31)), RunError::Entry(EntryError::Shape));
}

#[test]
fn a_body_is_the_one_its_entry_names() {
    let library = Library::new();
    let five = library.chunk(0, 9).leaves[5].body.clone();
    let refused = library.refuses(|chunk| chunk.leaves[6].body = five);
    assert_eq!(refused, RunError::Body { index: 6, error: BodyError::Digest });
    let frame = library.chunk(0, 9).leaves[4].body.clone();
    for at in 0..frame.len() {
        let refused = library.refuses(|chunk| chunk.leaves[4].body[at] ^= 1);
        assert!(matches!(refused, RunError::Body { index: 4, .. }), "byte {at}: {refused}");
    }
}

#[test]
fn a_publication_may_come_without_its_body_but_entry_0_and_governance_may_not() {
    let library = Library::new();
    let mut chunk = library.chunk(0, 9);
    chunk.leaves[4].body.clear();
    let mut log = library.newcomer();
    let run = library.verify(&log, &chunk).unwrap();
    log.extend(&run);
    assert_eq!(log.missing().keys().copied().collect::<Vec<_>>(), [4]);

    let whole = library.chunk(0, 9);
    assert_eq!(log.find(4, &whole.leaves[5].body), Some(Err(BodyError::Frame)));
    assert_eq!(log.find(5, &whole.leaves[5].body), None);
    assert_eq!(log.find(4, &whole.leaves[4].body).unwrap().unwrap().bytes, summary("four").1);
    assert!(log.missing().is_empty());

    assert_eq!(library.refuses(|chunk| chunk.leaves[0].body.clear()), RunError::NoBody(0));

    let finland = &library.finland;
    let empty = Log::new(finland.identity.public(), Purpose::Governance);
    let acts = [finland.governance_open(), delegates(&finland.desk)];
    let run = empty.write(&library.federation, &finland.identity, &acts, 0).unwrap();
    let mut archive = Memory::default();
    archive.keep(&Record::Run(Arc::new(run)));
    let answer = serve::chunk(&archive, &want(&finland.identity.public(), 0, 2), 0);
    let Ok(schema::sync_message::Message::Chunk(mut chunk)) = answer else { panic!() };
    chunk.leaves[1].body.clear();
    let refused = empty.verify(&library.federation, &chunk, |_| Admission::Whole);
    assert_eq!(refused.unwrap_err(), RunError::NoBody(1));
}

#[test]
fn a_truncated_or_padded_run_does_not_reach_its_checkpoint() {
    let library = Library::new();
    let truncated = library.refuses(|chunk| {
        chunk.leaves.pop();
    });
    assert_eq!(truncated, RunError::NotJoined(8));
    let stripped = library.refuses(|chunk| chunk.closing = None);
    assert_eq!(stripped, RunError::Shape);
    assert_eq!(library.refuses(|chunk| chunk.leaves.clear()), RunError::Nothing);
    let flood = library.refuses(|chunk| chunk.leaves = vec![chunk.leaves[0].clone(); limits::CHUNK_ENTRIES_MAX + 1]);
    assert_eq!(flood, RunError::Shape);
    let long_proof = library.refuses(|chunk| chunk.closing.as_mut().unwrap().proof = vec![vec![0; 32]; 129]);
    assert_eq!(long_proof, RunError::Shape);
    let short_hash = library.refuses(|chunk| chunk.closing.as_mut().unwrap().proof = vec![vec![0; 31]]);
    assert_eq!(short_hash, RunError::Shape);
}

#[test]
fn only_the_logs_own_key_can_close_a_run() {
    let library = Library::new();
    let signature = library.refuses(|chunk| {
        let note = &mut chunk.closing.as_mut().unwrap().checkpoint;
        let at = note.len() - 12;
        note[at] = if note[at] == b'A' { b'B' } else { b'A' };
    });
    assert_eq!(signature, RunError::Checkpoint(CheckpointError::Signature));

    let close = |federation: Digest, signer: &SecretKey, size: u64, root: Digest| {
        let unsigned = proto::checkpoint::Checkpoint { federation, log: signer.public(), size, root };
        let note = unsigned.sign(signer).unwrap().as_bytes().to_vec();
        library.refuses(|chunk| chunk.closing.as_mut().unwrap().checkpoint = note)
    };
    let (root, desk) = (library.log.tree().root(), &library.finland.desk);
    assert_eq!(close(library.federation, &key(99), 9, root), RunError::NotJoined(9));
    assert_eq!(close(Digest([0; 32]), desk, 9, root), RunError::Checkpoint(CheckpointError::Federation));
    assert_eq!(close(library.federation, desk, 8, root), RunError::NotJoined(9));
    assert_eq!(close(library.federation, desk, 10, root), RunError::NotJoined(9));
    assert_eq!(close(library.federation, desk, 9, Digest([0; 32])), RunError::NotJoined(9));
    let shape = library.refuses(|chunk| chunk.closing.as_mut().unwrap().checkpoint.push(b'\n'));
    assert_eq!(shape, RunError::Checkpoint(CheckpointError::Shape));
}

#[test]
fn entry_0_opens_the_log_as_the_key_was_made_known() {
    let library = Library::new();
    let desk = &library.finland.desk;
    let opened_with = |body: (u32, Vec<u8>)| {
        let run = library.newcomer().write(&library.federation, desk, &[body], 0).unwrap();
        let mut archive = Memory::default();
        let chunk = schema::Chunk {
            log: desk.public().as_bytes().to_vec(),
            from: 0,
            total: 1,
            leaves: vec![schema::Leaf {
                entry: run.leaves()[0].entry.as_bytes().to_vec(),
                body: run.leaves()[0].body.as_ref().unwrap().frame.clone(),
            }],
            closing: Some(run.closing().to_wire()),
            joined: Vec::new(),
        };
        let verified = library.verify(&library.newcomer(), &chunk);
        if let Ok(run) = &verified {
            archive.keep(&Record::Run(Arc::new(run.clone())));
        }
        verified
    };
    let kenya = &parliaments(2)[1];
    assert!(opened_with(library.finland.desk_open()).is_ok());
    assert_eq!(opened_with(kenya.desk_open()).unwrap_err(), RunError::Open);
    assert_eq!(opened_with(summary("no open")).unwrap_err(), RunError::Open);
    let (_, body) = library.finland.desk_open();
    assert_eq!(opened_with((Kind::LawSummary as u32, body.clone())).unwrap_err(), RunError::Open);
    let newer = [body.as_slice(), &[0x78, 1]].concat();
    assert_eq!(opened_with((Kind::Open as u32, newer)).unwrap_err(), RunError::Open);
}

#[test]
fn a_cut_ends_a_log_for_those_who_hold_none_of_it_too() {
    let library = Library::new();
    let until = |size: u64, chunk: &schema::Chunk| {
        let root = library.newcomer_with(6).tree().root();
        let cut = Cut::new(library.finland.desk.public(), size, root);
        let run = library.newcomer().verify(&library.federation, chunk, |_| Admission::Until(&cut));
        run.map(|run| run.after().size())
    };
    assert_eq!(until(6, &library.chunk(0, 9)), Err(RunError::Ended(6)));
    assert_eq!(until(6, &library.chunk(0, 6)), Ok(6));
    assert_eq!(until(0, &library.chunk(0, 1)), Err(RunError::Ended(0)));
    assert_eq!(until(5, &library.chunk(0, 5)), Err(RunError::OffCut(5)), "the cut names another root");
}

#[test]
fn a_governance_log_ends_at_its_bounds_on_all_replicas_alike() {
    let library = Library::new();
    let finland = &library.finland;
    let open = Log::new(finland.identity.public(), Purpose::Governance);
    let draft = (Kind::Draft as u32, vec![7; limits::BODY_BYTES_MAX]);
    let full = (limits::GOVERNANCE_BODY_BYTES_MAX / limits::BODY_BYTES_MAX as u64) as usize;
    let mut log = open.clone();
    log.extend(&open.write(&library.federation, &finland.identity, &[finland.governance_open()], 0).unwrap());
    assert!(log.write(&library.federation, &finland.identity, &vec![draft.clone(); full - 1], 0).is_ok());
    let over = log.write(&library.federation, &finland.identity, &vec![draft; full], 0);
    assert_eq!(over.unwrap_err(), RunError::Ended(1));
    let small = (Kind::Draft as u32, vec![7; 20]);
    let many =
        log.write(&library.federation, &finland.identity, &vec![small; limits::GOVERNANCE_ENTRIES_MAX as usize], 0);
    assert_eq!(many.unwrap_err(), RunError::Ended(1));
}

#[test]
fn what_no_replica_would_take_is_not_written() {
    let library = Library::new();
    let write = |body: Vec<u8>| {
        let bodies = [(Kind::LawSummary as u32, body)];
        library.log.write(&library.federation, &library.finland.desk, &bodies, 0).map(|_| ()).unwrap_err()
    };
    assert_eq!(write(Vec::new()), RunError::Entry(EntryError::BodySize(0)));
    let long = limits::BODY_BYTES_MAX + 1;
    assert_eq!(write(vec![0; long]), RunError::Body { index: 9, error: BodyError::TooLong(long) });
    let other = library.log.write(&library.federation, &key(99), &[summary("not the log's key")], 0);
    assert_eq!(other.unwrap_err(), RunError::Checkpoint(CheckpointError::Signature));
    let nothing = library.log.write(&library.federation, &library.finland.desk, &[], 0);
    assert_eq!(nothing.unwrap_err(), RunError::Nothing);
}

// ---------------------------------------------------------------------------------------------- frames of bodies

fn entry_for(body: &[u8]) -> Entry {
    Entry::new(key(2).public(), 3, 0, Kind::LawSummary as u32, body)
}

#[test]
fn a_body_travels_as_one_frame_and_comes_out_as_it_went_in() {
    let mut rng = Rng::new(1);
    for size in [1, 16, 1000, 65_536, limits::BODY_BYTES_MAX] {
        for body in [vec![b'a'; size], rng.bytes(size)] {
            let frame = body::pack(&body).unwrap();
            assert!(frame.len() <= limits::FRAME_BYTES_MAX);
            assert_eq!(body::unpack(&frame, &entry_for(&body)).unwrap(), body);
        }
    }
    assert_eq!(body::pack(&vec![0; limits::BODY_BYTES_MAX + 1]), Err(BodyError::TooLong(limits::BODY_BYTES_MAX + 1)));
}

#[test]
fn a_frame_is_one_and_whole() {
    let body = summary("a text").1;
    let (frame, entry) = (body::pack(&body).unwrap(), entry_for(&body));
    let empty = zstd::bulk::compress(&[], 3).unwrap();
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 7];
    let long = vec![0; limits::FRAME_BYTES_MAX + 1];
    let not_one = [
        [frame.as_slice(), &[0]].concat(),
        [frame.as_slice(), &empty].concat(),
        [empty.as_slice(), &frame].concat(),
        [skippable.as_slice(), &frame].concat(),
        frame[..frame.len() - 1].to_vec(),
        frame[..5].to_vec(),
        vec![0],
        body,
    ];
    for wrong in not_one {
        assert_eq!(body::unpack(&wrong, &entry), Err(BodyError::Frame));
    }
    assert_eq!(body::unpack(&long, &entry), Err(BodyError::TooLong(long.len())));
}

#[test]
fn a_bomb_is_refused_by_what_it_declares() {
    // 64 MiB of zeros pack to a few KiB; the entry names a small body.
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
    assert!(bomb.len() < limits::FRAME_BYTES_MAX);
    assert_eq!(body::unpack(&bomb, &entry_for(&[0; 100])), Err(BodyError::Frame));

    // It declares the size its entry names, and holds more: an RLE block of 128 KiB in a single segment of 100 bytes.
    let declares_less = [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, 100], &[0x03, 0x00, 0x10, 0x00][..]].concat();
    assert_eq!(body::unpack(&declares_less, &entry_for(&[0; 100])), Err(BodyError::Frame));

    // It does not declare a size at all.
    let mut streamed = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
    std::io::Write::write_all(&mut streamed, &[0; 100]).unwrap();
    assert_eq!(body::unpack(&streamed.finish().unwrap(), &entry_for(&[0; 100])), Err(BodyError::Frame));
}

#[test]
fn a_frame_asks_for_no_window_over_a_mebibyte() {
    // Magic, descriptor (content size in 4 bytes, no single segment), window, content size, one raw block.
    let frame = |window: u8| {
        let head = [0x28, 0xb5, 0x2f, 0xfd, 0x80, window];
        [&head[..], &4u32.to_le_bytes(), &[0x21, 0, 0], b"text"].concat()
    };
    let entry = entry_for(b"text");
    assert_eq!(body::unpack(&frame((20 - 10) << 3), &entry), Ok(b"text".to_vec()));
    assert_eq!(body::unpack(&frame((20 - 10) << 3 | 1), &entry), Err(BodyError::Frame));
    assert_eq!(body::unpack(&frame((30 - 10) << 3), &entry), Err(BodyError::Frame));
}

#[test]
fn an_entrys_digest_is_its_leaf_hash() {
    let entry = entry_for(b"text");
    assert_eq!(entry.digest(), Digest::of(&[&[0], entry.as_bytes()].concat()));
    assert_eq!(entry.digest(), tree::leaf_hash(entry.as_bytes()));
    assert!(entry.as_bytes().len() < limits::ENTRY_BYTES_MAX);
    let largest = Entry::new(key(2).public(), u64::MAX, u64::MAX, u32::MAX, &vec![0; limits::BODY_BYTES_MAX]);
    assert_eq!(Entry::parse(largest.as_bytes(), &key(2).public(), u64::MAX).unwrap(), largest);
}
