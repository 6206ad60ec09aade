//! Streams for sync: messages, each preceded by its length, and how many are answered at once.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::io::{ReadHalf, WriteHalf};
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::PeerId;
use proto::limits;
use proto::session::Peer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Syncs that are answered at once, of one peer and of all.
const SYNCS_PER_PEER: usize = 4;
/// Syncs that are answered at once.
pub(super) const SYNCS_MAX: usize = 32;
/// Seconds without a byte after which a sync stream is given up.
const SYNC_IDLE: Duration = Duration::from_secs(30);

/// A sync stream as it was opened.
pub struct SyncStream {
    /// Who is at the other end.
    pub peer: Peer,
    stream: libp2p::Stream,
    slots: Vec<OwnedSemaphorePermit>,
}

/// The reading half: messages, each preceded by its length.
pub struct SyncReader {
    stream: ReadHalf<libp2p::Stream>,
    _slots: Vec<OwnedSemaphorePermit>,
}

/// The writing half.
pub struct SyncWriter(WriteHalf<libp2p::Stream>);

impl SyncStream {
    pub(super) fn new(peer: Peer, stream: libp2p::Stream) -> SyncStream {
        SyncStream { peer, stream, slots: Vec::new() }
    }

    /// Both halves, so that reading and writing do not wait for each other.
    pub fn split(self) -> (SyncReader, SyncWriter) {
        let (read, write) = self.stream.split();
        (SyncReader { stream: read, _slots: self.slots }, SyncWriter(write))
    }
}

impl SyncReader {
    /// The next message; `None` where the other side closed in order.
    pub async fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        within(async {
            let mut head = [0; 4];
            match self.stream.read_exact(&mut head).await {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(error) => return Err(error),
            }
            let len = u32::from_be_bytes(head) as usize;
            if len > limits::SYNC_BYTES_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {len} bytes")));
            }
            let mut bytes = Vec::new();
            let got = (&mut self.stream).take(len as u64).read_to_end(&mut bytes).await?;
            if got < len { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(Some(bytes)) }
        })
        .await
    }
}

impl SyncWriter {
    /// Sends a message. Returns once the line has taken it, so that a slow reader slows its sender.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        within(async {
            self.0.write_all(&(bytes.len() as u32).to_be_bytes()).await?;
            self.0.write_all(bytes).await?;
            self.0.flush().await
        })
        .await
    }

    /// Closes in order.
    pub async fn close(mut self) {
        let _ = within(self.0.close()).await;
    }
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(SYNC_IDLE, work).await {
        Ok(done) => done,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "nothing came or went for 30 seconds")),
    }
}

/// Hands over the streams others open, as many at once as may be answered; the rest is closed at once.
pub(super) async fn accept(mut incoming: libp2p_stream::IncomingStreams, streams: mpsc::Sender<SyncStream>) {
    let all = Arc::new(Semaphore::new(SYNCS_MAX));
    let each: Arc<Mutex<HashMap<PeerId, Arc<Semaphore>>>> = Arc::default();
    while let Some((peer, stream)) = incoming.next().await {
        let own = {
            let mut each = each.lock().unwrap_or_else(PoisonError::into_inner);
            each.retain(|_, slots| slots.available_permits() < SYNCS_PER_PEER);
            each.entry(peer).or_insert_with(|| Arc::new(Semaphore::new(SYNCS_PER_PEER))).clone()
        };
        let (Ok(one), Ok(other)) = (own.try_acquire_owned(), all.clone().try_acquire_owned()) else { continue };
        let stream = SyncStream { peer: peer.to_string().into(), stream, slots: vec![one, other] };
        if streams.send(stream).await.is_err() {
            return;
        }
    }
}
