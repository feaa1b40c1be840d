//! An idle node says that it lives, so that silence in the log is visible: who sees no new checkpoint for a minute
//! knows that the node is down, or that an old log is shown to him.

use std::sync::atomic::{AtomicU64, Ordering};

use super::event::EventType;
use super::leaf::Record;
use super::recorder::{RecordFault, Recorder};

/// Remembers how far the log was.
pub struct Alive {
    recorder: Recorder,
    size: AtomicU64,
}

impl Alive {
    /// Knows nothing of the log yet: the first tick only looks.
    pub fn new(recorder: Recorder) -> Self {
        Self { recorder, size: AtomicU64::new(u64::MAX) }
    }

    /// Records `node.alive` if nothing was recorded since the last tick. The caller calls it each half minute.
    pub async fn tick(&self) -> Result<(), RecordFault> {
        let size = self.recorder.head().borrow().size;
        if self.size.swap(size, Ordering::AcqRel) == size {
            let index = self.recorder.act(vec![Record::new(EventType::NodeAlive)], Vec::new()).await?;
            self.size.store(index.saturating_add(1), Ordering::Release);
        }
        Ok(())
    }
}
