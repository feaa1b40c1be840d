//! Looking things up in the log: newest first, page by page, on reader connections only.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::event::EventType;
use super::leaf::Leaf;
use crate::jose::Kid;
use crate::store::{Store, StoreFault, StoredEntry};
use crate::time::Timestamp;

/// Entries of one read.
const CHUNK: u64 = 1_000;
/// Entries looked at for one page; a page may end early and go on with its cursor.
const LOOKED_AT: u64 = 50_000;
/// How far before the time that a walk looks for it goes on. The log is in the order of writing, and the clock that
/// writes its times may step back: what lies beyond an older entry can be newer. An hour is the step of a clock that
/// was set to summer time instead of UTC; a greater one is recorded as `clock.skew`.
const STEP_BACK: Duration = Duration::from_hours(1);

/// What is looked for; every given member must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The body's `client_id`.
    pub client_id: Option<String>,
    /// The body's `jti`.
    pub jti: Option<String>,
    /// A token of the body's `scope`.
    pub scope: Option<String>,
    /// The leaf's `kid`.
    pub kid: Option<Kid>,
    /// The leaf's event.
    pub event: Option<EventType>,
    /// Not before this time.
    pub from: Option<Timestamp>,
    /// Not after this time.
    pub to: Option<Timestamp>,
    /// The leaf's `exp` is after this time.
    pub unexpired_at: Option<Timestamp>,
}

/// One page of what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub entries: Vec<StoredEntry>,
    /// Go on before this index; `None` at the end.
    pub next: Option<u64>,
}

/// Where a walk back to `oldest` ends: at a chunk whose entries are all before this time.
pub(super) fn beyond(oldest: Timestamp) -> Timestamp {
    oldest.minus(STEP_BACK)
}

/// Finds up to `limit` entries before `before` (or from the newest on). Entries from long before the query's
/// `from` are not read.
pub async fn search(
    store: &Arc<dyn Store>,
    query: &Query,
    before: Option<u64>,
    limit: usize,
) -> Result<Page, StoreFault> {
    let size = store.log().await?.map_or(0, |log| log.head.size);
    let mut end = before.unwrap_or(size).min(size);
    if let Some(jti) = &query.jti {
        let index = store.index_of_jti(jti).await?.filter(|&index| index < end);
        let entries = match index {
            Some(index) => store.entries(index..index + 1).await?,
            None => Vec::new(),
        };
        let entries = entries.into_iter().filter(|entry| fits(query, entry, leaf_of(entry).as_ref()));
        return Ok(Page { entries: entries.collect(), next: None });
    }
    let mut found = Vec::new();
    let stop = end.saturating_sub(LOOKED_AT);
    while end > stop {
        let start = end.saturating_sub(CHUNK).max(stop);
        let mut newest = None;
        for entry in store.entries(start..end).await?.into_iter().rev() {
            end = entry.index;
            let leaf = leaf_of(&entry);
            newest = newest.max(leaf.as_ref().map(|leaf| leaf.ts));
            if fits(query, &entry, leaf.as_ref()) {
                found.push(entry);
                if found.len() == limit {
                    return Ok(Page { entries: found, next: (end > 0).then_some(end) });
                }
            }
        }
        if let (Some(from), Some(newest)) = (query.from, newest)
            && newest < beyond(from)
        {
            return Ok(Page { entries: found, next: None });
        }
        // Also where entries are missing, which only a damaged log has.
        end = start;
    }
    Ok(Page { entries: found, next: (end > 0).then_some(end) })
}

fn leaf_of(entry: &StoredEntry) -> Option<Leaf> {
    Leaf::parse(&entry.leaf).ok()
}

/// Whether an entry is one of those that are looked for; by its `jti` it is looked up and not asked here.
pub(super) fn matches(query: &Query, entry: &StoredEntry) -> bool {
    fits(query, entry, leaf_of(entry).as_ref())
}

fn fits(query: &Query, entry: &StoredEntry, leaf: Option<&Leaf>) -> bool {
    let Some(leaf) = leaf else { return *query == Query::default() };
    let in_leaf = query.kid.is_none_or(|kid| leaf.kid == Some(kid))
        && query.event.is_none_or(|event| leaf.event == event)
        && query.from.is_none_or(|from| leaf.ts >= from)
        && query.to.is_none_or(|to| leaf.ts <= to)
        && query.unexpired_at.is_none_or(|at| leaf.exp.is_some_and(|exp| Timestamp::from_seconds(exp) > at));
    if !in_leaf || (query.client_id.is_none() && query.scope.is_none()) {
        return in_leaf;
    }
    let body = entry.body.as_ref().and_then(|(_, body)| serde_json::from_slice::<Value>(body).ok());
    let member = |name: &str| body.as_ref().and_then(|body| body.get(name)?.as_str());
    // What was done to a client or a scope names it as its object.
    let subject = |name: &str, acts: &str| {
        member(name).or_else(|| member("object").filter(|_| leaf.event.as_str().starts_with(acts)))
    };
    let holds = |scope: &str, token: &str| scope.split(' ').any(|each| each == token);
    query.client_id.as_deref().is_none_or(|id| subject("client_id", "client.") == Some(id))
        && query
            .scope
            .as_deref()
            .is_none_or(|token| subject("scope", "scope.").is_some_and(|scope| holds(scope, token)))
}
