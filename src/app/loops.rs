//! The background work: each loop is a plain tick with a rhythm, watched and tried again.
//!
//! Who keeps the period after failures and who backs off: `store`, `checkpoint` and
//! `policy` keep it, since recovery is to be seen at once, and a client that was
//! disabled is to be refused at once; the others come back at growing distances.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use super::App;
use super::supervise::Task;
use crate::audit::recorder::{RecordFault, Recorder};
use crate::config::Settings;
use crate::store::Change;
use crate::telemetry::Cadence;
use crate::time::Timestamp;

/// The longest pause of a task that failed and that verifiers or operators wait for.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

const DISK: &str =
    "look whether the disk under data_dir is full, read-only, slow or locked by another program";
const KEYS: &str = "tokens are signed with the keys in force; look at the clock, the disk and keys.kek_file";
const UNFLUSHED: &str =
    "bodies that were dropped may still lie on the disk; end what reads the store, such as a backup";
const INTERNAL: &str = "no token waits for it; report it as a fault of this program";

/// Starts every loop. Dropping the set ends them.
pub(super) fn start(app: &App, settings: &Settings) -> JoinSet<()> {
    let mut loops = Loops { app, set: JoinSet::new() };
    loops.keys();
    loops.policy();
    loops.checkpoint(settings.audit.checkpoint);
    loops.store();
    loops.retention();
    loops.tending();
    loops.sweep();
    loops.set
}

struct Loops<'a> {
    app: &'a App,
    set: JoinSet<()>,
}

impl Loops<'_> {
    /// Registers a task and starts it.
    fn run<F>(&mut self, task: Task, tick: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.run_with_concern(task, tick, || None);
    }

    /// The same for a task that can say "works, but": one line, or nothing.
    fn run_with_concern<F>(
        &mut self,
        task: Task,
        tick: impl Fn() -> F + Send + Sync + 'static,
        concern: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.set.spawn(task.supervise(&self.app.health, self.app.ambient.clone(), tick, concern));
    }

    /// Rotates keys, by a clock of their own: see `keys::steady`.
    fn keys(&mut self) {
        let rotator = self.app.rotator.clone();
        let told = rotator.clone();
        let cadence = Cadence::backing_off(rotator.pace(), LONGEST_PAUSE);
        self.run_with_concern(
            Task { name: "keys", cadence, advice: KEYS },
            move || {
                let rotator = rotator.clone();
                async move { rotator.tick().await.map_err(|fault| fault.to_string()) }
            },
            move || told.complaint(),
        );
    }

    /// Reads the policy back when an act's outcome was unknown.
    fn policy(&mut self) {
        let admin = self.app.admin.clone();
        let cadence = Cadence::steady(Duration::from_secs(1));
        self.run(Task { name: "policy", cadence, advice: DISK }, move || {
            let admin = admin.clone();
            async move { admin.tick().await.map_err(|refusal| refusal.to_string()) }
        });
    }

    /// Signs and publishes a checkpoint of what was written.
    fn checkpoint(&mut self, period: Duration) {
        let publisher = self.app.publisher.clone();
        let cadence = Cadence::steady(period);
        self.run(Task { name: "checkpoint", cadence, advice: DISK }, move || {
            let publisher = publisher.clone();
            async move { publisher.tick().await.map_err(|fault| fault.to_string()) }
        });
    }

    /// Writes what changes nothing, the way that every token takes, with nothing in it for the tree.
    fn store(&mut self) {
        let (recorder, clock) = (self.app.recorder.clone(), self.app.ambient.clock.clone());
        let cadence = Cadence::steady(Duration::from_secs(1));
        self.run(Task { name: "store", cadence, advice: DISK }, move || {
            let (recorder, now) = (recorder.clone(), clock.now().to_string());
            async move {
                let probe = recorder.act(Vec::new(), vec![Change::SetFact("probe", now)]);
                probe.await.map(drop).map_err(|fault| fault.to_string())
            }
        });
    }

    /// Drops old bodies once a month and once after each start, but not by a clock that cannot be right.
    /// Somebody who reads the store may be in the way of the flush, and that is no fault: it is tried again.
    fn retention(&mut self) {
        let (recorder, store) = (self.app.recorder.clone(), self.app.store.clone());
        let (wall_clock, keep) = (self.app.wall_clock.clone(), self.app.body_retention);
        let (done, unflushed) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let told = unflushed.clone();
        let cadence = Cadence::backing_off(Duration::from_mins(1), Duration::from_mins(1));
        self.run_with_concern(
            Task { name: "retention", cadence, advice: DISK },
            move || {
                let (recorder, store) = (recorder.clone(), store.clone());
                let (done, unflushed, now) = (done.clone(), unflushed.clone(), wall_clock.look());
                async move {
                    let oldest = now.map_err(|insane| insane.to_string())?.minus(keep);
                    if done.load(Ordering::Acquire) != oldest.month() {
                        unflushed.store(true, Ordering::Release);
                        drop_bodies(&recorder, oldest).await.map_err(|fault| fault.to_string())?;
                        done.store(oldest.month(), Ordering::Release);
                    }
                    if unflushed.load(Ordering::Acquire) && store.flush().await.is_ok() {
                        unflushed.store(false, Ordering::Release);
                    }
                    Ok(())
                }
            },
            move || told.load(Ordering::Acquire).then(|| UNFLUSHED.to_owned()),
        );
    }

    /// Carries the write-ahead log home, beside the writer.
    fn tending(&mut self) {
        let store = self.app.store.clone();
        let cadence = Cadence::backing_off(Duration::from_millis(40), Duration::from_secs(1));
        self.run(Task { name: "tending", cadence, advice: DISK }, move || {
            let store = store.clone();
            async move { store.tend().await.map_err(|fault| fault.to_string()) }
        });
    }

    /// Forgets who is idle, and records what was only counted in the last minute.
    fn sweep(&mut self) {
        let (denials, limiter) = (self.app.denials.clone(), self.app.limiter.clone());
        let clock = self.app.ambient.clock.clone();
        let cadence = Cadence::backing_off(Duration::from_mins(1), Duration::from_mins(1));
        self.run(Task { name: "sweep", cadence, advice: INTERNAL }, move || {
            denials.tick();
            limiter.sweep(clock.monotonic());
            std::future::ready(Ok(()))
        });
    }
}

/// Drops the months of bodies that ended before `oldest`, whole. The disk still has them until the next flush.
pub(super) async fn drop_bodies(recorder: &Recorder, oldest: Timestamp) -> Result<(), RecordFault> {
    recorder.act(Vec::new(), vec![Change::DropBodies(oldest.month())]).await.map(drop)
}
