//! Which entries of the log can be of a period: the one place that looks them up by time.
//!
//! The log is in the order of writing, and the clock that writes its times may
//! step back. Found are the first and the last entry of the period, given that
//! it never stepped back by more than an hour; a greater step is recorded as
//! `clock.skew`, and entries beyond it may be missed. What stands between the
//! two and is not of the period is for the caller to leave out.

use std::ops::Range;
use std::time::Duration;

use super::leaf::Leaf;
use super::report::Period;
use crate::store::{Store, StoreFault};
use crate::time::Timestamp;

/// Leaves of one read.
const PAGE: u64 = 1_000;
/// By how much an entry may be older than one before it: the step of a clock
/// that was set from summer time to UTC.
const STEP_BACK: Duration = Duration::from_hours(1);

/// The least range below `size` that holds every entry of the period; `None` if there is none.
pub async fn range_of(
    store: &dyn Store,
    period: Period,
    size: u64,
) -> Result<Option<Range<u64>>, StoreFault> {
    let mut range = 0..size;
    if let Some(from) = period.from {
        range.start = boundary(store, 0..size, |time| time < from.minus(STEP_BACK), false).await?;
    }
    if let Some(to) = period.to {
        range.end = boundary(store, range.clone(), |time| time <= to.plus(STEP_BACK), true).await?;
    }
    // An open end is the log's own, whatever stands there.
    if period.from.is_some() {
        let Some(first) = first_of(store, period, range.clone()).await? else { return Ok(None) };
        range.start = first;
    }
    if period.to.is_some() {
        let Some(last) = last_of(store, period, range.clone()).await? else { return Ok(None) };
        range.end = last.saturating_add(1);
    }
    Ok((range.start < range.end).then_some(range))
}

/// The end of the entries of which `is_before` holds, where those are first. A leaf that
/// cannot be read counts as `unreadable`, so that a damaged log makes the range wider.
async fn boundary(
    store: &dyn Store,
    mut range: Range<u64>,
    is_before: impl Fn(Timestamp) -> bool + Send,
    unreadable: bool,
) -> Result<u64, StoreFault> {
    while range.start < range.end {
        let middle = range.start + (range.end - range.start) / 2;
        let leaf = store.leaves(middle..middle.saturating_add(1)).await?.pop();
        if leaf.and_then(|leaf| time_of(&leaf)).map_or(unreadable, &is_before) {
            range.start = middle + 1;
        } else {
            range.end = middle;
        }
    }
    Ok(range.start)
}

async fn first_of(
    store: &dyn Store,
    period: Period,
    mut range: Range<u64>,
) -> Result<Option<u64>, StoreFault> {
    while range.start < range.end {
        let end = range.end.min(range.start.saturating_add(PAGE));
        let leaves = store.leaves(range.start..end).await?;
        let found = leaves.iter().position(|leaf| is_of(period, leaf));
        if let Some(found) = found {
            return Ok(Some(range.start + found as u64));
        }
        range.start = end;
    }
    Ok(None)
}

async fn last_of(
    store: &dyn Store,
    period: Period,
    mut range: Range<u64>,
) -> Result<Option<u64>, StoreFault> {
    while range.start < range.end {
        let start = range.start.max(range.end.saturating_sub(PAGE));
        let leaves = store.leaves(start..range.end).await?;
        let found = leaves.iter().rposition(|leaf| is_of(period, leaf));
        if let Some(found) = found {
            return Ok(Some(start + found as u64));
        }
        range.end = start;
    }
    Ok(None)
}

fn is_of(period: Period, leaf: &[u8]) -> bool {
    time_of(leaf).is_some_and(|time| period.contains(time))
}

fn time_of(leaf: &[u8]) -> Option<Timestamp> {
    Leaf::parse(leaf).ok().map(|leaf| leaf.ts)
}
