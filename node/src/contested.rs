//! This member's own logs that are contested, and their branches: what `comity recover` chooses between.

use proto::body::{Cut, Purpose};
use proto::key::PublicKey;
use proto::replica::Replica;
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
    /// The longest that is known of each branch, the longest first.
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
}

impl Contested {
    /// Those of `logs` that are contested. A branch of which peers hold more than is here is as long as they hold it.
    pub fn of(
        logs: impl Iterator<Item = PublicKey>,
        replica: &Replica,
        reader: &Reader,
    ) -> Result<Vec<Contested>, StoreError> {
        let mut all = Vec::new();
        for log in logs {
            let Some(fork) = replica.standing().forks().get(&log) else { continue };
            let known = replica.branches(&log);
            let purpose = replica.standing().purpose(&log).unwrap_or(Purpose::Publication).name().to_owned();
            let held = reader.number(&log)?.map(|number| reader.leaf(number, fork.at())).transpose()?.flatten();
            let mut branches = Vec::new();
            for (leaf, checkpoint) in known {
                let here = held.is_some_and(|held| held.digest == leaf);
                branches.push(Branch { size: checkpoint.size(), root: checkpoint.root().to_string(), here });
            }
            branches.sort_by_key(|branch| std::cmp::Reverse(branch.size));
            if !branches.is_empty() {
                all.push(Contested { log: log.to_string(), purpose, stands: fork.at(), branches });
            }
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

    /// Where the log is cut for a branch.
    pub fn cut(&self, branch: &Branch) -> Option<Cut> {
        Some(Cut { log: self.log.parse().ok()?, size: branch.size, root: branch.root.parse().ok()? })
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
