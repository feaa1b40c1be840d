//! A store that fails when it is told to, and remembers which entries were read.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mintmark::audit::directory::StoredPage;
use mintmark::audit::tree::TreeHead;
use mintmark::digest::Digest;
use mintmark::policy::Policy;
use mintmark::store::{
    Appended, Batch, DamagedRow, Recalled, Revoked, Store, StoreFault, StoredEntry, StoredLog, StoredRing,
};
use mintmark::time::Timestamp;

/// What the next write meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails, and nothing was written.
    Lost,
    /// It fails, and was written all the same.
    Persisted,
    /// It never ends.
    Hangs,
    /// It panics, and nothing was written.
    Panics,
    /// It panics, and was written all the same.
    PanicsPersisted,
}

/// A store whose next writes meet these faults, one each, in this order.
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    faults: Mutex<Vec<Option<Fault>>>,
    reads: Mutex<Vec<Range<u64>>>,
    writes: AtomicUsize,
}

impl FaultyStore {
    /// A store like `inner`, without any fault so far.
    pub fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            faults: Mutex::default(),
            reads: Mutex::default(),
            writes: AtomicUsize::default(),
        })
    }

    /// The entries that were read since the last question, as the ranges that were asked for.
    pub fn reads(&self) -> Vec<Range<u64>> {
        std::mem::take(&mut *self.reads.lock().unwrap())
    }

    /// How many batches were tried since the last question.
    pub fn writes(&self) -> usize {
        self.writes.swap(0, Ordering::Relaxed)
    }

    /// One fault more.
    pub fn fail(&self, fault: Fault) {
        self.faults.lock().unwrap().push(Some(fault));
    }

    /// One fault more, after so many writes that meet none.
    pub fn fail_after(&self, writes: usize, fault: Fault) {
        let mut faults = self.faults.lock().unwrap();
        faults.extend(std::iter::repeat_n(None, writes));
        faults.push(Some(fault));
    }

    fn next(&self) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        if faults.is_empty() { None } else { faults.remove(0) }
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn append(&self, batch: &Batch) -> Result<Appended, StoreFault> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        let failed = || Err(StoreFault::Unavailable("a test's fault".to_owned()));
        match self.next() {
            None => self.inner.append(batch).await,
            Some(Fault::Lost) => failed(),
            Some(Fault::Persisted) => {
                self.inner.append(batch).await?;
                failed()
            }
            Some(Fault::Hangs) => std::future::pending().await,
            Some(Fault::Panics) => panic!("a test's panic"),
            Some(Fault::PanicsPersisted) => {
                self.inner.append(batch).await?;
                panic!("a test's panic")
            }
        }
    }

    async fn head(&self) -> Result<Option<TreeHead>, StoreFault> {
        self.inner.head().await
    }

    async fn log(&self) -> Result<Option<StoredLog>, StoreFault> {
        self.inner.log().await
    }

    async fn entries(&self, range: Range<u64>) -> Result<Vec<StoredEntry>, StoreFault> {
        self.reads.lock().unwrap().push(range.clone());
        self.inner.entries(range).await
    }

    async fn entries_at(&self, indices: &[u64]) -> Result<Vec<StoredEntry>, StoreFault> {
        self.reads.lock().unwrap().extend(indices.iter().map(|&index| index..index + 1));
        self.inner.entries_at(indices).await
    }

    async fn first_body(&self) -> Result<Option<u64>, StoreFault> {
        self.inner.first_body().await
    }

    async fn months(&self) -> Result<Vec<u32>, StoreFault> {
        self.inner.months().await
    }

    async fn directory_length(&self) -> Result<u64, StoreFault> {
        self.inner.directory_length().await
    }

    async fn leaf_pages(&self, level: u8, range: Range<u64>) -> Result<Vec<StoredPage>, StoreFault> {
        self.inner.leaf_pages(level, range).await
    }

    async fn body_pages(&self, level: u8, range: Range<u64>) -> Result<Vec<StoredPage>, StoreFault> {
        self.inner.body_pages(level, range).await
    }

    async fn leaves(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreFault> {
        self.reads.lock().unwrap().push(range.clone());
        self.inner.leaves(range).await
    }

    async fn tile(&self, level: u8, index: u64) -> Result<Option<Vec<u8>>, StoreFault> {
        self.inner.tile(level, index).await
    }

    async fn index_of_jti(&self, jti: &str) -> Result<Option<u64>, StoreFault> {
        self.inner.index_of_jti(jti).await
    }

    async fn policy(&self) -> Result<(Policy, Vec<DamagedRow>), StoreFault> {
        self.inner.policy().await
    }

    async fn revoked(&self) -> Result<Revoked, StoreFault> {
        self.inner.revoked().await
    }

    async fn key_ring(&self) -> Result<StoredRing, StoreFault> {
        self.inner.key_ring().await
    }

    async fn first_used_assertion(&self) -> Result<Option<Timestamp>, StoreFault> {
        self.inner.first_used_assertion().await
    }

    async fn fact(&self, name: &str) -> Result<Option<String>, StoreFault> {
        self.inner.fact(name).await
    }

    async fn recall(&self, id: &Digest, caller: &Digest) -> Result<Recalled, StoreFault> {
        self.inner.recall(id, caller).await
    }

    async fn flush(&self) -> Result<(), StoreFault> {
        self.inner.flush().await
    }

    async fn tend(&self) -> Result<(), StoreFault> {
        self.inner.tend().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
