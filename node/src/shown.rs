//! What decides which works are shown here, beside what was published: where logs end, and what the operator hides.

use std::collections::BTreeSet;

use proto::key::PublicKey;
use proto::policy::Selection;

use crate::ends::Ends;
use crate::reader::Reader;
use crate::rows::StoreError;

/// As it is at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Where logs end.
    pub ends: Ends,
    /// What the operator hides.
    pub hidden: Selection,
}

impl Shown {
    /// Works of which something else may be shown than `before`.
    pub fn changed(&self, before: &Shown, reader: &Reader) -> Result<BTreeSet<String>, StoreError> {
        let mut works = BTreeSet::new();
        for (log, from) in self.ends.moved(&before.ends) {
            works.extend(reader.works_from(&log, from)?);
        }
        for member in self.hidden.members.symmetric_difference(&before.hidden.members) {
            works.extend(reader.works(member, usize::MAX)?);
        }
        for log in self.hidden.logs.symmetric_difference(&before.hidden.logs) {
            works.extend(reader.works_from(log, 0)?);
        }
        for work in self.hidden.works.symmetric_difference(&before.hidden.works) {
            if !reader.work(work)?.is_empty() {
                works.insert(work.clone());
            }
        }
        Ok(works)
    }

    /// As it is noted: a line each.
    pub fn to_bytes(&self) -> Vec<u8> {
        let ends = self.ends.lines().map(|(log, stands, aside)| format!("end {log} {stands} {aside}\n"));
        let members = self.hidden.members.iter().map(|member| format!("member {member}\n"));
        let works = self.hidden.works.iter().map(|work| format!("work {work}\n"));
        let logs = self.hidden.logs.iter().map(|log| format!("log {log}\n"));
        ends.chain(members).chain(works).chain(logs).collect::<String>().into_bytes()
    }

    /// From what was noted. A line that is not understood is passed over: its works are then noted once more.
    pub fn read(bytes: &[u8]) -> Shown {
        let (mut ends, mut hidden) = (Vec::new(), Selection::default());
        for line in String::from_utf8_lossy(bytes).lines() {
            match line.split_once(' ') {
                Some(("end", end)) => ends.extend(read_end(end)),
                Some(("member", code)) => drop(hidden.members.insert(code.to_owned())),
                Some(("work", work)) => drop(hidden.works.insert(work.to_owned())),
                Some(("log", log)) => hidden.logs.extend(log.parse::<PublicKey>()),
                _ => {}
            }
        }
        Shown { ends: Ends::from_lines(ends), hidden }
    }
}

fn read_end(line: &str) -> Option<(PublicKey, u64, u64)> {
    let mut words = line.split(' ');
    let log = words.next()?.parse().ok()?;
    Some((log, words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Shown;
    use crate::ends::Ends;
    use proto::key::SecretKey;

    #[test]
    fn what_was_noted_is_read_again() {
        let key = SecretKey::from_seed(&[7; 32]).public();
        let mut shown = Shown { ends: Ends::from_lines(vec![(key, 3, 2)]), ..Shown::default() };
        shown.hidden.members.insert("FI".to_owned());
        shown.hidden.works.insert("KE-LC01/ai-bill".to_owned());
        shown.hidden.logs.insert(key);
        assert_eq!(Shown::read(&shown.to_bytes()), shown);
        assert_eq!(Shown::read(b"end here\nlater 7\n"), Shown::default());
    }
}
