//! Streams for sync: messages, each preceded by its length, how many are answered at once, and how slow they may be.
//!
//! A parliament with a line of 64 kbit/s is an honest one. So slowness is a fault only far below that, a message has no
//! time of its own as long as bytes come and go, and what protects us from those who hold our answers is that one of them gives
//! way when all places are taken: first whoever has two, then the slowest.

use std::collections::HashMap;
use std::future::{Future, pending};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures::io::{ReadHalf, WriteHalf};
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::PeerId;
use proto::limits;
use proto::session::Peer;
use thiserror::Error;
use tokio::sync::{Notify, mpsc};

use super::interface::Command;
use crate::conduct::{Bound, Bucket, uptime_ms};

/// Syncs of one peer that are answered at once: one, and one that broke off and was not yet noticed.
const SYNCS_PER_PEER: usize = 2;
/// Syncs of all peers that are answered at once; each holds a chunk of up to 1.3 MiB.
pub(super) const SYNCS_MAX: usize = 32;
/// Syncs of one peer begun in a row, and how many a second after that: as often as gossip may give a reason for one.
const BEGUN_BURST: f64 = 100.0;
/// Syncs a second.
const BEGUN_PER_SECOND: f64 = 20.0;
/// Time after which a sync may have to give way: before that its pace says nothing.
const GIVE_WAY_AFTER: Duration = Duration::from_secs(2);
/// Seconds without a byte read after which a sync is given up.
const SYNC_IDLE: Duration = Duration::from_secs(30);
/// Bytes a second below which a message is given up: a sixteenth of a line of 64 kbit/s, which may carry that many syncs.
const SYNC_RATE_MIN: u64 = 512;
/// Seconds over which that is measured. The other end says only every 128 KiB that it took something, and at the lowest rate that
/// takes so long.
const SYNC_WINDOW: Duration = Duration::from_secs(128 * 1024 / SYNC_RATE_MIN);
/// Bytes that are read or written at once: so often is looked at the pace.
const STEP: usize = 16 * 1024;

/// More than [`SYNCS_PER_PEER`].
const SYNCS: Bound = Bound { name: "2 syncs of one peer at once", per_fault: 20 };
/// More than [`SYNCS_MAX`], and none that could give way. The doing of others.
const SYNCS_OF_ALL: Bound = Bound { name: "32 syncs of all peers at once", per_fault: 0 };
/// Faster than [`BEGUN_PER_SECOND`].
const BEGUN: Bound = Bound { name: "20 syncs of one peer begun in a second", per_fault: 200 };
/// The slowest, when another needed the place. A weak line is no fault.
const GAVE_WAY: Bound = Bound { name: "the slowest of 32 syncs gave way", per_fault: 0 };
/// [`SYNC_IDLE`].
const IDLE: Bound = Bound { name: "30 seconds of silence in a sync", per_fault: 5 };
/// [`SYNC_RATE_MIN`].
const SLOW: Bound = Bound { name: "512 bytes a second of a sync at least", per_fault: 5 };

/// Why a sync ended early.
#[derive(Debug, Error)]
pub enum SyncError {
    /// A message is announced that nobody may send.
    #[error("announced a message of {0} bytes")]
    TooLong(usize),
    /// Nothing came.
    #[error("nothing came for 30 seconds")]
    Idle,
    /// Too little came or went.
    #[error("less than {SYNC_RATE_MIN} bytes came or went a second")]
    Slow,
    /// Another needed its place.
    #[error("it was the slowest when another needed its place")]
    GaveWay,
    /// The line broke.
    #[error(transparent)]
    Line(#[from] io::Error),
}

impl SyncError {
    /// The bound that whoever is at the other end met.
    pub fn bound(&self) -> Option<&'static Bound> {
        match self {
            SyncError::Idle => Some(&IDLE),
            SyncError::Slow => Some(&SLOW),
            // Counted when it was told to.
            SyncError::GaveWay | SyncError::TooLong(_) | SyncError::Line(_) => None,
        }
    }
}

/// A sync stream as it was opened.
pub struct SyncStream {
    /// Who is at the other end.
    pub peer: Peer,
    stream: libp2p::Stream,
    place: Option<Arc<Place>>,
}

/// The reading half: messages, each preceded by its length.
pub struct SyncReader {
    stream: ReadHalf<libp2p::Stream>,
    place: Option<Arc<Place>>,
    came: Arc<AtomicU64>,
}

/// The writing half.
pub struct SyncWriter {
    stream: WriteHalf<libp2p::Stream>,
    place: Option<Arc<Place>>,
}

/// The place of a sync that is answered, as long as one of its halves is held.
struct Place {
    peer: PeerId,
    since: Instant,
    moved: AtomicU64,
    give_way: Notify,
}

impl SyncStream {
    pub(super) fn new(peer: Peer, stream: libp2p::Stream) -> SyncStream {
        SyncStream { peer, stream, place: None }
    }

    /// Both halves, so that reading and writing do not wait for each other.
    pub fn split(self) -> (SyncReader, SyncWriter) {
        let (read, write) = self.stream.split();
        let reader = SyncReader { stream: read, place: self.place.clone(), came: Arc::default() };
        (reader, SyncWriter { stream: write, place: self.place })
    }
}

impl SyncReader {
    /// Bytes that came since whoever holds this last emptied it, to be looked at while a message is awaited.
    pub fn came(&self) -> Arc<AtomicU64> {
        self.came.clone()
    }

    /// The next message; `None` where the other side closed in order.
    pub async fn read(&mut self) -> Result<Option<Vec<u8>>, SyncError> {
        let mut head = [0; 4];
        match wait(&self.place, FOR_A_BYTE, self.stream.read_exact(&mut head)).await {
            Ok(()) => {}
            Err(SyncError::Line(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        // A place is held by whoever answers, and is asked; questions are smaller than answers.
        let most = if self.place.is_some() { limits::QUESTION_BYTES_MAX } else { limits::SYNC_BYTES_MAX };
        let len = u32::from_be_bytes(head) as usize;
        if len > most {
            return Err(SyncError::TooLong(len));
        }
        let (mut bytes, mut step, mut pace) = (Vec::new(), vec![0; STEP.min(len)], Pace::new(uptime_ms()));
        while bytes.len() < len {
            let room = STEP.min(len - bytes.len());
            let into = step.get_mut(..room).unwrap_or_default();
            let got = wait(&self.place, FOR_A_BYTE, self.stream.read(into)).await?;
            if got == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            bytes.extend_from_slice(step.get(..got).unwrap_or_default());
            self.came.fetch_add(got as u64, Ordering::Relaxed);
            count(&self.place, &mut pace, got)?;
        }
        Ok(Some(bytes))
    }
}

impl SyncWriter {
    /// Sends a message. Returns once the line has taken it, so that a slow reader slows its sender.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), SyncError> {
        let mut pace = Pace::new(uptime_ms());
        let head = (bytes.len() as u32).to_be_bytes();
        for step in std::iter::once(head.as_slice()).chain(bytes.chunks(STEP)) {
            wait(&self.place, TO_BE_TAKEN, self.stream.write_all(step)).await?;
            count(&self.place, &mut pace, step.len())?;
        }
        wait(&self.place, TO_BE_TAKEN, self.stream.flush()).await
    }

    /// Closes in order.
    pub async fn close(mut self) {
        let _ = wait(&self.place, FOR_A_BYTE, self.stream.close()).await;
    }
}

/// How long the line is waited for, and what is said when that was in vain.
type Patience = (Duration, fn() -> SyncError);

/// [`SYNC_IDLE`].
const FOR_A_BYTE: Patience = (SYNC_IDLE, || SyncError::Idle);
/// [`SYNC_WINDOW`]: one step may be all that the lowest rate takes in it.
const TO_BE_TAKEN: Patience = (SYNC_WINDOW, || SyncError::Slow);

/// Waits for the line, but not for ever, and not where another needs the place.
async fn wait<T>(
    place: &Option<Arc<Place>>,
    (longest, in_vain): Patience,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, SyncError> {
    let told = async {
        match place {
            Some(place) => place.give_way.notified().await,
            None => pending().await,
        }
    };
    tokio::select! {
        done = work => Ok(done?),
        () = told => Err(SyncError::GaveWay),
        () = tokio::time::sleep(longest) => Err(in_vain()),
    }
}

/// Counts what moved, for the place and for the pace of its message.
fn count(place: &Option<Arc<Place>>, pace: &mut Pace, bytes: usize) -> Result<(), SyncError> {
    if let Some(place) = place {
        place.moved.fetch_add(bytes as u64, Ordering::Relaxed);
    }
    if pace.keeps_up(uptime_ms(), bytes as u64) { Ok(()) } else { Err(SyncError::Slow) }
}

/// How fast the bytes of one message move. Pure: time is an argument.
struct Pace {
    since_ms: u64,
    moved: u64,
}

impl Pace {
    fn new(now_ms: u64) -> Pace {
        Pace { since_ms: now_ms, moved: 0 }
    }

    /// Whether what moves reaches [`SYNC_RATE_MIN`] over every [`SYNC_WINDOW`].
    fn keeps_up(&mut self, now_ms: u64, bytes: u64) -> bool {
        self.moved += bytes;
        if now_ms.saturating_sub(self.since_ms) < SYNC_WINDOW.as_millis() as u64 {
            return true;
        }
        let enough = self.moved >= SYNC_RATE_MIN * SYNC_WINDOW.as_secs();
        *self = Pace::new(now_ms);
        enough
    }
}

/// Hands over the streams others open, as many at once as may be answered; the rest is closed at once.
pub(super) async fn accept(
    mut incoming: libp2p_stream::IncomingStreams,
    streams: mpsc::Sender<SyncStream>,
    commands: mpsc::Sender<Command>,
) {
    let mut places = Places::default();
    while let Some((peer, stream)) = incoming.next().await {
        let name: Peer = peer.to_string().into();
        let (place, met) = places.take(peer, Instant::now(), uptime_ms());
        if let Some((who, bound)) = met {
            // Lost where the task is busy: it was only one more.
            let _ = commands.try_send(Command::Met { peer: who.to_string().into(), bound });
        }
        let Some(place) = place else { continue };
        if streams.send(SyncStream { peer: name, stream, place: Some(place) }).await.is_err() {
            return;
        }
    }
}

/// The places of all syncs that are answered.
#[derive(Default)]
struct Places {
    taken: Vec<Weak<Place>>,
    begun: HashMap<PeerId, Bucket>,
}

impl Places {
    /// A place, where there is one, and the bound that someone met.
    fn take(
        &mut self,
        peer: PeerId,
        now: Instant,
        now_ms: u64,
    ) -> (Option<Arc<Place>>, Option<(PeerId, &'static Bound)>) {
        self.taken.retain(|place| place.strong_count() > 0);
        let taken: Vec<Arc<Place>> = self.taken.iter().filter_map(Weak::upgrade).collect();
        if taken.iter().filter(|place| place.peer == peer).count() >= SYNCS_PER_PEER {
            return (None, Some((peer, &SYNCS)));
        }
        if self.begun.len() >= 1024 {
            // More than are ever connected: forget those who are not being answered.
            self.begun.retain(|peer, _| taken.iter().any(|place| place.peer == *peer));
        }
        if !self.begun.entry(peer).or_default().take(now_ms, 1.0, BEGUN_BURST, BEGUN_PER_SECOND) {
            return (None, Some((peer, &BEGUN)));
        }
        let mut met = None;
        if taken.len() >= SYNCS_MAX {
            let Some(slowest) = gives_way(&taken, &peer, now) else {
                return (None, Some((peer, &SYNCS_OF_ALL)));
            };
            slowest.give_way.notify_one();
            self.taken.retain(|place| place.as_ptr() != Arc::as_ptr(slowest));
            met = Some((slowest.peer, &GAVE_WAY));
        }
        let place = Arc::new(Place { peer, since: now, moved: AtomicU64::new(0), give_way: Notify::new() });
        self.taken.push(Arc::downgrade(&place));
        (Some(place), met)
    }
}

/// Whose place a caller gets when all are taken: its own other one, which must have broken off; else the slowest of those who
/// have two, however new, so that whoever has none gets in; else the slowest of those that are not new.
fn gives_way<'a>(taken: &'a [Arc<Place>], caller: &PeerId, now: Instant) -> Option<&'a Arc<Place>> {
    let age = |place: &Place| now.saturating_duration_since(place.since);
    let pace = |place: &Place| place.moved.load(Ordering::Relaxed) as f64 / age(place).as_secs_f64().max(0.001);
    let has_two = |peer: &PeerId| taken.iter().filter(|place| place.peer == *peer).count() > 1;
    let slowest = |may: &dyn Fn(&Place) -> bool| {
        taken.iter().filter(|place| may(place)).min_by(|a, b| pace(a).total_cmp(&pace(b)))
    };
    slowest(&|place| place.peer == *caller)
        .or_else(|| slowest(&|place| has_two(&place.peer)))
        .or_else(|| slowest(&|place| age(place) >= GIVE_WAY_AFTER))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::{Duration, Instant};

    use libp2p::PeerId;

    use super::{
        BEGUN, FOR_A_BYTE, GAVE_WAY, IDLE, Pace, Place, Places, SLOW, SYNC_IDLE, SYNC_RATE_MIN, SYNC_WINDOW, SYNCS,
        SYNCS_MAX, SYNCS_OF_ALL, SyncError, TO_BE_TAKEN, count, uptime_ms, wait,
    };

    /// The second in which a line that carries so many bytes a second is given up, of so many seconds.
    fn given_up(bytes_a_second: u64, seconds: u64) -> Option<u64> {
        let mut pace = Pace::new(0);
        (1..=seconds).find(|second| !pace.keeps_up(second * 1000, bytes_a_second))
    }

    #[test]
    fn whoever_moves_less_than_512_bytes_a_second_is_given_up_after_the_window_and_a_weak_line_is_not() {
        let (window, day) = (SYNC_WINDOW.as_secs(), 24 * 3600);
        assert_eq!((window, SYNC_RATE_MIN), (256, 512));
        assert_eq!(given_up(1, day), Some(window));
        assert_eq!(given_up(SYNC_RATE_MIN - 1, day), Some(window));
        assert_eq!(given_up(SYNC_RATE_MIN, day), None);
        assert_eq!(given_up(1024, day), None, "eight peers on a line of 64 kbit/s");
        // A line that stalls for three minutes and then carries what it owes is an honest one.
        let mut pace = Pace::new(0);
        assert!(pace.keeps_up(180_000, 0) && pace.keeps_up(255_000, 128 * 1024) && pace.keeps_up(256_000, 1));
        // What came in the first window is no credit for the next.
        let mut pace = Pace::new(0);
        assert!(pace.keeps_up(256_000, 1 << 30) && !pace.keeps_up(512_000, 1));
    }

    #[tokio::test]
    async fn a_line_is_not_waited_for_without_end_and_whoever_gives_way_stops_at_once() {
        let silence = || std::future::pending::<std::io::Result<()>>();
        // The waiting itself, in a moment instead of half a minute.
        let briefly = |(_, in_vain)| (Duration::from_millis(1), in_vain);
        let idle = wait(&None, briefly(FOR_A_BYTE), silence()).await.unwrap_err();
        let slow = wait(&None, briefly(TO_BE_TAKEN), silence()).await.unwrap_err();
        assert_eq!((idle.bound(), slow.bound()), (Some(&IDLE), Some(&SLOW)));
        assert_eq!((FOR_A_BYTE.0, SYNC_IDLE.as_secs(), TO_BE_TAKEN.0), (SYNC_IDLE, 30, SYNC_WINDOW));
        let place = Some(Places::default().take(PeerId::random(), Instant::now(), 0).0.unwrap());
        let told: &Place = place.as_ref().unwrap();
        told.give_way.notify_one();
        assert!(matches!(wait(&place, FOR_A_BYTE, silence()).await, Err(SyncError::GaveWay)));
        assert!(count(&place, &mut Pace::new(uptime_ms()), 7).is_ok());
        assert_eq!(told.moved.load(Ordering::Relaxed), 7, "by which the slowest is told");
    }

    #[test]
    fn where_all_places_are_taken_the_slowest_gives_way_but_nobody_who_only_just_came() {
        let (mut places, now) = (Places::default(), Instant::now());
        let peers: Vec<PeerId> = (0..SYNCS_MAX).map(|_| PeerId::random()).collect();
        let held: Vec<_> = peers.iter().map(|peer| places.take(*peer, now, 0).0.unwrap()).collect();
        for (place, moved) in held.iter().zip(1..) {
            place.moved.store(if moved == 7 { 3 } else { moved * 1000 }, Ordering::Relaxed);
        }
        let newcomer = PeerId::random();
        assert_eq!(places.take(newcomer, now, 0).1, Some((newcomer, &SYNCS_OF_ALL)));
        let (place, met) = places.take(newcomer, now + Duration::from_secs(3), 0);
        assert!(place.is_some());
        assert_eq!(met, Some((peers[6], &GAVE_WAY)));
    }

    #[test]
    fn whoever_has_two_places_gives_one_to_whoever_has_none() {
        let (mut places, now) = (Places::default(), Instant::now());
        let hoarder = PeerId::random();
        let held: Vec<_> = (0..2).map(|_| places.take(hoarder, now, 0).0.unwrap()).collect();
        let others: Vec<_> = (2..SYNCS_MAX).map(|_| places.take(PeerId::random(), now, 0).0.unwrap()).collect();
        let newcomer = PeerId::random();
        let (place, met) = places.take(newcomer, now, 0);
        assert_eq!((place.is_some(), met), (true, Some((hoarder, &GAVE_WAY))));
        assert_eq!(places.take(PeerId::random(), now, 0).1.unwrap().1, &SYNCS_OF_ALL, "now nobody has two");
        // Its sync broke off, and it calls again before we noticed.
        assert_eq!(places.take(newcomer, now, 0).1, Some((newcomer, &GAVE_WAY)));
        drop((held, others));
    }

    #[test]
    fn one_peer_has_two_places_and_begins_no_faster_than_it_may() {
        let (mut places, now, peer) = (Places::default(), Instant::now(), PeerId::random());
        let held: Vec<_> = (0..2).map(|_| places.take(peer, now, 0).0.unwrap()).collect();
        assert_eq!(places.take(peer, now, 0).1, Some((peer, &SYNCS)));
        drop(held);
        let begun = (0..1000).filter(|_| places.take(peer, now, 0).0.is_some()).count();
        assert_eq!(begun, 98);
        assert_eq!(places.take(peer, now, 0).1, Some((peer, &BEGUN)));
        assert!(places.take(peer, now, 1000).0.is_some());
        assert!(places.take(PeerId::random(), now, 0).0.is_some());
    }
}
