//! Lets the bodies of past months go, and with them what finds them. The leaves stay, and every proof.
//!
//! A month goes in slices, so that no token waits for the disk to overwrite
//! all of it. A crash in between leaves a month with fewer bodies, and the next run goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use serde::Serialize;

use super::body;
use super::event::EventType;
use super::leaf::Record;
use super::recorder::{RecordFault, Recorder};
use crate::store::{Change, Store};
use crate::time::Timestamp;

/// Bodies of one transaction: some hundred kilobytes to overwrite.
const SLICE: u32 = 1_000;
const UNFLUSHED: &str =
    "bodies that were dropped may still lie on the disk; end what reads the store, such as a backup";

#[derive(Serialize)]
struct OverBody {
    actor: &'static str,
    via: &'static str,
    object: String,
}

/// Keeps bodies for a time and then drops them by whole months.
pub struct Retention {
    recorder: Recorder,
    store: Arc<dyn Store>,
    keep: Duration,
    /// The month (`YYYYMM`) before which everything was dropped.
    done: AtomicU32,
    /// At first because of what a crash may have left.
    unflushed: AtomicBool,
}

impl Retention {
    /// Keeps them for `keep`.
    pub fn new(recorder: Recorder, store: Arc<dyn Store>, keep: Duration) -> Self {
        Self { recorder, store, keep, done: AtomicU32::new(0), unflushed: AtomicBool::new(true) }
    }

    /// Drops what is over at this time, once a month and once after each start, and then what the disk still has of
    /// it. Without a time by which something may be taken away only the latter. Somebody who reads the store may be in
    /// the way of that flush, and that is no fault: it is tried again.
    pub async fn tick(&self, now: Option<Timestamp>) -> Result<(), RecordFault> {
        let over = now.map(|now| now.minus(self.keep).month());
        if let Some(month) = over.filter(|&month| self.done.load(Ordering::Acquire) != month) {
            self.unflushed.store(true, Ordering::Release);
            self.drop_before(month).await?;
            self.done.store(month, Ordering::Release);
        }
        if self.unflushed.load(Ordering::Acquire) && self.store.flush().await.is_ok() {
            self.unflushed.store(false, Ordering::Release);
        }
        Ok(())
    }

    /// What an operator should know, in one line.
    pub fn concern(&self) -> Option<String> {
        self.unflushed.load(Ordering::Acquire).then(|| UNFLUSHED.to_owned())
    }

    async fn drop_before(&self, month: u32) -> Result<(), RecordFault> {
        let over: Vec<u32> = self.store.months().await?.into_iter().filter(|&kept| kept < month).collect();
        for &month in &over {
            let object = format!("bodies of {}-{:02}", month / 100, month % 100);
            let told = OverBody { actor: "mintmark", via: "retention", object };
            // With the first slice: what is gone is never more than what is told.
            let mut records = vec![Record::of(EventType::AuditErased, body::line(&told))];
            while self.store.months().await?.contains(&month) {
                let slice = Change::DropBodies { month, at_most: SLICE };
                self.recorder.act(std::mem::take(&mut records), vec![slice]).await?;
            }
        }
        Ok(())
    }
}
