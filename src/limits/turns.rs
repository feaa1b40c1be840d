//! Turns to issue: so many at once, and whoever waits for one does not wait long.
//!
//! Concurrency is what overload is held by, not rate: as many are under way as
//! the machine can work on, and what is beyond waits a moment, in a line that
//! is fair between clients, or is told to come again. It is asked when it is
//! known who asks and that it may, and before anything is charged, recorded or
//! signed: what is turned away was cheap and leaves nothing behind.
//! Whoever goes away while waiting leaves the line at once. Who is next is
//! decided by [`line`](super::line); the lock around it is never held across an await.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::line::{Line, Place};
use crate::telemetry::{Histogram, HistogramReading, SPANS};

/// As many for each core as fill it: with more under way nothing is issued sooner, only each token later.
const TURNS_A_CORE: usize = 64;
/// So long the oldest request of a client goes first, then the newest.
const FRESH: Duration = Duration::from_millis(20);
/// Whoever has waited so long is told to come again, and hears it within 100 ms of asking.
const PATIENCE: Duration = Duration::from_millis(80);
/// So many wait at most: as many as there are connections.
const ROOM: usize = 8_192;

/// There was no turn within the time that a caller should wait for one. This passes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more tokens are asked for at once than can be issued")]
pub struct NoTurn;

/// Gives turns. Clones give the same ones.
#[derive(Clone)]
pub struct Turns {
    shared: Arc<Shared>,
}

struct Shared {
    patience: Duration,
    begun: Instant,
    /// Of those who waited and got a turn.
    waits: Histogram,
    inner: Mutex<Inner>,
}

struct Inner {
    line: Line<oneshot::Sender<Turn>>,
    at_once: u64,
    turned_away: u64,
}

/// The right to issue one token. Dropped, it is the next one's.
pub struct Turn {
    shared: Arc<Shared>,
}

/// What there is to tell of the turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnsReading {
    /// How many there are.
    pub limit: usize,
    /// How many of them are taken now.
    pub in_use: usize,
    /// How many wait for one now.
    pub waiting: usize,
    /// How many were taken without waiting, since the start.
    pub at_once: u64,
    /// How many waited and got none, since the start.
    pub turned_away: u64,
    /// How long those waited that waited and got one, since the start, nanoseconds.
    pub waits: HistogramReading,
}

impl Default for Turns {
    /// As many turns as this machine can use.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self::new(cores.saturating_mul(TURNS_A_CORE), ROOM, FRESH, PATIENCE)
    }
}

impl Turns {
    /// `limit` turns, for which `room` may wait, each for `patience`; after `fresh` the newest of a client go first.
    pub fn new(limit: usize, room: usize, fresh: Duration, patience: Duration) -> Self {
        let inner = Inner { line: Line::new(limit, room, fresh), at_once: 0, turned_away: 0 };
        let (begun, waits) = (Instant::now(), Histogram::new(SPANS));
        Self { shared: Arc::new(Shared { patience, begun, waits, inner: Mutex::new(inner) }) }
    }

    /// Takes a turn for this client, by its number; waits for one if it must.
    pub async fn take(&self, client: u32) -> Result<Turn, NoTurn> {
        let begun = self.shared.now();
        let (mut told, in_line) = {
            let mut inner = self.shared.lock();
            if inner.line.try_take() {
                inner.at_once += 1;
                return Ok(Turn { shared: self.shared.clone() });
            }
            let (sender, told) = oneshot::channel();
            let (place, displaced) = inner.line.wait(client, sender, begun);
            drop(inner);
            // A waiter whose sender is gone has no turn.
            drop(displaced);
            (told, InLine { shared: &self.shared, place })
        };
        let turn = timeout(self.shared.patience, &mut told).await;
        drop(in_line);
        // A turn that came in the last moment is taken all the same.
        let turn = turn.map_or_else(|_| told.try_recv().ok(), Result::ok);
        if turn.is_some() {
            self.shared.waits.observe_span(self.shared.now().saturating_sub(begun));
        } else {
            self.shared.lock().turned_away += 1;
        }
        turn.ok_or(NoTurn)
    }

    /// Whether somebody waits: there is more to do than can be done.
    pub fn are_short(&self) -> bool {
        self.shared.lock().line.waiting() > 0
    }

    /// What there is to tell.
    pub fn reading(&self) -> TurnsReading {
        let inner = self.shared.lock();
        TurnsReading {
            limit: inner.line.limit(),
            in_use: inner.line.out(),
            waiting: inner.line.waiting(),
            at_once: inner.at_once,
            turned_away: inner.turned_away,
            waits: self.shared.waits.reading(),
        }
    }
}

impl Shared {
    /// Time since the start.
    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that is done under the lock can panic half-way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let now = self.shared.now();
        let next = self.shared.lock().line.free(now);
        if let Some(next) = next {
            // One that has just gone gives the turn back, and that is the end of it: it is dropped again.
            drop(next.send(Turn { shared: self.shared.clone() }));
        }
    }
}

/// A waiter, who leaves the line when this is dropped, if it is still in it.
struct InLine<'a> {
    shared: &'a Shared,
    place: Place,
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        let left = self.shared.lock().line.leave(self.place);
        drop(left);
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reading().fmt(f)
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
