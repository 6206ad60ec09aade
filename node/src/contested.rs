//! This member's own logs that are contested, and their branches: what `comity recover` chooses between.

use proto::body::{Cut, Purpose};
use proto::digest::Digest;
use proto::fork;
use proto::key::PublicKey;
use proto::replica::Replica;
use proto::tree;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::reader::Reader;
use crate::rows::StoreError;

/// An own log of which two branches exist, and no cut says which stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Contested {
    /// Its key.
    pub log: String,
    /// `governance` or `publication`.
    pub purpose: String,
    /// Entries before the first that differs: those stand meanwhile.
    pub stands: u64,
    /// What is held here, and the longest of each branch that a peer was heard to hold; the longest first.
    pub branches: Vec<Branch>,
}

/// A branch, as far as its key has signed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Branch {
    /// Its entries.
    pub size: u64,
    /// The root over them.
    pub root: String,
    /// Whether it is the one that is held here.
    pub here: bool,
    /// The consistency proof from what all branches share.
    #[serde(skip)]
    pub joined: Vec<Digest>,
}

impl Contested {
    /// Those of `logs` that are contested: what is held here, and the longest of each branch that a peer was heard to hold.
    pub fn of(
        logs: impl Iterator<Item = PublicKey>,
        replica: &Replica,
        reader: &Reader,
    ) -> Result<Vec<Contested>, StoreError> {
        let mut all = Vec::new();
        for log in logs.filter(|log| replica.row(log).contested) {
            let Some(fork) = replica.standing().forks().get(&log) else { continue };
            let purpose = replica.standing().purpose(&log).unwrap_or(Purpose::Publication).name().to_owned();
            let hashes = reader.hashes(&log)?;
            let held = replica.log(&log).filter(|held| held.size() > fork.at());
            let here = held.map(|held| Branch {
                size: held.size(),
                root: held.tree().root().to_string(),
                here: true,
                joined: tree::consistency(&hashes, fork.at(), held.size()).unwrap_or_default(),
            });
            // A peer that holds a beginning of what is here adds nothing.
            let is_new = |fork::Branch { checkpoint, .. }: &fork::Branch| {
                tree::root_at(&hashes, checkpoint.size()).is_none_or(|root| root != *checkpoint.root())
            };
            let others = replica.branches(&log).into_values().filter(is_new).map(|branch| Branch {
                size: branch.checkpoint.size(),
                root: branch.checkpoint.root().to_string(),
                here: false,
                joined: branch.joined,
            });
            let mut branches: Vec<Branch> = here.into_iter().chain(others).collect();
            branches.sort_by_key(|branch| std::cmp::Reverse(branch.size));
            all.push(Contested { log: log.to_string(), purpose, stands: fork.at(), branches });
        }
        Ok(all)
    }

    /// The branch to stand by: the one whose root begins so, or the one that is here, or else the longest of those that are not.
    pub fn choose(&self, stand_by: &StandBy) -> Option<&Branch> {
        match stand_by {
            StandBy::Elsewhere => self.branches.iter().find(|branch| !branch.here),
            StandBy::Here => self.branches.iter().find(|branch| branch.here),
            StandBy::Root(root) => self.branches.iter().find(|branch| branch.root.starts_with(root.as_str())),
        }
    }

    /// Where the log is cut for a branch. What all branches share stands then wherever one is held, even if nobody shows this one.
    pub fn cut(&self, branch: &Branch) -> Option<Cut> {
        let cut = Cut::new(self.log.parse().ok()?, branch.size, branch.root.parse().ok()?);
        Some(cut.joined(self.stands, branch.joined.clone()))
    }
}

/// Which branch the member stands by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StandBy {
    /// The longest that others hold.
    Elsewhere,
    /// The one that is held here.
    Here,
    /// The one whose root begins with these hex digits.
    Root(String),
}
