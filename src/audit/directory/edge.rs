//! The growing pages, one of each level: what the writer goes on from.

use std::sync::Arc;

use super::page::{Page, WIDTH};
use super::term::Term;
use super::{Facts, StoredPage};
use crate::audit::about::About;
use crate::audit::event::EventType;
use crate::jose::Kid;
use crate::time::Timestamp;

/// An entry as far as the directory tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// What happened.
    pub event: EventType,
    /// When.
    pub ts: Timestamp,
    /// The leaf's key.
    pub kid: Option<Kid>,
    /// The leaf's `exp`, seconds.
    pub exp: Option<u64>,
    /// The body, where there is one still.
    pub body: Option<&'a [u8]>,
}

/// The facts of leaves and of bodies over the same slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Both {
    /// Of the leaves.
    pub leaves: Page,
    /// Of the bodies.
    pub bodies: Page,
    /// The latest month of its entries, which its bodies are kept with or outlived by; 0 where there is no entry.
    pub part: u32,
}

impl Both {
    /// The slot is this entry.
    pub fn list(&mut self, slot: u8, entry: &Listed<'_>) {
        self.part = self.part.max(entry.ts.month());
        self.leaves.note_time(entry.ts, entry.exp);
        self.leaves.note(slot, Term::event(entry.event));
        if let Some(kid) = entry.kid {
            self.leaves.note(slot, Term::kid(kid));
        }
        if let Some(body) = entry.body {
            let about = About::read(entry.event, body);
            about.names().for_each(|name| self.bodies.note(slot, Term::name(name)));
            about.scopes().for_each(|token| self.bodies.note(slot, Term::scope(token)));
        }
    }

    /// The slot is what these pages of the level below tell of.
    pub fn absorb(&mut self, slot: u8, below: &Self) {
        self.leaves.absorb(slot, &below.leaves);
        self.bodies.absorb(slot, &below.bodies);
        self.part = self.part.max(below.part);
    }

    /// As they are stored. The page of bodies is there also where it names nobody, so that a lost one can be told.
    pub fn stored(&self, level: u8, index: u64) -> impl Iterator<Item = StoredPage> {
        let page = |facts, page: &Page| StoredPage { facts, level, index, bytes: page.encode() };
        let bodies = (self.part > 0).then(|| page(Facts::Bodies(self.part), &self.bodies));
        [Some(page(Facts::Leaves, &self.leaves)), bodies].into_iter().flatten()
    }
}

/// The pages that are not full yet. A clone is cheap: it shares what does not change.
#[derive(Clone, Debug, Default)]
pub struct DirectoryEdge {
    size: u64,
    rows: Vec<Arc<Both>>,
}

impl DirectoryEdge {
    /// The directory of a log without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on after `size` entries. `rows` are the growing pages, from level 0 up.
    pub fn at(size: u64, rows: Vec<Both>) -> Self {
        Self { size, rows: rows.into_iter().map(Arc::new).collect() }
    }

    /// The number of entries it has been told of.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Lists the next entry. The pages that it fills are added to `full`.
    pub fn push(&mut self, entry: &Listed<'_>, full: &mut Vec<StoredPage>) {
        let place = slot(self.size);
        let Some(row) = self.row(0) else { return };
        row.list(place, entry);
        self.size += 1;
        let (mut level, mut count) = (0_u8, self.size);
        while count.is_multiple_of(WIDTH) {
            let Some(row) = self.row(level) else { return };
            let done = std::mem::take(row);
            let index = count / WIDTH - 1;
            full.extend(done.stored(level, index));
            level += 1;
            if let Some(above) = self.row(level) {
                above.absorb(slot(index), &done);
            }
            count = index + 1;
        }
    }

    fn row(&mut self, level: u8) -> Option<&mut Both> {
        let level = usize::from(level);
        if self.rows.len() <= level {
            self.rows.resize_with(level + 1, Arc::default);
        }
        self.rows.get_mut(level).map(Arc::make_mut)
    }
}

/// The place of an entry or page within the page that tells of it.
pub fn slot(index: u64) -> u8 {
    u8::try_from(index % WIDTH).unwrap_or(u8::MAX)
}
