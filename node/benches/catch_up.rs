//! An empty replica takes all documents from one peer, beside the same without a network, and beside nothing but the disk.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use comity::config::Folder;
use comity::frame;
use comity::keeper::Keeper;
use comity::segments::{Cursor, Replayed, SegmentReader, Segments};
use proto::message;
use proto::replica::{Input, Replica};
use proto::session::Peer;

use crate::corpus::work;
use crate::dialogue::{self, Dialogue};
use crate::stage::{Stage, metric, wait_for};
use crate::table::{Reach, Table};

/// Bytes of answers judged in one turn with one fsync: what the running node lets wait.
const TURN_BYTES: usize = comity::sync::ANSWERS_KIB_MAX * 1024;

/// Everything a peer says to an empty replica.
fn answers(stage: &Stage, source: &Path) -> Dialogue {
    let (keeper, _, _) = Keeper::open(&Folder::new(source)).unwrap();
    let mut replica = Replica::new(stage.keys.charter.clone());
    let records = keeper.reader().archive(keeper.federation());
    let heard = dialogue::sync(&mut replica, &records, &keeper.view().frontier);
    keeper.close().unwrap();
    heard
}

/// The node's own judging and keeping, fed from memory: seconds, and turns with an fsync.
fn fed(folder: &Path, answers: &[Vec<u8>]) -> (f64, usize) {
    let (mut keeper, _, _) = Keeper::open(&Folder::new(folder)).unwrap();
    let peer: Peer = "peer".into();
    let (mut inputs, mut bytes, mut turns) = (vec![Input::Connected(peer.clone())], 0, 0);
    let began = Instant::now();
    for answer in answers {
        inputs.push(Input::Answered(peer.clone(), message::decode(answer).unwrap()));
        bytes += answer.len();
        if bytes >= TURN_BYTES {
            keeper.turn(std::mem::take(&mut inputs)).unwrap();
            (bytes, turns) = (0, turns + 1);
        }
    }
    keeper.turn(inputs).unwrap();
    let seconds = began.elapsed().as_secs_f64();
    keeper.close().unwrap();
    (seconds, turns + 1)
}

/// The very frames, appended and fsynced as often, and nothing else: seconds.
fn bare(folder: &Path, syncs: usize, scratch: &Path) -> f64 {
    let reader = SegmentReader::new(&Folder::new(folder).store().join("segments"));
    let frames = reader.replay(Cursor::default(), None).filter_map(|item| match item.unwrap() {
        Replayed::Frame(frame) => Some((frame.kind, frame.payload)),
        Replayed::Damaged { .. } => None,
    });
    let frames: Vec<(u8, Vec<u8>)> = frames.collect();
    let (mut segments, _) = Segments::open(scratch, frame::is_boundary).unwrap();
    let began = Instant::now();
    for part in frames.chunks(frames.len().div_ceil(syncs)) {
        for (kind, payload) in part {
            segments.append(*kind, 1, 1, payload).unwrap();
        }
        segments.sync().unwrap();
    }
    began.elapsed().as_secs_f64()
}

/// Documents a second that one core could hash, and whose signatures it could verify were each signed on its own.
fn ceilings(stage: &Stage) -> (f64, f64) {
    let bodies: Vec<Vec<u8>> = (0..10_000).map(|number| stage.corpus.body(number).1).collect();
    let began = Instant::now();
    let digests: BTreeSet<_> = bodies.iter().map(|body| proto::digest::Digest::of(body)).collect();
    let hashed = bodies.len() as f64 / began.elapsed().as_secs_f64();
    assert_eq!(digests.len(), bodies.len());
    let key = proto::key::SecretKey::from_seed(&[1; 32]);
    let message = [0; 200];
    let (public, signature) = (key.public(), key.sign(&message));
    let began = Instant::now();
    for _ in 0..2_000 {
        public.verify(&message, &signature).unwrap();
    }
    (hashed, 2_000.0 / began.elapsed().as_secs_f64())
}

/// What a catch-up took.
pub struct Taken {
    /// Seconds until all was held.
    pub held: f64,
    /// Seconds until all was found by search.
    pub searchable: f64,
}

/// The workload. Leaves the folders `source` and `reader`, both indexed, and `fed`, which is not.
pub fn run(stage: &Stage, table: &mut Table) -> Taken {
    let documents = stage.documents;
    let (folder, _) = stage.holding("source", documents);
    let heard = answers(stage, &folder);
    let fed_folder = stage.replica("fed");
    let (fed_seconds, turns) = fed(&fed_folder, &heard.answers);
    let (hashed, verified) = ceilings(stage);
    drop(heard);

    let source = stage.federation.start("source", &[]);
    wait_for("the source has indexed", || source.status()["indexed"] == documents);
    stage.replica("reader");
    // From before the program starts: it calls as soon as it can.
    let began = Instant::now();
    let reader = stage.federation.start("reader", &[&source]);
    wait_for("all are held", || reader.status()["documents"] == documents);
    let held = began.elapsed().as_secs_f64();
    for number in (0..documents).step_by(documents as usize / 100) {
        assert_eq!(reader.get(&format!("/v1/documents/{}", work(number)))["version"], 1);
    }
    let syncs = metric(&reader, "comity_segment_syncs");
    wait_for("all are found", || reader.status()["indexed"] == documents);
    let searchable = began.elapsed().as_secs_f64();
    reader.stop();
    source.stop();
    let bare_seconds = bare(&fed_folder, syncs, &stage.federation.folder("bare"));

    let rate = |seconds: f64| documents as f64 / seconds;
    let figure = format!("{:.0} documents/s over TCP, {syncs} fsyncs", rate(held));
    let words = format!("{:.0}/s fed in process, {turns} fsyncs", rate(fed_seconds));
    table.add("catch-up", figure.clone(), words, fed_seconds / held, Reach::AtLeast(0.6));
    let words = format!("{:.0}/s bare segments, {syncs} fsyncs", rate(bare_seconds));
    table.add("catch-up", figure.clone(), words, bare_seconds / held, Reach::AtLeast(0.2));
    let words = format!("{hashed:.0}/s SHA-256 of one core");
    table.add("catch-up", figure.clone(), words, rate(held) / hashed, Reach::Shown);
    let words = format!("{verified:.0}/s verify_strict of one core");
    table.add("catch-up", figure, words, rate(held) / verified, Reach::Shown);
    Taken { held, searchable }
}
