//! The one writer: gives each record its place, commits the batch, tells the callers.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::sync::watch;

use super::RecordFault;
use super::queue::{Entry, Job, Queue};
use crate::ambient::{Clock, Entropy, EntropyFailed, random};
use crate::audit::catalogue;
use crate::audit::directory::edge::{DirectoryEdge, Listed};
use crate::audit::leaf::{self, CHAIN_START, Epoch, Place, Record};
use crate::audit::tile::Edge;
use crate::audit::tree::{TreeHead, leaf_hash};
use crate::digest::Digest;
use crate::failpoint::failpoint;
use crate::store::{Appended, Batch, Change, NewEntry, Store, StoreFault, UsedAssertion};
use crate::time::Timestamp;

/// Records that nobody waits for are kept over a failure of the store up to this number.
const UNWRITTEN: usize = 256;

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

/// Where the writer goes on: the edges of tree and directory, and this run's own chain.
#[derive(Clone, Debug)]
pub struct Opening {
    edge: Edge,
    directory: DirectoryEdge,
    epoch: Epoch,
    sequence: u64,
    chain: Digest,
}

impl Opening {
    /// A new epoch at these edges.
    pub fn new(edge: Edge, directory: DirectoryEdge, entropy: &dyn Entropy) -> Result<Self, EntropyFailed> {
        Ok(Self { edge, directory, epoch: Epoch(random(entropy)?), sequence: 0, chain: CHAIN_START })
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
        let mut pages = Vec::new();
        for (Entry { mut record, jti }, salt) in entries.into_iter().zip(salts) {
            let body = record.body.take();
            let commitment = body.as_deref().map(|body| leaf::body_commitment(&salt, body));
            let place = Place { ts, node, epoch: &self.epoch, sequence: self.sequence, chain: self.chain };
            let leaf = leaf::encode(&record, &place, commitment);
            let hash = leaf_hash(&leaf);
            let Record { event, kid, exp, .. } = record;
            self.directory.push(&Listed { event, ts, kid, exp, body: body.as_deref() }, &mut pages);
            self.sequence += 1;
            self.chain = leaf::chain_next(self.chain, hash);
            hashes.push(hash);
            rows.push(NewEntry { leaf, body: body.map(|body| (salt, body)), jti });
        }
        let tiles = self.edge.append(&hashes);
        let head = self.edge.head();
        Ok(Batch { entries: rows, part: ts.month(), tiles, pages, first, ..Batch::of_changes(head, changes) })
    }
}

/// Runs until the queue is closed and empty.
pub(super) async fn run(
    opening: Opening,
    parts: WriterParts,
    queue: Arc<Queue>,
    told: watch::Sender<TreeHead>,
) {
    let mut writer = Writer {
        committed: opening,
        in_doubt: None,
        notes_in_doubt: Vec::new(),
        unwritten: Vec::new(),
        foreign: false,
        erased: false,
        queue: queue.clone(),
        parts,
        told,
    };
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
    /// What nobody waits for of a commit that is under way, failed or panicked.
    notes_in_doubt: Vec<Entry>,
    /// Records that nobody waits for and that were surely not written.
    unwritten: Vec<Entry>,
    /// The store holds neither of the two: another hand wrote it. Nothing is recorded any more.
    foreign: bool,
    /// An erasure was written, or may have been, and the growing pages were not made anew since.
    erased: bool,
    queue: Arc<Queue>,
    parts: WriterParts,
    told: watch::Sender<TreeHead>,
}

impl Writer {
    /// Writes these jobs as one batch and tells their callers.
    async fn write(&mut self, jobs: Vec<Job>) {
        let mut callers = Vec::with_capacity(jobs.len());
        let mut entries = Vec::with_capacity(jobs.len());
        let (mut changes, mut used) = (Vec::new(), Vec::new());
        let settled = self.settle_doubt().await;
        if settled.is_ok() {
            self.forget_erased().await;
            entries.append(&mut self.unwritten);
            self.notes_in_doubt.extend_from_slice(&entries);
        }
        for mut job in jobs {
            match job.reply {
                None if settled.is_ok() => self.notes_in_doubt.extend_from_slice(&job.entries),
                None => self.keep(job.entries.clone()),
                Some(reply) => callers.push((reply, entries.len() as u64, job.used.map(|_| used.len()))),
            }
            entries.append(&mut job.entries);
            changes.append(&mut job.changes);
            used.extend(job.used);
        }
        let result = match settled {
            Ok(()) => self.commit(entries, changes, used).await,
            Err(fault) => Err(fault),
        };
        if result.as_ref().is_err_and(|fault| *fault != StoreFault::Conflict.into()) {
            self.queue.pace.failed();
        }
        for (reply, offset, place) in callers {
            let told = match &result {
                // What the store does not call fresh lets nobody in.
                Ok((_, fresh)) if place.is_some_and(|place| fresh.get(place) != Some(&true)) => {
                    Err(StoreFault::Conflict.into())
                }
                Ok((first, _)) => Ok(first + offset),
                Err(fault) => Err(fault.clone()),
            };
            // A caller that has gone leaves an intent in the log, which is allowed.
            let _ = reply.send(told);
        }
    }

    /// Nobody waits for these records, so nobody repeats them: they come with the next batch that is written. What is
    /// beyond the room for them is lost, and counted.
    fn keep(&mut self, mut notes: Vec<Entry>) {
        let room = UNWRITTEN.saturating_sub(self.unwritten.len());
        self.queue.count_dropped(notes.len().saturating_sub(room) as u64);
        notes.truncate(room);
        self.unwritten.append(&mut notes);
    }

    /// The index of the first entry, and of each assertion whether it is used up by this.
    async fn commit(
        &mut self,
        entries: Vec<Entry>,
        changes: Vec<Change>,
        used: Vec<UsedAssertion>,
    ) -> Result<(u64, Vec<bool>), RecordFault> {
        let mut grown = self.committed.clone();
        let place = (self.parts.node.as_str(), self.parts.clock.now());
        let batch = Batch { used, ..grown.grow(entries, changes, place, &*self.parts.entropy)? };
        failpoint!("audit.before_write", StoreFault::Unavailable("a failpoint".to_owned()).into());
        self.in_doubt = Some(grown);
        self.erased |= batch.changes.iter().any(|change| matches!(change, Change::Erase { .. }));
        let begun = self.parts.clock.monotonic();
        let appended = self.parts.store.append(&batch).await;
        let took = self.parts.clock.monotonic().saturating_sub(begun);
        self.queue.pace.committed(batch.entries.len(), took);
        match appended {
            Ok(Appended { fresh }) => {
                failpoint!("audit.after_sync");
                if let Some(grown) = self.in_doubt.take() {
                    self.adopt(grown);
                }
                self.forget_erased().await;
                Ok((batch.first, fresh))
            }
            // Without changes, or where the head is another, the log itself is in conflict: another hand wrote it.
            Err(StoreFault::Conflict) if !batch.changes.is_empty() && self.head_is_ours().await => {
                self.in_doubt = None;
                Err(StoreFault::Conflict.into())
            }
            Err(StoreFault::Conflict) => {
                tracing::error!(entries = batch.entries.len(), "the log is not as this process left it");
                Err(RecordFault::Foreign)
            }
            Err(fault) => {
                tracing::error!(fault = %fault, entries = batch.entries.len(), "the log was not written");
                Err(fault.into())
            }
        }
    }

    /// Whether the store holds what is certainly committed, and nothing more.
    async fn head_is_ours(&self) -> bool {
        let head = self.parts.store.head().await;
        head.is_ok_and(|head| head.unwrap_or_else(|| Edge::new().head()) == self.committed.head())
    }

    /// The pages that grow may still name what was erased: they are made anew from the entries, before the next batch.
    async fn forget_erased(&mut self) {
        if !self.erased {
            return;
        }
        match catalogue::restore(&*self.parts.store, self.committed.edge.size()).await {
            Ok(directory) => {
                self.committed.directory = directory;
                self.erased = false;
            }
            // They say too much, four bytes a name; it is tried again with the next batch.
            Err(fault) => tracing::warn!(%fault, "the directory's growing pages still name what was erased"),
        }
    }

    /// A commit that failed may have been written: the store's own head tells which.
    async fn settle_doubt(&mut self) -> Result<(), RecordFault> {
        if self.foreign {
            return Err(RecordFault::Foreign);
        }
        // It stays in doubt until the store has told, whatever breaks off in between.
        let Some(doubtful) = self.in_doubt.as_ref().map(Opening::head) else {
            let lost = std::mem::take(&mut self.notes_in_doubt);
            self.keep(lost);
            return Ok(());
        };
        let head = self.parts.store.head().await?.unwrap_or_else(|| Edge::new().head());
        let in_doubt = self.in_doubt.take();
        if let Some(in_doubt) = in_doubt.filter(|_| head == doubtful) {
            self.adopt(in_doubt);
        } else if head == self.committed.head() {
            let lost = std::mem::take(&mut self.notes_in_doubt);
            self.keep(lost);
        } else {
            self.foreign = true;
            tracing::error!("the log was changed by another process; nothing is issued until a restart");
            return Err(RecordFault::Foreign);
        }
        Ok(())
    }

    fn adopt(&mut self, grown: Opening) {
        self.committed = grown;
        self.notes_in_doubt.clear();
        self.told.send_replace(self.committed.head());
    }
}
