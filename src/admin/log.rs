//! Reading the log. Whoever reads it is recorded, once per question.

use std::ops::Range;

use serde::Serialize;

use super::{Actor, Admin, Refusal};
use crate::audit::body;
use crate::audit::event::EventType;
use crate::audit::export::{Entry, Header};
use crate::audit::leaf::Record;
use crate::audit::search::{self, Page, Query};
use crate::policy::Violation;
use crate::store::{StoreFault, StoredEntry};

/// Entries of one read of an export.
const PAGE: u64 = 1_000;
#[derive(Serialize)]
struct ReadBody<'a> {
    actor: &'a str,
    via: &'static str,
    request_id: &'a str,
    object: String,
}

impl Admin {
    /// The question narrowed to tokens that live still, by our clock.
    pub fn unexpired(&self, query: Query) -> Query {
        Query { unexpired_at: Some(self.parts.clock.now()), ..query }
    }

    /// Searches the log. The first page (`before` absent) records the question; that a further one belongs to a
    /// question that was recorded is the caller's to know.
    pub async fn search_log(
        &self,
        actor: &Actor,
        query: &Query,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page, Refusal> {
        if before.is_none() {
            self.record_read(actor, format!("search {}", told(query))).await?;
        }
        Ok(search::search(&self.parts.store, query, before, limit).await?)
    }

    /// One entry of the log.
    pub async fn log_entry(&self, actor: &Actor, index: u64) -> Result<StoredEntry, Refusal> {
        self.record_read(actor, format!("entry {index}")).await?;
        let end = index.checked_add(1).ok_or(Refusal::NotFound("entry"))?;
        self.parts.store.entries(index..end).await?.pop().ok_or(Refusal::NotFound("entry"))
    }

    /// Begins an export of `first` to before `end`, by default of everything
    /// under the published checkpoint: the range and the first line.
    pub async fn begin_export(
        &self,
        actor: &Actor,
        first: Option<u64>,
        end: Option<u64>,
    ) -> Result<(Range<u64>, Header), Refusal> {
        let size = self.parts.served.published().map_or(0, |published| published.checkpoint.size);
        let range = first.unwrap_or(0)..end.unwrap_or(size);
        let header = self.parts.served.export_header(range.clone()).await?;
        let header = header.ok_or_else(|| {
            Violation::new(
                "end",
                format!("first must be below end, and end at most {size}, the published size"),
            )
        })?;
        self.record_reading(EventType::AuditExported, actor, format!("{}..{}", range.start, range.end))
            .await?;
        Ok((range, header))
    }

    /// The next lines of an export from `first` on, at most some thousand; empty at the end.
    pub async fn export_page(&self, range: Range<u64>) -> Result<Vec<Entry>, StoreFault> {
        let end = range.end.min(range.start.saturating_add(PAGE));
        let entries = self.parts.store.entries(range.start..end).await?;
        let line = |entry: StoredEntry| {
            let (salt, body) = entry.body.unzip();
            Entry {
                index: entry.index,
                leaf: String::from_utf8_lossy(&entry.leaf).into_owned(),
                body: body.map(|body| String::from_utf8_lossy(&body).into_owned()),
                salt,
            }
        };
        Ok(entries.into_iter().map(line).collect())
    }

    /// Records that somebody read `object`.
    pub(super) async fn record_read(&self, actor: &Actor, object: String) -> Result<(), Refusal> {
        self.record_reading(EventType::AuditRead, actor, object).await
    }

    async fn record_reading(&self, event: EventType, actor: &Actor, object: String) -> Result<(), Refusal> {
        let Actor { name, via, request_id, .. } = actor;
        let body = body::line(&ReadBody { actor: name, via, request_id, object });
        self.parts.recorder.act(vec![Record::of(event, body)], Vec::new()).await?;
        Ok(())
    }
}

/// The question as the record tells it.
pub(super) fn told(query: &Query) -> String {
    let members = [
        ("client_id", query.client_id.clone()),
        ("jti", query.jti.clone()),
        ("scope", query.scope.clone()),
        ("kid", query.kid.map(|kid| kid.to_string())),
        ("event", query.event.map(|event| event.as_str().to_owned())),
        ("from", query.from.map(|from| from.to_string())),
        ("to", query.to.map(|to| to.to_string())),
        ("unexpired_at", query.unexpired_at.map(|at| at.to_string())),
    ];
    let given = members.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
    given.collect::<Vec<_>>().join(" ")
}
