//! The log as it is served: published tiles, entry bundles and receipts. C2SP tlog-tiles, log.md of the auditor's guide.
//!
//! Nothing beyond the published checkpoint is shown, so that whoever fetches
//! a tile can check it. Partial tiles are prefixes, cut when they are asked for.

use std::ops::Range as Span;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::checkpoint::Checkpoint;
use super::export::Header;
use super::proof::Receipt;
use super::tile::{Resource, TilePath, TileSet, WIDTH, encode_bundle, tiles_for, width_at};
use super::tree::{self, Range, TreeHead, leaf_hash};
use crate::digest::Digest;
use crate::oauth::claims::Jti;
use crate::store::{Store, StoreFault};

/// How long a receipt waits for the checkpoint that covers it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The published checkpoint.
#[derive(Clone, Debug)]
pub struct Published {
    /// The signed note, verbatim.
    pub note: Bytes,
    /// What it says.
    pub checkpoint: Checkpoint,
}

/// Why a receipt was not given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoReceipt {
    /// No record is known under that identifier, or at that place.
    #[error("no record is known there")]
    Unknown,
    /// The record is committed, but no checkpoint covers it yet.
    #[error("the record is not under a checkpoint yet")]
    NotYet,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// Reads what has been published.
#[derive(Clone)]
pub struct Served {
    store: Arc<dyn Store>,
    published: watch::Receiver<Option<Published>>,
}

impl Served {
    /// Follows the publisher.
    pub fn new(store: Arc<dyn Store>, published: watch::Receiver<Option<Published>>) -> Self {
        Self { store, published }
    }

    /// The published checkpoint; `None` in the first moment of a log's life.
    pub fn published(&self) -> Option<Published> {
        self.published.borrow().clone()
    }

    /// The bytes below `/log/tile/`; `None` for what does not exist under the published checkpoint.
    pub async fn tile(&self, path: &str) -> Result<Option<Bytes>, StoreFault> {
        let Some(size) = self.published().map(|published| published.checkpoint.size) else { return Ok(None) };
        match Resource::parse(path) {
            None => Ok(None),
            Some(Resource::Tile(tile)) if width_at(tile.level, tile.index, size) < tile.width => Ok(None),
            Some(Resource::Tile(tile)) => {
                tile_bytes(&*self.store, tile).await.map(|bytes| Some(bytes.into()))
            }
            Some(Resource::Bundle(bundle)) if width_at(0, bundle.index, size) < bundle.width => Ok(None),
            Some(Resource::Bundle(bundle)) => {
                let leaves = self.store.leaves(span_of(bundle.index, bundle.width)).await?;
                let bytes = encode_bundle(leaves.iter().map(Vec::as_slice));
                bytes.map(|bytes| Some(bytes.into())).ok_or_else(|| broken("a leaf is too long for a bundle"))
            }
        }
    }

    /// The receipt of an issued token, waiting a moment for the checkpoint that covers it.
    pub async fn receipt(&self, jti: &str) -> Result<Receipt, NoReceipt> {
        let jti = Jti::parse(jti).ok_or(NoReceipt::Unknown)?;
        let index = self.store.index_of_jti(jti.as_str()).await?.ok_or(NoReceipt::Unknown)?;
        self.receipt_at(index).await
    }

    /// The receipt of the entry at `index`, whatever it records, waiting a moment for the checkpoint that covers it.
    pub async fn receipt_at(&self, index: u64) -> Result<Receipt, NoReceipt> {
        // What is not there is not waited for.
        let end = index.checked_add(1).ok_or(NoReceipt::Unknown)?;
        let leaf = self.store.leaves(index..end).await?.pop().ok_or(NoReceipt::Unknown)?;
        let mut published = self.published.clone();
        let covers =
            |published: &Option<Published>| published.as_ref().is_some_and(|p| p.checkpoint.size > index);
        let covered = tokio::time::timeout(PATIENCE, published.wait_for(covers)).await;
        let Ok(Ok(Some(published))) = covered.map(|found| found.map(|found| found.clone())) else {
            return Err(NoReceipt::NotYet);
        };
        let size = published.checkpoint.size;
        let ranges = tree::inclusion_path(index, size).ok_or(NoReceipt::NotYet)?;
        let path = hashes(&*self.store, &ranges, size).await?;
        let checkpoint = String::from_utf8_lossy(&published.note).into_owned();
        Ok(Receipt { leaf, index, path, checkpoint })
    }

    /// The header of an export of `span` under the published checkpoint; `None` when that does not cover it.
    pub async fn export_header(&self, span: Span<u64>) -> Result<Option<Header>, StoreFault> {
        let Some(published) = self.published() else { return Ok(None) };
        let size = published.checkpoint.size;
        let Some((left, right)) = super::export::completion(span.start, span.end, size) else {
            return Ok(None);
        };
        let left = hashes(&*self.store, &left, size).await?;
        let right = hashes(&*self.store, &right, size).await?;
        let note = String::from_utf8_lossy(&published.note).into_owned();
        let range = Range { start: span.start, end: span.end };
        let origin = published.checkpoint.origin.as_str();
        Ok(Some(Header::new(origin, range, note, left, right)))
    }
}

/// The root of the first `size` entries, from stored tiles and leaves.
pub async fn root_at(store: &dyn Store, size: u64) -> Result<Digest, StoreFault> {
    if size == 0 {
        return Ok(tree::EMPTY_ROOT);
    }
    let whole = [Range { start: 0, end: size }];
    hashes(store, &whole, size).await?.pop().ok_or_else(|| broken("the tree has no root"))
}

/// The hashes of nodes of the tree of `size` leaves.
async fn hashes(store: &dyn Store, ranges: &[Range], size: u64) -> Result<Vec<Digest>, StoreFault> {
    let mut tiles = TileSet::default();
    for tile in tiles_for(ranges, size) {
        if !tiles.insert(tile.level, tile.index, &tile_bytes(store, tile).await?) {
            return Err(broken("a tile is no whole number of hashes"));
        }
    }
    tree::hashes(ranges, &tiles).ok_or_else(|| broken("a tile is missing"))
}

/// A tile's bytes. Level 0 is stored only when full; before that it is the hashes of the leaves themselves.
pub async fn tile_bytes(store: &dyn Store, tile: TilePath) -> Result<Vec<u8>, StoreFault> {
    let wanted = usize::from(tile.width) * 32;
    if let Some(mut stored) = store.tile(tile.level, tile.index).await?
        && stored.len() >= wanted
    {
        stored.truncate(wanted);
        return Ok(stored);
    }
    if tile.level > 0 {
        return Err(broken("a tile is missing"));
    }
    let leaves = store.leaves(span_of(tile.index, tile.width)).await?;
    let bytes: Vec<u8> = leaves.iter().flat_map(|leaf| leaf_hash(leaf).0).collect();
    if bytes.len() == wanted { Ok(bytes) } else { Err(broken("an entry is missing")) }
}

fn span_of(tile: u64, width: u16) -> Span<u64> {
    let first = tile.saturating_mul(u64::from(WIDTH));
    first..first.saturating_add(u64::from(width))
}

fn broken(what: &str) -> StoreFault {
    StoreFault::Broken(what.to_owned())
}

/// Size and root that a head claims, for comparing with what the store computes.
pub async fn holds(store: &dyn Store, head: TreeHead) -> Result<bool, StoreFault> {
    Ok(root_at(store, head.size).await? == head.root)
}
