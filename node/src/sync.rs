//! Both ends of a sync stream: the caller's, which carries questions and answers between replica and peer, and the called one's,
//! which answers from what is durable. What is asked and what is believed is decided in `proto`.

use std::io;
use std::sync::Arc;

use proto::message;
use proto::replica::Input;
use proto::schema::Want;
use proto::schema::sync_message::Message;
use proto::serve::{self, Answer};
use proto::session::Peer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::keeper::View;
use crate::network::{Network, SyncReader, SyncStream, SyncWriter};
use crate::reader::Records;

/// Questions that may wait for the line: more than a replica ever asks at once.
pub const QUESTIONS_MAX: usize = 256;

/// KiB of answers of all calls together that may wait to be judged: a fast line must not fill the memory of a slow disk.
pub const ANSWERS_KIB_MAX: usize = 8 * 1024;

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
                why = hear(reader, &peer, session, &heard, &room) => Some(why),
            }
        }
        Err(error) => Some(format!("cannot be called: {error}")),
    };
    if let Some(why) = ended {
        // The node ended before its calls only when everything does.
        let _ = heard.send(Heard { session, input: Input::Ended(peer, why), room: None }).await;
    }
}

async fn ask(mut writer: SyncWriter, mut questions: mpsc::Receiver<Message>) -> io::Result<()> {
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
) -> String {
    loop {
        let (answer, kib) = match reader.read().await {
            Ok(Some(bytes)) => (message::decode(&bytes), bytes.len() / 1024 + 1),
            Ok(None) => return "the peer closed the sync".to_owned(),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => (None, 1),
            Err(error) => return error.to_string(),
        };
        // What does not decode is refused in words that the replica will hold against the peer.
        let input = Input::Answered(peer.clone(), answer.unwrap_or_else(undecodable));
        let Ok(room) = room.clone().acquire_many_owned(kib as u32).await else {
            return "the node is stopping".to_owned();
        };
        if heard.send(Heard { session, input, room: Some(room) }).await.is_err() {
            return "the node is stopping".to_owned();
        }
    }
}

/// An answer that fits no question.
fn undecodable() -> Message {
    Message::Want(Want::default())
}

/// Answers one peer until it is done. `told` is a hint for the replica: a caller's frontier may show what we lack.
pub async fn answer(stream: SyncStream, records: Records, view: watch::Receiver<View>, told: mpsc::Sender<Input>) {
    let peer = stream.peer.clone();
    if let Err(error) = serve(stream, records, view, told).await {
        tracing::debug!(%peer, %error, "a sync that was answered ended early");
    }
}

async fn serve(
    stream: SyncStream,
    records: Records,
    view: watch::Receiver<View>,
    told: mpsc::Sender<Input>,
) -> io::Result<()> {
    let peer = stream.peer.clone();
    let (mut reader, mut writer) = stream.split();
    while let Some(bytes) = reader.read().await? {
        let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let asked = message::decode(&bytes).ok_or_else(|| broken("not a sync message"))?;
        if let Message::Frontier(frontier) = &asked {
            // Dropped where the node is busy: it calls everyone every few seconds anyway.
            let _ = told.try_send(Input::Told(peer.clone(), frontier.clone()));
        }
        let (archive, frontier) = (records.clone(), view.borrow().frontier.clone());
        match off_thread(move || serve::answer(&archive, &frontier, asked)).await? {
            Answer::One(message) => writer.write(&message::encode(message)).await?,
            Answer::Range(want) => range(&records, &mut writer, want).await?,
            Answer::Broken(what) => return Err(broken(what)),
        }
    }
    writer.close().await;
    Ok(())
}

/// Sends a range chunk by chunk; each is made only when the line has taken the one before.
async fn range(records: &Records, writer: &mut SyncWriter, want: Want) -> io::Result<()> {
    let Ok(log) = proto::key::PublicKey::from_bytes(&want.log) else {
        return writer.write(&message::encode(serve::refusal("a want that names no log"))).await;
    };
    let mut from = want.from;
    loop {
        let archive = records.clone();
        let message = off_thread(move || serve::chunk(&archive, &log, from, want.to)).await?;
        let sent = match &message {
            Message::Chunk(chunk) => Some((chunk.leaves.len() as u64, chunk.total)),
            _ => None,
        };
        writer.write(&message::encode(message)).await?;
        let Some((leaves, total)) = sent else { return Ok(()) };
        from += leaves;
        if from >= want.to.min(total) {
            return Ok(());
        }
    }
}

/// Disk and proofs never run on the tasks that carry the network.
async fn off_thread<T: Send + 'static, E: std::fmt::Display>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(move || work().map_err(|error| error.to_string())).await;
    done.map_err(io::Error::other)?.map_err(io::Error::other)
}
