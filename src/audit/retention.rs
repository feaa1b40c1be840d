//! Lets the bodies of past months go, and with them what finds them. The leaves stay, and every proof.
//!
//! A month goes in slices, so that no token waits for the disk to overwrite
//! all of it. A crash in between leaves a month with fewer bodies, and the next run goes on.

use serde::Serialize;

use super::body;
use super::event::EventType;
use super::leaf::Record;
use super::recorder::{RecordFault, Recorder};
use crate::store::{Change, Store};

/// Bodies of one transaction: some hundred kilobytes to overwrite.
const SLICE: u32 = 1_000;

#[derive(Serialize)]
struct OverBody {
    actor: &'static str,
    via: &'static str,
    object: String,
}

/// Drops the months (`YYYYMM`) of bodies before `month`, each of them recorded. The disk still has them until the
/// next flush of the store.
pub async fn drop_bodies(recorder: &Recorder, store: &dyn Store, month: u32) -> Result<(), RecordFault> {
    let over: Vec<u32> = store.months().await?.into_iter().filter(|&kept| kept < month).collect();
    for &month in &over {
        let object = format!("bodies of {}-{:02}", month / 100, month % 100);
        let told = OverBody { actor: "mintmark", via: "retention", object };
        // With the first slice: what is gone is never more than what is told.
        let mut records = vec![Record::of(EventType::AuditErased, body::line(&told))];
        while store.months().await?.contains(&month) {
            let slice = Change::DropBodies { month, at_most: SLICE };
            recorder.act(std::mem::take(&mut records), vec![slice]).await?;
        }
    }
    Ok(())
}
