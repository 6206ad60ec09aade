//! What a replica has: one row per known log. Equal digests mean there is nothing to tell each other.

use std::collections::BTreeMap;

use crate::digest::Digest;
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
    /// Digests of the valid editions, the charter's first.
    pub editions: Vec<Digest>,
    /// A row for every known key, size 0 included.
    pub rows: BTreeMap<PublicKey, Row>,
}

impl Frontier {
    /// SHA-256 of federation id, digest of the newest edition, and the rows: key, size (u64 big-endian), root, contested (u8).
    pub fn digest(&self) -> Digest {
        let mut bytes = Vec::with_capacity(64 + self.rows.len() * 73);
        bytes.extend_from_slice(self.federation.as_bytes());
        let edition = self.editions.last().unwrap_or(&self.federation);
        bytes.extend_from_slice(edition.as_bytes());
        for (key, row) in &self.rows {
            bytes.extend_from_slice(key.as_bytes());
            bytes.extend_from_slice(&row.size.to_be_bytes());
            bytes.extend_from_slice(row.root.as_bytes());
            bytes.push(u8::from(row.contested));
        }
        Digest::of(&bytes)
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
            editions: self.editions.iter().map(|digest| digest.as_bytes().to_vec()).collect(),
        }
    }

    /// A peer's claim; `None` where it is not one (over [`limits::FRONTIER_ROWS_MAX`] rows, out of order, not keys).
    pub fn from_wire(federation: Digest, wire: &schema::Frontier) -> Option<Frontier> {
        if wire.rows.len() > limits::FRONTIER_ROWS_MAX || wire.editions.len() > limits::FRONTIER_ROWS_MAX {
            return None;
        }
        let mut rows = BTreeMap::new();
        for row in &wire.rows {
            let key = PublicKey::from_bytes(&row.log).ok()?;
            if rows.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return None;
            }
            let root = Digest::try_from(row.root.as_slice()).ok()?;
            rows.insert(key, Row { size: row.size, root, contested: row.contested });
        }
        let editions =
            wire.editions.iter().map(|bytes| Digest::try_from(bytes.as_slice()).ok()).collect::<Option<_>>()?;
        Some(Frontier { federation, editions, rows })
    }
}
