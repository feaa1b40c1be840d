//! From the newest entry back to the oldest, by the directory: only where something wanted can be.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::directory::page::{Page, Slots, Times, WIDTH};
use super::directory::term::Term;
use super::leaf::Leaf;
use crate::store::{Store, StoreFault};

/// Pages of level 0 that are read at once.
const WINDOW: u8 = 32;
/// Steps of one call, each with at most one read.
const STEPS: usize = 64;
/// Entries of one read.
const CHUNK: usize = 500;

/// What entries must have; the directory may take others for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Terms of the leaf.
    pub leaf: Vec<Term>,
    /// Terms of the body.
    pub body: Vec<Term>,
    /// When.
    pub times: Times,
}

/// Pages of one level that are still to be looked at.
struct Frame {
    level: u8,
    /// The index of the page that slot 0 stands for.
    base: u64,
    slots: Slots,
}

impl Frame {
    /// The first entry that its pages tell of.
    fn start(&self) -> u64 {
        start_of(self.level, self.base)
    }
}

/// A walk back through the log.
pub struct Walk<'s> {
    store: &'s dyn Store,
    wanted: Wanted,
    /// Entries of complete pages.
    whole: u64,
    /// Nothing before this entry is wanted.
    floor: u64,
    /// Nothing from this entry on is wanted.
    end: u64,
    at: u64,
    frames: Vec<Frame>,
    reads: u32,
    /// The months that pages of bodies are kept of, where these are asked.
    months: Vec<u32>,
}

impl<'s> Walk<'s> {
    /// Begins before the entry `end` of a log of at least that many.
    pub async fn new(store: &'s dyn Store, wanted: Wanted, end: u64) -> Result<Self, StoreFault> {
        // Where no bodies are kept any more, none can have what is wanted of them.
        let (mut floor, mut months) = (0, Vec::new());
        if !wanted.body.is_empty() {
            floor = store.first_body().await?.unwrap_or(end);
            months = store.months().await?;
        }
        let whole = store.directory_length().await?.saturating_mul(WIDTH);
        Ok(Self { store, wanted, whole, floor, end, at: end, frames: Vec::new(), reads: 0, months })
    }

    /// Begins at the newest entry.
    pub async fn from_the_newest(store: &'s dyn Store, wanted: Wanted) -> Result<Self, StoreFault> {
        let size = store.log().await?.map_or(0, |log| log.head.size);
        Self::new(store, wanted, size).await
    }

    /// Everything wanted at or after this entry has been given.
    pub fn at(&self) -> u64 {
        self.at.max(self.floor)
    }

    /// How often the store was asked for pages.
    pub fn reads(&self) -> u32 {
        self.reads
    }

    /// The next entries that may be wanted, newest first; some stretches have none. `None` at the end. It asks the
    /// store a bounded number of times.
    pub async fn next(&mut self) -> Result<Option<Vec<u64>>, StoreFault> {
        for _ in 0..STEPS {
            let Some(frame) = self.frames.last_mut() else {
                if self.at <= self.floor {
                    return Ok(None);
                }
                if self.at > self.whole {
                    // The newest entries are in no page yet, and some hundred at the most.
                    let newest = self.whole.max(self.floor)..self.at;
                    self.at = newest.start.max(newest.end.saturating_sub(WIDTH));
                    return Ok(Some((self.at..newest.end).rev().collect()));
                }
                self.frames.push(self.widest_page());
                continue;
            };
            let Some(highest) = frame.slots.highest() else {
                self.at = self.at.min(frame.start());
                self.frames.pop();
                continue;
            };
            if frame.level == 0 {
                return self.entries(highest).await.map(Some);
            }
            frame.slots.remove(highest);
            let (level, index) = (frame.level, frame.base.saturating_add(u64::from(highest)));
            if start_of(level, index) >= self.end {
                continue;
            }
            let slots = self.narrowed(level, index..index.saturating_add(1)).await?;
            let slots = slots.into_iter().next().map_or(Slots::ALL, |(_, slots)| slots);
            self.frames.push(Frame { level: level - 1, base: index.saturating_mul(WIDTH), slots });
        }
        Ok(Some(Vec::new()))
    }

    /// The leaves of the next entries that may be wanted, newest first.
    pub async fn next_leaves(&mut self) -> Result<Option<Vec<(u64, Leaf)>>, StoreFault> {
        let Some(candidates) = self.next().await? else { return Ok(None) };
        let mut leaves = Vec::new();
        for some in candidates.chunks(CHUNK) {
            let entries = self.store.entries_at(some).await?;
            leaves.extend(entries.iter().filter_map(|e| Some((e.index, Leaf::parse(&e.leaf).ok()?))));
        }
        Ok(Some(leaves))
    }

    /// The page of the highest level that is complete and holds the entry before `at`.
    fn widest_page(&self) -> Frame {
        let last = self.at.saturating_sub(1);
        let page = |level: u8| last / start_of(level, 1).max(1);
        let complete = |level: &u8| start_of(*level, page(*level).saturating_add(1)) <= self.whole;
        let level = (1..7_u8).take_while(complete).last().unwrap_or_default();
        Frame { level, base: page(level), slots: Slots::of(0) }
    }

    /// What a window of pages of level 0, up to the slot `highest`, says of their entries.
    async fn entries(&mut self, highest: u8) -> Result<Vec<u64>, StoreFault> {
        let Some(frame) = self.frames.last_mut() else { return Ok(Vec::new()) };
        let lowest = highest.saturating_sub(WINDOW - 1);
        let wanted: Vec<u8> = (lowest..=highest).rev().filter(|&slot| frame.slots.has(slot)).collect();
        for &slot in &wanted {
            frame.slots.remove(slot);
        }
        let base = frame.base;
        let page = |slot: u8| base.saturating_add(u64::from(slot));
        let narrowed = self.narrowed(0, page(lowest)..page(highest).saturating_add(1)).await?;
        let mut found = Vec::new();
        for slot in wanted {
            let slots = narrowed.get(&page(slot)).copied().unwrap_or(Slots::ALL);
            let first = start_of(0, page(slot));
            let entries = slots.ascending().rev().map(|slot| first.saturating_add(u64::from(slot)));
            found.extend(entries.filter(|&index| index < self.end && index >= self.floor));
        }
        self.at = self.at.min(start_of(0, page(lowest)));
        Ok(found)
    }

    /// Which slots of each stored page may hold what is wanted. A page that cannot be read says nothing, so all may.
    async fn narrowed(&mut self, level: u8, range: Range<u64>) -> Result<HashMap<u64, Slots>, StoreFault> {
        self.reads = self.reads.saturating_add(1);
        let (mut found, mut kept) = (HashMap::new(), HashSet::new());
        for stored in self.store.leaf_pages(level, range.clone()).await? {
            let slots = Page::decode(&stored.bytes).map_or(Slots::ALL, |page| {
                if self.months.contains(&page.month()) {
                    kept.insert(stored.index);
                }
                if page.meets(&self.wanted.times) { page.with(&self.wanted.leaf) } else { Slots::default() }
            });
            found.insert(stored.index, slots);
        }
        if self.wanted.body.is_empty() {
            return Ok(found);
        }
        let bodies = self.store.body_pages(level, range).await?;
        let mut bodies: HashMap<_, _> = bodies
            .into_iter()
            .map(|stored| {
                let slots = Page::decode(&stored.bytes).map(|page| page.with(&self.wanted.body));
                (stored.index, slots.unwrap_or(Slots::ALL))
            })
            .collect();
        for (index, slots) in &mut found {
            // Both were written together: one of bodies went with its month, or was lost and says nothing.
            let lost = if kept.contains(index) { Slots::ALL } else { Slots::default() };
            *slots = slots.and(bodies.remove(index).unwrap_or(lost));
        }
        Ok(found)
    }
}

/// The first entry that the page tells of.
fn start_of(level: u8, index: u64) -> u64 {
    let width = WIDTH.checked_pow(u32::from(level) + 1).unwrap_or(u64::MAX);
    index.saturating_mul(width)
}
