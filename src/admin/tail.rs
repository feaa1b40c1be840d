//! Following the log as it grows. Whoever does is recorded, once per run.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use super::log::told;
use super::{Actor, Admin, Refusal};
use crate::audit::search::{self, Page, Query};
use crate::audit::tail;
use crate::store::StoredEntry;

/// How long a page waits for an entry.
const PATIENCE: Duration = Duration::from_secs(2);
/// A page that waits reads the store no more often, however fast the log grows.
const PACE: Duration = Duration::from_millis(100);

impl Admin {
    /// Begins to follow the log: the last entries of `query` that there are, at most `last`, oldest first. The page's
    /// `next` is the end of the log. This records the question, and the record is the newest entry that may fit it.
    pub async fn begin_tail(&self, actor: &Actor, query: &Query, last: usize) -> Result<Page, Refusal> {
        let object = format!("tail {}", told(query));
        self.record_read(actor, object.trim_end().to_owned()).await?;
        let end = self.parts.recorder.head().borrow().size;
        let mut entries = Vec::new();
        if last > 0 {
            entries = search::search(&self.parts.store, query, Some(end), last).await?.entries;
            entries.reverse();
        }
        Ok(Page { entries, next: Some(end) })
    }

    /// Goes on: up to `limit` entries from `first` on, oldest first. Where there is none it waits a moment for one;
    /// without any the page is empty, and its `next` is the way on all the same. That the question was recorded is the
    /// caller's to know.
    pub async fn tail_log(&self, query: &Query, first: u64, limit: usize) -> Result<Page, Refusal> {
        let mut next = first;
        match timeout(PATIENCE, self.news(query, &mut next, limit)).await {
            Ok(entries) => Ok(Page { entries: entries?, next: Some(next) }),
            Err(_) => Ok(Page { entries: Vec::new(), next: Some(next) }),
        }
    }

    /// Waits until there are entries at `next` or after it that fit, or very many that do not. Moves `next` past what
    /// was looked at.
    async fn news(&self, query: &Query, next: &mut u64, limit: usize) -> Result<Vec<StoredEntry>, Refusal> {
        let mut head = self.parts.recorder.head();
        let mut rhythm = interval(PACE);
        rhythm.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rhythm.tick().await;
            let end = head.borrow_and_update().size;
            let page = tail::follow(&self.parts.store, query, *next, end, limit).await?;
            *next = page.next.unwrap_or(end);
            if !page.entries.is_empty() || *next < end || head.changed().await.is_err() {
                return Ok(page.entries);
            }
        }
    }
}
