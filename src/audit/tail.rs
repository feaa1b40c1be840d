//! Following the log: oldest first, from a place on, on reader connections only.

use std::sync::Arc;

use serde_json::Value;

use super::search::{Page, Query, fits};
use crate::store::{Store, StoreFault, StoredEntry};

/// Entries of one read.
const CHUNK: u64 = 1_000;
/// Entries looked at for one page; a page may end early and go on where it ended.
const LOOKED_AT: u64 = 50_000;

/// Finds up to `limit` entries from `first` on, and before `end`, which is within the log. The page is oldest first;
/// its `next` is the first entry that was not looked at.
pub async fn follow(
    store: &Arc<dyn Store>,
    query: &Query,
    first: u64,
    end: u64,
    limit: usize,
) -> Result<Page, StoreFault> {
    let stop = end.min(first.saturating_add(LOOKED_AT));
    let (mut next, mut found) = (first, Vec::new());
    while next < stop {
        let chunk = next..stop.min(next.saturating_add(CHUNK));
        // Also where entries are missing, which only a damaged log has.
        next = chunk.end;
        for entry in store.entries(chunk).await? {
            let after = entry.index.saturating_add(1);
            if fits(query, &entry) && is_of_token(query, &entry) {
                found.push(entry);
                if found.len() == limit {
                    return Ok(Page { entries: found, next: Some(after) });
                }
            }
        }
    }
    Ok(Page { entries: found, next: Some(next) })
}

/// A search looks a `jti` up; whoever follows the log reads it in the bodies.
fn is_of_token(query: &Query, entry: &StoredEntry) -> bool {
    let Some(jti) = &query.jti else { return true };
    let body = entry.body.as_ref().and_then(|(_, body)| serde_json::from_slice::<Value>(body).ok());
    body.as_ref().and_then(|body| body.get("jti")?.as_str()) == Some(jti)
}
