//! Tiles of 256 hashes, as C2SP `tlog-tiles` cuts a tree, so that tools nobody here wrote can read one.

use crate::digest::Digest;
use crate::tree::Hashes;

/// Tree levels a tile spans: 256 = 2^8.
const HEIGHT: u8 = 8;
/// Hashes of a full tile.
pub const WIDTH: u64 = 1 << HEIGHT;
/// Levels of tiles of a tree of 2^64 leaves.
pub const LEVELS: u8 = 8;

/// The place of one tile in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Tile level: its hashes are those of subtrees of 256^level leaves.
    pub level: u8,
    /// The tile's index on its level.
    pub index: u64,
    /// Hashes it holds: 256, or fewer at the right edge.
    pub width: u64,
}

impl Tile {
    /// All tiles of a tree of `size` leaves, level by level.
    pub fn all(size: u64) -> Vec<Tile> {
        let mut tiles = Vec::new();
        let mut level = 0;
        let mut hashes = size;
        while hashes > 0 {
            let full = hashes / WIDTH;
            tiles.extend((0..full).map(|index| Tile { level, index, width: WIDTH }));
            if !hashes.is_multiple_of(WIDTH) {
                tiles.push(Tile { level, index: full, width: hashes % WIDTH });
            }
            (level, hashes) = (level + 1, full);
        }
        tiles
    }

    /// Its path below a log's address: `tile/0/x001/234.p/5`.
    pub fn path(&self) -> String {
        let mut groups = vec![format!("{:03}", self.index % 1000)];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        groups.reverse();
        let partial = if self.width == WIDTH { String::new() } else { format!(".p/{}", self.width) };
        format!("tile/{}/{}{partial}", self.level, groups.join("/"))
    }

    /// Its bytes: `width` hashes, one after the other; `None` where the tree is not that large.
    pub fn bytes(&self, hashes: &impl Hashes) -> Option<Vec<u8>> {
        let first = self.index * WIDTH;
        let mut bytes = Vec::with_capacity(self.width as usize * 32);
        for index in first..first + self.width {
            let Digest(hash) = hashes.hash(self.level * HEIGHT, index)?;
            bytes.extend_from_slice(&hash);
        }
        Some(bytes)
    }
}

/// The hashes of a tile, as far as those leaves are all there.
pub fn hashes(hashes: &impl Hashes, level: u8, index: u64) -> Vec<Digest> {
    let Some(first) = index.checked_mul(WIDTH).filter(|_| level < LEVELS) else { return Vec::new() };
    (first..first.saturating_add(WIDTH)).map_while(|index| hashes.hash(HEIGHT * level, index)).collect()
}
