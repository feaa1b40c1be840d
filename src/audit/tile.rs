//! Tiles: the tree cut into files that never change, their names, and the writer's right edge.
//!
//! Pure: nothing here stores or serves. A tile holds 256 hashes; the hash over
//! a full one is an entry of the tile a level above. Partial tiles are
//! prefixes of full ones. C2SP tlog-tiles.

use std::collections::HashMap;
use std::fmt;

use crate::audit::decimal;
use crate::audit::tree::{Frontier, Range, Subtree, Subtrees, TreeHead};
use crate::digest::Digest;

/// The number of hashes in a full tile, and of entries in a full bundle.
pub const WIDTH: u16 = 256;
/// 256^8 leaves are more than a `u64` counts: no tree reaches a level above this.
const TOP_LEVEL: u8 = 7;
/// The format names levels up to 63.
const MAX_LEVEL: u64 = 63;

/// Which tile of hashes: `<L>/<N>[.p/<W>]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    /// Distance from the leaf hashes, 0 to 63.
    pub level: u8,
    /// Position among the tiles of this level, from 0.
    pub index: u64,
    /// The number of hashes, 1 to 256.
    pub width: u16,
}

/// Which bundle of leaves: `entries/<N>[.p/<W>]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundlePath {
    /// Position among the bundles, from 0.
    pub index: u64,
    /// The number of entries, 1 to 256.
    pub width: u16,
}

/// What a path below `/log/tile/` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A tile of hashes.
    Tile(TilePath),
    /// A bundle of leaves.
    Bundle(BundlePath),
}

impl Resource {
    /// Reads what follows `/log/tile/`. Each tile has one spelling; all others are `None`.
    pub fn parse(path: &str) -> Option<Self> {
        let (head, rest) = path.split_once('/')?;
        let (index, width) = parse_number_and_width(rest)?;
        if head == "entries" {
            return Some(Self::Bundle(BundlePath { index, width }));
        }
        let level = decimal(head).filter(|&level| level <= MAX_LEVEL)?;
        Some(Self::Tile(TilePath { level: u8::try_from(level).ok()?, index, width }))
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.level)?;
        write_number_and_width(f, self.index, self.width)
    }
}

impl fmt::Display for BundlePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("entries/")?;
        write_number_and_width(f, self.index, self.width)
    }
}

fn parse_number_and_width(text: &str) -> Option<(u64, u16)> {
    let (number, width) = match text.split_once(".p/") {
        None => (text, WIDTH),
        Some((number, width)) => {
            let width = decimal(width).and_then(|width| u16::try_from(width).ok())?;
            (number, Some(width).filter(|width| (1..WIDTH).contains(width))?)
        }
    };
    let mut index: u64 = 0;
    let mut groups = number.split('/').peekable();
    let mut first = true;
    while let Some(group) = groups.next() {
        let digits = if groups.peek().is_some() { group.strip_prefix('x')? } else { group };
        // A leading group of zeros would be a second spelling.
        let superfluous = first && digits == "000" && groups.peek().is_some();
        if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) || superfluous {
            return None;
        }
        index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
        first = false;
    }
    Some((index, width))
}

fn write_number_and_width(f: &mut fmt::Formatter<'_>, index: u64, width: u16) -> fmt::Result {
    let mut groups = vec![index % 1000];
    let mut rest = index / 1000;
    while rest > 0 {
        groups.push(rest % 1000);
        rest /= 1000;
    }
    for (after, group) in groups.iter().enumerate().rev() {
        if after > 0 {
            write!(f, "x{group:03}/")?;
        } else {
            write!(f, "{group:03}")?;
        }
    }
    if width == WIDTH { Ok(()) } else { write!(f, ".p/{width}") }
}

/// How many hashes the tile (`level`, `index`) has in the tree of `tree_size`
/// leaves, 0 to 256. Bundles are as wide as the tile of level 0.
pub fn width_at(level: u8, index: u64, tree_size: u64) -> u16 {
    let row = row_length(level, tree_size);
    match index.checked_mul(u64::from(WIDTH)) {
        Some(start) if start < row => u16::try_from(row - start).unwrap_or(WIDTH).min(WIDTH),
        _ => 0,
    }
}

/// How many hashes all tiles of `level` together have.
fn row_length(level: u8, tree_size: u64) -> u64 {
    if level > TOP_LEVEL { 0 } else { tree_size >> (8 * level) }
}

/// The bytes of an entry bundle: for each leaf its length as a big-endian u16, then the leaf.
/// `None` when a leaf is longer than 65535 bytes.
pub fn encode_bundle<'a>(leaves: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for leaf in leaves {
        out.extend_from_slice(&u16::try_from(leaf.len()).ok()?.to_be_bytes());
        out.extend_from_slice(leaf);
    }
    Some(out)
}

/// The leaves of an entry bundle. `None` when the last one is cut short.
pub fn decode_bundle(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut leaves = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk()?;
        let (leaf, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        leaves.push(leaf);
        bytes = rest;
    }
    Some(leaves)
}

/// The hashes of a tile's bytes. `None` when they do not come in 32s.
pub fn decode_tile(bytes: &[u8]) -> Option<Vec<Digest>> {
    let (hashes, []) = bytes.as_chunks::<32>() else { return None };
    Some(hashes.iter().copied().map(Digest).collect())
}

/// The tiles that hold the hashes of `ranges` in the tree of `tree_size` leaves, each once.
pub fn tiles_for(ranges: &[Range], tree_size: u64) -> Vec<TilePath> {
    let subtrees = ranges.iter().flat_map(|range| range.subtrees());
    let mut tiles: Vec<TilePath> = subtrees
        .map(|subtree| {
            let (level, index, _) = within_tile(subtree);
            TilePath { level, index, width: width_at(level, index, tree_size) }
        })
        .collect();
    tiles.sort_unstable();
    tiles.dedup();
    tiles
}

/// The tile that holds a subtree, and the first of its entries that belong to it.
fn within_tile(subtree: Subtree) -> (u8, u64, u64) {
    // A tile is eight levels high, so its entry at (level % 8) above its row spans 2^(level % 8) of them.
    let first = subtree.index << (subtree.level % 8);
    (subtree.level / 8, first / u64::from(WIDTH), first % u64::from(WIDTH))
}

/// Tiles that were fetched, for computing proofs from.
#[derive(Debug, Default)]
pub struct TileSet(HashMap<(u8, u64), Vec<Digest>>);

impl TileSet {
    /// Adds the bytes of a tile; wider than asked for is welcome. `false` when they are no whole hashes.
    #[must_use]
    pub fn insert(&mut self, level: u8, index: u64, bytes: &[u8]) -> bool {
        let Some(hashes) = decode_tile(bytes) else { return false };
        self.0.insert((level, index), hashes);
        true
    }
}

impl Subtrees for TileSet {
    fn hash(&self, subtree: Subtree) -> Option<Digest> {
        let (level, index, first) = within_tile(subtree);
        let first = usize::try_from(first).ok()?;
        let entries = self.0.get(&(level, index))?.get(first..first + (1 << (subtree.level % 8)))?;
        Some(root_of(entries))
    }
}

fn root_of(hashes: &[Digest]) -> Digest {
    let mut frontier = Frontier::new();
    for &hash in hashes {
        frontier.push(hash);
    }
    frontier.root()
}

/// A tile to be stored: full, or the present right edge of a level from 1 up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Distance from the leaf hashes.
    pub level: u8,
    /// Position among the tiles of this level.
    pub index: u64,
    /// 32 bytes for each hash; 8192 when the tile is full.
    pub bytes: Vec<u8>,
}

/// The stored right edge does not fit the stored size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored tiles of level {level} do not fit a tree of this size")]
pub struct BadEdge {
    /// The level whose tile is absent or too narrow.
    pub level: u8,
}

/// The writer's state: the right edge of every level of tiles, and the root.
///
/// It is a few kilobytes. A writer clones it, appends to the clone, commits,
/// and only then keeps the clone: a failed commit leaves nothing to undo.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Edge {
    frontier: Frontier,
    /// For each level the hashes of its last tile while that is not full.
    rows: Vec<Vec<Digest>>,
}

impl Edge {
    /// The edge of the tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// The stored tiles of level 1 and up that [`Edge::restore`] needs for a tree of `size` leaves.
    /// It also needs the hashes of the last size % 256 leaves.
    pub fn needs(size: u64) -> Vec<TilePath> {
        let at_level = |level| {
            let index = row_length(level, size) / u64::from(WIDTH);
            TilePath { level, index, width: width_at(level, index, size) }
        };
        (1..=TOP_LEVEL).map(at_level).filter(|tile| tile.width > 0).collect()
    }

    /// Rebuilds the edge at start: `tiles` are those that [`Edge::needs`] names (others
    /// are ignored, wider ones are cut), `last_leaves` the hashes of the last size % 256 leaves.
    /// The caller compares [`Edge::head`] with what it signed.
    pub fn restore(size: u64, last_leaves: &[Digest], tiles: &[Tile]) -> Result<Self, BadEdge> {
        if last_leaves.len() as u64 != size % u64::from(WIDTH) {
            return Err(BadEdge { level: 0 });
        }
        let mut rows = vec![last_leaves.to_vec()];
        for level in (1..=TOP_LEVEL).take_while(|&level| row_length(level, size) > 0) {
            let index = row_length(level, size) / u64::from(WIDTH);
            let width = usize::from(width_at(level, index, size));
            let stored = tiles.iter().find(|tile| tile.level == level && tile.index == index);
            let row = match stored {
                _ if width == 0 => Some(Vec::new()),
                Some(tile) => tile.bytes.get(..width * 32).and_then(decode_tile),
                None => None,
            };
            rows.push(row.ok_or(BadEdge { level })?);
        }
        let mut frontier = Frontier::new();
        for (level, row) in (0..=TOP_LEVEL).zip(&rows).rev() {
            for &hash in row {
                // The rows are those of a tree of this size, so each subtree fits.
                if !frontier.push_subtree(8 * level, hash) {
                    return Err(BadEdge { level });
                }
            }
        }
        Ok(Self { frontier, rows })
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root hash.
    pub fn root(&self) -> Digest {
        self.frontier.root()
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        self.frontier.head()
    }

    /// The bytes of the last tile of `level` while it is not full: the only
    /// place where those of level 0 are. Empty when the last tile is full.
    pub fn partial(&self, level: u8) -> Vec<u8> {
        self.rows.get(usize::from(level)).map(|row| bytes_of(row)).unwrap_or_default()
    }

    /// Appends leaves by their hashes. Gives the tiles to store, in the order
    /// they came about: those that became full, and last the partial ones of
    /// level 1 and up that changed and replace what is stored at their place.
    pub fn append(&mut self, leaf_hashes: &[Digest]) -> Vec<Tile> {
        let mut tiles = Vec::new();
        let mut highest = 0;
        for &hash in leaf_hashes {
            self.frontier.push(hash);
            highest = self.carry(hash, &mut tiles).max(highest);
        }
        for level in 1..=highest {
            let bytes = self.partial(level);
            if !bytes.is_empty() {
                let index = row_length(level, self.size()) / u64::from(WIDTH);
                tiles.push(Tile { level, index, bytes });
            }
        }
        tiles
    }

    /// Puts a leaf's hash on row 0 and the hash over each tile it fills on the
    /// row above. Gives the highest level that changed.
    fn carry(&mut self, leaf_hash: Digest, tiles: &mut Vec<Tile>) -> u8 {
        let (mut hash, mut level) = (leaf_hash, 0_u8);
        loop {
            if self.rows.len() <= usize::from(level) {
                self.rows.push(Vec::new());
            }
            let Some(row) = self.rows.get_mut(usize::from(level)) else { return level };
            row.push(hash);
            if row.len() < usize::from(WIDTH) || level == TOP_LEVEL {
                return level;
            }
            let full = std::mem::take(row);
            let index = row_length(level, self.frontier.size()) / u64::from(WIDTH) - 1;
            tiles.push(Tile { level, index, bytes: bytes_of(&full) });
            hash = root_of(&full);
            level += 1;
        }
    }
}

fn bytes_of(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

#[cfg(test)]
mod tests;
