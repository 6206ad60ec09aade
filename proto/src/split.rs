//! Where two branches of one log part: a walk down the tiles of both trees, from the top.
//!
//! Three questions are enough for 16 million entries. A peer that lies on the way wins nothing: what is found has to be proven
//! ([`crate::fork`]).

use crate::archive::Archive;
use crate::digest::Digest;
use crate::key::PublicKey;
use crate::schema;
use crate::tile::{self, LEVELS, WIDTH};

/// A walk under way: the tile to compare next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    /// The log.
    pub log: PublicKey,
    /// Leaves that both trees have.
    pub within: u64,
    level: u8,
    index: u64,
}

/// What a comparison leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The next tile.
    Deeper(Search),
    /// The first leaf that differs.
    Found(u64),
    /// None differs.
    Alike,
}

impl Search {
    /// Begins at the top of the `within` leaves that both trees have.
    pub fn new(log: PublicKey, within: u64) -> Search {
        let level = (0..LEVELS).rev().find(|level| complete(within, *level) > 0).unwrap_or(0);
        Search { log, within, level, index: 0 }
    }

    /// The question for its tile.
    pub fn question(&self) -> schema::WantTile {
        schema::WantTile { log: self.log.as_bytes().to_vec(), level: self.level.into(), index: self.index }
    }

    /// Its tile in one's own archive.
    pub fn tile<A: Archive>(&self, archive: &A) -> Vec<Digest> {
        tile::hashes(&archive.hashes(&self.log), self.level, self.index)
    }

    /// Compares both tiles. Hashes that are missing are no difference: what differs is proven in the end.
    pub fn compare(&self, ours: &[Digest], theirs: &[Digest]) -> Step {
        let (first, complete) = (self.index * WIDTH, complete(self.within, self.level));
        let count = complete.saturating_sub(first).min(WIDTH);
        let differs = (0..count).zip(ours.iter().zip(theirs)).find(|(_, (ours, theirs))| ours != theirs);
        match differs {
            Some((at, _)) if self.level == 0 => Step::Found(first + at),
            Some((at, _)) => Step::Deeper(self.below(first + at)),
            // What is right of all complete subtrees of this level is yet to be compared.
            None if self.level > 0 && first + count == complete => Step::Deeper(self.below(complete)),
            None => Step::Alike,
        }
    }

    /// The tile under a hash; where nothing of it is complete there either, the one under that.
    fn below(&self, index: u64) -> Search {
        let mut next = Search { level: self.level - 1, index, ..*self };
        while next.level > 0 && complete(next.within, next.level) <= next.index * WIDTH {
            (next.level, next.index) = (next.level - 1, next.index * WIDTH);
        }
        next
    }
}

/// Complete subtrees of a tile level in a tree of `size` leaves.
fn complete(size: u64, level: u8) -> u64 {
    size >> (8 * level)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Search, Step};
    use crate::digest::Digest;
    use crate::key::SecretKey;
    use crate::tile::WIDTH;

    /// Two trees of `within` common places that differ in every subtree which reaches beyond `at`.
    fn find(within: u64, at: Option<u64>) -> (Option<u64>, usize) {
        let log = SecretKey::from_seed(&[7; 32]).public();
        let (mut search, mut questions) = (Search::new(log, within), 0);
        loop {
            questions += 1;
            let (first, size) = (search.index * WIDTH, 1u64 << (8 * search.level));
            let count = (within / size).saturating_sub(first).min(WIDTH);
            let hash = |index: u64, side: &str| {
                let is_apart = at.is_some_and(|at| (first + index + 1) * size > at);
                Digest::of(if is_apart { side.as_bytes() } else { b"" })
            };
            let tile = |side| (0..count).map(|index| hash(index, side)).collect::<Vec<_>>();
            match search.compare(&tile("ours"), &tile("theirs")) {
                Step::Deeper(next) => search = next,
                Step::Found(found) => return (Some(found), questions),
                Step::Alike => return (None, questions),
            }
        }
    }

    #[test]
    fn the_first_difference_is_found_in_as_many_questions_as_there_are_levels() {
        for within in [1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 70_000, 16_777_216, 20_000_001] {
            for at in [0, 1, 254, 255, 256, 257, 511, 65_535, 65_536, 65_540, 69_999, 16_777_215, 20_000_000] {
                let (found, questions) = find(within, Some(at));
                assert_eq!(found, Some(at).filter(|at| *at < within), "within {within}");
                assert!(questions <= 4, "{questions} questions within {within}");
            }
            assert_eq!(find(within, None).0, None);
        }
    }
}
