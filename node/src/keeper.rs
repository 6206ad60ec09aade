//! The one owner of what changes: the replica, the store, and the fence, driven in the order that makes a crash harmless.
//!
//! [`Keeper::turn`] is the whole rhythm: the replica judges, what it keeps is appended and fsynced, the fence's marks advance,
//! readers see it, and only then the effects that speak are handed out. The node runs it beside a network; a command that finds
//! no node running drives it alone.

mod denying;
mod erasing;
mod publishing;
mod showing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;
use proto::body::{self, Open, Purpose};
use proto::digest::Digest;
use proto::frontier::Frontier;
use proto::key::{PublicKey, SecretKey};
use proto::limits;
use proto::look::{Look, Sight};
use proto::replica::{Effect, Input, OverQuota, PeerState, Record, Replica, WriteError};
use proto::schema::{self, Kind};
use proto::session::Peer;
use proto::standing::Standing;
use thiserror::Error;

use self::denying::{lift, policy};
use crate::acts;
use crate::again;
use crate::citing::CitingError;
use crate::config::{Config, ConfigError, Folder, MemberConfig};
use crate::contested::Contested;
use crate::disk::{self, DataFolder, DiskError};
use crate::ends::Ends;
use crate::fence::{Fence, FenceError};
use crate::keystore::{self, KeyError, KeyName, Secrets};
use crate::own_logs::{OwnLogs, OwnLogsError, Source};
use crate::passphrase::{self, Passphrases};
use crate::phone_book::{News, PhoneBook};
use crate::policy::LocalPolicy;
use crate::reader::Reader;
use crate::rows::{StoreError, fold};
use crate::segments::Cursor;
use crate::store::{Counts, Store};

/// Milliseconds a clock may be behind what was noted before without a word: what a correction by a time service takes back.
const CLOCK_BEHIND_MS: u64 = 300_000;

/// Works that are published again under one signature: bounds the memory that takes.
const AGAIN_AT_ONCE: usize = 256;

/// Why the node cannot go on.
#[derive(Debug, Error)]
pub enum KeeperError {
    /// The folder is not set up for it.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The folder cannot be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A mark failed.
    #[error(transparent)]
    Fence(#[from] FenceError),
    /// A key cannot be read.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl From<OwnLogsError> for KeeperError {
    fn from(error: OwnLogsError) -> KeeperError {
        match error {
            OwnLogsError::Store(error) => KeeperError::Store(error),
            OwnLogsError::Fence(error) => KeeperError::Fence(error),
        }
    }
}

/// Why nothing was published. Nothing was changed.
#[derive(Debug, Error)]
pub enum PublishError {
    /// Not a member's node.
    #[error("this node is a replica without a desk key; publish from the node of a member")]
    NoDesk,
    /// The fence.
    #[error(
        "this node may not write yet: {0}. While it runs it reads its own logs back from its peers, and it writes again by \
         itself once enough of them have confirmed that nothing is missing. If you know that no other copy of this folder wrote \
         since, `comity run --override-fence` ends it sooner; that is recorded"
    )]
    Recovering(String),
    /// An own log has two branches; no override helps, and none is offered.
    #[error("this node may not write: {0}")]
    Contested(String),
    /// A peer is being asked.
    #[error("{0}; it is being asked for them. Publish again in a minute")]
    Asking(String),
    /// No such work.
    #[error("{0} is not a work of this member that stands; `comity search` shows what there is")]
    NoWork(String),
    /// No such version.
    #[error("{0} is not known here; `comity history` shows the versions there are")]
    NotHeld(String),
    /// Two of one slug at once.
    #[error("two documents of one call have the slug {0}; publish one, then the other")]
    Twice(String),
    /// The disk.
    #[error("only {0} bytes are free on the disk of the data folder; free some space and publish again")]
    Full(u64),
    /// The body is too long.
    #[error("{slug} is {bytes} bytes long as a body; {max} are allowed. Shorten the text", max = limits::BODY_BYTES_MAX)]
    TooLong {
        /// Which.
        slug: String,
        /// How long.
        bytes: usize,
    },
    /// It is about something that is not here, or not of that kind.
    #[error("{slug}: {error}")]
    Citing {
        /// Which.
        slug: String,
        /// Why.
        error: CitingError,
    },
    /// A law does not go back without a word.
    #[error(
        "{work} is {from}, and this version says {to}; a law does not go from one to the other by itself. Say what happened in its \
         `stage_history`, as {{status: {to}, date: .., note: ..}}, or correct `legal_status`"
    )]
    Status {
        /// `CODE/slug`.
        work: String,
        /// The status of the version before.
        from: String,
        /// The status now.
        to: String,
    },
    /// The protocol refused.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The store, the fence or the system failed; the node stops.
    #[error("{0}")]
    Failed(String),
}

impl PublishError {
    /// Whether one document is to blame for what it says; all others could be published without it.
    pub fn is_of_a_document(&self) -> bool {
        matches!(
            self,
            PublishError::Twice(_)
                | PublishError::TooLong { .. }
                | PublishError::Citing { .. }
                | PublishError::Status { .. }
        )
    }

    /// Whether it is about a work that is not here, and may be published once that is.
    pub fn is_of_an_absent_work(&self) -> bool {
        let is_absent = |error: &CitingError| matches!(error, CitingError::NotHeld(_) | CitingError::NoVersion { .. });
        matches!(self, PublishError::Citing { error, .. } if is_absent(error))
    }
}

/// A document that was published, or was already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// `CODE/slug`.
    pub work: String,
    /// Its version.
    pub version: u32,
    /// Whether anything was written.
    pub changed: bool,
}

/// What can be seen of the keeper's state, as of its last turn. Equal views hold the same.
#[derive(Clone, Debug)]
pub struct View {
    /// What is held, durably.
    pub frontier: Arc<Frontier>,
    /// Who may speak.
    pub standing: Arc<Standing>,
    /// Logs of which not everything stands that is held.
    pub ends: Arc<Ends>,
    /// Numbers.
    pub counts: Counts,
    /// Bodies that are wanted.
    pub missing_bodies: u64,
    /// How things are with every peer.
    pub peers: BTreeMap<Peer, PeerState>,
    /// Why own logs may not be written.
    pub recovering: Vec<String>,
    /// Own logs of which two branches exist.
    pub contested: Vec<Contested>,
    /// How own logs came to be written again, since the start.
    pub recovered: Vec<String>,
    /// What the operator decided about others.
    pub policy: Arc<LocalPolicy>,
    /// Logs that wait because of it.
    pub over_quota: Vec<OverQuota>,
}

impl PartialEq for View {
    fn eq(&self, other: &View) -> bool {
        // Frontier and standing are made anew when they change, and only then.
        Arc::ptr_eq(&self.frontier, &other.frontier)
            && Arc::ptr_eq(&self.standing, &other.standing)
            && self.ends == other.ends
            && self.counts == other.counts
            && self.missing_bodies == other.missing_bodies
            && self.peers == other.peers
            && self.recovering == other.recovering
            && self.recovered == other.recovered
            && self.contested == other.contested
            && self.over_quota == other.over_quota
    }
}

/// What opening a folder to write takes beside its keys.
#[derive(Clone, Copy)]
struct Writing {
    override_fence: bool,
}

/// The owner.
pub struct Keeper {
    _lock: DataFolder,
    folder: Folder,
    federation: Digest,
    replica: Replica,
    store: Store,
    own: OwnLogs,
    desk: Option<PublicKey>,
    member: Option<MemberConfig>,
    /// Peer id and addresses of this node that are not in the phone book yet.
    place: Option<(String, Vec<String>)>,
    phone_book: PhoneBook,
    /// Whether records came, or fell, that may change it.
    is_book_stale: bool,
    book_news: Vec<News>,
    standing: Arc<Standing>,
    frontier: Arc<Frontier>,
    ends: Arc<Ends>,
    /// Works held that do not stand because of them, less those that stand because of them.
    beyond: i64,
    policy: Arc<LocalPolicy>,
}

impl Keeper {
    /// Opens a data folder that was set up and joined to a federation, to read. The words say what was mended.
    pub fn open(folder: &Folder) -> Result<(Keeper, Config, Vec<String>), KeeperError> {
        let mut nowhere = Passphrases::new(passphrase::Source::Nowhere);
        Keeper::open_with(folder, &mut Secrets::of(folder.path(), &mut nowhere), None)
    }

    /// The same to write too: with the desk key, and with the identity key only where the governance log is still to be begun.
    pub fn open_to_write(
        folder: &Folder,
        secrets: &mut Secrets<'_>,
        override_fence: bool,
    ) -> Result<(Keeper, Config, Vec<String>), KeeperError> {
        Keeper::open_with(folder, secrets, Some(Writing { override_fence }))
    }

    fn open_with(
        folder: &Folder,
        secrets: &mut Secrets<'_>,
        writing: Option<Writing>,
    ) -> Result<(Keeper, Config, Vec<String>), KeeperError> {
        let config = folder.config()?;
        let charter = Arc::new(folder.charter()?);
        let policy = policy(folder, &config)?;
        let federation = charter.id();
        let lock = DataFolder::lock(folder.path())?;
        // Before the store, which may take long: a wrong passphrase is told at once.
        let desk = match (&config.member, writing) {
            (Some(_), Some(_)) => secrets.open(KeyName::Desk)?,
            _ => None,
        };
        let (mut store, mut opened) = Store::open(&folder.store(), &federation)?;
        let behind = store.clock_ms().saturating_sub(now_ms());
        if behind > CLOCK_BEHIND_MS {
            let span = match behind / 3_600_000 {
                0 => format!("{} minutes", behind / 60_000),
                hours @ 1..48 => format!("{hours} hours"),
                hours => format!("{} days", hours / 24),
            };
            opened.notes.push(format!(
                "this machine's clock is {span} behind the last arrival noted here; set it, or new arrivals all bear that time"
            ));
        }
        let fence = Fence::open(&folder.state_dir(&config)?, folder.path())?;
        let lifted = lift(&mut store, &policy)?;
        if lifted > 0 {
            opened.notes.push(format!("{lifted} texts are denied here no more and are fetched"));
        }
        let mut replica = Replica::pinned(charter, config.pin()?);
        replica.set_policy(policy.replica.clone());
        for note in store.editions()? {
            if let Err(error) = replica.resume_edition(&note) {
                opened.notes.push(format!("an edition on disk is not taken: {error}; a sync brings what is missing"));
            }
        }
        store.forks(&federation)?.into_iter().for_each(|fork| replica.resume_fork(fork));
        for (key, log, bodies) in store.logs()? {
            replica.resume(key, log, &bodies);
        }
        for effect in replica.resumed() {
            if let Effect::Look(look) = effect {
                // A root found changes a row, and leads to nothing else before there are peers.
                let _ = replica.handle(now_ms(), Input::Seen(look, seen(&store, &federation, look)?));
            }
        }
        let mut keeper = Keeper {
            _lock: lock,
            folder: folder.clone(),
            federation,
            standing: Arc::new(replica.standing().clone()),
            frontier: Arc::new(replica.frontier()),
            ends: Arc::default(),
            beyond: 0,
            replica,
            store,
            own: OwnLogs::new(fence, config.member.as_ref().map(|member| member.code.clone())),
            desk: None,
            member: config.member.clone(),
            place: None,
            phone_book: PhoneBook::default(),
            is_book_stale: true,
            book_news: Vec::new(),
            policy: Arc::new(policy),
        };
        keeper.renew_ends()?;
        keeper.settle_erasures()?;
        keeper.deny_held()?;
        keeper.renew_phone_book()?;
        keeper.note_shown()?;
        keeper.take_keys(desk, secrets, writing, &mut opened.notes)?;
        Ok((keeper, config, opened.notes))
    }

    /// The federation's id.
    pub fn federation(&self) -> Digest {
        self.federation
    }

    /// A read handle on the store.
    pub fn reader(&self) -> Reader {
        self.store.reader()
    }

    /// Up to where the records on disk can be checked.
    pub fn end(&self) -> Cursor {
        self.store.end()
    }

    /// What can be seen from outside.
    pub fn view(&self) -> View {
        let mut recovering = self.own.words(&self.replica);
        recovering.extend(self.store.reader().damage().cloned());
        if !self.has_room() {
            recovering.push("the disk is full: nothing new is taken until some space is freed".to_owned());
        }
        let mut counts = self.store.counts();
        counts.documents = counts.documents.saturating_add_signed(-self.beyond);
        View {
            frontier: self.frontier.clone(),
            standing: self.standing.clone(),
            ends: self.ends.clone(),
            counts,
            missing_bodies: self.replica.missing_bodies(),
            peers: self.replica.peers().clone(),
            recovering,
            recovered: self.own.recovered().to_vec(),
            contested: self.contested(),
            policy: self.policy.clone(),
            over_quota: self.replica.over_quota(),
        }
    }

    /// One turn: every input judged, one fsync for all, then what may be spoken. A refused write changes nothing and is told.
    pub fn turn(&mut self, inputs: Vec<Input>) -> Result<(Vec<Effect>, Vec<WriteError>), KeeperError> {
        let now = now_ms();
        let (mut spoken, mut refused, mut has_looked) = (Vec::new(), Vec::new(), false);
        let standing = self.standing.clone();
        let mut inputs: Vec<(Source, Input)> = inputs.into_iter().map(|input| (Source::of(&input), input)).collect();
        while !inputs.is_empty() {
            let (mut kept, mut asked) = (Vec::new(), Vec::new());
            for (source, input) in inputs {
                self.own.hear(&input, &self.replica, &self.store, &self.frontier);
                match self.replica.handle(now, input) {
                    Ok(effects) => {
                        self.own.follow(&source, &effects, &self.replica)?;
                        for effect in effects {
                            match effect {
                                Effect::Keep(record) => kept.push(record),
                                Effect::Look(look) => asked.push((source.clone(), look)),
                                other => spoken.push(other),
                            }
                        }
                    }
                    Err(error) => refused.push(error),
                }
            }
            if !kept.is_empty() {
                self.keep(now, &kept)?;
            }
            // What the replica wants to know of its records, those just kept included, is its next input.
            let seen = |(source, look)| Ok((source, Input::Seen(look, seen(&self.store, &self.federation, look)?)));
            inputs = asked.into_iter().map(seen).collect::<Result<_, KeeperError>>()?;
            has_looked |= !inputs.is_empty();
        }
        if has_looked {
            self.renew_frontier()?; // a root that was found changes a row, though nothing was kept
        }
        spoken.extend(self.own.settle_claims(&self.replica));
        self.renew_phone_book()?;
        if self.own.end_recovery(&self.replica, &mut self.store, now, &self.frontier, &self.phone_book)? {
            spoken.extend(self.open_logs()?);
        }
        if !Arc::ptr_eq(&standing, &self.standing) && !self.own.are_recovering() {
            spoken.extend(self.open_logs()?); // a list that came just now may name this member
        }
        spoken.extend(self.publish_place()?);
        Ok((spoken, refused))
    }

    /// Takes back a work of this member, for good, with a reason. `erase`: every replica is to erase the bodies of all its
    /// versions, this one at once.
    pub fn withdraw(&mut self, slug: &str, reason: &str, erase: bool) -> Result<(String, Vec<Effect>), PublishError> {
        let member = self.may_write()?;
        let work = format!("{member}/{slug}");
        let rows = self.store.reader().standing_work(&work, &self.ends).map_err(failed)?;
        let state = fold(&rows);
        let mut named: Vec<(Digest, Option<schema::Erase>)> = match (erase, &state.withdrawn) {
            (true, _) => self.places(&work)?.into_iter().map(|(digest, place)| (digest, Some(place))).collect(),
            (false, Some(_)) => Vec::new(),
            (false, None) => state.current.iter().map(|version| (version.digest, None)).collect(),
        };
        if named.is_empty() {
            return Err(PublishError::NoWork(work));
        }
        named.sort_by_key(|(digest, _)| *digest);
        let mut bodies = Vec::new();
        for part in named.chunks(limits::LIST_ITEMS_MAX) {
            let versions = part.iter().map(|(digest, _)| digest.as_bytes().to_vec()).collect();
            let erase = part.iter().filter_map(|(_, place)| place.clone()).collect();
            let withdrawal = Some(schema::Withdrawal { versions, reason: reason.to_owned(), erase });
            let slug = slug.to_owned();
            let publication = schema::Publication { slug, withdrawal, ..schema::Publication::default() };
            bodies.push((Kind::Withdrawal as u32, salted(publication)?));
        }
        let effects = self.write(bodies)?;
        Ok((work, effects))
    }

    /// Publishes again what only a branch of an own log had that was set aside. Gives the works; a second time there are none.
    pub fn publish_again(&mut self) -> Result<(Vec<String>, Vec<Effect>), PublishError> {
        let member = self.may_write()?;
        let lost = again::losses(&self.store.reader(), &self.ends, &member).map_err(failed)?.works;
        let (mut works, mut effects) = (Vec::new(), Vec::new());
        for part in lost.chunks(AGAIN_AT_ONCE) {
            let bodies: Result<Vec<_>, PublishError> =
                part.iter().map(|lost| Ok((lost.kind, salted(lost.publication.clone())?))).collect();
            effects.extend(self.write(bodies?)?);
            works.extend(part.iter().map(|lost| lost.work.clone()));
        }
        Ok((works, effects))
    }

    fn contested(&self) -> Vec<Contested> {
        // What cannot be read is damaged, which is told elsewhere.
        Contested::of(self.own.logs(), &self.replica, &self.store.reader()).unwrap_or_default()
    }

    /// Takes a run of the member's governance log, signed where its identity key is.
    pub fn submit(&mut self, chunk: schema::Chunk) -> Result<Vec<Effect>, PublishError> {
        // A desk's log that is contested is settled by just such a run.
        let log = PublicKey::from_bytes(&chunk.log).ok();
        if let Some(words) = log.and_then(|log| self.own.contested(&log, &self.replica)) {
            return Err(PublishError::Contested(words));
        }
        if let Some(words) = log.and_then(|log| self.own.why(&log)) {
            return Err(PublishError::Recovering(words));
        }
        let (effects, mut refused) = self.turn(vec![Input::Submit(chunk)]).map_err(failed)?;
        match refused.pop() {
            Some(error) => Err(error.into()),
            None => Ok(effects),
        }
    }

    /// Where this node can be reached; published in the phone book if that changed, as soon as that is safe.
    pub fn take_place(&mut self, peer: &str, addresses: &[String]) {
        let addresses: Vec<String> = addresses.iter().take(limits::ADDRESSES_MAX).cloned().collect();
        self.place = (!addresses.is_empty() && self.desk.is_some()).then(|| (peer.to_owned(), addresses));
    }

    /// What is new in the phone book since this was last asked; at first, all of it.
    pub fn take_book_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.book_news)
    }

    /// Makes everything durable and ends in order.
    pub fn close(self) -> Result<(), KeeperError> {
        Ok(self.store.close()?)
    }

    /// After an error of the store: what the engine says is not believed at the next start.
    pub fn suspect(folder: &Folder) {
        Store::suspect(&folder.store());
    }

    /// Whether the disk still has room for what peers send.
    pub fn has_room(&self) -> bool {
        disk::free(self.folder.path()).is_ok_and(|free| free >= disk::FREE_BYTES_MIN)
    }

    // ------------------------------------------------------------------------------------------- own logs

    fn take_keys(
        &mut self,
        desk: Option<SecretKey>,
        secrets: &mut Secrets<'_>,
        writing: Option<Writing>,
        notes: &mut Vec<String>,
    ) -> Result<(), KeeperError> {
        let Some(member) = self.member.clone() else { return Ok(()) };
        self.desk = desk.as_ref().map(SecretKey::public);
        // A log is one's own where its secret key is here, opened or not. A damaged file of a key that is not needed stops nobody.
        for name in [KeyName::Identity, KeyName::Desk] {
            match secrets.public(name) {
                Ok(Some(public)) => self.own.add(public),
                Ok(None) => {}
                Err(error) => notes.push(error.to_string()),
            }
        }
        if let Some(desk) = desk {
            self.replica.hold_key(desk);
            self.take_identity(&member, secrets, notes)?;
        }
        let override_fence = writing.is_some_and(|writing| writing.override_fence);
        self.own.check(&self.replica, &mut self.store, now_ms(), override_fence)?;
        // Nobody has confirmed anything yet; but what is waited for can be told at once.
        self.own.end_recovery(&self.replica, &mut self.store, now_ms(), &self.frontier, &self.phone_book)?;
        if !self.own.are_recovering() {
            self.open_logs()?;
        }
        Ok(())
    }

    /// Opens the identity key where the governance log is still to be begun, and only there. A recovering node may come to that
    /// hours later, when nobody gives the passphrase any more.
    fn take_identity(
        &mut self,
        member: &MemberConfig,
        secrets: &mut Secrets<'_>,
        notes: &mut Vec<String>,
    ) -> Result<(), KeeperError> {
        let identity = match self.replica.standing().identity_key(&member.code) {
            Some(listed) => listed,
            // Not a member yet, or not any more: the key that is here is the one whose log a list may let begin while the node runs.
            None => match secrets.public(KeyName::Identity) {
                Ok(Some(public)) => public,
                Ok(None) | Err(_) => return Ok(()),
            },
        };
        if self.replica.log(&identity).is_some_and(|log| log.size() > 0)
            || secrets.public(KeyName::Identity)?.is_some_and(|public| public != identity)
        {
            return Ok(());
        }
        match secrets.open(KeyName::Identity)? {
            Some(secret) if secret.public() == identity => {
                self.own.add(identity);
                self.replica.hold_key(secret);
            }
            Some(_) => {}
            None => notes.push(format!(
                "the governance log of {} is not begun here: bring back {}, or wait until a peer brings that log",
                member.code,
                KeyName::Identity.path(self.folder.path()).display()
            )),
        }
        Ok(())
    }

    /// Entries 0 of both logs and the delegation of the desk, where they are not yet there: the first words of a member. Only the
    /// governance log's need the identity key.
    fn open_logs(&mut self) -> Result<Vec<Effect>, KeeperError> {
        let (Some(member), Some(desk)) = (self.member.clone(), self.desk) else { return Ok(Vec::new()) };
        let Some(identity) = self.replica.standing().identity_key(&member.code) else {
            return Ok(Vec::new()); // not (yet) a member: it reads like everyone else
        };
        let mut effects = Vec::new();
        if self.own.has(&identity) && self.replica.log(&identity).is_none_or(|log| log.size() == 0) {
            let frontier = self.replica.frontier();
            let mut chains = self.replica.standing().lines().iter().filter_map(|line| line.chain(&member.code));
            let Some(link) = chains.find_map(|chain| chain.link(&identity)) else { return Ok(effects) };
            let open = acts::opening(&frontier, &member.code, link);
            let opening = (Kind::Open as u32, open.to_body(keystore::random()?));
            let delegation = (Kind::Delegate as u32, body::delegation(&desk, &member.desk, keystore::random()?));
            effects.extend(self.turn(vec![Input::Write { log: identity, bodies: vec![opening, delegation] }])?.0);
        }
        if let Some(open) = self.desk_open(&desk)? {
            effects.extend(self.turn(vec![Input::Write { log: desk, bodies: vec![open] }])?.0);
        }
        Ok(effects)
    }

    /// Entry 0 of the desk's log, where that is still to be written and the desk is delegated.
    fn desk_open(&self, desk_key: &PublicKey) -> Result<Option<(u32, Vec<u8>)>, KeyError> {
        let member = self.member.as_ref().filter(|_| self.replica.log(desk_key).is_some_and(|log| log.size() == 0));
        let Some(member) = member.map(|member| member.code.clone()) else { return Ok(None) };
        let mut chains = self.replica.standing().lines().iter().filter_map(|line| line.chain(&member));
        let Some(desk) = chains.find_map(|chain| chain.desks().get(desk_key)) else { return Ok(None) };
        let (purpose, identity_key) = (Purpose::Publication, desk.identity_key);
        let open = Open { purpose, member, identity_key, successor_digest: None, predecessor: None };
        Ok(Some((Kind::Open as u32, open.to_body(keystore::random()?))))
    }

    /// Publishes this node's place in the phone book. Nobody asked for it, so not before a peer was heard: where folder and
    /// marks are both of yesterday, nothing here tells, and the first words of a start must not be what makes a fork.
    fn publish_place(&mut self) -> Result<Vec<Effect>, KeeperError> {
        let Some(desk) = self.desk.filter(|desk| self.replica.log(desk).is_some_and(|log| log.size() > 0)) else {
            return Ok(Vec::new());
        };
        if self.place.is_none() || !self.own.have_been_compared() || self.may_write().is_err() {
            return Ok(Vec::new());
        }
        let Some((peer, addresses)) = self.place.take() else { return Ok(Vec::new()) };
        if self.phone_book.addresses(&desk, &peer) == Some(addresses.as_slice()) {
            return Ok(Vec::new());
        }
        let salt = keystore::random::<{ limits::SALT_BYTES }>()?.to_vec();
        let body = schema::Address { salt, peer, addresses }.encode_to_vec();
        let (effects, refused) =
            self.turn(vec![Input::Write { log: desk, bodies: vec![(Kind::Address as u32, body)] }])?;
        for error in refused {
            tracing::info!(%error, "this node's addresses are not in the phone book");
        }
        Ok(effects)
    }

    fn may_write(&self) -> Result<String, PublishError> {
        let member = self.member.as_ref().filter(|_| self.desk.is_some()).ok_or(PublishError::NoDesk)?.code.clone();
        if let Some(words) = self.own.logs().find_map(|log| self.own.contested(&log, &self.replica)) {
            return Err(PublishError::Contested(words));
        }
        if self.own.are_recovering() {
            return Err(PublishError::Recovering(self.own.words(&self.replica).join(". ")));
        }
        if let Some(why) = self.own.claim(&self.replica) {
            return Err(PublishError::Asking(why));
        }
        let free = disk::free(self.folder.path()).map_err(failed)?;
        if free < disk::FREE_BYTES_MIN { Err(PublishError::Full(free)) } else { Ok(member) }
    }

    fn write(&mut self, mut bodies: Vec<(u32, Vec<u8>)>) -> Result<Vec<Effect>, PublishError> {
        let log = self.desk.ok_or(PublishError::NoDesk)?;
        // The first words of a desk that was delegated while the node ran.
        if let Some(open) = self.desk_open(&log).map_err(failed)? {
            bodies.insert(0, open);
        }
        let (effects, mut refused) = self.turn(vec![Input::Write { log, bodies }]).map_err(failed)?;
        match refused.pop() {
            Some(error) => Err(error.into()),
            None => Ok(effects),
        }
    }

    /// Makes records durable and visible. What is erased is looked up among what is applied, so it comes after all else.
    fn keep(&mut self, now: u64, records: &[Record]) -> Result<(), KeeperError> {
        let is_erasure = |record: &Record| matches!(record, Record::Erasure(_));
        let (mut erasures, others): (Vec<Record>, Vec<Record>) = records.iter().cloned().partition(is_erasure);
        if !others.is_empty() {
            self.keep_alike(now, &others)?;
        }
        if others.iter().any(erasing::reaches_aside) {
            erasures.extend(self.owed_aside()?);
        }
        if erasures.is_empty() { Ok(()) } else { self.keep_alike(now, &erasures) }
    }

    fn keep_alike(&mut self, now: u64, records: &[Record]) -> Result<(), KeeperError> {
        let appended = self.store.append(now, records)?;
        self.own.mark(records, &self.replica)?;
        self.store.apply(appended)?;
        let governed = |record: &Record| match record {
            Record::Run(run) => self.replica.log(run.log()).is_some_and(|log| log.purpose() == Purpose::Governance),
            Record::Body { .. } | Record::Erasure(_) => false,
            Record::Edition(_) | Record::Fork(_) | Record::Rewind(_) => true,
        };
        if records.iter().any(governed) {
            self.standing = Arc::new(self.replica.standing().clone());
            self.is_book_stale = true;
        }
        self.is_book_stale |= records.iter().any(names_a_node);
        self.renew_frontier()
    }

    fn renew_phone_book(&mut self) -> Result<(), KeeperError> {
        if std::mem::take(&mut self.is_book_stale) {
            let book = PhoneBook::read(&self.store.reader(), &self.standing, &self.frontier)?;
            self.book_news.extend(book.news(&self.phone_book));
            self.phone_book = book;
        }
        Ok(())
    }

    fn renew_frontier(&mut self) -> Result<(), KeeperError> {
        let frontier = self.replica.frontier();
        if frontier != *self.frontier {
            self.frontier = Arc::new(frontier);
        }
        self.renew_ends()
    }

    fn renew_ends(&mut self) -> Result<(), KeeperError> {
        let ends = self.store.ends(&self.frontier);
        if ends != *self.ends {
            self.beyond = self.store.reader().beyond(&ends)?;
            self.ends = Arc::new(ends);
            self.is_book_stale = true;
            self.note_shown()?;
        }
        Ok(())
    }
}

/// What the replica wants to know of its own records.
fn seen(store: &Store, federation: &Digest, look: Look) -> Result<Sight, StoreError> {
    look.at(&store.reader().archive(*federation))
}

/// Whether a record may say where a node is.
fn names_a_node(record: &Record) -> bool {
    match record {
        Record::Run(run) => run.leaves().iter().any(|leaf| leaf.entry.kind() == Kind::Address as u32),
        _ => false,
    }
}

fn salted(mut publication: schema::Publication) -> Result<Vec<u8>, PublishError> {
    publication.salt = keystore::random::<{ limits::SALT_BYTES }>().map_err(failed)?.to_vec();
    let bytes = publication.encode_to_vec();
    if bytes.len() > limits::BODY_BYTES_MAX {
        return Err(PublishError::TooLong { slug: publication.slug, bytes: bytes.len() });
    }
    Ok(bytes)
}

fn failed(error: impl std::fmt::Display) -> PublishError {
    PublishError::Failed(error.to_string())
}

/// Unix milliseconds by the machine's clock.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
