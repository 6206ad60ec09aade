//! Denial at a start: texts that are held and denied by now go, and those that were denied and are no more are wanted again.

use std::sync::Arc;

use proto::body::Purpose;
use proto::erasure::{Cause, Erasure};
use proto::replica::Input;

use super::{Keeper, KeeperError};
use crate::config::{Config, ConfigError, Folder};
use crate::erasure::Record;
use crate::policy::{DENIED, LocalPolicy};
use crate::rows::{Says, StoreError};
use crate::store::Store;

/// What the operator of a folder decided.
pub(super) fn policy(folder: &Folder, config: &Config) -> Result<LocalPolicy, ConfigError> {
    let own = config.member.as_ref().map(|member| member.code.as_str());
    LocalPolicy::read(&config.policy, own)
        .map_err(|error| ConfigError::File { path: folder.config_file(), what: error.to_string() })
}

/// Wants again what is denied no more.
pub(super) fn lift(store: &mut Store, policy: &LocalPolicy) -> Result<u64, StoreError> {
    let denied = &policy.replica.denied;
    store.lift_denials(|member, record: &Record| {
        let Erasure { log, work, .. } = &record.erasure;
        match work {
            Some(work) => denied.names(member, log, &format!("{member}/{}", work.slug)),
            None => denied.names_log(member, log),
        }
    })
}

impl Keeper {
    /// Drops the bodies that are held and denied, and those that are wanted.
    pub(super) fn deny_held(&mut self) -> Result<(), KeeperError> {
        let denied = self.policy.replica.denied.clone();
        if denied.is_empty() {
            return Ok(());
        }
        let (reader, reason) = (self.store.reader(), Arc::<str>::from(DENIED));
        let mut erasures = Vec::new();
        for (log, number) in reader.log_numbers()? {
            let Some(owner) = reader.owner(number)? else { continue };
            if owner.open.purpose == Purpose::Publication && denied.names_log(&owner.open.member, &log) {
                let wanted = self.replica.log(&log).into_iter().flat_map(|log| log.missing());
                let wanted = wanted.map(|(index, entry)| (*index, entry.digest()));
                for (index, entry) in reader.held_bodies(number, owner.size)?.into_iter().chain(wanted) {
                    let (cause, reason) = (Cause::Denial, reason.clone());
                    erasures.push(Erasure { log, index, entry, cause, reason, work: None });
                }
            }
        }
        for work in &denied.works {
            for row in reader.work(work)? {
                let held = reader.leaf(row.log, row.index)?.is_some_and(|leaf| leaf.body.is_some());
                let owner = reader.owner(row.log)?.filter(|_| held && matches!(row.says, Says::Version(..)));
                erasures.extend(owner.map(|owner| Erasure {
                    log: owner.log,
                    index: row.index,
                    entry: row.digest,
                    cause: Cause::Denial,
                    reason: reason.clone(),
                    work: None,
                }));
            }
        }
        self.turn(vec![Input::Erase(erasures)]).map(drop)
    }
}
