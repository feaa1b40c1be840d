//! The auditor's report: the log read page by page, counted and verified as it comes.
//!
//! It reads what the published checkpoint covers, on reader connections, and
//! computes on a thread of its own kind, so that nobody who asks for a token
//! waits for it. Between two pages everybody else has their turn.

use std::ops::Range;

use super::{Actor, Admin, Refusal};
use crate::audit::checkpoint::Vkey;
use crate::audit::period;
use crate::audit::report::{Period, Report, Tally};
use crate::audit::verify::{Verdict, Verification};
use crate::policy::Violation;
use crate::store::StoreFault;
use crate::time::Timestamp;

/// A report under way.
pub struct Reporting {
    period: Period,
    vkey: Vkey,
    /// How much of the log the checkpoint covered when the report began.
    covered: u64,
    /// How many entries there were beyond.
    newer: u64,
    walk: Option<Walk>,
}

/// Entries that are being counted and verified.
struct Walk {
    range: Range<u64>,
    /// The next index to read.
    next: u64,
    tally: Tally,
    /// The verdict, where the header alone gives one.
    verification: Result<Verification, Verdict>,
}

/// How far a report is.
pub enum Progress {
    /// Go on with this.
    More(Box<Reporting>),
    /// There it is.
    Done(Box<Report>),
}

impl Admin {
    /// Begins a report on the entries of `period`. The question is recorded.
    pub async fn begin_report(&self, actor: &Actor, period: Period) -> Result<Reporting, Refusal> {
        if let (Some(from), Some(to)) = (period.from, period.to)
            && from > to
        {
            return Err(Violation::new("to", "the period ends before it begins").into());
        }
        let log = self.parts.store.log().await?.ok_or(Refusal::NotFound("log"))?;
        let vkey = Vkey::parse(&log.vkey).map_err(|_| Refusal::Internal("the log's key cannot be read"))?;
        let covered = self.parts.served.published().map_or(0, |published| published.checkpoint.size);
        let newer = self.parts.recorder.head().borrow().size.saturating_sub(covered);
        let end = |time: Option<Timestamp>| time.map_or_else(String::new, |time| time.to_string());
        let object = format!("report {}..{}", end(period.from), end(period.to));
        self.record_read(actor, object).await?;
        Ok(Reporting { period, vkey, covered, newer, walk: None })
    }

    /// Goes on by one page.
    pub async fn report(&self, mut reporting: Box<Reporting>) -> Result<Progress, StoreFault> {
        let mut walk = match reporting.walk.take() {
            Some(walk) => walk,
            None => match self.begin_walk(&reporting).await? {
                Some(walk) => walk,
                None => return Ok(reporting.done(Tally::of(reporting.period), None, None)),
            },
        };
        let page = self.export_page(walk.next..walk.range.end).await?;
        let Some(last) = page.last() else {
            let Walk { range, tally, verification, .. } = walk;
            let verdict = verification.map_or_else(|verdict| verdict, Verification::finish);
            return Ok(reporting.done(tally, Some(range), Some(verdict)));
        };
        walk.next = last.index.saturating_add(1);
        let counted = tokio::task::spawn_blocking(move || {
            for entry in &page {
                walk.tally.add(entry);
                if let Ok(verification) = &mut walk.verification {
                    verification.add(entry);
                }
            }
            walk
        });
        let walk =
            counted.await.map_err(|_| StoreFault::Broken("an entry could not be counted".to_owned()))?;
        reporting.walk = Some(walk);
        Ok(Progress::More(reporting))
    }

    async fn begin_walk(&self, reporting: &Reporting) -> Result<Option<Walk>, StoreFault> {
        let Reporting { period, covered, vkey, .. } = reporting;
        let Some(range) = period::range_of(&*self.parts.store, *period, *covered).await? else {
            return Ok(None);
        };
        let header = self.parts.served.export_header(range.clone()).await?;
        let header = header.ok_or_else(|| StoreFault::Broken("the checkpoint is gone".to_owned()))?;
        let verification = Verification::begin(header, vkey, None);
        Ok(Some(Walk { next: range.start, range, tally: Tally::of(*period), verification }))
    }
}

impl Reporting {
    fn done(&self, tally: Tally, range: Option<Range<u64>>, verdict: Option<Verdict>) -> Progress {
        let report = tally.report(self.vkey.origin().as_str(), range, self.newer, verdict);
        Progress::Done(Box::new(report))
    }
}
