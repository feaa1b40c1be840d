//! Which entries of the log can be of a period: the one place that looks them up by time.
//!
//! The directory tells it, whatever the clock did that writes the times. What
//! stands between the first entry of the period and the last and is not of the
//! period is for the caller to leave out.

use std::ops::Range;

use super::directory::page::Times;
use super::leaf::Leaf;
use super::report::Period;
use super::walk::{Walk, Wanted};
use crate::store::{Store, StoreFault};
use crate::time::Timestamp;

/// Leaves of one read.
const PAGE: u64 = 1_000;

/// The least range below `size` that holds every entry of the period; `None` if there is none.
pub async fn range_of(
    store: &dyn Store,
    period: Period,
    size: u64,
) -> Result<Option<Range<u64>>, StoreFault> {
    let mut range = 0..size;
    if period.from.is_some() || period.to.is_some() {
        let Some(found) = around(store, period, size).await? else { return Ok(None) };
        range = found;
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

/// From the first to the last entry that the directory takes for one of the period; `None` if it knows of none.
/// Where the period is open, from the first or to the last of all.
async fn around(store: &dyn Store, period: Period, size: u64) -> Result<Option<Range<u64>>, StoreFault> {
    let times = Times { from: period.from, to: period.to, unexpired_at: None };
    let mut walk = Walk::new(store, Wanted { times, ..Wanted::default() }, size).await?;
    let mut found: Option<Range<u64>> = None;
    while let Some(candidates) = walk.next().await? {
        if let (Some(&newest), Some(&oldest)) = (candidates.first(), candidates.last()) {
            found = Some(oldest..found.map_or(newest.saturating_add(1), |found| found.end));
        }
        tokio::task::yield_now().await;
    }
    Ok(found.map(|found| {
        let start = if period.from.is_some() { found.start } else { 0 };
        start..if period.to.is_some() { found.end } else { size }
    }))
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
