//! Makes the directory out of the entries: at a start, for a log that has none yet, and after an erasure.
//!
//! What it makes is what the writer would have made, since both go by
//! `directory::edge`; only a writer that saw a month go may still name it in the pages that grow. A page that is missing or damaged is made anew from what lies below it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use futures_util::future::BoxFuture;

use super::directory::edge::{Both, DirectoryEdge, Listed, slot};
use super::directory::page::{Page, WIDTH};
use super::directory::{Facts, StoredPage};
use super::leaf::Leaf;
use super::tree::TreeHead;
use crate::store::{Batch, Store, StoreFault, StoredEntry};

/// Entries of one read, a multiple of the width of a page.
const CHUNK: u64 = 4 * WIDTH;
/// Pages that are written at once while a log gets its first directory.
const PAGES: usize = 512;

/// The growing pages of a log of `size` entries.
pub async fn restore(store: &dyn Store, size: u64) -> Result<DirectoryEdge, StoreFault> {
    let mut rows = vec![list(&store.entries(size - size % WIDTH..size).await?, &BTreeSet::new())];
    let mut count = size / WIDTH;
    for level in 0_u8.. {
        if count == 0 {
            break;
        }
        let mut row = Both::default();
        for (index, page) in pages(store, level, count - count % WIDTH..count).await? {
            row.absorb(slot(index), &page);
        }
        rows.push(row);
        count /= WIDTH;
    }
    Ok(DirectoryEdge::at(size, rows))
}

/// Gives a log that was written without a directory, or by a program that kept a shorter one, the pages that it
/// lacks. A crash in between leaves some of them, and the next start goes on.
pub async fn catch_up(store: &dyn Store, head: TreeHead) -> Result<(), StoreFault> {
    let has = store.directory_length().await?.saturating_mul(WIDTH);
    let whole = head.size - head.size % WIDTH;
    if has >= whole {
        return Ok(());
    }
    tracing::info!(entries = whole - has, "making the log's directory, once");
    let mut edge = restore(store, has).await?;
    let months = store.months().await?;
    let is_kept = |page: &StoredPage| match page.facts {
        Facts::Leaves => true,
        Facts::Bodies(month) => months.contains(&month),
    };
    let mut full = Vec::new();
    while edge.size() < whole {
        let first = edge.size();
        let entries = store.entries(first..whole.min(first.saturating_add(CHUNK))).await?;
        for (entry, index) in entries.iter().zip(first..) {
            if entry.index != index {
                break;
            }
            let leaf = Leaf::parse(&entry.leaf).ok();
            let Some(listed) = leaf.as_ref().map(|leaf| listed(leaf, entry)) else { break };
            edge.push(&listed, &mut full);
        }
        let stuck = edge.size() < whole.min(first.saturating_add(CHUNK));
        if full.len() >= PAGES || stuck || edge.size() == whole {
            full.retain(&is_kept);
            write(store, head, std::mem::take(&mut full)).await?;
        }
        if stuck {
            // Search looks at the entries themselves from there on; the walk of the log tells what is wrong.
            tracing::error!(index = edge.size(), "an entry cannot be read; the directory ends before it");
            break;
        }
    }
    Ok(())
}

async fn write(store: &dyn Store, head: TreeHead, pages: Vec<StoredPage>) -> Result<(), StoreFault> {
    let batch = Batch { pages, ..Batch::of_changes(head, Vec::new()) };
    store.append(&batch).await.map(drop)
}

/// The stored pages of bodies as they are once `erased` have none any more.
pub async fn without(store: &dyn Store, erased: &BTreeSet<u64>) -> Result<Vec<StoredPage>, StoreFault> {
    let mut length = store.directory_length().await?;
    let mut touched: BTreeSet<u64> = erased.iter().map(|index| index / WIDTH).collect();
    let mut below: HashMap<u64, Both> = HashMap::new();
    let mut changed = Vec::new();
    for level in 0_u8.. {
        touched.retain(|&index| index < length);
        if touched.is_empty() {
            break;
        }
        let mut made = HashMap::new();
        for &index in &touched {
            let page = match level {
                0 => list(&store.entries(span(index)).await?, erased),
                _ => over(store, level, index, &below).await?,
            };
            // Stored where it was: the month of the erased bodies may have been its latest.
            changed.extend(
                store
                    .body_pages(level, index..index + 1)
                    .await?
                    .into_iter()
                    .map(|old| StoredPage { bytes: page.bodies.encode(), ..old }),
            );
            made.insert(index, page);
        }
        below = made;
        touched = touched.into_iter().map(|index| index / WIDTH).collect();
        length /= WIDTH;
    }
    Ok(changed)
}

/// The page (`level`, `index`) over what lies below it, of which `known` replaces what is stored.
async fn over(
    store: &dyn Store,
    level: u8,
    index: u64,
    known: &HashMap<u64, Both>,
) -> Result<Both, StoreFault> {
    let mut page = Both::default();
    for (index, below) in pages(store, level - 1, span(index)).await? {
        page.absorb(slot(index), known.get(&index).unwrap_or(&below));
    }
    Ok(page)
}

/// The pages of a level, each by its index. What is not stored, or not readable, is made from below.
fn pages(
    store: &dyn Store,
    level: u8,
    range: Range<u64>,
) -> BoxFuture<'_, Result<BTreeMap<u64, Both>, StoreFault>> {
    Box::pin(async move {
        let mut bodies = HashMap::new();
        for page in store.body_pages(level, range.clone()).await? {
            bodies.insert(page.index, page);
        }
        let mut found = BTreeMap::new();
        for stored in store.leaf_pages(level, range.clone()).await? {
            let Some(leaves) = Page::decode(&stored.bytes) else { continue };
            let both = match bodies.remove(&stored.index) {
                None => Both { leaves, ..Both::default() },
                Some(StoredPage { facts: Facts::Bodies(part), bytes, .. }) => {
                    let Some(bodies) = Page::decode(&bytes) else { continue };
                    Both { leaves, bodies, part }
                }
                Some(_) => continue,
            };
            found.insert(stored.index, both);
        }
        for index in range {
            if found.contains_key(&index) {
                continue;
            }
            let made = match level {
                0 => list(&store.entries(span(index)).await?, &BTreeSet::new()),
                _ => over(store, level, index, &HashMap::new()).await?,
            };
            found.insert(index, made);
        }
        Ok(found)
    })
}

/// What lies below a page.
fn span(index: u64) -> Range<u64> {
    let first = index.saturating_mul(WIDTH);
    first..first.saturating_add(WIDTH)
}

/// A growing page of level 0 over these entries; `erased` ones count as without a body.
fn list(entries: &[StoredEntry], erased: &BTreeSet<u64>) -> Both {
    let mut page = Both::default();
    for entry in entries {
        let Ok(leaf) = Leaf::parse(&entry.leaf) else { continue };
        let body = listed(&leaf, entry).body.filter(|_| !erased.contains(&entry.index));
        page.list(slot(entry.index), &Listed { body, ..listed(&leaf, entry) });
    }
    page
}

fn listed<'a>(leaf: &Leaf, entry: &'a StoredEntry) -> Listed<'a> {
    Listed {
        event: leaf.event,
        ts: leaf.ts,
        kid: leaf.kid,
        exp: leaf.exp,
        body: entry.body.as_ref().map(|(_, body)| body.as_slice()),
    }
}
