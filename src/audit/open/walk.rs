//! The walk at a start: reads entries, recomputes the tree, and compares every tile on the way.

use super::CannotOpen;
use crate::audit::leaf::Leaf;
use crate::audit::served::tile_bytes;
use crate::audit::tile::{Edge, Tile, TilePath, WIDTH, width_at};
use crate::audit::tree::{TreeHead, leaf_hash};
use crate::store::Store;

/// Entries of one read.
const PAGE: u64 = 4_096;

/// A walk to the committed head of a log.
pub(super) struct Walk<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) head: TreeHead,
}

impl Walk<'_> {
    /// From the first `trusted` entries, whose tree is known to be right, to the head. Gives the edge there.
    pub(super) async fn run(&self, trusted: u64) -> Result<Edge, CannotOpen> {
        let mut edge = self.restore(trusted).await?;
        while edge.size() < self.head.size {
            let from = edge.size();
            let leaves = self.store.leaves(from..self.head.size.min(from.saturating_add(PAGE))).await?;
            let mut hashes = Vec::with_capacity(leaves.len());
            for (leaf, index) in leaves.iter().zip(from..) {
                Leaf::parse(leaf)
                    .map_err(|_| CannotOpen::Damaged(format!("entry {index} cannot be read")))?;
                hashes.push(leaf_hash(leaf));
            }
            if hashes.is_empty() {
                return Err(CannotOpen::Damaged(format!("entry {from} is missing")));
            }
            for tile in edge.append(&hashes) {
                // Partial tiles go on changing; the last ones are compared at the end.
                if tile.bytes.len() == usize::from(WIDTH) * 32 {
                    self.compare(&tile).await?;
                }
            }
        }
        self.is_head(&edge)?;
        for path in Edge::needs(self.head.size) {
            let bytes = edge.partial(path.level);
            self.compare(&Tile { level: path.level, index: path.index, bytes }).await?;
        }
        Ok(edge)
    }

    /// The edge at the head by the stored tiles and the last entries, if these give the committed root.
    pub(super) async fn restore_head(&self) -> Result<Edge, CannotOpen> {
        let edge = self.restore(self.head.size).await?;
        self.is_head(&edge)?;
        Ok(edge)
    }

    fn is_head(&self, edge: &Edge) -> Result<(), CannotOpen> {
        if edge.head() == self.head {
            return Ok(());
        }
        Err(CannotOpen::Damaged("its last entries do not give its root".to_owned()))
    }

    async fn restore(&self, size: u64) -> Result<Edge, CannotOpen> {
        let mut tiles = Vec::new();
        for path in Edge::needs(size) {
            let bytes = tile_bytes(self.store, path).await?;
            tiles.push(Tile { level: path.level, index: path.index, bytes });
        }
        let first = size - size % u64::from(WIDTH);
        let leaves = self.store.leaves(first..size).await?;
        let hashes: Vec<_> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        Edge::restore(size, &hashes, &tiles).map_err(|error| CannotOpen::Damaged(error.to_string()))
    }

    /// The stored tile must be the one that follows from the entries.
    async fn compare(&self, tile: &Tile) -> Result<(), CannotOpen> {
        let width = width_at(tile.level, tile.index, self.head.size);
        let path = TilePath { level: tile.level, index: tile.index, width };
        if tile_bytes(self.store, path).await? == tile.bytes {
            return Ok(());
        }
        Err(CannotOpen::Damaged(format!("tile {path} does not fit its entries")))
    }
}
