//! Chance that can be had again: its seed is printed, and `COMITY_SEED` repeats it.

use std::io::Write;
use std::time::Duration;

/// A sequence of numbers that differs from run to run.
pub struct Moments(u64);

impl Moments {
    pub fn new() -> Moments {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).unwrap();
        let seed =
            std::env::var("COMITY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(u64::from_le_bytes(bytes));
        println!("COMITY_SEED={seed}");
        Moments(seed)
    }

    /// A number below `below`.
    pub fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    /// Lets a moment of at most so many microseconds pass: a fault's moment, never a wait for something.
    pub fn pass(&mut self, below_micros: u64) {
        std::thread::park_timeout(Duration::from_micros(self.next(below_micros)));
    }
}

/// How often something is done: few times in every run of the tests, many by a variable.
pub fn times(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|times| times.parse().ok()).unwrap_or(otherwise)
}

/// Says that a story is not told on this machine: straight to stderr, because what a test that passes prints is not shown.
pub fn skipped(why: &str) {
    let story = std::thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(std::io::stderr(), "skipped {story}: {why}");
}
