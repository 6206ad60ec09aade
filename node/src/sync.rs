//! Both ends of a sync stream: the caller's, which carries questions and answers between replica and peer, and the called one's,
//! which answers from what is durable. What is asked and what is believed is decided in `proto`.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use proto::message;
use proto::replica::Input;
use proto::schema::sync_message::Message;
use proto::schema::{Frontier, Want};
use proto::serve::{self, Answer};
use proto::session::Peer;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::conduct::{Bound, Bucket, uptime_ms};
use crate::keeper::View;
use crate::network::{Network, SyncError, SyncReader, SyncStream, SyncWriter};
use crate::reader::Records;

/// Questions that may wait for the line: more than a replica ever asks at once.
pub const QUESTIONS_MAX: usize = 256;

/// KiB of answers of all calls together that may wait to be judged: a fast line must not fill the memory of a slow disk.
pub const ANSWERS_KIB_MAX: usize = 8 * 1024;

/// Time between two words to the replica that an answer is coming in.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Time after which a sync that is answered begins no further chunk: whoever wants more calls again, and others have their turn.
const SYNC_LONGEST: Duration = Duration::from_secs(30 * 60);
/// How often one peer may have everything from us in an hour: once, and once more because its disk broke.
const COPIES_AN_HOUR: u64 = 2;
/// Entries beyond that in an hour: a line that breaks in the middle of a chunk has it again.
const ENTRIES_AGAIN: u64 = 10_000;

/// [`SYNC_LONGEST`]. A weak line is no fault.
const LONG: Bound = Bound { name: "30 minutes of one sync", per_fault: 0 };
/// [`COPIES_AN_HOUR`].
const COPIES: Bound = Bound { name: "everything twice in an hour", per_fault: 1 };

/// What the caller's end tells the node; `session` is its number, because answers of an old call must not reach a new one.
#[derive(Debug)]
pub struct Heard {
    /// The number of the call.
    pub session: u64,
    /// What the replica is to be told.
    pub input: Input,
    /// The room it takes among the answers that wait; free once it was judged.
    pub room: Option<OwnedSemaphorePermit>,
}

/// Calls a peer and carries questions and answers until `questions` is closed, or the line breaks.
pub async fn call(
    network: Network,
    peer: Peer,
    session: u64,
    questions: mpsc::Receiver<Message>,
    heard: mpsc::Sender<Heard>,
    room: Arc<Semaphore>,
) {
    let ended = match network.open_sync(&peer).await {
        Ok(stream) => {
            let (reader, writer) = stream.split();
            tokio::select! {
                done = ask(writer, questions) => done.err().map(|error| error.to_string()),
                (why, bound) = hear(reader, &peer, session, &heard, &room) => {
                    if let Some(bound) = bound {
                        network.met(peer.clone(), bound).await;
                    }
                    Some(why)
                }
            }
        }
        Err(error) => Some(format!("cannot be called: {error}")),
    };
    if let Some(why) = ended {
        // The node ended before its calls only when everything does.
        let _ = heard.send(Heard { session, input: Input::Ended(peer, why), room: None }).await;
    }
}

async fn ask(mut writer: SyncWriter, mut questions: mpsc::Receiver<Message>) -> Result<(), SyncError> {
    while let Some(question) = questions.recv().await {
        writer.write(&message::encode(question)).await?;
    }
    writer.close().await;
    Ok(())
}

async fn hear(
    mut reader: SyncReader,
    peer: &Peer,
    session: u64,
    heard: &mpsc::Sender<Heard>,
    room: &Arc<Semaphore>,
) -> (String, Option<&'static Bound>) {
    let came = reader.came();
    loop {
        let mut reading = pin!(reader.read());
        let read = loop {
            match tokio::time::timeout(TELL_EVERY, &mut reading).await {
                Ok(read) => break read,
                Err(_) if came.swap(0, Ordering::Relaxed) == 0 => {}
                // Dropped where the node is busy: then it knows that something comes.
                Err(_) => drop(heard.try_send(Heard { session, input: Input::Moving(peer.clone()), room: None })),
            }
        };
        let (answer, kib) = match read {
            Ok(Some(bytes)) => (message::decode(&bytes), bytes.len() / 1024 + 1),
            Ok(None) => return ("the peer closed the sync".to_owned(), None),
            Err(SyncError::TooLong(_)) => (None, 1),
            Err(error) => return (error.to_string(), error.bound()),
        };
        // What does not decode is refused in words that the replica will hold against the peer.
        let input = Input::Answered(peer.clone(), answer.unwrap_or_else(undecodable));
        let Ok(room) = room.clone().acquire_many_owned(kib as u32).await else {
            return ("the node is stopping".to_owned(), None);
        };
        if heard.send(Heard { session, input, room: Some(room) }).await.is_err() {
            return ("the node is stopping".to_owned(), None);
        }
    }
}

/// An answer that fits no question.
fn undecodable() -> Message {
    Message::Want(Want::default())
}

/// Everything that answering needs, of all peers.
#[derive(Clone)]
pub struct Answering {
    /// What is durable.
    pub records: Records,
    /// What can be seen of the keeper.
    pub view: watch::Receiver<View>,
    /// Who is told about peers that ask too much.
    pub network: Network,
    /// What every peer had of late.
    had: Arc<Mutex<HashMap<Peer, Bucket>>>,
}

/// Why a sync that is answered ended early.
#[derive(Debug, Error)]
enum Broken {
    /// The line, or the pace of who is at its other end.
    #[error(transparent)]
    Line(#[from] SyncError),
    /// The caller did what no honest one does.
    #[error("the caller {0}")]
    Caller(String),
    /// The caller met a bound.
    #[error("the caller is over a bound: {}", .0.name)]
    Bound(&'static Bound),
    /// Our own records.
    #[error("the records cannot be read: {0}")]
    Records(String),
}

impl Answering {
    /// Nobody had anything yet.
    pub fn new(records: Records, view: watch::Receiver<View>, network: Network) -> Answering {
        Answering { records, view, network, had: Arc::default() }
    }

    /// Answers one peer until it is done. `hint` takes hints for the replica: a caller's frontier may show what we lack.
    pub async fn answer(self, stream: SyncStream, hint: impl Fn(Input) + Send + Sync) {
        let peer = stream.peer.clone();
        let Err(broken) = self.serve(stream, hint).await else { return };
        tracing::debug!(%peer, %broken, "a sync that was answered ended early");
        match broken {
            Broken::Line(SyncError::TooLong(bytes)) => {
                self.network.penalize(peer, format!("announced a question of {bytes} bytes")).await;
            }
            Broken::Caller(fault) => self.network.penalize(peer, fault).await,
            Broken::Line(error) => {
                if let Some(bound) = error.bound() {
                    self.network.met(peer, bound).await;
                }
            }
            Broken::Bound(bound) => self.network.met(peer, bound).await,
            Broken::Records(_) => {}
        }
    }

    async fn serve(&self, stream: SyncStream, hint: impl Fn(Input) + Send + Sync) -> Result<(), Broken> {
        let (peer, began) = (stream.peer.clone(), Instant::now());
        let (mut reader, mut writer) = stream.split();
        let mut noted = serve::Asked::default();
        while let Some(bytes) = reader.read().await? {
            let asked =
                message::decode(&bytes).ok_or_else(|| Broken::Caller("asked what cannot be read".to_owned()))?;
            drop(bytes);
            noted.note(&asked).map_err(|what| Broken::Caller(what.to_owned()))?;
            let (archive, frontier) = (self.records.clone(), self.view.borrow().frontier.clone());
            if let Message::Frontier(claim) = &asked {
                let news = frontier.news_in(claim);
                if news != Frontier::default() {
                    // Dropped where the node is busy: it calls everyone every few seconds anyway.
                    hint(Input::Told(peer.clone(), news));
                }
            }
            match off_thread(move || serve::answer(&archive, &frontier, asked)).await? {
                Answer::One(message) => {
                    let entries = entries(&message);
                    writer.write(&message::encode(message)).await?;
                    self.count(&peer, entries)?;
                }
                Answer::Range(want) => self.range(&peer, &mut writer, want, began).await?,
                Answer::Broken(what) => return Err(Broken::Caller(format!("sent {what}"))),
            }
        }
        writer.close().await;
        Ok(())
    }

    /// Sends a range chunk by chunk; each is made only when the line has taken the one before.
    async fn range(&self, peer: &Peer, writer: &mut SyncWriter, want: Want, began: Instant) -> Result<(), Broken> {
        let mut from = want.from;
        loop {
            if began.elapsed() > SYNC_LONGEST {
                return Err(Broken::Bound(&LONG));
            }
            let (archive, asked) = (self.records.clone(), want.clone());
            let message = off_thread(move || serve::chunk(&archive, &asked, from)).await?;
            let (leaves, total) = match &message {
                Message::Chunk(chunk) => (chunk.leaves.len() as u64, Some(chunk.total)),
                _ => (0, None),
            };
            writer.write(&message::encode(message)).await?;
            self.count(peer, leaves)?;
            from += leaves;
            if total.is_none_or(|total| from >= want.to.min(total)) {
                return Ok(());
            }
        }
    }

    /// Counts what a peer had, once its line has taken it: what broke off is not held against it.
    fn count(&self, peer: &Peer, entries: u64) -> Result<(), Broken> {
        if entries == 0 {
            return Ok(());
        }
        let most = (self.view.borrow().counts.entries * COPIES_AN_HOUR + ENTRIES_AGAIN) as f64;
        let mut had = self.had.lock().unwrap_or_else(PoisonError::into_inner);
        if had.len() >= 1024 && !had.contains_key(peer) {
            had.clear(); // more names than can be connected: addresses bound who makes them
        }
        let enough = had.entry(peer.clone()).or_default().take(uptime_ms(), entries as f64, most, most / 3600.0);
        if enough { Ok(()) } else { Err(Broken::Bound(&COPIES)) }
    }
}

/// Entries or bodies that an answer brings.
fn entries(answer: &Message) -> u64 {
    match answer {
        Message::Chunk(chunk) => chunk.leaves.len() as u64,
        Message::Bodies(bodies) => bodies.bodies.len() as u64,
        _ => 0,
    }
}

/// Disk and proofs never run on the tasks that carry the network.
async fn off_thread<T: Send + 'static, E: std::fmt::Display>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Broken> {
    let done = tokio::task::spawn_blocking(move || work().map_err(|error| error.to_string())).await;
    done.map_err(|error| Broken::Records(error.to_string()))?.map_err(Broken::Records)
}
