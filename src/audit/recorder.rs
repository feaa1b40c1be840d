//! The recorder: puts records into the log, many at a time, and says when they are durable.
//!
//! One writer task. While a commit runs, arrivals queue; when it ends, the
//! whole queue goes next. There is no timer: at low load a request waits for
//! one flush, at high load batches grow. [`Recorded`] is made here, after the
//! commit, and nowhere else.

mod pace;
mod queue;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

pub use pace::RecorderReading;
pub use writer::{Opening, WriterParts};

use self::queue::{Entry, Job, Queue};
use crate::audit::leaf::Record;
use crate::audit::tree::TreeHead;
use crate::issue::compose::Unsigned;
use crate::store::{Change, StoreFault, UsedAssertion};

/// A token whose record is durable. Only the recorder makes it; only it can be signed.
#[derive(Debug)]
pub struct Recorded {
    unsigned: Unsigned,
    index: u64,
}

impl Recorded {
    /// Where the record stands in the log.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Gives the token up for signing.
    pub(crate) fn into_unsigned(self) -> Unsigned {
        self.unsigned
    }
}

/// The record is not durable, so what it is about must not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// More records wait than there is room for.
    #[error("the log's queue is full")]
    QueueFull,
    /// The commit did not end in time. The record may still become durable: an intent without a token.
    #[error("the log was not written within {} ms", .0.as_millis())]
    TooSlow(Duration),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// No salt could be made.
    #[error(transparent)]
    Entropy(#[from] crate::ambient::EntropyFailed),
    /// The log was changed by somebody else while this process wrote it.
    #[error("the log is not as this process left it; nothing is issued until a restart")]
    Foreign,
    /// The recorder has ended.
    #[error("the recorder has ended")]
    Ended,
}

/// The yardstick that `load/` measures the log's cost against: from now on no recorder of this
/// process records any token. Not in the shipped program, and only the yardstick's own calls it.
#[cfg(feature = "upper-bound")]
pub fn keep_nothing() {
    KEEPS_NOTHING.store(true, std::sync::atomic::Ordering::Relaxed);
}

#[cfg(feature = "upper-bound")]
static KEEPS_NOTHING: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// A handle on the recorder. Clones write to the same log.
#[derive(Clone)]
pub struct Recorder {
    queue: Arc<Queue>,
    head: watch::Receiver<TreeHead>,
    deadline: Duration,
}

impl Recorder {
    /// Starts the writer on an opened log. `deadline` bounds every wait for a commit.
    pub fn start(
        opening: Opening,
        parts: WriterParts,
        deadline: Duration,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let queue = Arc::new(Queue::default());
        let (told, head) = watch::channel(opening.head());
        let task = tokio::spawn(writer::run(opening, parts, queue.clone(), told));
        let recorder = Self { queue, head, deadline };
        (recorder, task)
    }

    /// Records one issuance and returns when it is durable.
    ///
    /// Dropped before that, the record is left out if the writer has not taken
    /// it yet; otherwise it becomes an intent: a record of a token nobody received.
    pub async fn record(&self, mut unsigned: Unsigned) -> Result<Recorded, RecordFault> {
        #[cfg(feature = "upper-bound")]
        if KEEPS_NOTHING.load(std::sync::atomic::Ordering::Relaxed) {
            return Ok(Recorded { unsigned, index: 0 });
        }
        let (record, jti) = unsigned.take_record();
        let entry = Entry { record, jti: Some(jti.into()) };
        let index = self.submit(vec![entry], Vec::new(), None).await?;
        Ok(Recorded { unsigned, index })
    }

    /// Applies `changes` and records them, in one transaction. Returns the
    /// index of the first record. On [`StoreFault::Conflict`] nothing happened;
    /// on any other fault it is unknown whether it did.
    pub async fn act(&self, records: Vec<Record>, changes: Vec<Change>) -> Result<u64, RecordFault> {
        let entries = records.into_iter().map(|record| Entry { record, jti: None }).collect();
        self.submit(entries, changes, None).await
    }

    /// Uses a client assertion up, durably. `false` if it was used before. On a
    /// fault it is unknown whether it is used now, so nobody may be let in by it.
    pub async fn use_up(&self, used: UsedAssertion) -> Result<bool, RecordFault> {
        match self.submit(Vec::new(), Vec::new(), Some(used)).await {
            Ok(_) => Ok(true),
            // Its batch had no changes: there is nothing else that it could be in conflict with.
            Err(RecordFault::Store(StoreFault::Conflict)) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Returns once every record submitted before has been written or refused
    /// for good. After it a read of the store shows what became of an act whose
    /// outcome was unknown.
    pub async fn settle(&self) -> Result<(), RecordFault> {
        self.submit(Vec::new(), Vec::new(), None).await.map(drop)
    }

    /// Queues a record that nobody waits for. `false` when it was dropped: the queue is more than half full.
    pub fn note(&self, record: Record) -> bool {
        let entries = vec![Entry { record, jti: None }];
        self.queue.push_unless_busy(Job { entries, changes: Vec::new(), used: None, reply: None })
    }

    /// Refuses while more records wait than there is room for: what is sure to be refused need not cost anybody
    /// anything before.
    pub fn check_room(&self) -> Result<(), RecordFault> {
        if self.queue.has_room() { Ok(()) } else { Err(RecordFault::QueueFull) }
    }

    /// How many records that nobody waited for were lost: the queue was busy, or the store failed for too long.
    pub fn dropped(&self) -> u64 {
        self.queue.dropped()
    }

    /// How full its queue is, and how its commits go.
    pub fn reading(&self) -> RecorderReading {
        self.queue.reading()
    }

    /// The committed tree, as far as this process has been told.
    pub fn head(&self) -> watch::Receiver<TreeHead> {
        self.head.clone()
    }

    /// Lets the writer end once the queue is empty. Later records are refused.
    pub fn finish(&self) {
        self.queue.close();
    }

    async fn submit(
        &self,
        entries: Vec<Entry>,
        changes: Vec<Change>,
        used: Option<UsedAssertion>,
    ) -> Result<u64, RecordFault> {
        let (reply, answer) = oneshot::channel();
        self.queue.push(Job { entries, changes, used, reply: Some(reply) })?;
        match tokio::time::timeout(self.deadline, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(RecordFault::Ended),
            Err(_) => Err(RecordFault::TooSlow(self.deadline)),
        }
    }
}
