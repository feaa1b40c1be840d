//! The log: how it is written, how large it is, how fresh its checkpoint.

use std::fmt;
use std::sync::Arc;

use super::Group;
use super::sheet::{Labels, Sheet};
use crate::audit::publisher::Publisher;
use crate::audit::recorder::Recorder;

pub(super) struct Log {
    pub(super) recorder: Recorder,
    pub(super) publisher: Arc<Publisher>,
}

impl Group for Log {
    fn write(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let reading = self.recorder.reading();
        sheet.gauge("log_queue_jobs", "Jobs that wait for the writer of the log", reading.queued)?;
        sheet.gauge("log_queue_limit_jobs", "Jobs that may wait for the writer", reading.most_queued)?;
        let commits = [(Labels::new(), &reading.commits)];
        sheet.spans("log_commit_duration_seconds", "How long commits of the log took", commits)?;
        sheet.sizes("log_batch_records", "Records in each commit", &reading.batches)?;
        sheet.counter(
            "log_commit_failures",
            "Batches that were not written, or maybe not",
            reading.failed,
        )?;
        let dropped = reading.dropped;
        sheet.counter("log_notes_dropped", "Records that nobody waited for and that were lost", dropped)?;
        let entries = self.recorder.head().borrow().size;
        sheet.gauge("log_entries", "Entries of the log", entries)?;
        let published = self.publisher.reading();
        let size = published.map(|(size, _)| (Labels::new(), size));
        sheet.gauges("checkpoint_entries", "Entries under the published checkpoint", size)?;
        let age = published.map(|(_, age)| (Labels::new(), age.as_secs_f64()));
        sheet.gauges("checkpoint_age_seconds", "Time since the last checkpoint was published", age)
    }
}
