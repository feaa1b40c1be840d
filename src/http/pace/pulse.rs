//! What is known about one connection from outside it: its requests under way, when it was active, what it is asked.
//!
//! Counters and flags that anybody may read at any time; no lock, and nothing here waits but for being asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// What a connection can be asked from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Ask {
    /// Say farewell in time: the door will be shut soon.
    Part = 1,
    /// Make room, if no request is under way.
    Leave = 2,
    /// Make room, if no request is complete and being handled.
    Yield = 4,
    /// Finish what is under way, take nothing new.
    Finish = 8,
    /// End now.
    Abort = 16,
}

/// What was asked since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) struct Asked(u8);

impl Asked {
    pub(in crate::http) fn has(self, what: Ask) -> bool {
        self.0 & what as u8 != 0
    }
}

/// What is known about one connection from outside it.
#[derive(Debug)]
pub(in crate::http) struct Pulse {
    /// Requests whose head is complete and whose answer is not yet handed over.
    pub(super) in_flight: AtomicU32,
    /// Those of them that are complete and have no answer yet.
    pub(super) handled: AtomicU32,
    /// Those of them that have an answer, which waits for the peer to take it.
    pub(super) owed: AtomicU32,
    /// A head has begun and is not complete.
    pub(super) receiving: AtomicBool,
    pub(super) speaks_http2: AtomicBool,
    /// Counts the beginnings and ends of requests.
    pub(super) turns: AtomicU32,
    pub(super) opened: Instant,
    /// Milliseconds from `opened` to the last answer, or to the beginning of what is being received.
    pub(super) active: AtomicU64,
    /// Milliseconds from `opened` to when the peer last took something of what is owed, or that began.
    pub(super) moved: AtomicU64,
    pub(super) asked: AtomicU8,
    /// Whoever is quiet shall go: for the sake of others, or for good.
    pub(super) makes_room: AtomicBool,
    pub(super) finishes: AtomicBool,
    pub(super) called: Notify,
}

impl Pulse {
    pub(in crate::http) fn new() -> Self {
        Self {
            in_flight: AtomicU32::new(0),
            handled: AtomicU32::new(0),
            owed: AtomicU32::new(0),
            receiving: AtomicBool::new(false),
            speaks_http2: AtomicBool::new(false),
            turns: AtomicU32::new(0),
            opened: Instant::now(),
            active: AtomicU64::new(0),
            moved: AtomicU64::new(0),
            asked: AtomicU8::new(0),
            makes_room: AtomicBool::new(false),
            finishes: AtomicBool::new(false),
            called: Notify::new(),
        }
    }

    /// A request is under way until the guard is dropped.
    pub(in crate::http) fn begin(self: &Arc<Self>) -> InFlight {
        self.turns.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.receiving.store(false, Ordering::Relaxed);
        self.makes_room.store(false, Ordering::Relaxed);
        self.mark_active(Instant::now());
        InFlight { pulse: Arc::clone(self), stage: Stage::Coming }
    }

    pub(in crate::http) fn is_busy(&self) -> bool {
        self.in_flight.load(Ordering::Acquire) > 0
    }

    /// A request is complete and has no answer yet.
    pub(in crate::http) fn is_handling(&self) -> bool {
        self.handled.load(Ordering::Acquire) > 0
    }

    /// Nothing of a request is there.
    pub(in crate::http) fn is_quiet(&self) -> bool {
        !self.is_busy() && !self.receiving.load(Ordering::Relaxed)
    }

    /// Since when answers wait for the peer and none of them moves; `None` where none waits.
    pub(super) fn owes_since(&self) -> Option<Instant> {
        let owes = self.owed.load(Ordering::Acquire) > 0;
        owes.then(|| self.opened + Duration::from_millis(self.moved.load(Ordering::Relaxed)))
    }

    pub(in crate::http) fn speaks_http2(&self) -> bool {
        self.speaks_http2.load(Ordering::Relaxed)
    }

    /// When it last did something for a request, when that began which is being received, or when it was opened.
    pub(in crate::http) fn last_active(&self) -> Instant {
        self.opened + Duration::from_millis(self.active.load(Ordering::Relaxed))
    }

    /// Who goes first when room is wanted: those that never asked for anything, and among equals the longest inactive.
    pub(in crate::http) fn rank(&self) -> (bool, Instant) {
        (self.turns.load(Ordering::Relaxed) > 0, self.last_active())
    }

    pub(in crate::http) fn ask(&self, what: Ask) {
        match what {
            Ask::Leave => self.makes_room.store(true, Ordering::Relaxed),
            Ask::Finish => self.finishes.store(true, Ordering::Relaxed),
            Ask::Part | Ask::Yield | Ask::Abort => {}
        }
        self.asked.fetch_or(what as u8, Ordering::Release);
        self.called.notify_one();
    }

    /// Waits until something is asked.
    pub(in crate::http) async fn asked(&self) -> Asked {
        self.called.notified().await;
        Asked(self.asked.swap(0, Ordering::Acquire))
    }

    /// Where requests of this stage are counted apart.
    fn count(&self, stage: Stage) -> Option<&AtomicU32> {
        match stage {
            Stage::Coming => None,
            Stage::Handled => Some(&self.handled),
            Stage::Owed => Some(&self.owed),
        }
    }

    pub(super) fn mark_active(&self, now: Instant) {
        self.active.store(self.milliseconds(now), Ordering::Relaxed);
    }

    /// From `opened` to `now`.
    fn milliseconds(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.opened).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX)
    }
}

/// One request under way.
#[derive(Debug)]
pub(in crate::http) struct InFlight {
    pulse: Arc<Pulse>,
    stage: Stage,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Coming,
    Handled,
    Owed,
}

impl InFlight {
    /// Its last byte has come: from now on it is ours to answer.
    pub(in crate::http) fn complete(&mut self) {
        self.step(Stage::Handled);
    }

    /// Its answer is there: from now on it is the peer's to take it.
    pub(in crate::http) fn answered(&mut self) {
        if self.pulse.owed.load(Ordering::Acquire) == 0 {
            self.taken();
        }
        self.step(Stage::Owed);
        self.pulse.mark_active(Instant::now());
    }

    /// The peer has taken something of it.
    pub(in crate::http) fn taken(&self) {
        self.pulse.moved.store(self.pulse.milliseconds(Instant::now()), Ordering::Relaxed);
    }

    fn step(&mut self, stage: Stage) {
        if let Some(count) = self.pulse.count(stage) {
            count.fetch_add(1, Ordering::Release);
        }
        if let Some(count) = self.pulse.count(self.stage) {
            count.fetch_sub(1, Ordering::Release);
        }
        self.stage = stage;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.pulse.mark_active(Instant::now());
        // In this order: one who sees the request gone must see its turn too.
        self.pulse.turns.fetch_add(1, Ordering::Relaxed);
        self.pulse.in_flight.fetch_sub(1, Ordering::Release);
        if let Some(count) = self.pulse.count(self.stage) {
            count.fetch_sub(1, Ordering::Release);
        }
    }
}
