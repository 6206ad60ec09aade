//! How peers and addresses behave: what they were limited for, faults that fade, and blocks that grow. Pure but for
//! [`uptime_ms`]: time is an argument.
//!
//! Every bound that a stranger can run into is a [`Bound`], and says how often that may happen before it is a fault. After
//! [`FAULTS_MAX`] faults the name is blocked; each further block is longer, and who behaves long enough begins anew. What is
//! kept of one name is small, and so is the number of names.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;
use std::time::Instant;

/// Faults after which a peer or an address is blocked.
const FAULTS_MAX: u32 = 3;
/// Milliseconds in which one fault fades: a peer on a bad line may have six of them in an hour for ever.
const FAULT_FADES_MS: u64 = 600_000;
/// By how much each block is longer than the one before: 1 minute, 4, 16, 1 hour, 4, 17, a day.
const BLOCK_GROWS: u64 = 4;
/// Milliseconds of the longest block: whoever was repaired is back within a day.
const BLOCK_MAX_MS: u64 = 24 * 3_600_000;
/// Milliseconds without a fault after which earlier blocks no longer count.
const FORGOTTEN_MS: u64 = 24 * 3_600_000;
/// Names remembered: every parliament of the world with all its nodes, ten times over.
const NAMES_MAX: usize = 4096;
/// Names shown to the operator, the latest.
const SHOWN_MAX: usize = 64;

/// A bound that peers can run into.
#[derive(Debug, PartialEq, Eq)]
pub struct Bound {
    /// What the operator reads: what was bounded, and by how much.
    pub name: &'static str,
    /// How often it may be met before that is one fault; 0: it is never held against anyone.
    pub per_fault: u64,
}

/// What came of meeting a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was counted; `news` the first time and then ever more rarely, so that a flood does not fill the log.
    Counted {
        /// Whether it should be told.
        news: bool,
    },
    /// It is a fault.
    Fault,
    /// It was one too many: the name is blocked for so many milliseconds.
    Blocked(u64),
}

/// What the operator reads of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limited {
    /// A peer id or an address.
    pub who: String,
    /// The bounds it met, and how often.
    pub bounds: Vec<(&'static str, u64)>,
    /// Milliseconds since it last met one.
    pub ago_ms: u64,
    /// Milliseconds for which it is still blocked.
    pub blocked_ms: u64,
    /// How often it was blocked.
    pub blocks: u32,
}

/// What is remembered of one name.
#[derive(Debug, Default)]
struct Record {
    bounds: BTreeMap<&'static str, u64>,
    faults: u32,
    faded_ms: u64,
    last_ms: u64,
    blocks: u32,
    until_ms: u64,
}

/// Everyone's.
#[derive(Debug)]
pub struct Conduct {
    first_block_ms: u64,
    names: HashMap<String, Record>,
}

impl Conduct {
    /// Nobody did anything yet. The first block lasts so many milliseconds.
    pub fn new(first_block_ms: u64) -> Conduct {
        Conduct { first_block_ms, names: HashMap::new() }
    }

    /// Someone met a bound.
    pub fn met(&mut self, now_ms: u64, who: &str, bound: &Bound) -> Outcome {
        self.make_room(now_ms, who);
        let record = self.names.entry(who.to_owned()).or_default();
        if record.last_ms.max(record.until_ms) + FORGOTTEN_MS < now_ms {
            *record = Record::default();
        }
        record.last_ms = now_ms;
        let times = record.bounds.entry(bound.name).or_default();
        *times += 1;
        if bound.per_fault == 0 || !times.is_multiple_of(bound.per_fault) || record.until_ms > now_ms {
            return Outcome::Counted { news: times.is_power_of_two() };
        }
        let fading = now_ms.saturating_sub(record.faded_ms) / FAULT_FADES_MS;
        if fading > 0 {
            record.faults = record.faults.saturating_sub(u32::try_from(fading).unwrap_or(u32::MAX));
            record.faded_ms = now_ms;
        }
        record.faults += 1;
        if record.faults < FAULTS_MAX {
            return Outcome::Fault;
        }
        let block = self.first_block_ms.saturating_mul(BLOCK_GROWS.saturating_pow(record.blocks)).min(BLOCK_MAX_MS);
        record.blocks = record.blocks.saturating_add(1);
        record.faults = 0;
        record.until_ms = now_ms + block;
        Outcome::Blocked(block)
    }

    /// Whether someone is blocked now.
    pub fn is_blocked(&self, now_ms: u64, who: &str) -> bool {
        self.names.get(who).is_some_and(|record| record.until_ms > now_ms)
    }

    /// Who met which bounds, the latest first.
    pub fn shown(&self, now_ms: u64) -> Vec<Limited> {
        let shown = |(who, record): (&String, &Record)| Limited {
            who: who.clone(),
            bounds: record.bounds.iter().map(|(name, times)| (*name, *times)).collect(),
            ago_ms: now_ms.saturating_sub(record.last_ms),
            blocked_ms: record.until_ms.saturating_sub(now_ms),
            blocks: record.blocks,
        };
        let mut limited: Vec<Limited> = self.names.iter().map(shown).collect();
        limited.sort_by_key(|one| (one.blocked_ms == 0, one.ago_ms));
        limited.truncate(SHOWN_MAX);
        limited
    }

    /// A new name takes the place of the one that was quiet longest; blocked ones go last.
    fn make_room(&mut self, now_ms: u64, who: &str) {
        if self.names.len() < NAMES_MAX || self.names.contains_key(who) {
            return;
        }
        let oldest = self.names.iter().min_by_key(|(_, record)| (record.until_ms > now_ms, record.last_ms));
        if let Some(oldest) = oldest.map(|(who, _)| who.clone()) {
            self.names.remove(&oldest);
        }
    }
}

/// An allowance that fills again with time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    spent: f64,
    at_ms: u64,
}

impl Bucket {
    /// Takes `amount` if that much is left of `burst`, of which `per_second` comes back.
    pub fn take(&mut self, now_ms: u64, amount: f64, burst: f64, per_second: f64) -> bool {
        let back = now_ms.saturating_sub(self.at_ms) as f64 / 1000.0 * per_second;
        self.spent = (self.spent - back).max(0.0);
        self.at_ms = now_ms;
        let enough = self.spent + amount <= burst;
        if enough {
            self.spent += amount;
        }
        enough
    }
}

/// Milliseconds since the start, for whoever calls this: blocks and allowances must not move when someone sets the clock.
pub fn uptime_ms() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::{Bound, Bucket, Conduct, Outcome};

    const LIE: Bound = Bound { name: "lies", per_fault: 1 };
    const HASTE: Bound = Bound { name: "messages a second", per_fault: 10 };
    const SLOW: Bound = Bound { name: "a slow line", per_fault: 0 };
    const MINUTE: u64 = 60_000;

    fn block(conduct: &mut Conduct, now: u64) -> u64 {
        for _ in 0..3 {
            if let Outcome::Blocked(for_ms) = conduct.met(now, "liar", &LIE) {
                return for_ms;
            }
        }
        panic!("three faults, and no block")
    }

    #[test]
    fn three_faults_block_and_each_block_is_longer_until_a_day() {
        let (mut conduct, mut now, mut blocks) = (Conduct::new(MINUTE), 0, Vec::new());
        for _ in 0..8 {
            let for_ms = block(&mut conduct, now);
            assert!(conduct.is_blocked(now + for_ms - 1, "liar") && !conduct.is_blocked(now + for_ms, "liar"));
            assert!(!conduct.is_blocked(now, "another"));
            blocks.push(for_ms / MINUTE);
            now += for_ms;
        }
        assert_eq!(blocks, [1, 4, 16, 64, 256, 1024, 1440, 1440]);
        // Who behaved for a day begins anew.
        assert_eq!(block(&mut conduct, now + 1440 * MINUTE + 1), MINUTE);
    }

    #[test]
    fn faults_fade_and_a_slow_line_is_never_one() {
        let mut conduct = Conduct::new(MINUTE);
        for round in 0..100 {
            assert_eq!(conduct.met(round * 11 * MINUTE, "honest", &LIE), Outcome::Fault);
            assert!(matches!(conduct.met(round * 11 * MINUTE, "honest", &SLOW), Outcome::Counted { .. }));
        }
        let haste: Vec<_> = (0..30).map(|_| conduct.met(0, "hasty", &HASTE)).collect();
        assert_eq!(haste.iter().filter(|outcome| **outcome == Outcome::Fault).count(), 2);
        assert_eq!(haste[29], Outcome::Blocked(MINUTE));
        let shown = conduct.shown(0);
        assert_eq!((shown[0].who.as_str(), shown[0].blocked_ms), ("hasty", MINUTE));
        assert_eq!(shown[1].bounds, [("a slow line", 100), ("lies", 100)]);
    }

    #[test]
    fn a_crowd_of_names_neither_grows_without_end_nor_frees_the_blocked() {
        let mut conduct = Conduct::new(MINUTE);
        block(&mut conduct, 0);
        for number in 0..10_000 {
            conduct.met(1, &format!("name {number}"), &LIE);
        }
        assert_eq!(conduct.names.len(), super::NAMES_MAX);
        assert!(conduct.is_blocked(1, "liar"));
        assert_eq!(conduct.shown(1).len(), super::SHOWN_MAX);
    }

    #[test]
    fn an_allowance_fills_again() {
        let mut bucket = Bucket::default();
        assert_eq!((0..200).filter(|_| bucket.take(0, 1.0, 100.0, 20.0)).count(), 100);
        assert_eq!((0..200).filter(|_| bucket.take(1000, 1.0, 100.0, 20.0)).count(), 20);
        assert_eq!((0..200).filter(|_| bucket.take(100_000, 1.0, 100.0, 20.0)).count(), 100);
    }
}
