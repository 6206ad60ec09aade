//! What a replica has: one row per known log. Equal digests mean there is nothing to tell each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::digest::Digest;
use crate::edition::Edition;
use crate::key::PublicKey;
use crate::limits;
use crate::schema;

/// One log as far as it stands here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Entries that stand.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// Whether a proof of a fork is held.
    pub contested: bool,
}

/// Rows in the order of their keys, and the digest of the edition in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontier {
    /// The federation.
    pub federation: Digest,
    /// The valid editions, the charter first, and no edition before the one it follows.
    pub editions: Vec<Arc<Edition>>,
    /// A row for every known key, size 0 included.
    pub rows: BTreeMap<PublicKey, Row>,
    /// Forks that are proven, also those that a cut has settled: the smallest index of each log. Not in the digest, whose rows
    /// say what is contested.
    pub forks: BTreeMap<PublicKey, u64>,
}

impl Frontier {
    /// SHA-256 of federation id, edition digest, and the rows: key, size (u64 big-endian), root, contested (u8).
    pub fn digest(&self) -> Digest {
        let mut bytes = Vec::with_capacity(64 + self.rows.len() * 73);
        bytes.extend_from_slice(self.federation.as_bytes());
        bytes.extend_from_slice(self.edition_digest().as_bytes());
        for (key, row) in &self.rows {
            bytes.extend_from_slice(key.as_bytes());
            bytes.extend_from_slice(&row.size.to_be_bytes());
            bytes.extend_from_slice(row.root.as_bytes());
            bytes.push(u8::from(row.contested));
        }
        Digest::of(&bytes)
    }

    /// What stands for all valid editions: the last one's digest, or where two follow one edition the SHA-256 over the digests of
    /// all of them, so that who knows of one rival fewer is told.
    fn edition_digest(&self) -> Digest {
        let digests: Vec<Digest> = self.editions.iter().map(|edition| edition.digest()).collect();
        let followed: BTreeSet<Option<&Digest>> = self.editions.iter().map(|edition| edition.before()).collect();
        if followed.len() == self.editions.len() {
            return digests.last().copied().unwrap_or(self.federation);
        }
        let parts: Vec<&[u8]> = digests.iter().map(|digest| digest.as_bytes().as_slice()).collect();
        Digest::of_parts(&parts)
    }

    /// All entries that stand, over all logs.
    pub fn entries(&self) -> u64 {
        self.rows.values().map(|row| row.size).sum()
    }

    /// As sent to a peer.
    pub fn to_wire(&self) -> schema::Frontier {
        let row = |(key, row): (&PublicKey, &Row)| schema::Row {
            log: key.as_bytes().to_vec(),
            size: row.size,
            root: row.root.as_bytes().to_vec(),
            contested: row.contested,
        };
        schema::Frontier {
            rows: self.rows.iter().map(row).collect(),
            editions: self.editions.iter().map(|edition| edition.digest().as_bytes().to_vec()).collect(),
            forks: self
                .forks
                .iter()
                .map(|(key, at)| schema::Forked { log: key.as_bytes().to_vec(), at: *at })
                .collect(),
        }
    }

    /// Rows of a claim that say a peer has what is not held here, as it sent them: all else it says is no news, and whoever
    /// claims much must not cost much.
    pub fn news_in(&self, wire: &schema::Frontier) -> schema::Frontier {
        let is_news = |row: &&schema::Row| {
            let key: Option<&[u8; 32]> = row.log.as_slice().try_into().ok();
            key.and_then(|key| self.rows.get(key)).is_some_and(|held| row.size > held.size)
        };
        let rows = wire.rows.iter().take(limits::FRONTIER_ROWS_MAX).filter(is_news).cloned();
        let held: BTreeSet<Vec<u8>> =
            self.editions.iter().map(|edition| edition.digest().as_bytes().to_vec()).collect();
        let is_new = |digest: &&Vec<u8>| !held.contains(*digest);
        let claimed = wire.editions.iter().take(limits::FRONTIER_ROWS_MAX);
        let editions = claimed.filter(is_new).take(limits::EDITIONS_ASKED_MAX).cloned();
        let is_earlier = |fork: &&schema::Forked| {
            let key: Option<&[u8; 32]> = fork.log.as_slice().try_into().ok();
            let is_known = key.filter(|key| self.rows.contains_key(*key));
            is_known.is_some_and(|key| self.forks.get(key).is_none_or(|at| fork.at < *at))
        };
        let forks = wire.forks.iter().take(limits::FRONTIER_ROWS_MAX).filter(is_earlier).cloned();
        schema::Frontier { rows: rows.collect(), editions: editions.collect(), forks: forks.collect() }
    }
}

/// What a peer says it has. A row is a claim, and so its key is only bytes: to find out whether 16,384 of them are sound keys
/// costs a receiver a thousand times what it costs the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Rows by the bytes of their keys.
    pub rows: BTreeMap<[u8; 32], Row>,
    /// Digests of the editions that it says are valid.
    pub editions: Vec<Digest>,
    /// Where it says that logs are forked, by the bytes of their keys.
    pub forks: BTreeMap<[u8; 32], u64>,
}

impl Claim {
    /// Reads one; `None` where it is none (over [`limits::FRONTIER_ROWS_MAX`] rows, out of order, not of 32 bytes).
    pub fn from_wire(wire: &schema::Frontier) -> Option<Claim> {
        let lens = [wire.rows.len(), wire.editions.len(), wire.forks.len()];
        if lens.iter().any(|len| *len > limits::FRONTIER_ROWS_MAX) {
            return None;
        }
        let mut rows = BTreeMap::new();
        for row in &wire.rows {
            let key: [u8; 32] = row.log.as_slice().try_into().ok()?;
            if rows.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return None;
            }
            let root = Digest::try_from(row.root.as_slice()).ok()?;
            rows.insert(key, Row { size: row.size, root, contested: row.contested });
        }
        let editions =
            wire.editions.iter().map(|bytes| Digest::try_from(bytes.as_slice()).ok()).collect::<Option<_>>()?;
        let fork = |fork: &schema::Forked| Some((fork.log.as_slice().try_into().ok()?, fork.at));
        let forks = wire.forks.iter().map(fork).collect::<Option<_>>()?;
        Some(Claim { rows, editions, forks })
    }

    /// What it says of one log.
    pub fn row(&self, log: &PublicKey) -> Option<&Row> {
        self.rows.get(log.as_bytes())
    }
}
