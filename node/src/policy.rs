//! What the operator of this node decides about others: `[policy]` in `comity.toml`, read and checked, and told wherever it bites.

use proto::key::PublicKey;
use proto::member;
use proto::policy::{Policy, Quota, Selection};
use thiserror::Error;

use crate::config::PolicyConfig;
use crate::name::Name;

/// What pages and API say of what is hidden.
pub const HIDDEN: &str = "hidden here by local policy";
/// What they say of what is denied.
pub const DENIED: &str = "denied here by local policy";

/// What one node does without, and what it holds and does not show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalPolicy {
    /// What the replica is given.
    pub replica: Policy,
    /// What is kept and not shown.
    pub hidden: Selection,
}

/// What in the config is no policy. The node does not start with it.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PolicyError {
    /// No name of anything.
    #[error("policy.{list}: `{item}` is neither a member's code, nor a work as CODE/slug, nor the key of a log in hex")]
    Item {
        /// `deny` or `hide`.
        list: &'static str,
        /// What was written.
        item: String,
    },
    /// A quota for nobody.
    #[error("policy.quotas: `{0}` is no member's code; `comity logs` shows whose logs there are")]
    Quota(String),
    /// Against oneself.
    #[error("policy.{0}: {1} is this node's own member; withdraw or erase its works instead")]
    Own(&'static str, String),
}

impl LocalPolicy {
    /// Reads it. `own` is the code of the member whose node this is.
    pub fn read(config: &PolicyConfig, own: Option<&str>) -> Result<LocalPolicy, PolicyError> {
        let mut policy = LocalPolicy {
            replica: Policy { denied: selection("deny", &config.deny)?, ..Policy::default() },
            hidden: selection("hide", &config.hide)?,
        };
        let is_own = |work: &&String| own.is_some_and(|own| work.split('/').next() == Some(own));
        let denied = &policy.replica.denied;
        if let Some(item) = denied.members.iter().chain(&denied.works).find(is_own) {
            return Err(PolicyError::Own("deny", item.clone()));
        }
        for (code, quota) in &config.quotas {
            if !member::is_code(code) {
                return Err(PolicyError::Quota(code.clone()));
            }
            if Some(code.as_str()) == own {
                return Err(PolicyError::Own("quotas", code.clone()));
            }
            let quota = Quota { entries: quota.entries.unwrap_or(u64::MAX), bytes: quota.bytes.unwrap_or(u64::MAX) };
            policy.replica.quotas.insert(code.clone(), quota);
        }
        Ok(policy)
    }

    /// All of it in words, a line for each decision.
    pub fn words(&self) -> Vec<String> {
        let each = |selection: &Selection, words: &str| -> Vec<String> {
            let logs = selection.logs.iter().map(|log| format!("log {log}"));
            let names = selection.members.iter().chain(&selection.works).cloned().chain(logs);
            names.map(|name| format!("{name} is {words}")).collect()
        };
        let mut lines = each(&self.replica.denied, DENIED);
        lines.extend(each(&self.hidden, HIDDEN));
        lines
    }

    /// What of it is about one member, with its logs.
    pub fn words_of(&self, member: &str, logs: &[PublicKey]) -> Vec<String> {
        let mut lines = Vec::new();
        for (selection, words) in [(&self.replica.denied, DENIED), (&self.hidden, HIDDEN)] {
            if selection.members.contains(member) {
                lines.push(words.to_owned());
            }
            for log in logs.iter().filter(|log| selection.logs.contains(*log)) {
                lines.push(format!("log {log} is {words}"));
            }
            let works = selection.works.iter().filter(|work| work.split('/').next() == Some(member));
            lines.extend(works.map(|work| format!("{work} is {words}")));
        }
        lines.extend(self.replica.quotas.get(member).map(|quota| format!("quota here: {}", quota_words(quota))));
        lines
    }

    /// What is hidden, as one text: the search index is made for it.
    pub fn hidden_mark(&self) -> String {
        let Selection { members, works, logs } = &self.hidden;
        let logs = logs.iter().map(ToString::to_string);
        members.iter().chain(works).cloned().chain(logs).map(|item| item + "\n").collect()
    }
}

/// A quota in words.
pub fn quota_words(quota: &Quota) -> String {
    let part = |most: u64, unit: &str| if most == u64::MAX { String::new() } else { format!("{most} {unit}") };
    let parts = [part(quota.entries, "entries"), part(quota.bytes, "bytes of text")];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

fn selection(list: &'static str, items: &[String]) -> Result<Selection, PolicyError> {
    let mut selection = Selection::default();
    for item in items {
        if member::is_code(item) {
            selection.members.insert(item.clone());
        } else if Name::parse(item).is_some_and(|name| name.work == *item) {
            selection.works.insert(item.clone());
        } else if let Some(log) = key(item) {
            selection.logs.insert(log);
        } else {
            return Err(PolicyError::Item { list, item: item.clone() });
        }
    }
    Ok(selection)
}

fn key(hex: &str) -> Option<PublicKey> {
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    let byte = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..64).step_by(2).map(byte).collect();
    PublicKey::from_bytes(&bytes?).ok()
}
