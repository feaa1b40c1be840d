//! Runs one background task for as long as the service lives, whatever becomes of its runs.
//!
//! A run is a plain tick. One that fails or panics is told to readiness and to
//! the log and is tried again; one that never ends, and a supervisor that died,
//! is a silence that readiness notices by itself. Ticks of one task never
//! overlap, and a hanging one is not cut off: what it holds is half done.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Interval, interval};

use super::Ambient;
use crate::ambient::random;
use crate::telemetry::{Cadence, Health, Heartbeat};

/// What readiness and the log say of a task, and when it runs.
pub(super) struct Task {
    /// Its name.
    pub(super) name: &'static str,
    /// Its rhythm.
    pub(super) cadence: Cadence,
    /// What to do when it fails, without a full stop.
    pub(super) advice: &'static str,
}

impl Task {
    /// Runs `tick` until the future is dropped. After each run `concern` may say "works, but".
    /// The silence counts from now, not from the first poll.
    pub(super) fn supervise<F>(
        self,
        health: &Arc<Health>,
        ambient: Ambient,
        tick: impl Fn() -> F + Send + Sync + 'static,
        concern: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) -> impl Future<Output = ()> + Send + 'static
    where
        F: Future<Output = Result<(), String>> + Send,
    {
        let heartbeat = health.register(self.name, self.cadence, self.advice);
        async move {
            let mut timer = interval(self.cadence.between_signs());
            let mut row = Row::default();
            loop {
                heartbeat.beat();
                let begun = ambient.clock.monotonic();
                let run = async { (tick().await, concern()) };
                // What tasks share is behind locks that bear a panic; the supervisor lives on.
                let run = AssertUnwindSafe(run).catch_unwind().await;
                let (outcome, concern) = run.unwrap_or_else(|_| {
                    let panicked = "it panicked; its message is on standard error".to_owned();
                    (Err(panicked), row.concern.clone())
                });
                row.ended(&heartbeat, outcome, concern);
                let took = ambient.clock.monotonic().saturating_sub(begun);
                let pause = self.cadence.pause(row.failures, took, chance(&ambient, row.failures));
                rest(&heartbeat, &mut timer, self.cadence, pause).await;
            }
        }
    }
}

/// Spreads the pauses after failures. Without chance a pause is the longest of its kind.
fn chance(ambient: &Ambient, failures: u32) -> u32 {
    if failures == 0 { 0 } else { random(&*ambient.entropy).map_or(u32::MAX, u32::from_be_bytes) }
}

/// The runs that failed in a row, and what was said of them.
#[derive(Default)]
struct Row {
    failures: u32,
    cause: Option<String>,
    concern: Option<String>,
}

impl Row {
    /// Tells readiness of a run, and the log of what is new in it.
    fn ended(&mut self, heartbeat: &Heartbeat, outcome: Result<(), String>, concern: Option<String>) {
        let task = heartbeat.name();
        match &outcome {
            Ok(()) => {
                heartbeat.worked();
                if self.failures > 0 {
                    tracing::info!(task, failures = self.failures, "a background task works again");
                }
                self.failures = 0;
            }
            Err(cause) => {
                heartbeat.failed();
                if self.cause.as_ref() != Some(cause) {
                    tracing::error!(task, %cause, "a background task failed; it is tried again");
                }
                self.failures = self.failures.saturating_add(1);
            }
        }
        self.cause = outcome.err();
        heartbeat.concern(concern.clone());
        if self.concern != concern {
            if let Some(concern) = &concern {
                tracing::warn!(task, %concern, "a background task works, but complains");
            } else {
                tracing::info!(task, "a background task complains no more");
            }
            self.concern = concern;
        }
    }
}

/// Waits for `pause` and gives signs of life meanwhile.
async fn rest(heartbeat: &Heartbeat, timer: &mut Interval, cadence: Cadence, mut pause: Duration) {
    // A task whose runs take longer than its period leaves others their turn.
    tokio::task::yield_now().await;
    while !pause.is_zero() {
        let nap = pause.min(cadence.between_signs());
        timer.reset_after(nap);
        timer.tick().await;
        heartbeat.beat();
        pause = pause.saturating_sub(nap);
    }
}

#[cfg(test)]
mod tests;
