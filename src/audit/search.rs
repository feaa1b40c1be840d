//! Looking things up in the log: newest first, page by page, on reader connections only.

use std::sync::Arc;

use super::about::About;
use super::directory::page::Times;
use super::directory::term::Term;
use super::event::EventType;
use super::leaf::Leaf;
use super::walk::{Walk, Wanted};
use crate::jose::Kid;
use crate::store::{Store, StoreFault, StoredEntry};
use crate::time::Timestamp;

/// Entries looked at for one page; a page may end early and go on with its cursor.
const LOOKED_AT: usize = 20_000;
/// Reads of the directory for one page.
const READS: u32 = 500;
/// Entries of one read, at least and at most.
const CHUNK: (usize, usize) = (32, 500);

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

/// Finds up to `limit` entries before `before` (or from the newest on). What is read follows from what may fit,
/// not from the length of the log.
pub async fn search(
    store: &Arc<dyn Store>,
    query: &Query,
    before: Option<u64>,
    limit: usize,
) -> Result<Page, StoreFault> {
    let size = store.log().await?.map_or(0, |log| log.head.size);
    let end = before.unwrap_or(size).min(size);
    if let Some(jti) = &query.jti {
        let index = store.index_of_jti(jti).await?.filter(|&index| index < end);
        let found = store.entries_at(index.as_slice()).await?;
        let entries = found.into_iter().filter(|entry| fits(query, entry)).collect();
        return Ok(Page { entries, next: None });
    }
    let mut walk = Walk::new(&**store, query.wanted(), end).await?;
    let mut entries = Vec::new();
    let mut looked_at = 0;
    let chunk = limit.clamp(CHUNK.0, CHUNK.1);
    while let Some(candidates) = walk.next().await? {
        for some in candidates.chunks(chunk) {
            looked_at += some.len();
            for entry in store.entries_at(some).await?.into_iter().filter(|entry| fits(query, entry)) {
                let next = (entry.index > 0).then_some(entry.index);
                entries.push(entry);
                if entries.len() == limit {
                    return Ok(Page { entries, next });
                }
            }
        }
        if looked_at >= LOOKED_AT || walk.reads() >= READS {
            return Ok(Page { entries, next: Some(walk.at()).filter(|&at| at > 0) });
        }
        // Reading waits for the database; between two reads the others come first.
        tokio::task::yield_now().await;
    }
    Ok(Page { entries, next: None })
}

impl Query {
    fn wanted(&self) -> Wanted {
        let leaf = self.kid.map(Term::kid).into_iter().chain(self.event.map(Term::event)).collect();
        let name = self.client_id.as_deref().map(Term::name);
        let scope = self.scope.as_deref().map(Term::scope);
        let times = Times { from: self.from, to: self.to, unexpired_at: self.unexpired_at };
        Wanted { leaf, body: name.into_iter().chain(scope).collect(), times }
    }
}

/// Whether an entry is one of those that are looked for; by its `jti` it is looked up and not asked here.
pub(super) fn fits(query: &Query, entry: &StoredEntry) -> bool {
    let Ok(leaf) = Leaf::parse(&entry.leaf) else { return *query == Query::default() };
    let in_leaf = query.kid.is_none_or(|kid| leaf.kid == Some(kid))
        && query.event.is_none_or(|event| leaf.event == event)
        && query.from.is_none_or(|from| leaf.ts >= from)
        && query.to.is_none_or(|to| leaf.ts <= to)
        && query.unexpired_at.is_none_or(|at| leaf.exp.is_some_and(|exp| Timestamp::from_seconds(exp) > at));
    let body = entry.body.as_ref().map(|(_, body)| body.as_slice()).unwrap_or_default();
    let in_body = || {
        let about = About::read(leaf.event, body);
        query.client_id.as_deref().is_none_or(|id| about.client() == Some(id))
            && query.scope.as_deref().is_none_or(|token| about.scopes().any(|each| each == token))
    };
    in_leaf && ((query.client_id.is_none() && query.scope.is_none()) || in_body())
}
