//! The background work: each loop is a plain tick on a timer, watched and restarted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::App;
use crate::audit::recorder::{RecordFault, Recorder};
use crate::config::Settings;
use crate::store::{Change, Store};
use crate::telemetry::Health;
use crate::time::Timestamp;

/// Starts every loop. Dropping the set ends them.
pub(super) fn start(app: &App, settings: &Settings) -> JoinSet<()> {
    let mut loops = JoinSet::new();
    let health = &app.health;
    let rotator = app.rotator.clone();
    watch(&mut loops, health, ("keys", rotator.pace()), move || {
        let rotator = rotator.clone();
        async move { rotator.tick().await.map_err(|fault| fault.to_string()) }
    });
    let admin = app.admin.clone();
    watch(&mut loops, health, ("policy", Duration::from_secs(1)), move || {
        let admin = admin.clone();
        async move { admin.tick().await.map_err(|refusal| refusal.to_string()) }
    });
    let publisher = app.publisher.clone();
    watch(&mut loops, health, ("checkpoint", settings.audit.checkpoint), move || {
        let publisher = publisher.clone();
        async move { publisher.tick().await.map_err(|fault| fault.to_string()) }
    });
    let (recorder, clock) = (app.recorder.clone(), app.clock.clone());
    watch(&mut loops, health, ("store", Duration::from_secs(1)), move || {
        // The way that every token takes, with nothing in it for the tree.
        let (recorder, now) = (recorder.clone(), clock.now().to_string());
        async move {
            let probe = recorder.act(Vec::new(), vec![Change::SetFact("probe", now)]);
            probe.await.map(drop).map_err(|fault| fault.to_string())
        }
    });
    let (recorder, store) = (app.recorder.clone(), app.store.clone());
    let (clock, keep, done) = (app.clock.clone(), app.body_retention, Arc::new(AtomicU32::new(0)));
    watch(&mut loops, health, ("retention", Duration::from_hours(1)), move || {
        let (recorder, store, done) = (recorder.clone(), store.clone(), done.clone());
        let oldest = clock.now().minus(keep);
        async move {
            // Once a month, and once after each start.
            if done.load(Ordering::Acquire) != oldest.month() {
                drop_bodies(&recorder, &*store, oldest).await.map_err(|fault| fault.to_string())?;
                done.store(oldest.month(), Ordering::Release);
            }
            Ok(())
        }
    });
    let store = app.store.clone();
    watch(&mut loops, health, ("tending", Duration::from_millis(40)), move || {
        let store = store.clone();
        async move { store.tend().await.map_err(|fault| fault.to_string()) }
    });
    let (denials, limiter, clock) = (app.denials.clone(), app.limiter.clone(), app.clock.clone());
    watch(&mut loops, health, ("sweep", Duration::from_mins(1)), move || {
        denials.tick();
        limiter.sweep(clock.monotonic());
        std::future::ready(Ok(()))
    });
    loops
}

/// Drops the months of bodies that ended before `oldest`, whole, and then what the disk still has of them.
pub(super) async fn drop_bodies(
    recorder: &Recorder,
    store: &dyn Store,
    oldest: Timestamp,
) -> Result<(), RecordFault> {
    recorder.act(Vec::new(), vec![Change::DropBodies(oldest.month())]).await?;
    Ok(store.flush().await?)
}

/// Runs `tick` each `period`. A failure or a panic is told to readiness and
/// tried again at the next tick, at most after the present one has ended.
fn watch<F>(
    loops: &mut JoinSet<()>,
    health: &Arc<Health>,
    (name, period): (&'static str, Duration),
    tick: impl Fn() -> F + Send + Sync + 'static,
) where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    let (health, tick) = (health.clone(), Arc::new(tick));
    loops.spawn(async move {
        let mut timer = tokio::time::interval(period);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            timer.tick().await;
            let tick = tick.clone();
            let outcome = tokio::spawn(async move { tick().await })
                .await
                .unwrap_or_else(|_| Err("it panicked".to_owned()));
            if let Err(cause) = &outcome
                && !failing
            {
                tracing::error!(task = name, %cause, "a background task failed; it is tried again");
            } else if outcome.is_ok() && failing {
                tracing::info!(task = name, "a background task works again");
            }
            failing = outcome.is_err();
            health.report(name, outcome.err());
        }
    });
}
