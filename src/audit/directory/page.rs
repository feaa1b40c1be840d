//! One page: for each term the slots that hold it, and the times between which all of it lies.
//!
//! Stored form: `1`; least `ts`, greatest `ts` in microseconds and greatest `exp` in seconds, big-endian u64;
//! then for each term in ascending order its four bytes, the number of its slots less one, and its slots as
//! ascending bytes, or as a bitmap of 32 bytes where they are more than 31.

use std::collections::BTreeMap;

use super::term::Term;
use crate::time::Timestamp;

/// Slots of a page: entries at level 0, pages of the level below above it.
pub const WIDTH: u64 = 256;
const VERSION: u8 = 1;
/// As many slots as this take as many bytes as a bitmap.
const BITMAP: usize = 32;

/// A set of a page's slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slots([u64; 4]);

impl Slots {
    /// Every slot.
    pub const ALL: Self = Self([u64::MAX; 4]);

    /// One slot.
    pub fn of(slot: u8) -> Self {
        let mut slots = Self::default();
        slots.insert(slot);
        slots
    }

    /// Adds a slot.
    pub fn insert(&mut self, slot: u8) {
        if let Some(word) = self.0.get_mut(usize::from(slot / 64)) {
            *word |= 1 << (slot % 64);
        }
    }

    /// Takes a slot out.
    pub fn remove(&mut self, slot: u8) {
        if let Some(word) = self.0.get_mut(usize::from(slot / 64)) {
            *word &= !(1 << (slot % 64));
        }
    }

    /// Whether the slot is in it.
    pub fn has(self, slot: u8) -> bool {
        self.0.get(usize::from(slot / 64)).is_some_and(|word| word & (1 << (slot % 64)) != 0)
    }

    /// The slots that are in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut both = self;
        for (word, other) in both.0.iter_mut().zip(other.0) {
            *word &= other;
        }
        both
    }

    /// The highest slot, if there is one.
    pub fn highest(self) -> Option<u8> {
        (0..=u8::MAX).rev().find(|&slot| self.has(slot))
    }

    /// From the lowest to the highest.
    pub fn ascending(self) -> impl DoubleEndedIterator<Item = u8> {
        (0..=u8::MAX).filter(move |&slot| self.has(slot))
    }

    fn count(self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }
}

/// What a page is asked for; every given member must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Not before this time.
    pub from: Option<Timestamp>,
    /// Not after this time.
    pub to: Option<Timestamp>,
    /// Whose `exp` is after this time.
    pub unexpired_at: Option<Timestamp>,
}

/// A page, complete or growing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    least: u64,
    greatest: u64,
    latest_exp: u64,
    terms: BTreeMap<Term, Slots>,
}

impl Default for Page {
    /// A page that tells of nothing yet.
    fn default() -> Self {
        Self { least: u64::MAX, greatest: 0, latest_exp: 0, terms: BTreeMap::new() }
    }
}

impl Page {
    /// The slot holds the term.
    pub fn note(&mut self, slot: u8, term: Term) {
        self.terms.entry(term).or_default().insert(slot);
    }

    /// Something of this time is in it, whose `exp` is this many seconds after the epoch.
    pub fn note_time(&mut self, ts: Timestamp, exp: Option<u64>) {
        self.least = self.least.min(ts.micros());
        self.greatest = self.greatest.max(ts.micros());
        self.latest_exp = self.latest_exp.max(exp.unwrap_or_default());
    }

    /// The slot is a whole page of the level below.
    pub fn absorb(&mut self, slot: u8, below: &Self) {
        self.least = self.least.min(below.least);
        self.greatest = self.greatest.max(below.greatest);
        self.latest_exp = self.latest_exp.max(below.latest_exp);
        for &term in below.terms.keys() {
            self.note(slot, term);
        }
    }

    /// The slots that may hold all of `terms`: every slot where none is asked for.
    pub fn with(&self, terms: &[Term]) -> Slots {
        let of = |term| self.terms.get(term).copied().unwrap_or_default();
        terms.iter().fold(Slots::ALL, |slots, term| slots.and(of(term)))
    }

    /// Whether anything in it may lie in these times.
    pub fn meets(&self, times: &Times) -> bool {
        times.from.is_none_or(|from| self.greatest >= from.micros())
            && times.to.is_none_or(|to| self.least <= to.micros())
            && times.unexpired_at.is_none_or(|at| Timestamp::from_seconds(self.latest_exp) > at)
    }

    /// The month (`YYYYMM`) of the latest entry in it.
    pub fn month(&self) -> u32 {
        Timestamp::from_micros(self.greatest).month()
    }

    /// The bytes to store.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        for number in [self.least, self.greatest, self.latest_exp] {
            out.extend(number.to_be_bytes());
        }
        for (term, slots) in &self.terms {
            out.extend(term.0.to_be_bytes());
            let count = slots.count();
            out.push(u8::try_from(count.saturating_sub(1)).unwrap_or(u8::MAX));
            if count < BITMAP {
                out.extend(slots.ascending());
            } else {
                out.extend(slots.0.iter().flat_map(|word| word.to_be_bytes()));
            }
        }
        out
    }

    /// Reads what [`Page::encode`] wrote; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = bytes.strip_prefix(&[VERSION])?;
        let mut page = Self {
            least: number(&mut input)?,
            greatest: number(&mut input)?,
            latest_exp: number(&mut input)?,
            terms: BTreeMap::new(),
        };
        while !input.is_empty() {
            let term = Term(u32::from_be_bytes(take(&mut input)?));
            let [fewer] = take(&mut input)?;
            let count = usize::from(fewer) + 1;
            let mut slots = Slots::default();
            if count < BITMAP {
                let (listed, rest) = input.split_at_checked(count)?;
                for &slot in listed {
                    slots.insert(slot);
                }
                input = rest;
            } else {
                for word in &mut slots.0 {
                    *word = number(&mut input)?;
                }
            }
            page.terms.insert(term, slots);
        }
        // One spelling for each page: what is damaged is told apart from what is meant.
        (page.encode() == bytes).then_some(page)
    }
}

fn take<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = input.split_first_chunk::<N>()?;
    *input = rest;
    Some(*taken)
}

fn number(input: &mut &[u8]) -> Option<u64> {
    take(input).map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn any_page() -> impl Strategy<Value = Page> {
        let notes = vec((0..40_u32, any::<u8>()), 0..400);
        let times = vec((0..9_000_000_000_000_u64, proptest::option::of(0..9_000_000_u64)), 0..3);
        (notes, times).prop_map(|(notes, times)| {
            let mut page = Page::default();
            for (term, slot) in notes {
                page.note(slot, Term(term));
            }
            for (ts, exp) in times {
                page.note_time(Timestamp::from_micros(ts), exp);
            }
            page
        })
    }

    proptest! {
        #[test]
        fn a_page_reads_back(page in any_page()) {
            prop_assert_eq!(Page::decode(&page.encode()), Some(page));
        }

        #[test]
        fn no_bytes_break_the_reader_and_each_page_has_one_spelling(bytes in vec(any::<u8>(), 0..200)) {
            let framed = [vec![VERSION], vec![0; 24], bytes].concat();
            if let Some(page) = Page::decode(&framed) {
                prop_assert_eq!(page.encode(), framed);
            }
        }

        #[test]
        fn the_page_above_knows_each_term_of_the_page_below(page in any_page(), slot in any::<u8>()) {
            let mut above = Page::default();
            above.absorb(slot, &page);
            for &term in page.terms.keys() {
                prop_assert_eq!(above.with(&[term]), Slots::of(slot));
            }
            for at in [page.least, page.greatest] {
                let at = Some(Timestamp::from_micros(at));
                let times = Times { from: at, to: at, unexpired_at: None };
                prop_assert_eq!(above.meets(&times), page.meets(&times));
            }
        }
    }

    #[test]
    fn slots_that_hold_all_terms_are_told_from_highest_to_lowest() {
        let mut page = Page::default();
        for (slot, term) in [(0, 1), (0, 2), (63, 1), (64, 1), (64, 2), (255, 2), (255, 1)] {
            page.note(slot, Term(term));
        }
        let both = page.with(&[Term(1), Term(2)]);
        assert_eq!(both.ascending().rev().collect::<Vec<_>>(), [255, 64, 0]);
        assert_eq!(both.highest(), Some(255));
        assert_eq!(page.with(&[Term(3)]), Slots::default());
        assert_eq!(page.with(&[]), Slots::ALL);
    }
}
