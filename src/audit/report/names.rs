//! Counting by name within bounds, however many names there are.
//!
//! Pure. The figures of names beyond a bound are kept as one sum, so that what
//! is listed and the rest are always the whole.

use std::collections::HashMap;
use std::ops::AddAssign;

use serde::Serialize;

use crate::audit::event::EventType;

/// Names that are told apart; what comes later is counted with the rest.
const KNOWN: usize = 10_000;
/// Names that are listed: those with the greatest figures.
const LISTED: usize = 1_000;
/// Characters of a name that are kept.
const LONGEST: usize = 200;
/// Stands for a name that nobody can tell any more.
pub(super) const UNTOLD: &str = "";

/// What is counted of a name.
pub trait Figure: AddAssign + Copy + Default {
    /// By what names are ordered.
    fn size(self) -> u64;
}

/// Tokens and refusals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Tokens.
    pub issued: u64,
    /// Refused requests.
    pub denied: u64,
}

/// Tokens alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Issued {
    /// Tokens.
    pub issued: u64,
}

/// Refusals alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Denied {
    /// Refused requests.
    pub denied: u64,
}

/// What somebody did with the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Readings {
    /// Searches, single entries, reports.
    pub read: u64,
    /// Exports.
    pub exported: u64,
    /// Erasures.
    pub erased: u64,
}

impl Readings {
    /// One reading; nothing for other events.
    pub(super) fn of(event: EventType) -> Self {
        let one = |of: EventType| u64::from(event == of);
        Self {
            read: one(EventType::AuditRead),
            exported: one(EventType::AuditExported),
            erased: one(EventType::AuditErased),
        }
    }
}

impl AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.issued = self.issued.saturating_add(other.issued);
        self.denied = self.denied.saturating_add(other.denied);
    }
}

impl Figure for Outcome {
    fn size(self) -> u64 {
        self.issued.saturating_add(self.denied)
    }
}

impl AddAssign for Issued {
    fn add_assign(&mut self, other: Self) {
        self.issued = self.issued.saturating_add(other.issued);
    }
}

impl Figure for Issued {
    fn size(self) -> u64 {
        self.issued
    }
}

impl AddAssign for Denied {
    fn add_assign(&mut self, other: Self) {
        self.denied = self.denied.saturating_add(other.denied);
    }
}

impl Figure for Denied {
    fn size(self) -> u64 {
        self.denied
    }
}

impl AddAssign for Readings {
    fn add_assign(&mut self, other: Self) {
        self.read = self.read.saturating_add(other.read);
        self.exported = self.exported.saturating_add(other.exported);
        self.erased = self.erased.saturating_add(other.erased);
    }
}

impl Figure for Readings {
    fn size(self) -> u64 {
        self.read.saturating_add(self.exported).saturating_add(self.erased)
    }
}

/// A name and its figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Named<F> {
    /// The name, cut at 200 characters.
    pub name: String,
    /// Its figures.
    #[serde(flatten)]
    pub figure: F,
}

/// The names with the greatest figures, and the sum of all others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Top<F> {
    /// At most 1000, the greatest first, equal ones by name.
    pub items: Vec<Named<F>>,
    /// How many names are not listed, as far as they were told apart.
    pub more: u64,
    /// The sum of all that is not listed.
    pub rest: F,
}

/// Figures by name while they are counted.
#[derive(Clone, Debug, Default)]
pub struct Names<F> {
    known: HashMap<String, F>,
    rest: F,
}

impl<F: Figure> Names<F> {
    /// Adds to a name's figure.
    pub fn add(&mut self, name: &str, figure: F) {
        let name = cut(name);
        if let Some(known) = self.known.get_mut(name) {
            *known += figure;
        } else if self.known.len() < KNOWN {
            self.known.insert(name.to_owned(), figure);
        } else {
            self.rest += figure;
        }
    }

    /// What is to be shown.
    pub fn top(self) -> Top<F> {
        let mut rest = self.rest;
        let mut items: Vec<_> = self.known.into_iter().map(|(name, figure)| Named { name, figure }).collect();
        items.sort_by(|a, b| (b.figure.size(), &a.name).cmp(&(a.figure.size(), &b.name)));
        let others = items.split_off(items.len().min(LISTED));
        for other in &others {
            rest += other.figure;
        }
        Top { items, more: others.len() as u64, rest }
    }
}

/// The text, or as much of it as is kept.
pub(super) fn cut(text: &str) -> &str {
    text.char_indices().nth(LONGEST).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}
