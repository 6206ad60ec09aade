//! The one owner of what changes: the replica, the store, and the fence, driven in the order that makes a crash harmless.
//!
//! [`Keeper::turn`] is the whole rhythm: the replica judges, what it keeps is appended and fsynced, the fence's marks advance,
//! readers see it, and only then the effects that speak are handed out. The node runs it beside a network; a command that finds
//! no node running drives it alone.

mod denying;
mod erasing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;
use proto::body::{self, Open, Purpose};
use proto::charter::Charter;
use proto::digest::Digest;
use proto::frontier::Frontier;
use proto::key::{PublicKey, SecretKey};
use proto::limits;
use proto::replica::{Effect, Input, OverQuota, PeerState, Record, Replica, WriteError};
use proto::schema::sync_message::Message as SyncMessage;
use proto::schema::{self, Kind};
use proto::session::Peer;
use proto::standing::Standing;
use proto::work;
use thiserror::Error;

use self::denying::{lift, policy};
use crate::conduct::uptime_ms;
use crate::config::{Config, ConfigError, Folder, MemberConfig};
use crate::disk::{self, DataFolder, DiskError};
use crate::fence::{Fence, FenceError, Verdict};
use crate::keystore::{self, KeyError, KeyName, Secrets};
use crate::passphrase::{Passphrases, Source};
use crate::policy::LocalPolicy;
use crate::reader::Reader;
use crate::rows::{Says, StoreError, WorkRow, fold};
use crate::segments::Cursor;
use crate::store::{Counts, Store};

/// Milliseconds a clock may be behind what was noted before without a word: what a correction by a time service takes back.
const CLOCK_BEHIND_MS: u64 = 300_000;

/// Milliseconds from the first claim since the start for which claims alone can hold up writing: whoever holds more of an own log
/// shows it meanwhile, also on a weak line, and a liar, or a crowd of them, must not silence a parliament.
const CLAIMS_HOLD_MS: u64 = 300_000;

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

/// Why nothing was published. Nothing was changed.
#[derive(Debug, Error)]
pub enum PublishError {
    /// Not a member's node.
    #[error("this node is a replica without a desk key; publish from the node of a member")]
    NoDesk,
    /// The fence.
    #[error(
        "this node may not write: {0}. It reads its own log from its peers meanwhile. If you know that no other copy of this \
         folder wrote since, start it once with `comity run --override-fence`; that is recorded"
    )]
    Recovering(String),
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
    /// The protocol refused.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The store, the fence or the system failed; the node stops.
    #[error("{0}")]
    Failed(String),
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
    /// Numbers.
    pub counts: Counts,
    /// Bodies that are wanted.
    pub missing_bodies: u64,
    /// How things are with every peer.
    pub peers: BTreeMap<Peer, PeerState>,
    /// Why own logs may not be written.
    pub recovering: Vec<String>,
    /// What the operator decided about others.
    pub policy: Arc<LocalPolicy>,
    /// Logs that wait because of it.
    pub over_quota: Vec<OverQuota>,
}

/// A peer says that it holds more of an own log than is here.
struct Claim {
    log: PublicKey,
    size: u64,
    held: u64,
}

impl PartialEq for View {
    fn eq(&self, other: &View) -> bool {
        // Frontier and standing are made anew when they change, and only then.
        Arc::ptr_eq(&self.frontier, &other.frontier)
            && Arc::ptr_eq(&self.standing, &other.standing)
            && self.counts == other.counts
            && self.missing_bodies == other.missing_bodies
            && self.peers == other.peers
            && self.recovering == other.recovering
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
    fence: Fence,
    own: BTreeSet<PublicKey>,
    desk: Option<PublicKey>,
    member: Option<String>,
    recovering: BTreeMap<PublicKey, String>,
    claims: BTreeMap<Peer, Claim>,
    claimed_ms: Option<u64>,
    learned: Vec<schema::Address>,
    standing: Arc<Standing>,
    frontier: Arc<Frontier>,
    policy: Arc<LocalPolicy>,
}

impl Keeper {
    /// Opens a data folder that was set up and joined to a federation, to read. The words say what was mended.
    pub fn open(folder: &Folder) -> Result<(Keeper, Config, Vec<String>), KeeperError> {
        let mut nowhere = Passphrases::new(Source::Nowhere);
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
        let mut replica = Replica::new(charter.clone());
        replica.set_policy(policy.replica.clone());
        for (key, log, bodies) in store.logs()? {
            replica.resume(key, log, &bodies);
        }
        let mut keeper = Keeper {
            _lock: lock,
            folder: folder.clone(),
            federation,
            standing: Arc::new(replica.standing().clone()),
            frontier: Arc::new(replica.frontier()),
            replica,
            store,
            fence,
            own: BTreeSet::new(),
            desk: None,
            member: None,
            recovering: BTreeMap::new(),
            claims: BTreeMap::new(),
            claimed_ms: None,
            learned: Vec::new(),
            policy: Arc::new(policy),
        };
        keeper.settle_erasures()?;
        keeper.deny_held()?;
        if let Some(member) = &config.member {
            keeper.take_keys(&charter, member, desk, secrets, writing, &mut opened.notes)?;
        }
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
        let mut recovering: Vec<String> =
            self.recovering.iter().map(|(key, why)| format!("log {key} may not be written: {why}")).collect();
        recovering.extend(self.store.reader().damage().cloned());
        if !self.has_room() {
            recovering.push("the disk is full: nothing new is taken until some space is freed".to_owned());
        }
        View {
            frontier: self.frontier.clone(),
            standing: self.standing.clone(),
            counts: self.store.counts(),
            missing_bodies: self.replica.missing_bodies(),
            peers: self.replica.peers().clone(),
            recovering,
            policy: self.policy.clone(),
            over_quota: self.replica.over_quota(),
        }
    }

    /// One turn: every input judged, one fsync for all, then what may be spoken. A refused write changes nothing and is told.
    pub fn turn(&mut self, inputs: Vec<Input>) -> Result<(Vec<Effect>, Vec<WriteError>), KeeperError> {
        let now = now_ms();
        let (mut spoken, mut kept, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        let mut wrote = BTreeSet::new();
        for input in inputs {
            self.hear_claims(&input);
            if let Input::Write { log, .. } = &input {
                wrote.insert(*log);
            }
            match self.replica.handle(now, input) {
                Ok(effects) => {
                    for effect in effects {
                        match effect {
                            Effect::Keep(record) => kept.push(record),
                            other => spoken.push(other),
                        }
                    }
                }
                Err(error) => refused.push(error),
            }
        }
        if !kept.is_empty() {
            self.find_foreign(&wrote, &kept);
            self.keep(now, &kept)?;
        }
        spoken.extend(self.settle_claims());
        Ok((spoken, refused))
    }

    /// Publishes documents with the desk key, all under one signature. The same content again writes nothing.
    pub fn publish(
        &mut self,
        documents: Vec<(Kind, schema::Publication)>,
    ) -> Result<(Vec<Published>, Vec<Effect>), PublishError> {
        let member = self.may_write()?;
        let (mut published, mut bodies) = (Vec::new(), Vec::new());
        let mut slugs = BTreeSet::new();
        for (kind, mut publication) in documents {
            if !slugs.insert(publication.slug.clone()) {
                return Err(PublishError::Twice(publication.slug));
            }
            let work = format!("{member}/{}", publication.slug);
            let rows = self.store.reader().work(&work).map_err(failed)?;
            let state = fold(&rows);
            if let Some(version) = self.same(&rows, &state, kind, &publication)? {
                published.push(Published { work, version, changed: false });
                continue;
            }
            let (version, supersedes) = work::next(&state);
            publication.version = version;
            publication.supersedes = supersedes.iter().map(|digest| digest.as_bytes().to_vec()).collect();
            bodies.push((kind as u32, salted(publication)?));
            published.push(Published { work, version, changed: true });
        }
        let effects = if bodies.is_empty() { Vec::new() } else { self.write(bodies)? };
        Ok((published, effects))
    }

    /// Takes back a work of this member, for good, with a reason. `erase`: every replica is to erase the bodies of all its
    /// versions, this one at once.
    pub fn withdraw(&mut self, slug: &str, reason: &str, erase: bool) -> Result<(String, Vec<Effect>), PublishError> {
        let member = self.may_write()?;
        let work = format!("{member}/{slug}");
        let rows = self.store.reader().work(&work).map_err(failed)?;
        let state = fold(&rows);
        let mut named: Vec<(Digest, Option<schema::Erase>)> = match (erase, &state.withdrawn) {
            (true, _) => self.places(&rows)?.into_iter().map(|(digest, place)| (digest, Some(place))).collect(),
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

    /// Publishes this node's place in the phone book, if it changed.
    pub fn publish_addresses(&mut self, peer: &str, addresses: &[String]) -> Result<Vec<Effect>, PublishError> {
        self.may_write()?;
        let desk = self.desk.ok_or(PublishError::NoDesk)?;
        let number = self.store.reader().number(&desk).map_err(failed)?;
        let addresses: Vec<String> = addresses.iter().take(limits::ADDRESSES_MAX).cloned().collect();
        let book = self.store.reader().phone_book().map_err(failed)?;
        let mut own = book.iter().filter(|(log, address)| Some(*log) == number && address.peer == peer);
        if own.next().is_some_and(|(_, known)| known.addresses == addresses) || addresses.is_empty() {
            return Ok(Vec::new());
        }
        let salt = keystore::random::<{ limits::SALT_BYTES }>().map_err(failed)?.to_vec();
        let body = schema::Address { salt, peer: peer.to_owned(), addresses }.encode_to_vec();
        self.write(vec![(Kind::Address as u32, body)])
    }

    /// Entries of the phone book that arrived since this was last asked.
    pub fn take_learned(&mut self) -> Vec<schema::Address> {
        std::mem::take(&mut self.learned)
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
        charter: &Charter,
        member: &MemberConfig,
        desk: Option<SecretKey>,
        secrets: &mut Secrets<'_>,
        writing: Option<Writing>,
        notes: &mut Vec<String>,
    ) -> Result<(), KeeperError> {
        self.member = Some(member.code.clone());
        self.desk = desk.as_ref().map(SecretKey::public);
        // A log is one's own where its secret key is here, opened or not. A damaged file of a key that is not needed stops nobody.
        for name in [KeyName::Identity, KeyName::Desk] {
            match secrets.public(name) {
                Ok(public) => self.own.extend(public),
                Err(error) => notes.push(error.to_string()),
            }
        }
        let override_fence = writing.is_some_and(|writing| writing.override_fence);
        for log in self.own.clone() {
            self.check_fence(&log, override_fence)?;
        }
        let Some(desk) = desk else { return Ok(()) };
        let key = desk.public();
        self.replica.hold_key(desk);
        if self.recovering.is_empty() { self.open_logs(charter, member, &key, secrets, notes) } else { Ok(()) }
    }

    fn check_fence(&mut self, log: &PublicKey, override_fence: bool) -> Result<(), KeeperError> {
        let size = self.replica.log(log).map_or(0, |log| log.size());
        let root = |size| self.store.root_at(log, size);
        match self.fence.judge(log, size, root)? {
            Verdict::Sound => {}
            Verdict::Advance => self.advance(log)?,
            Verdict::Recovering(doubt) if override_fence => {
                let words = format!("the operator overrode the fence of log {log} at {size} entries: {doubt}");
                tracing::warn!("{words}");
                self.store.note_local(now_ms(), &words)?;
                self.advance(log)?;
            }
            Verdict::Recovering(doubt) => {
                self.recovering.insert(*log, doubt.to_string());
            }
        }
        Ok(())
    }

    fn advance(&self, log: &PublicKey) -> Result<(), KeeperError> {
        let Some(log_state) = self.replica.log(log) else { return Ok(()) };
        Ok(self.fence.advance(log, log_state.size(), &log_state.tree().root())?)
    }

    /// Entries 0 of both logs and the delegation of the desk, where they are not yet there: the first words of a member. Only the
    /// governance log's need the identity key.
    fn open_logs(
        &mut self,
        charter: &Charter,
        member: &MemberConfig,
        desk_key: &PublicKey,
        secrets: &mut Secrets<'_>,
        notes: &mut Vec<String>,
    ) -> Result<(), KeeperError> {
        let Some(listed) = charter.member(&member.code) else { return Ok(()) };
        let identity = listed.identity_key;
        if self.replica.log(&identity).map_or(0, |log| log.size()) == 0 {
            if secrets.public(KeyName::Identity)?.is_some_and(|public| public != identity) {
                return Ok(()); // not (yet) a member: it reads like everyone else
            }
            let Some(secret) = secrets.open(KeyName::Identity)? else {
                let path = KeyName::Identity.path(self.folder.path());
                notes.push(format!(
                    "the governance log of {} is not begun here: bring back {}, or wait until a peer brings that log",
                    member.code,
                    path.display()
                ));
                return Ok(());
            };
            if secret.public() != identity {
                return Ok(());
            }
            if self.own.insert(identity) {
                self.check_fence(&identity, false)?;
            }
            if !self.recovering.is_empty() {
                return Ok(());
            }
            self.replica.hold_key(secret);
            let open = Open {
                purpose: Purpose::Governance,
                member: member.code.clone(),
                identity_key: identity,
                successor_digest: Some(listed.successor_digest),
                predecessor: None,
            };
            let opening = (Kind::Open as u32, open.to_body(keystore::random()?));
            let delegation = (Kind::Delegate as u32, body::delegation(desk_key, &member.desk, keystore::random()?));
            self.turn(vec![Input::Write { log: identity, bodies: vec![opening, delegation] }])?;
        }
        if self.replica.log(desk_key).is_some_and(|log| log.size() == 0) {
            let open = Open {
                purpose: Purpose::Publication,
                member: member.code.clone(),
                identity_key: identity,
                successor_digest: None,
                predecessor: None,
            };
            let opening = (Kind::Open as u32, open.to_body(keystore::random()?));
            self.turn(vec![Input::Write { log: *desk_key, bodies: vec![opening] }])?;
        }
        Ok(())
    }

    /// A peer that says it holds more of an own log than is here is asked for it; until it has answered nothing is written.
    /// A row is only a claim: the entries that follow, which only our own key can have signed, are the evidence.
    fn hear_claims(&mut self, input: &Input) {
        let (Input::Told(peer, frontier) | Input::Answered(peer, SyncMessage::Frontier(frontier))) = input else {
            return;
        };
        for log in &self.own {
            let held = self.replica.log(log).map_or(0, |log| log.size());
            let claimed = frontier.rows.iter().find(|row| row.log == log.as_bytes() && row.size > held);
            if let Some(row) = claimed {
                self.claims.insert(peer.clone(), Claim { log: *log, size: row.size, held });
                self.claimed_ms.get_or_insert_with(uptime_ms);
            }
        }
    }

    fn is_syncing(&self, peer: &Peer) -> bool {
        self.replica.peers().get(peer).is_some_and(|state| state.syncing)
    }

    /// The claim that holds up writing.
    fn claim(&self) -> Option<String> {
        self.claimed_ms.filter(|since| uptime_ms() < since + CLAIMS_HOLD_MS)?;
        let Claim { log, size, held } = self.claims.iter().find(|(peer, _)| self.is_syncing(peer))?.1;
        Some(format!("a peer says it holds {size} entries of {log}, this folder {held}"))
    }

    /// Claims whose sync is over. Only our own key can have signed what was claimed, so who showed none of it made it up.
    fn settle_claims(&mut self) -> Vec<Effect> {
        let over: Vec<Peer> = self.claims.keys().filter(|peer| !self.is_syncing(peer)).cloned().collect();
        let mut faults = Vec::new();
        for peer in over {
            let Some(Claim { log, size, held }) = self.claims.remove(&peer) else { continue };
            if self.replica.log(&log).is_none_or(|log| log.size() <= held) {
                let fault = format!("said it holds {size} entries of our log {log} and showed none beyond {held}");
                faults.push(Effect::Penalize { peer, fault });
            }
        }
        faults
    }

    /// An entry of an own log that came from a peer: something else wrote it, and nothing more is written from here.
    fn find_foreign(&mut self, inputs_wrote: &BTreeSet<PublicKey>, records: &[Record]) {
        for record in records {
            let Record::Run(run) = record else { continue };
            if self.own.contains(run.log()) && !inputs_wrote.contains(run.log()) {
                let words =
                    format!("entries from {} on came from a peer; another copy of this folder wrote them", run.from());
                tracing::error!("log {} may not be written: {words}", run.log());
                self.recovering.entry(*run.log()).or_insert(words);
            }
        }
    }

    fn may_write(&self) -> Result<String, PublishError> {
        let member = self.member.clone().filter(|_| self.desk.is_some()).ok_or(PublishError::NoDesk)?;
        if let Some(why) = self.recovering.values().next() {
            return Err(PublishError::Recovering(why.clone()));
        }
        if let Some(why) = self.claim() {
            return Err(PublishError::Asking(why));
        }
        let free = disk::free(self.folder.path()).map_err(failed)?;
        if free < disk::FREE_BYTES_MIN { Err(PublishError::Full(free)) } else { Ok(member) }
    }

    fn write(&mut self, bodies: Vec<(u32, Vec<u8>)>) -> Result<Vec<Effect>, PublishError> {
        let log = self.desk.ok_or(PublishError::NoDesk)?;
        let (effects, mut refused) = self.turn(vec![Input::Write { log, bodies }]).map_err(failed)?;
        match refused.pop() {
            Some(error) => Err(error.into()),
            None => Ok(effects),
        }
    }

    /// The version that says exactly this already, where one stands alone.
    fn same(
        &self,
        rows: &[WorkRow],
        state: &work::State,
        kind: Kind,
        publication: &schema::Publication,
    ) -> Result<Option<u32>, PublishError> {
        let [current] = state.current.as_slice() else { return Ok(None) };
        let Some(row) = rows.iter().find(|row| row.digest == current.digest) else { return Ok(None) };
        if state.withdrawn.is_some() || !matches!(&row.says, Says::Version(_, of) if *of == kind as u32) {
            return Ok(None);
        }
        let Some(kept) = self.store.reader().entry(row.log, row.index).map_err(failed)? else { return Ok(None) };
        let Some((mut before, _)) = kept.body.as_deref().and_then(body::publication) else { return Ok(None) };
        (before.salt, before.version, before.supersedes) = (Vec::new(), 0, Vec::new());
        Ok((before == *publication).then_some(current.number))
    }

    /// What is erased is looked up among what is applied, so it comes after all else.
    fn keep(&mut self, now: u64, records: &[Record]) -> Result<(), KeeperError> {
        let is_erasure = |record: &Record| matches!(record, Record::Erasure(_));
        if !records.iter().any(is_erasure) {
            return self.keep_alike(now, records);
        }
        let (erasures, others): (Vec<Record>, Vec<Record>) = records.iter().cloned().partition(is_erasure);
        if !others.is_empty() {
            self.keep_alike(now, &others)?;
        }
        self.keep_alike(now, &erasures)
    }

    fn keep_alike(&mut self, now: u64, records: &[Record]) -> Result<(), KeeperError> {
        let appended = self.store.append(now, records)?;
        let own: BTreeSet<PublicKey> = records
            .iter()
            .filter_map(|record| match record {
                Record::Run(run) if self.own.contains(run.log()) => Some(*run.log()),
                _ => None,
            })
            .collect();
        for log in own.iter().filter(|log| !self.recovering.contains_key(*log)) {
            self.advance(log)?;
        }
        self.store.apply(appended)?;
        self.frontier = Arc::new(self.replica.frontier());
        self.learned.extend(addresses(records));
        let governed = |record: &Record| match record {
            Record::Run(run) => self.replica.log(run.log()).is_some_and(|log| log.purpose() == Purpose::Governance),
            Record::Body { .. } | Record::Erasure(_) => false,
        };
        if records.iter().any(governed) {
            self.standing = Arc::new(self.replica.standing().clone());
        }
        Ok(())
    }
}

fn addresses(records: &[Record]) -> impl Iterator<Item = schema::Address> {
    let runs = records.iter().filter_map(|record| match record {
        Record::Run(run) => Some(run.leaves()),
        Record::Body { .. } | Record::Erasure(_) => None,
    });
    runs.flatten().filter_map(|leaf| {
        let body = leaf.body.as_ref().filter(|_| leaf.entry.kind() == Kind::Address as u32)?;
        schema::Address::decode(body.bytes.as_slice()).ok()
    })
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
