//! The one writer: gives each record its place, commits the batch, tells the callers.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::sync::watch;

use super::RecordFault;
use super::queue::{Entry, Job, Queue};
use crate::ambient::{Clock, Entropy, EntropyFailed, random};
use crate::audit::leaf::{self, CHAIN_START, Epoch, Place};
use crate::audit::tile::Edge;
use crate::audit::tree::{TreeHead, leaf_hash};
use crate::digest::Digest;
use crate::failpoint::failpoint;
use crate::store::{Batch, Change, NewEntry, Store, StoreFault};
use crate::time::Timestamp;

/// What the writer works with.
pub struct WriterParts {
    /// Where the log is kept.
    pub store: Arc<dyn Store>,
    /// Gives `ts`.
    pub clock: Arc<dyn Clock>,
    /// Gives the salts.
    pub entropy: Arc<dyn Entropy>,
    /// This node's name.
    pub node: String,
}

/// Where the writer goes on: the tree's edge, and this run's own chain.
#[derive(Clone, Debug)]
pub struct Opening {
    edge: Edge,
    epoch: Epoch,
    sequence: u64,
    chain: Digest,
}

impl Opening {
    /// A new epoch at this edge.
    pub fn new(edge: Edge, entropy: &dyn Entropy) -> Result<Self, EntropyFailed> {
        Ok(Self { edge, epoch: Epoch(random(entropy)?), sequence: 0, chain: CHAIN_START })
    }

    /// The tree so far.
    pub fn head(&self) -> TreeHead {
        self.edge.head()
    }

    /// Gives each record the next place and gathers all of it as one batch.
    /// A failure leaves a half-grown clone behind, which the caller drops.
    fn grow(
        &mut self,
        entries: Vec<Entry>,
        changes: Vec<Change>,
        (node, ts): (&str, Timestamp),
        entropy: &dyn Entropy,
    ) -> Result<Batch, EntropyFailed> {
        let first = self.edge.size();
        let mut salts = vec![[0_u8; 32]; entries.len()];
        entropy.fill(salts.as_flattened_mut())?;
        let mut hashes = Vec::with_capacity(entries.len());
        let mut rows = Vec::with_capacity(entries.len());
        for (Entry { mut record, jti }, salt) in entries.into_iter().zip(salts) {
            let body = record.body.take();
            let commitment = body.as_deref().map(|body| leaf::body_commitment(&salt, body));
            let place = Place { ts, node, epoch: &self.epoch, sequence: self.sequence, chain: self.chain };
            let leaf = leaf::encode(&record, &place, commitment);
            let hash = leaf_hash(&leaf);
            self.sequence += 1;
            self.chain = leaf::chain_next(self.chain, hash);
            hashes.push(hash);
            rows.push(NewEntry { leaf, body: body.map(|body| (salt, body)), jti });
        }
        let tiles = self.edge.append(&hashes);
        Ok(Batch { first, entries: rows, part: ts.month(), tiles, head: self.edge.head(), changes })
    }
}

/// Runs until the queue is closed and empty.
pub(super) async fn run(
    opening: Opening,
    parts: WriterParts,
    queue: Arc<Queue>,
    told: watch::Sender<TreeHead>,
) {
    let mut writer = Writer { committed: opening, in_doubt: None, foreign: false, parts, told };
    while let Some(jobs) = queue.next_batch().await {
        // Who waited is told that it is over. Whether it was written, the next batch finds out first.
        if AssertUnwindSafe(writer.write(jobs)).catch_unwind().await.is_err() {
            tracing::error!("the writing of a batch panicked; its message is on standard error");
        }
    }
}

struct Writer {
    /// The state that is certainly committed, unless `in_doubt` says otherwise.
    committed: Opening,
    /// While a commit is under way, and after one that failed or panicked: the state if it was written all the same.
    in_doubt: Option<Opening>,
    /// The store holds neither of the two: another hand wrote it. Nothing is recorded any more.
    foreign: bool,
    parts: WriterParts,
    told: watch::Sender<TreeHead>,
}

impl Writer {
    async fn write(&mut self, jobs: Vec<Job>) {
        let mut entries = Vec::with_capacity(jobs.len());
        let mut changes = Vec::new();
        let mut replies = Vec::with_capacity(jobs.len());
        for mut job in jobs {
            replies.push((entries.len() as u64, job.reply.take()));
            entries.append(&mut job.entries);
            changes.append(&mut job.changes);
        }
        let result = self.commit(entries, changes).await;
        for (offset, reply) in replies {
            if let Some(reply) = reply {
                // A caller that has gone leaves an intent in the log, which is allowed.
                let _ = reply.send(result.clone().map(|first| first + offset));
            }
        }
    }

    async fn commit(&mut self, entries: Vec<Entry>, changes: Vec<Change>) -> Result<u64, RecordFault> {
        self.settle_doubt().await?;
        let mut grown = self.committed.clone();
        let place = (self.parts.node.as_str(), self.parts.clock.now());
        let batch = grown.grow(entries, changes, place, &*self.parts.entropy)?;
        failpoint!("audit.before_write", StoreFault::Unavailable("a failpoint".to_owned()).into());
        self.in_doubt = Some(grown);
        match self.parts.store.append(&batch).await {
            Ok(()) => {
                failpoint!("audit.after_sync");
                if let Some(grown) = self.in_doubt.take() {
                    self.adopt(grown);
                }
                Ok(batch.first)
            }
            // Without changes only the log itself can be in conflict: then another hand wrote it.
            Err(StoreFault::Conflict) if !batch.changes.is_empty() => {
                self.in_doubt = None;
                Err(StoreFault::Conflict.into())
            }
            Err(fault) => {
                tracing::error!(fault = %fault, entries = batch.entries.len(), "the log was not written");
                Err(fault.into())
            }
        }
    }

    /// A commit that failed may have been written: the store's own head tells which.
    async fn settle_doubt(&mut self) -> Result<(), RecordFault> {
        if self.foreign {
            return Err(RecordFault::Foreign);
        }
        let Some(in_doubt) = self.in_doubt.take() else { return Ok(()) };
        let head = match self.parts.store.head().await {
            Ok(head) => head.unwrap_or_else(|| Edge::new().head()),
            Err(fault) => {
                self.in_doubt = Some(in_doubt);
                return Err(fault.into());
            }
        };
        if head == in_doubt.head() {
            self.adopt(in_doubt);
        } else if head != self.committed.head() {
            self.foreign = true;
            tracing::error!("the log was changed by another process; nothing is issued until a restart");
            return Err(RecordFault::Foreign);
        }
        Ok(())
    }

    fn adopt(&mut self, grown: Opening) {
        self.committed = grown;
        self.told.send_replace(self.committed.head());
    }
}
