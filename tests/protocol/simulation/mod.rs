//! Whole federations from one seed, in one thread: parliaments publish, gossip is lost, late, reordered and doubled, lines break or
//! fall silent, partitions come and heal, nodes crash between two effects, disks lose their tails, backups and whole machines are
//! restored, keys are stolen and used, lists of members are drafted, signed once or twice, and come into force.
//!
//! One seed is one story. `COMITY_SEEDS=N` tells N of them on all cores, `COMITY_SEED=n` that one; of one that ends badly the seed is
//! printed. What must hold, once the weather is fair and thieves are gone (`judge`):
//! - all replicas come to the same state, gossip or no gossip: rows, forks, members, cuts;
//! - no honest author ever used an index twice;
//! - nothing that anyone still held is lost, and no body stays away that anyone has;
//! - what a member's cut protects stands and is contested nowhere;
//! - where no more signers than a third sign twice, no lists rival;
//! - nobody who speaks the protocol is ever named as a liar.

mod honest;
mod judge;
mod orders;
mod signers;
mod station;
mod storm;
mod thieves;
mod wire;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use self::storm::Storm;

const SEEDS: u64 = 300;
/// Stories that once ended badly, told every time.
const RETOLD: [u64; 1] = [21_190];
/// What stories are about: `judge` lists it.
const SUBJECTS: usize = 9;
/// Stories between two lines that say how far it is.
const TOLD_EVERY: u64 = 5_000;

#[test]
fn all_replicas_agree_after_every_story() {
    let number = |name: &str| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    if let Some(seed) = number("COMITY_SEED") {
        println!("{:?}", Storm::new(seed).tell());
        return;
    }
    RETOLD.iter().for_each(|seed| drop(Storm::new(*seed).tell()));
    let seeds = number("COMITY_SEEDS").unwrap_or(SEEDS);
    let (next, about) = (AtomicU64::new(0), Mutex::new(BTreeMap::<&str, u64>::new()));
    let tell = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            if seed > 0 && seed.is_multiple_of(TOLD_EVERY) {
                println!("{seed} of {seeds} stories");
            }
            let story = std::panic::catch_unwind(|| Storm::new(seed).tell());
            let story = story
                .unwrap_or_else(|_| panic!("the story of seed {seed} ends badly; COMITY_SEED={seed} tells it again"));
            let mut about = about.lock().unwrap();
            story.into_iter().for_each(|subject| *about.entry(subject).or_default() += 1);
        }
    };
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(tell))));
    let about = about.into_inner().unwrap();
    about.iter().for_each(|(subject, stories)| println!("{stories} of {seeds} stories: {subject}"));
    assert!(seeds < SEEDS || about.len() == SUBJECTS, "some of it is never told: {about:?}");
}
