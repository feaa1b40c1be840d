//! Lines that would come by the thousand: the first of each kind at once, then one a second that says how many there were.
//!
//! What is held back is lost but for its number. That is for faults that pass by
//! themselves and are counted elsewhere; a fault that somebody has to mend is never held back.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// No two lines of one kind are closer together.
const DISTANCE: Duration = Duration::from_secs(1);

/// Tells which lines are written. Kinds are few and fixed.
#[derive(Debug, Default)]
pub struct Seldom {
    kinds: Mutex<BTreeMap<&'static str, Kind>>,
}

#[derive(Debug)]
struct Kind {
    last: Instant,
    held_back: u64,
}

impl Seldom {
    /// Nothing was written yet.
    pub const fn new() -> Self {
        Self { kinds: Mutex::new(BTreeMap::new()) }
    }

    /// Whether a line of this kind is written at `now`: then how many of its kind were held back since the last one.
    pub fn is_due(&self, kind: &'static str, now: Instant) -> Option<u64> {
        // A kind is whole at every moment, whoever panicked.
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = kinds.get_mut(kind) else {
            kinds.insert(kind, Kind { last: now, held_back: 0 });
            return Some(0);
        };
        if now.saturating_duration_since(known.last) < DISTANCE {
            known.held_back += 1;
            return None;
        }
        known.last = now;
        Some(std::mem::take(&mut known.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_kind_is_written_and_later_ones_once_a_second_with_their_number() {
        let (seldom, start) = (Seldom::new(), Instant::now());
        let at = |kind, millis| seldom.is_due(kind, start + Duration::from_millis(millis));
        assert_eq!(at("turns", 0), Some(0));
        assert_eq!(at("turns", 1), None);
        assert_eq!(at("hashing", 2), Some(0), "one kind never hides another");
        assert_eq!(at("turns", 999), None);
        assert_eq!(at("turns", 1_000), Some(2));
        assert_eq!(at("turns", 1_001), None);
        assert_eq!(at("turns", 60_000), Some(1));
        assert_eq!(at("turns", 120_000), Some(0));
        assert_eq!(at("turns", 0), None, "time that was read earlier harms nobody");
    }
}
