//! The running node: one thread owns the [`Keeper`], tasks carry the network, and bounded queues join them.
//!
//! ```text
//! network events, answers, requests ──► inbox ──► keeper thread (judge, fsync, show) ──► speaker task ──► network, calls
//! ```
//!
//! The keeper thread drains what waits into one turn, so that one fsync serves all. It never waits for the network, but for
//! the speaker's bounded queue; the speaker never waits for the keeper. So there is no circle to stop in.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use proto::replica::{Effect, Input, Verdict};
use proto::schema::sync_message::Message;
use proto::schema::{self, Kind};
use proto::session::Peer;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::config::{Config, Folder};
use crate::keeper::{Keeper, KeeperError, PublishError, Published, View};
use crate::keystore::{self, KeyError, KeyName, Secrets};
use crate::name::Name;
use crate::network::{self, Bounds, Event, Network, NetworkConfig, NetworkError, NetworkStatus};
use crate::passphrase::Passphrases;
use crate::phone_book::News;
use crate::reader::Reader;
use crate::sync::{self, ANSWERS_KIB_MAX, Heard, QUESTIONS_MAX};

/// Inputs judged in one turn: bounds the time a publisher waits for others' fsync.
const TURN_INPUTS_MAX: usize = 256;
/// Things that wait for a turn.
const INBOX_MAX: usize = 1024;
/// Effects that wait for the speaker.
const SPEAKER_MAX: usize = 1024;
/// Documents of one request: one signature covers them.
pub const REQUEST_DOCUMENTS_MAX: usize = 1000;

/// Why the node does not start, or stopped.
#[derive(Debug, Error)]
pub enum NodeError {
    /// The folder, the store, the fence.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    /// The network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The peer key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The machine gives no thread.
    #[error("the node cannot be started: {0}; close other programs and start again")]
    Thread(String),
    /// There is none.
    #[error("the peer key is missing in {0}; make a new folder with `comity init`, or restore keys/peer.pem")]
    NoPeerKey(String),
}

/// Asks of the keeper thread.
enum Request {
    Input(Input),
    Heard(Heard),
    Publish(Vec<(Kind, schema::Publication)>, oneshot::Sender<Result<Vec<Published>, PublishError>>),
    Withdraw(String, String, bool, oneshot::Sender<Result<String, PublishError>>),
    Erase(Name, String, oneshot::Sender<Result<Vec<u32>, PublishError>>),
    PublishAgain(oneshot::Sender<Result<Vec<String>, PublishError>>),
    Submit(schema::Chunk, oneshot::Sender<Result<(), PublishError>>),
    Addresses(String, Vec<String>),
    Stop,
}

/// Handle on a running node; cheap to clone.
#[derive(Clone)]
pub struct Node {
    inbox: mpsc::Sender<Request>,
    view: watch::Receiver<View>,
    network: Network,
    reader: Reader,
    config: Config,
}

/// A node that was started, and what it has to say.
pub struct Started {
    /// The handle.
    pub node: Node,
    /// What was mended at the start, in words.
    pub notes: Vec<String>,
    /// The last arrival as of the start.
    pub arrival: u64,
    /// Ends when the node does; the error says why it could not go on.
    pub ended: oneshot::Receiver<Result<(), KeeperError>>,
    /// Network metrics.
    pub registry: Registry,
}

impl Node {
    /// Starts the node of a folder. `config` is what the operator decided, after what the command line overrides. The
    /// passphrases are forgotten once the keys are open.
    pub async fn start(
        folder: &Folder,
        config: Config,
        mut passphrases: Passphrases,
        override_fence: bool,
    ) -> Result<Started, NodeError> {
        let folder = folder.clone();
        let opening = folder.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let peer_key = keystore::find(opening.path(), KeyName::Peer)?
                .ok_or_else(|| NodeError::NoPeerKey(opening.path().display().to_string()))?
                .open(&mut passphrases)?;
            let mut secrets = Secrets::of(opening.path(), &mut passphrases);
            let (keeper, _, notes) = Keeper::open_to_write(&opening, &mut secrets, override_fence)?;
            Ok::<_, NodeError>((peer_key, keeper, notes))
        });
        let (peer_key, mut keeper, notes) = opened.await.map_err(|error| NodeError::Thread(error.to_string()))??;
        let mut registry = Registry::default();
        let settings = NetworkConfig {
            key: peer_key,
            federation: keeper.federation(),
            listen: config.network.listen.clone(),
            announce: config.network.announce.clone(),
            peers: config.network.peers.clone(),
            allow_private: config.network.allow_private,
            gossip: config.network.gossip,
            bounds: Bounds {
                connections_per_address: config.network.connections_per_address,
                new_connections_per_minute: config.network.new_connections_per_minute,
                first_block_seconds: config.network.first_block_seconds,
            },
            address_book: folder.address_book(),
        };
        let (network, events, mut streams) = network::start(settings, &mut registry).await?;
        let reader = keeper.reader();
        let (checked, end) = (reader.clone(), keeper.end());
        let (view_sender, view) = watch::channel(keeper.view());
        let arrival = view.borrow().counts.arrival;
        let (inbox, requests) = mpsc::channel(INBOX_MAX);
        let (effects, effect_receiver) = mpsc::channel(SPEAKER_MAX);
        let (ended_sender, ended) = oneshot::channel();

        for news in keeper.take_book_news() {
            tell(&network, news).await;
        }
        tokio::spawn(listen(events, inbox.clone()));
        tokio::spawn(tick(inbox.clone()));
        tokio::spawn(speak(effect_receiver, network.clone(), inbox.clone()));
        let told = inbox.clone();
        let answering = sync::Answering::new(reader.archive(keeper.federation()), view.clone(), network.clone());
        tokio::spawn(async move {
            while let Some(stream) = streams.recv().await {
                tokio::spawn(answering.clone().answer(stream, hints(&told)));
            }
        });
        let work = move || {
            let result = run(keeper, requests, &view_sender, &effects);
            if let Err(KeeperError::Store(crate::rows::StoreError::Engine(_) | crate::rows::StoreError::Damaged(_))) =
                &result
            {
                Keeper::suspect(&folder);
            }
            let _ = ended_sender.send(result);
        };
        // An own thread: it spends its life in fsync, where a task would hold up its neighbours.
        let spawned = std::thread::Builder::new().name("keeper".to_owned()).spawn(work);
        spawned.map_err(|error| NodeError::Thread(error.to_string()))?;
        let checking = std::thread::Builder::new().name("checker".to_owned()).spawn(move || checked.check(end));
        checking.map_err(|error| NodeError::Thread(error.to_string()))?;
        let node = Node { inbox, view, network, reader, config };
        node.announce().await;
        Ok(Started { node, notes, arrival, ended, registry })
    }

    /// What can be seen of the keeper, as of its last turn.
    pub fn view(&self) -> View {
        self.view.borrow().clone()
    }

    /// Told at every turn that changed something.
    pub fn changes(&self) -> watch::Receiver<View> {
        self.view.clone()
    }

    /// What can be seen of the network.
    pub fn network(&self) -> NetworkStatus {
        self.network.status()
    }

    /// A read handle on the store.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// What the operator decided.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Publishes; on return it is durable.
    pub async fn publish(&self, documents: Vec<(Kind, schema::Publication)>) -> Result<Vec<Published>, PublishError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Publish(documents, reply)).await?;
        answer.await.map_err(|_| stopping())?
    }

    /// Withdraws; on return it is durable.
    pub async fn withdraw(&self, slug: &str, reason: &str, erase: bool) -> Result<String, PublishError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Withdraw(slug.to_owned(), reason.to_owned(), erase, reply)).await?;
        answer.await.map_err(|_| stopping())?
    }

    /// Erases bodies here; on return they are off the disk. Gives the numbers of their versions.
    pub async fn erase(&self, name: Name, reason: &str) -> Result<Vec<u32>, PublishError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Erase(name, reason.to_owned(), reply)).await?;
        answer.await.map_err(|_| stopping())?
    }

    /// Publishes again what only a branch had that was set aside; on return it is durable. Gives the works.
    pub async fn publish_again(&self) -> Result<Vec<String>, PublishError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::PublishAgain(reply)).await?;
        answer.await.map_err(|_| stopping())?
    }

    /// Takes a run of the member's governance log, signed where its identity key is; on return it is durable.
    pub async fn submit(&self, chunk: schema::Chunk) -> Result<(), PublishError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Submit(chunk, reply)).await?;
        answer.await.map_err(|_| stopping())?
    }

    /// Ends in order: connections closed, everything durable.
    pub async fn stop(&self) {
        self.network.stop().await;
        let _ = self.inbox.send(Request::Stop).await;
    }

    async fn ask(&self, request: Request) -> Result<(), PublishError> {
        self.inbox.send(request).await.map_err(|_| stopping())
    }

    /// Has this node's place published in the phone book: what the operator announces, or, where private addresses are allowed,
    /// what it listens on.
    async fn announce(&self) {
        let status = self.network.status();
        let suffix = format!("/p2p/{}", status.peer);
        let announced = self
            .config
            .network
            .announce
            .iter()
            .map(|address| if address.ends_with(&suffix) { address.clone() } else { format!("{address}{suffix}") });
        let mut addresses: Vec<String> = announced.collect();
        if addresses.is_empty() && self.config.network.allow_private {
            addresses = status.listen;
        }
        let _ = self.inbox.send(Request::Addresses(status.peer, addresses)).await;
    }
}

fn stopping() -> PublishError {
    PublishError::Failed("the node is stopping; start it again and repeat".to_owned())
}

/// The life of the keeper thread.
fn run(
    mut keeper: Keeper,
    mut requests: mpsc::Receiver<Request>,
    view: &watch::Sender<View>,
    effects: &mpsc::Sender<Spoken>,
) -> Result<(), KeeperError> {
    let mut sessions: HashMap<Peer, u64> = HashMap::new();
    let mut next_session = 0;
    let mut waiting = None;
    loop {
        let Some(first) = waiting.take().or_else(|| requests.blocking_recv()) else { return keeper.close() };
        let mut inputs = Vec::new();
        // Held until the turn is over: what is being judged still takes room.
        let mut room: Vec<Option<OwnedSemaphorePermit>> = Vec::new();
        let mut request = Some(first);
        let mut writes = None;
        while let Some(next) = request.take() {
            match next {
                Request::Input(input) => {
                    if let Input::Gone(peer) = &input {
                        sessions.remove(peer);
                    }
                    inputs.push(input);
                }
                Request::Heard(heard) => {
                    if current(&sessions, &heard) {
                        inputs.push(heard.input);
                        room.push(heard.room);
                    }
                }
                other => {
                    writes = Some(other);
                    break;
                }
            }
            if inputs.len() < TURN_INPUTS_MAX {
                request = requests.try_recv().ok();
            }
        }
        let mut ignored = Vec::new();
        if !keeper.has_room() {
            inputs = without_news(inputs, &mut ignored);
        }
        let (mut spoken, _) = keeper.turn(inputs)?;
        spoken.extend(ignored);
        drop(room);
        match writes {
            None => {}
            Some(Request::Publish(documents, reply)) => {
                let done = keeper.publish(documents);
                // Shown before it is answered: who publishes and asks at once finds it counted.
                view.send_replace(keeper.view());
                answer(done, reply, &mut spoken)?;
            }
            Some(Request::Withdraw(slug, reason, erase, reply)) => {
                let done = keeper.withdraw(&slug, &reason, erase);
                view.send_replace(keeper.view());
                answer(done, reply, &mut spoken)?;
            }
            Some(Request::Erase(name, reason, reply)) => {
                let done = keeper.erase(&name.work, |number, digest| name.means(number, digest), &reason);
                view.send_replace(keeper.view());
                answer(done, reply, &mut spoken)?;
            }
            Some(Request::PublishAgain(reply)) => {
                let done = keeper.publish_again();
                view.send_replace(keeper.view());
                answer(done, reply, &mut spoken)?;
            }
            Some(Request::Submit(chunk, reply)) => {
                let done = keeper.submit(chunk).map(|effects| ((), effects));
                view.send_replace(keeper.view());
                answer(done, reply, &mut spoken)?;
            }
            Some(Request::Addresses(peer, addresses)) => keeper.take_place(&peer, &addresses),
            Some(Request::Stop) => return keeper.close(),
            Some(Request::Input(_) | Request::Heard(_)) => {}
        }
        let now = keeper.view();
        view.send_if_modified(|seen| {
            let changed = *seen != now;
            if changed {
                *seen = now;
            }
            changed
        });
        for effect in spoken {
            if let Effect::Open(peer, _) = &effect {
                next_session += 1;
                sessions.insert(peer.clone(), next_session);
            }
            let session = match &effect {
                Effect::Open(peer, _) | Effect::Ask(peer, _) | Effect::Close(peer) => sessions.get(peer).copied(),
                _ => None,
            };
            let spoken = Spoken::Effect { effect, session: session.unwrap_or_default() };
            if effects.blocking_send(spoken).is_err() {
                return keeper.close();
            }
        }
        for news in keeper.take_book_news() {
            if effects.blocking_send(Spoken::Book(news)).is_err() {
                return keeper.close();
            }
        }
    }
}

/// On a full disk nothing new is taken, so that the node goes on to answer: gossip passes by, and syncs end with the reason.
fn without_news(inputs: Vec<Input>, ignored: &mut Vec<Effect>) -> Vec<Input> {
    let mut rest = Vec::with_capacity(inputs.len());
    for input in inputs {
        match input {
            Input::Gossip { from, id, .. } => ignored.push(Effect::Judge { id, from, verdict: Verdict::Ignore }),
            Input::Answered(peer, Message::Chunk(_) | Message::Bodies(_)) => {
                ignored.push(Effect::Close(peer.clone()));
                rest.push(Input::Ended(peer, "this node's disk is full; free some space".to_owned()));
            }
            other => rest.push(other),
        }
    }
    rest
}

/// Answers a publisher. An error that is not its own fault stops the node: the replica may be ahead of the disk.
fn answer<T>(
    done: Result<(T, Vec<Effect>), PublishError>,
    reply: oneshot::Sender<Result<T, PublishError>>,
    spoken: &mut Vec<Effect>,
) -> Result<(), KeeperError> {
    let result = done.map(|(published, effects)| {
        spoken.extend(effects);
        published
    });
    let broken = matches!(&result, Err(PublishError::Failed(_)));
    let words = result.as_ref().err().map(ToString::to_string);
    let _ = reply.send(result);
    if broken { Err(crate::rows::StoreError::Doubt(words.unwrap_or_default()).into()) } else { Ok(()) }
}

fn current(sessions: &HashMap<Peer, u64>, heard: &Heard) -> bool {
    match &heard.input {
        Input::Answered(peer, _) | Input::Moving(peer) | Input::Ended(peer, _) => {
            sessions.get(peer) == Some(&heard.session)
        }
        _ => true,
    }
}

/// What leaves the keeper thread.
enum Spoken {
    /// An effect, and the call it belongs to.
    Effect { effect: Effect, session: u64 },
    /// What is new in the phone book.
    Book(News),
}

/// Performs what the replica wants said. Never waits for the keeper.
async fn speak(mut effects: mpsc::Receiver<Spoken>, network: Network, inbox: mpsc::Sender<Request>) {
    let mut calls: HashMap<Peer, (u64, mpsc::Sender<Message>)> = HashMap::new();
    let (heard, mut hearing) = mpsc::channel::<Heard>(QUESTIONS_MAX);
    let room = Arc::new(Semaphore::new(ANSWERS_KIB_MAX));
    tokio::spawn(async move {
        while let Some(heard) = hearing.recv().await {
            if inbox.send(Request::Heard(heard)).await.is_err() {
                return;
            }
        }
    });
    while let Some(spoken) = effects.recv().await {
        let (effect, session) = match spoken {
            Spoken::Effect { effect, session } => (effect, session),
            Spoken::Book(news) => {
                tell(&network, news).await;
                continue;
            }
        };
        match effect {
            // The keeper's own, done before anything is spoken.
            Effect::Keep(_) | Effect::Look(_) => {}
            Effect::Announce(bytes) => network.publish(bytes).await,
            Effect::Judge { id, verdict, .. } => network.verdict(id, verdict).await,
            Effect::Penalize { peer, fault } => network.penalize(peer, fault).await,
            Effect::Open(peer, hello) => {
                let (questions, receiver) = mpsc::channel(QUESTIONS_MAX);
                let _ = questions.try_send(hello);
                calls.retain(|_, (_, questions)| !questions.is_closed());
                calls.insert(peer.clone(), (session, questions));
                tokio::spawn(sync::call(network.clone(), peer, session, receiver, heard.clone(), room.clone()));
            }
            Effect::Ask(peer, question) => {
                if let Some((_, questions)) = calls.get(&peer).filter(|(call, _)| *call == session)
                    && questions.try_send(question).is_err()
                {
                    // The line is dead or drowned: the call ends, and the replica hears so.
                    calls.remove(&peer);
                    let (heard, why) = (heard.clone(), "the peer is too slow to be asked more".to_owned());
                    tokio::spawn(async move {
                        let ended = Heard { session, input: Input::Ended(peer, why), room: None };
                        let _ = heard.send(ended).await;
                    });
                }
            }
            Effect::Close(peer) => {
                calls.remove(&peer);
            }
        }
    }
}

async fn tell(network: &Network, news: News) {
    match news {
        News::Named { peer, addresses } => network.learn(peer, addresses).await,
        News::Struck { peer } => network.strike(peer).await,
    }
}

async fn listen(mut events: mpsc::Receiver<Event>, inbox: mpsc::Sender<Request>) {
    while let Some(event) = events.recv().await {
        let input = match event {
            Event::Connected(peer) => Input::Connected(peer),
            Event::Gone(peer) => Input::Gone(peer),
            Event::Gossip { from, id, bytes } => Input::Gossip { from, id, bytes },
        };
        if inbox.send(Request::Input(input)).await.is_err() {
            return;
        }
    }
}

async fn tick(inbox: mpsc::Sender<Request>) {
    let mut interval = tokio::time::interval(Duration::from_secs(1));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if inbox.send(Request::Input(Input::Tick)).await.is_err() {
            return;
        }
    }
}

/// A way to give the replica a hint: dropped where the node is busy.
fn hints(inbox: &mpsc::Sender<Request>) -> impl Fn(Input) + Send + Sync + use<> {
    let inbox = inbox.clone();
    move |hint| drop(inbox.try_send(Request::Input(hint)))
}
