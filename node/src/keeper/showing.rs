//! What is shown here may change though nothing of a work arrived: a cut ends its log, or the operator hides it. Whoever was told
//! of the work has to be told of that.

use super::{Keeper, KeeperError, now_ms};
use crate::shown::Shown;

impl Keeper {
    /// Notes the works of which something else is shown than when this was last noted: also before a crash, or the last start.
    pub(super) fn note_shown(&mut self) -> Result<(), KeeperError> {
        let before = self.store.shown()?;
        let shown = Shown { ends: self.ends.as_ref().clone(), hidden: self.policy.hidden.clone() };
        if shown != before {
            let works = shown.changed(&before, &self.store.reader())?;
            self.store.note_shown(now_ms(), &shown, &works)?;
        }
        Ok(())
    }
}
