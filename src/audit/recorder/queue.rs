//! What waits for the writer: bounded, in order of arrival.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::RecordFault;
use super::pace::{Pace, RecorderReading};
use crate::audit::leaf::Record;
use crate::store::{Change, UsedAssertion};

/// More jobs than this do not wait: the answer is 503.
const CAPACITY: usize = 8_192;
/// A batch takes at most this many entries and changes.
const BATCH_ROWS: usize = 512;
/// How often the writer lets others go first before it takes a batch.
const GATHERINGS: usize = 8;
/// A batch takes at most about this many bytes of bodies.
const BATCH_BYTES: usize = 1 << 20;

/// One record on its way.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) record: Record,
    /// What a receipt will be found by.
    pub(super) jti: Option<String>,
}

/// Records that belong together, with the changes that they record.
pub(super) struct Job {
    pub(super) entries: Vec<Entry>,
    pub(super) changes: Vec<Change>,
    /// A client assertion to use up. It goes without entries and changes, as nothing is undone if it was used before.
    pub(super) used: Option<UsedAssertion>,
    /// Told the index of the first entry, or the fault. `None` where nobody waits.
    pub(super) reply: Option<oneshot::Sender<Result<u64, RecordFault>>>,
}

impl Job {
    fn is_wanted(&self) -> bool {
        self.reply.as_ref().is_none_or(|reply| !reply.is_closed())
    }

    /// Whether a conflict of its changes must not take others along.
    fn goes_alone(&self) -> bool {
        !self.changes.is_empty()
    }

    fn rows(&self) -> usize {
        self.entries.len() + self.changes.len() + usize::from(self.used.is_some())
    }

    fn bytes(&self) -> usize {
        self.entries.iter().filter_map(|entry| entry.record.body.as_ref()).map(Vec::len).sum()
    }
}

#[derive(Default)]
struct Inner {
    jobs: VecDeque<Job>,
    closed: bool,
}

/// The queue between the requests and the one writer.
pub(super) struct Queue {
    inner: Mutex<Inner>,
    filled: Notify,
    /// There is one processor for all.
    shares_a_processor: bool,
    /// Records that nobody waited for and that were lost.
    dropped: AtomicU64,
    /// How what is taken from here gets on.
    pub(super) pace: Pace,
}

impl Default for Queue {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            inner: Mutex::default(),
            filled: Notify::default(),
            shares_a_processor: processors == 1,
            dropped: AtomicU64::default(),
            pace: Pace::default(),
        }
    }
}

impl Queue {
    /// A panic elsewhere never leaves the queue half-changed, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, job: Job) -> Result<(), RecordFault> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(RecordFault::Ended);
        }
        if inner.jobs.len() >= CAPACITY {
            return Err(RecordFault::QueueFull);
        }
        inner.jobs.push_back(job);
        drop(inner);
        self.filled.notify_one();
        Ok(())
    }

    /// For records that may be lost: they never take the last half of the room.
    pub(super) fn push_unless_busy(&self, job: Job) -> bool {
        let entries = job.entries.len() as u64;
        let pushed = self.len() < CAPACITY / 2 && self.push(job).is_ok();
        if !pushed {
            self.count_dropped(entries);
        }
        pushed
    }

    /// Whether another job is taken.
    pub(super) fn has_room(&self) -> bool {
        self.len() < CAPACITY
    }

    pub(super) fn count_dropped(&self, entries: u64) {
        self.dropped.fetch_add(entries, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn reading(&self) -> RecorderReading {
        self.pace.reading((self.len(), CAPACITY), self.dropped())
    }

    pub(super) fn len(&self) -> usize {
        self.lock().jobs.len()
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    /// The next batch, waiting for one; `None` once closed and empty.
    ///
    /// Jobs whose caller has gone are left out. A job with changes goes alone,
    /// so that its conflict fails nobody else.
    pub(super) async fn next_batch(&self) -> Option<Vec<Job>> {
        loop {
            self.gather().await;
            let filled = self.filled.notified();
            {
                let mut inner = self.lock();
                let batch = take_batch(&mut inner.jobs);
                if !batch.is_empty() {
                    return Some(batch);
                }
                if inner.closed {
                    return None;
                }
            }
            filled.await;
        }
    }
}

impl Queue {
    /// Where there is one processor, lets those who are about to come come along, while their number grows: requests
    /// and the disk's work take turns on it then, and few would share a commit. With more they overlap, and
    /// waiting for others only holds them up.
    async fn gather(&self) {
        if !self.shares_a_processor {
            return;
        }
        let mut seen = 0;
        for _ in 0..GATHERINGS {
            let waiting = self.len();
            if waiting <= seen || waiting >= BATCH_ROWS {
                return;
            }
            seen = waiting;
            tokio::task::yield_now().await;
        }
    }
}

fn take_batch(jobs: &mut VecDeque<Job>) -> Vec<Job> {
    let mut batch = Vec::new();
    let (mut rows, mut bytes) = (0, 0);
    while let Some(job) = jobs.front() {
        let alone = job.goes_alone();
        let full = rows + job.rows() > BATCH_ROWS || bytes + job.bytes() > BATCH_BYTES;
        if !batch.is_empty() && (alone || full) {
            break;
        }
        let Some(job) = jobs.pop_front() else { break };
        if !job.is_wanted() {
            continue;
        }
        rows += job.rows();
        bytes += job.bytes();
        batch.push(job);
        if alone {
            break;
        }
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::event::EventType;
    use crate::digest::Digest;
    use crate::time::Timestamp;

    fn job(body: usize, changes: usize) -> (Job, oneshot::Receiver<Result<u64, RecordFault>>) {
        let record = Record::of(EventType::TokenDenied, vec![b'x'; body]);
        let (reply, answer) = oneshot::channel();
        let changes = vec![Change::SetFact("probe", String::new()); changes];
        (Job { entries: vec![Entry { record, jti: None }], changes, used: None, reply: Some(reply) }, answer)
    }

    fn use_up() -> (Job, oneshot::Receiver<Result<u64, RecordFault>>) {
        let (reply, answer) = oneshot::channel();
        let used = UsedAssertion { id: Digest([1; 32]), until: Timestamp::default() };
        (Job { entries: Vec::new(), changes: Vec::new(), used: Some(used), reply: Some(reply) }, answer)
    }

    fn sizes(queue: &Queue) -> Vec<usize> {
        let mut jobs = std::mem::take(&mut queue.lock().jobs);
        std::iter::from_fn(|| Some(take_batch(&mut jobs).len()).filter(|&size| size > 0)).collect()
    }

    #[test]
    fn changes_go_alone_and_batches_are_bounded() {
        let queue = Queue::default();
        let mut answers = Vec::new();
        let jobs = [(0, 0), (0, 0), (0, 1), (0, 0), (BATCH_BYTES, 0), (1, 0)];
        for (body, changes) in jobs {
            let (job, answer) = job(body, changes);
            assert_eq!(queue.push(job), Ok(()));
            answers.push(answer);
        }
        assert_eq!(sizes(&queue), [2, 1, 2, 1]);
    }

    #[test]
    fn used_assertions_share_a_batch_with_tokens_and_each_other() {
        let queue = Queue::default();
        let jobs: Vec<_> = [job(0, 0), use_up(), use_up(), job(0, 0), job(0, 1), use_up()].into();
        let (jobs, _answers): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
        for job in jobs {
            assert_eq!(queue.push(job), Ok(()));
        }
        assert_eq!(sizes(&queue), [4, 1, 1]);
        let (jobs, _answers): (Vec<_>, Vec<_>) = (0..=BATCH_ROWS).map(|_| use_up()).unzip();
        for job in jobs {
            assert_eq!(queue.push(job), Ok(()));
        }
        assert_eq!(sizes(&queue), [BATCH_ROWS, 1]);
    }

    #[test]
    fn who_has_gone_is_not_recorded() {
        let queue = Queue::default();
        let (gone, answer) = job(0, 0);
        let (here, _answer) = job(0, 0);
        drop(answer);
        queue.push(gone).unwrap();
        queue.push(here).unwrap();
        assert_eq!(sizes(&queue), [1]);
    }

    #[test]
    fn is_bounded_and_refuses_notes_first() {
        let queue = Queue::default();
        let mut answers = Vec::new();
        for _ in 0..CAPACITY {
            let (job, answer) = job(0, 0);
            queue.push(job).unwrap();
            answers.push(answer);
        }
        assert_eq!(queue.push(job(0, 0).0), Err(RecordFault::QueueFull));
        assert!(!queue.has_room());
        assert!(!queue.push_unless_busy(job(0, 0).0));
        assert_eq!(queue.dropped(), 1);
        queue.close();
        assert_eq!(queue.push(job(0, 0).0), Err(RecordFault::Ended));
    }
}
