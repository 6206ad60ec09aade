//! What the store has of a work that is about to be imported: it can be asked of many at once, without their texts.

use proto::digest::Digest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ends::Ends;
use crate::reader::Reader;
use crate::rows::{Says, StoreError, fold};

/// What the store has of a work that is about to be imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Held {
    /// Nothing that says the same.
    Other,
    /// Its version in force says the same.
    Same(u32),
    /// An earlier version says the same; it was superseded by one that does not.
    Before {
        /// That version.
        same: u32,
        /// The one in force.
        current: u32,
    },
    /// Its author took it back.
    Withdrawn(String),
    /// The text of its version in force was erased here.
    Erased(u32),
}

/// Compares a document with what stands of its work, `CODE/slug`.
pub fn held(reader: &Reader, ends: &Ends, work: &str, content: &Digest) -> Result<Held, StoreError> {
    let rows = reader.standing_work(work, ends)?;
    if rows.is_empty() {
        return Ok(Held::Other);
    }
    let state = fold(&rows);
    if let Some(reason) = state.withdrawn {
        return Ok(Held::Withdrawn(reason));
    }
    // Two at once are superseded by whoever publishes next.
    let [current] = state.current.as_slice() else { return Ok(Held::Other) };
    let mut before = None;
    for row in &rows {
        let Says::Version(version, _) = &row.says else { continue };
        let is_current = version.digest == current.digest;
        if row.content.as_ref() == Some(content) {
            if is_current {
                return Ok(Held::Same(version.number));
            }
            before = before.max(Some(version.number));
        }
        if is_current && row.content.is_none() {
            let owner = reader.owner(row.log)?;
            if owner.is_some_and(|owner| {
                reader.erased(&owner.log, row.index, &row.digest).is_ok_and(|erased| erased.is_some())
            }) {
                return Ok(Held::Erased(version.number));
            }
        }
    }
    Ok(before.map_or(Held::Other, |same| Held::Before { same, current: current.number }))
}
