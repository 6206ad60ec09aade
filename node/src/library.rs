//! Every question a reader can ask, answered from the local replica alone. API, pages and commands all ask here.

mod documents;

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::body::{self, Purpose};
use proto::checkpoint;
use proto::erasure::Cause;
use proto::fork::Fork;
use proto::key::PublicKey;
use proto::log::Admission;
use proto::note;
use proto::replica::OverQuota;
use proto::schema;
use proto::work;
use thiserror::Error;

use crate::again;
use crate::front_matter::FrontMatter;
use crate::index::{IndexError, Question, Searcher};
use crate::keeper::{View, now_ms};
use crate::markdown;
use crate::name::Name;
use crate::policy;
use crate::preference;
use crate::reader::{Erased, Kept, Reader};
use crate::rows::{Owner, Says, StoreError, WorkRow, fold};
use crate::snippet;
use crate::time;
use crate::views;
use crate::vocabulary;

pub use documents::Documents;

/// Works counted of one member for a page; an export counts them all.
const WORKS_MAX: usize = 100_000;

/// Why a question cannot be answered.
#[derive(Debug, Error)]
pub enum LibraryError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// There is none of that name.
    #[error("{0} is not held here; `comity search` shows what is")]
    NotFound(String),
    /// The body was erased, and nobody is asked for it.
    #[error("{work} {words}")]
    Erased {
        /// `CODE/slug@version`.
        work: String,
        /// When, by whom, why.
        words: String,
    },
    /// Its author took it back, and no version is known here: the bodies were erased, or have not come.
    #[error("{work} was withdrawn by its author; no text of it is here. Reason given: {reason}")]
    Withdrawn {
        /// `CODE/slug`.
        work: String,
        /// Why.
        reason: String,
    },
    /// Denied by the operator.
    #[error("{work} {words}")]
    NotShown {
        /// `CODE/slug@version`.
        work: String,
        /// Why not.
        words: String,
    },
    /// There is nothing to compare it with.
    #[error("{0} has one version only; there is nothing to compare it with")]
    OnlyVersion(String),
    /// No request, and nothing about one.
    #[error("{0} is neither a request nor a reply or a synthesis, so there is no thread; `comity show {0}` shows it")]
    NoThread(String),
    /// The body has not come yet.
    #[error("{0} is known and signed, but its text has not arrived here yet; `comity status` says what is waited for")]
    NoBody(String),
}

/// Where answers come from, as of one moment.
#[derive(Clone)]
pub struct Library {
    /// The store.
    pub reader: Reader,
    /// What is held and who may speak.
    pub view: View,
    /// The index.
    pub searcher: Searcher,
}

impl Library {
    /// Works that match, with their titles in the reader's language where there is a translation.
    pub fn search(&self, question: &Question) -> Result<views::Search, LibraryError> {
        let found = self.searcher.search(question)?;
        let mut hits = Vec::with_capacity(found.works.len());
        for work in &found.works {
            if let Some(hit) = self.hit(work, &found.terms)? {
                let display = self.display(&hit, &question.languages)?;
                hits.push(views::Hit { display, ..hit });
            }
        }
        let counts = found.counts.into_iter().map(|(field, values)| (field.to_owned(), values)).collect();
        Ok(views::Search { total: found.total, hits, counts, notes: found.notes })
    }

    /// The title of a work's translation, where it comes closer to what a reader wants than the original does.
    fn display(&self, hit: &views::Hit, wanted: &[String]) -> Result<Option<views::Display>, LibraryError> {
        let is_best = |tag: &str| wanted.first().is_none_or(|best| best.eq_ignore_ascii_case(tag));
        if is_best(&hit.language) {
            return Ok(None);
        }
        let translations = self.searcher.translations(&hit.work)?;
        let there = translations.iter().map(|(language, _)| language.as_str()).chain([hit.language.as_str()]);
        let there: Vec<&str> = there.collect();
        let Some(language) = preference::closest(wanted, &there) else { return Ok(None) };
        let Some((_, work)) = translations.iter().find(|(one, _)| one == language && language != hit.language) else {
            return Ok(None);
        };
        let translation = self.hit(work, &[])?;
        Ok(translation.map(|hit| views::Display { title: hit.title, language: hit.language, work: hit.work }))
    }

    /// One version of a work; the current one unless a version is named.
    pub fn document(&self, name: &Name) -> Result<views::Document, LibraryError> {
        let rows = self.reader.standing_work(&name.work, &self.view.ends)?;
        let state = fold(&rows);
        self.shown(name, &rows)?;
        let row = self.choose(name, &rows, &state).ok_or_else(|| absent(name, &rows, &state))?;
        let kept = self.reader.entry(row.log, row.index)?.ok_or_else(|| LibraryError::NotFound(name.work.clone()))?;
        if kept.body.is_none() {
            return Err(self.without_body(&name.work, row)?);
        }
        let (publication, newer) =
            kept.body.as_deref().and_then(body::publication).ok_or_else(|| LibraryError::NoBody(name.work.clone()))?;
        let provenance = self.provenance(row, &kept)?;
        let (version, kind) = version_of(row);
        let federation = self.view.frontier.federation;
        let about = self.about(kind, &publication)?;
        let age = time::age(&publication.valid_as_of, now_ms());
        let versions = self.versions(&rows, &state)?;
        let others = versions.iter().filter(|version| version.current && version.digest != row.digest.to_string());
        let concurrent = others.map(|version| version.name.clone()).collect();
        Ok(views::Document {
            work: name.work.clone(),
            version,
            current: state.current.iter().any(|current| current.digest == row.digest),
            withdrawn: state.withdrawn.clone(),
            front_matter: FrontMatter::of(kind, &publication),
            text: publication.text,
            newer: newer || vocabulary::kind_slug(kind) == "unknown",
            citation: format!("{}@{version}, federation {federation}, entry {}", name.work, row.digest),
            provenance,
            versions,
            about,
            age,
            related: self.related(&name.work, &state)?,
            concurrent,
        })
    }

    /// The kind of a work's current version, and what it says.
    pub(crate) fn current(&self, name: &Name) -> Result<(u32, schema::Publication), LibraryError> {
        let rows = self.reader.standing_work(&name.work, &self.view.ends)?;
        let state = fold(&rows);
        self.shown(name, &rows)?;
        let row = self.choose(name, &rows, &state).ok_or_else(|| absent(name, &rows, &state))?;
        let kept = self.reader.entry(row.log, row.index)?.ok_or_else(|| LibraryError::NotFound(name.work.clone()))?;
        match kept.body.as_deref().and_then(body::publication) {
            Some((publication, _)) => Ok((version_of(row).1, publication)),
            None => Err(self.without_body(&name.work, row)?),
        }
    }

    /// All versions of a work.
    pub fn history(&self, name: &Name) -> Result<views::History, LibraryError> {
        let rows = self.reader.standing_work(&name.work, &self.view.ends)?;
        if rows.is_empty() {
            return Err(LibraryError::NotFound(name.work.clone()));
        }
        self.shown(name, &rows)?;
        let state = fold(&rows);
        let versions = self.versions(&rows, &state)?;
        Ok(views::History { work: name.work.clone(), withdrawn: withdrawn(&rows, &state), versions })
    }

    /// What is to be recovered of a member's own logs.
    pub fn recovery(&self, member: Option<&str>) -> Result<views::Recovery, LibraryError> {
        let losses = member.map(|member| again::losses(&self.reader, &self.view.ends, member)).transpose()?;
        let again::Losses { works, withdrawn } = losses.unwrap_or_default();
        let lost = works.into_iter().map(|lost| lost.work).collect();
        Ok(views::Recovery { contested: self.view.contested.clone(), lost, withdrawn })
    }

    /// What the operator decided about others and which logs wait for it, a line each.
    pub fn policy_words(&self) -> Vec<String> {
        let mut lines = self.view.policy.words();
        lines.extend(self.view.over_quota.iter().map(|over| self.quota_words(over)));
        lines
    }

    /// Logs of which two branches exist and no cut says which stands, a line each.
    pub fn contested_words(&self) -> Vec<String> {
        let (rows, standing) = (&self.view.frontier.rows, &self.view.standing);
        let contested = standing.forks().iter().filter(|(log, _)| rows.get(*log).is_some_and(|row| row.contested));
        let words = |(log, fork): (&PublicKey, &Arc<Fork>)| {
            let number = self.reader.number(log).ok().flatten();
            let owner = number.and_then(|number| self.reader.owner(number).ok().flatten());
            let member = owner.map(|owner| owner.open.member).or_else(|| standing.owner(log).map(str::to_owned));
            format!(
                "log {log} of {} is contested: its key signed two different entries at place {}, and nothing after that counts until the member \
                 settles it; `comity explain {log}` says more",
                member.unwrap_or_default(),
                fork.at()
            )
        };
        contested.map(words).collect()
    }

    fn quota_words(&self, over: &OverQuota) -> String {
        let OverQuota { log, member, held, claimed } = over;
        let quota = self.view.policy.replica.quotas.get(member).map(policy::quota_words).unwrap_or_default();
        format!(
            "log {log} of {member} waits at {held} entries: {member} is over its quota here ({quota}), and a peer says that there \
             are {claimed}. For more, raise policy.quotas in comity.toml and start again"
        )
    }

    /// Whether a work may be shown here.
    pub(crate) fn shown(&self, name: &Name, rows: &[WorkRow]) -> Result<(), LibraryError> {
        let hidden = &self.view.policy.hidden;
        let member = name.work.split('/').next().unwrap_or_default();
        for row in rows.iter().filter(|_| !hidden.is_empty()) {
            let Some(owner) = self.reader.owner(row.log)? else { continue };
            if hidden.names(member, &owner.log, &name.work) {
                let words = format!("is {}; it is held, and peers have it", policy::HIDDEN);
                return Err(LibraryError::NotShown { work: name.work.clone(), words });
            }
        }
        Ok(())
    }

    /// Why the body of a version is not here.
    fn without_body(&self, work: &str, row: &WorkRow) -> Result<LibraryError, LibraryError> {
        let (owner, (version, _)) = (self.reader.owner(row.log)?, version_of(row));
        let erased =
            owner.as_ref().map(|owner| self.reader.erased(&owner.log, row.index, &row.digest)).transpose()?.flatten();
        let Some((owner, erased)) = owner.zip(erased) else { return Ok(LibraryError::NoBody(work.to_owned())) };
        let place = format!("entry {} of log {}, digest {}", row.index + 1, owner.log, row.digest);
        let (work, words) = (format!("{work}@{version}"), words(&erased));
        Ok(match erased.record.erasure.cause {
            Cause::Denial => LibraryError::NotShown { work, words: format!("is {words}. Its entry is held: {place}") },
            _ => LibraryError::Erased { work, words: format!("was {words}. Its entry and its proofs stay: {place}") },
        })
    }

    /// Every known log.
    pub fn logs(&self) -> views::Logs {
        let standing = &self.view.standing;
        let mut logs = Vec::new();
        for (key, row) in &self.view.frontier.rows {
            let purpose = standing.purpose(key);
            let owner =
                self.reader.number(key).ok().flatten().and_then(|number| self.reader.owner(number).ok().flatten());
            let listed = standing.owner(key);
            let member = owner.as_ref().map(|owner| owner.open.member.clone());
            let desk = owner.as_ref().and_then(|owner| standing.delegation(key, &owner.open.identity_key));
            let cut = owner.as_ref().and_then(|owner| match standing.admission(key, &owner.open) {
                Admission::Until(cut) => Some(cut.size),
                Admission::Whole | Admission::Refused => None,
            });
            logs.push(views::Log {
                key: key.to_string(),
                member: member.or_else(|| listed.map(str::to_owned)).unwrap_or_default(),
                purpose: purpose.unwrap_or(Purpose::Publication).name().to_owned(),
                desk: desk.map(|desk| desk.desk.clone()).unwrap_or_default(),
                size: row.size,
                root: row.root.to_string(),
                contested: row.contested,
                cut,
                vkey: note::vkey(&checkpoint::origin(&self.view.frontier.federation, key), key),
                fingerprint: key.fingerprint(),
            });
        }
        logs.sort_by(|a, b| (&a.member, &a.purpose, &a.key).cmp(&(&b.member, &b.purpose, &b.key)));
        views::Logs { logs }
    }

    /// Every member with its logs.
    pub fn members(&self) -> Result<Vec<views::Member>, LibraryError> {
        let mut logs: BTreeMap<String, Vec<views::Log>> = BTreeMap::new();
        for log in self.logs().logs {
            logs.entry(log.member.clone()).or_default().push(log);
        }
        let mut members = Vec::new();
        let standing = &self.view.standing;
        for member in standing.codes().into_iter().filter_map(|code| standing.member(code)) {
            let identity_key = standing.identity_key(&member.code).unwrap_or(member.identity_key);
            let keys = self.view.frontier.rows.keys().filter(|key| {
                logs.get(&member.code).is_some_and(|logs| logs.iter().any(|log| log.key == key.to_string()))
            });
            let mut policy = self.view.policy.words_of(&member.code, &keys.copied().collect::<Vec<_>>());
            let over = self.view.over_quota.iter().filter(|over| over.member == member.code);
            policy.extend(over.map(|over| self.quota_words(over)));
            members.push(views::Member {
                policy,
                code: member.code.clone(),
                name: member.name.clone(),
                signer: member.signer,
                identity_key: identity_key.to_string(),
                fingerprint: identity_key.fingerprint(),
                documents: self.works_of(&member.code)?,
                logs: logs.remove(&member.code).unwrap_or_default(),
            });
        }
        Ok(members)
    }

    /// Works of a member of which something stands.
    fn works_of(&self, code: &str) -> Result<u64, StoreError> {
        let (works, ends) = (self.reader.works(code, WORKS_MAX)?, &self.view.ends);
        if ends.is_empty() {
            return Ok(works.len() as u64);
        }
        let mut standing = 0;
        for work in &works {
            standing += u64::from(!self.reader.standing_work(work, ends)?.is_empty());
        }
        Ok(standing)
    }

    /// What a member calls itself.
    pub fn member_name(&self, code: &str) -> String {
        self.view.standing.member(code).map_or_else(|| code.to_owned(), |member| member.name.clone())
    }

    /// The row that a name means, with its entry and its log's owner, for a proof.
    pub fn row(&self, name: &Name) -> Result<(WorkRow, Kept, Owner), LibraryError> {
        let missing = || LibraryError::NotFound(name.work.clone());
        let rows = self.reader.standing_work(&name.work, &self.view.ends)?;
        self.shown(name, &rows)?;
        let row = self.choose(name, &rows, &fold(&rows)).ok_or_else(missing)?;
        let kept = self.reader.entry(row.log, row.index)?.ok_or_else(missing)?;
        if kept.body.is_none() {
            return Err(self.without_body(&name.work, row)?);
        }
        let owner = self.reader.owner(row.log)?.ok_or_else(missing)?;
        Ok((row.clone(), kept, owner))
    }

    /// The state of sync, in words.
    pub fn sync_words(&self, now_ms: u64) -> String {
        let peers = &self.view.peers;
        if peers.is_empty() {
            return "alone: no peer is connected".to_owned();
        }
        let syncing = peers.values().filter(|state| state.syncing).count();
        let in_sync: Vec<u64> = peers.values().filter_map(|state| state.in_sync_ms).collect();
        let waiting = peers.values().find_map(|state| state.waiting.first());
        let since = in_sync.iter().max().map(|at| now_ms.saturating_sub(*at) / 1000);
        match (since, waiting) {
            (Some(seconds), None) => {
                format!("in sync with {} of {} peers, last {seconds} s ago", in_sync.len(), peers.len())
            }
            (_, Some(why)) => format!("waiting: {why}"),
            (None, None) if syncing > 0 => format!("catching up with {syncing} of {} peers", peers.len()),
            (None, None) => "connected, not yet synced".to_owned(),
        }
    }

    fn hit(&self, work: &str, terms: &[String]) -> Result<Option<views::Hit>, LibraryError> {
        let rows = self.reader.standing_work(work, &self.view.ends)?;
        let state = fold(&rows);
        let Some(current) = state.current.first() else { return Ok(None) };
        let Some(row) = rows.iter().find(|row| row.digest == current.digest) else { return Ok(None) };
        let Some(kept) = self.reader.entry(row.log, row.index)? else { return Ok(None) };
        let Some((publication, _)) = kept.body.as_deref().and_then(body::publication) else { return Ok(None) };
        let (version, kind) = version_of(row);
        let front = FrontMatter::of(kind, &publication);
        Ok(Some(views::Hit {
            work: work.to_owned(),
            version,
            snippet: snippet::snippet(&shown_text(&front, &publication.text), &front.language, terms),
            kind: front.kind,
            title: front.title,
            display: None,
            language: front.language,
            jurisdiction: front.jurisdiction,
            member: work.split('/').next().unwrap_or_default().to_owned(),
            legal_status: front.legal_status,
            valid_as_of: front.valid_as_of,
            arrived_ms: kept.arrived_ms,
        }))
    }

    fn choose<'a>(&self, name: &Name, rows: &'a [WorkRow], state: &work::State) -> Option<&'a WorkRow> {
        let is = |row: &&WorkRow| match (&row.says, name.version) {
            (Says::Withdrawal(_), _) => false,
            (Says::Version(..), None) => state.current.first().is_some_and(|current| current.digest == row.digest),
            (Says::Version(version, _), Some(_)) => name.means(version.number, &row.digest.to_string()),
        };
        rows.iter().find(is)
    }

    fn versions(&self, rows: &[WorkRow], state: &work::State) -> Result<Vec<views::Version>, LibraryError> {
        let mut versions = Vec::new();
        for row in rows {
            let Says::Version(version, _) = &row.says else { continue };
            let Some(kept) = self.reader.entry(row.log, row.index)? else { continue };
            let publication = kept.body.as_deref().and_then(body::publication);
            versions.push(views::Version {
                version: version.number,
                name: version.number.to_string(),
                title: publication.map(|(publication, _)| publication.title).unwrap_or_default(),
                current: state.current.iter().any(|current| current.digest == row.digest),
                digest: row.digest.to_string(),
                claimed_ms: kept.entry.claimed_ms(),
                arrived_ms: kept.arrived_ms,
                erased: if kept.body.is_some() { None } else { self.erased_words(row)? },
                held: kept.body.is_some(),
            });
        }
        versions.sort_by(|a, b| b.version.cmp(&a.version).then(a.digest.cmp(&b.digest)));
        let numbers: Vec<u32> = versions.iter().map(|version| version.version).collect();
        for version in &mut versions {
            if numbers.iter().filter(|number| **number == version.version).count() > 1 {
                version.name = format!("{}~{}", version.version, version.digest.get(..8).unwrap_or_default());
            }
        }
        Ok(versions)
    }

    fn erased_words(&self, row: &WorkRow) -> Result<Option<String>, LibraryError> {
        let Some(owner) = self.reader.owner(row.log)? else { return Ok(None) };
        Ok(self.reader.erased(&owner.log, row.index, &row.digest)?.as_ref().map(words))
    }

    fn provenance(&self, row: &WorkRow, kept: &Kept) -> Result<views::Provenance, LibraryError> {
        let owner = self.reader.owner(row.log)?.ok_or(StoreError::Damaged(2))?;
        let desk = self.desk(&owner.log, &owner.open.identity_key);
        let member_name = self.member_name(&owner.open.member);
        let (place, size) = (row.index + 1, owner.size);
        let words =
            format!("Signed by the desk “{desk}” of {member_name}, entry {place} of {size} in its log, verified here.");
        Ok(views::Provenance {
            member: owner.open.member,
            member_name,
            desk,
            log: owner.log.to_string(),
            index: row.index,
            size,
            digest: row.digest.to_string(),
            claimed_ms: kept.entry.claimed_ms(),
            arrived_ms: kept.arrived_ms,
            words,
        })
    }

    fn desk(&self, log: &PublicKey, identity: &PublicKey) -> String {
        self.view.standing.delegation(log, identity).map_or_else(|| "unknown".to_owned(), |desk| desk.desk.clone())
    }
}

/// What a list shows of a document: its lead first, then the text, then all else that was indexed,
/// because a match may be in any of it.
fn shown_text(front: &FrontMatter, text: &str) -> String {
    let lead = front.lead();
    let rest: Vec<String> = front.words().lines().filter(|line| *line != lead).map(str::to_owned).collect();
    format!("{lead}\n{}\n{}", markdown::to_text(text), rest.join(" · "))
}

/// When and why a body went, after "is" or "was".
fn words(erased: &Erased) -> String {
    let (day, erasure) = (time::day(erased.at_ms), &erased.record.erasure);
    match erasure.cause {
        Cause::Operator => format!("erased here on {day}: {}", erasure.reason),
        Cause::Author => format!("withdrawn and erased by its author, here on {day}: {}", erasure.reason),
        Cause::Denial => format!("{}, since {day}", erasure.reason),
    }
}

/// Why a work is withdrawn; also where no version of it is known here.
fn withdrawn(rows: &[WorkRow], state: &work::State) -> Option<String> {
    let notices = rows.iter().filter_map(|row| match &row.says {
        Says::Withdrawal(notice) if state.current.is_empty() => Some(notice.reason.clone()),
        _ => None,
    });
    state.withdrawn.clone().or_else(|| notices.min())
}

fn absent(name: &Name, rows: &[WorkRow], state: &work::State) -> LibraryError {
    let work = name.work.clone();
    match withdrawn(rows, state).filter(|_| state.current.is_empty()) {
        Some(reason) => LibraryError::Withdrawn { work, reason },
        None => LibraryError::NotFound(work),
    }
}

fn version_of(row: &WorkRow) -> (u32, u32) {
    match &row.says {
        Says::Version(version, kind) => (version.number, *kind),
        Says::Withdrawal(_) => (0, 0),
    }
}
