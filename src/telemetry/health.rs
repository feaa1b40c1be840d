//! Whether tokens can be issued now, as the background tasks found it last, and whether they still look.
//!
//! What a task says is kept until it says something else. That it says nothing
//! any more is judged when somebody asks, by the monotonic clock, so that no
//! task has to live to tell of the death of another. What is told here goes to
//! the public: it names tasks and what to do, never a cause, which is in the log.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Cadence;
use crate::ambient::Clock;

/// What the background tasks say of themselves.
pub struct Health {
    clock: Arc<dyn Clock>,
    tasks: Mutex<BTreeMap<&'static str, Task>>,
    stopping: AtomicBool,
}

struct Task {
    cadence: Cadence,
    advice: &'static str,
    last_sign: Duration,
    failing_since: Option<Duration>,
    worked_at: Option<Duration>,
    concern: Option<(Duration, String)>,
}

/// The answer to "are you ready?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Nothing is in the way of issuing tokens. There may be complaints all the same.
    pub ready: bool,
    /// One line each: who, since when, what to do.
    pub complaints: Vec<String>,
}

/// What the background tasks say of themselves, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthReading {
    /// Nothing that is known here is in the way of issuing tokens.
    pub ready: bool,
    /// By name.
    pub tasks: Vec<TaskReading>,
}

/// What one background task says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskReading {
    /// Its name.
    pub name: &'static str,
    /// It gives no sign of life.
    pub is_late: bool,
    /// Its last run failed.
    pub is_failing: bool,
    /// It works, but there is something to say.
    pub is_complaining: bool,
    /// How long ago a run of it ended well; `None` before the first.
    pub worked_ago: Option<Duration>,
}

impl Readiness {
    /// Adds what is in the way.
    pub fn obstruct(&mut self, complaint: String) {
        self.ready = false;
        self.complaints.push(complaint);
    }
}

impl Health {
    /// Without tasks, and ready.
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, tasks: Mutex::default(), stopping: AtomicBool::new(false) })
    }

    /// A task begins. From now on its silence is told, until [`Heartbeat`] breaks
    /// it. `advice` is what to do when it fails, without a full stop.
    pub fn register(
        self: &Arc<Self>,
        name: &'static str,
        cadence: Cadence,
        advice: &'static str,
    ) -> Heartbeat {
        let last_sign = self.clock.monotonic();
        let task = Task { cadence, advice, last_sign, failing_since: None, worked_at: None, concern: None };
        self.lock().insert(name, task);
        Heartbeat { health: self.clone(), name }
    }

    /// The service was told to stop: it is not ready any more, for good.
    pub fn stopping(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Whether tokens can be issued, and what there is to complain about.
    pub fn readiness(&self) -> Readiness {
        let (now, wall) = (self.clock.monotonic(), self.clock.now());
        let since = |at: Duration| wall.minus(now.saturating_sub(at));
        let mut readiness = Readiness { ready: true, complaints: Vec::new() };
        if self.stopping.load(Ordering::Acquire) {
            readiness.obstruct("stopping: the service was told to stop; send nothing more here".to_owned());
        }
        for (name, task) in &*self.lock() {
            if task.cadence.is_late(now.saturating_sub(task.last_sign)) {
                let at = since(task.last_sign);
                readiness.obstruct(format!(
                    "{name}: no sign of life since {at}; restart the service unless it comes back by itself"
                ));
            }
            if let Some(at) = task.failing_since.map(since) {
                let advice = task.advice;
                readiness.obstruct(format!(
                    "{name}: fails since {at}; {advice}; the log has the cause under task={name}"
                ));
            }
            if let Some((at, concern)) = &task.concern {
                readiness.complaints.push(format!("{name}: works, but since {}: {concern}", since(*at)));
            }
        }
        readiness
    }

    /// Whether any background task still gives signs of life: if none does, only a restart helps.
    pub fn lives(&self) -> bool {
        let now = self.clock.monotonic();
        let tasks = self.lock();
        let alive = |task: &Task| !task.cadence.is_late(now.saturating_sub(task.last_sign));
        tasks.is_empty() || tasks.values().any(alive)
    }

    /// The same in numbers.
    pub fn reading(&self) -> HealthReading {
        let now = self.clock.monotonic();
        let reading = |(name, task): (&&'static str, &Task)| TaskReading {
            name,
            is_late: task.cadence.is_late(now.saturating_sub(task.last_sign)),
            is_failing: task.failing_since.is_some(),
            is_complaining: task.concern.is_some(),
            worked_ago: task.worked_at.map(|at| now.saturating_sub(at)),
        };
        let tasks: Vec<_> = self.lock().iter().map(reading).collect();
        let in_the_way = tasks.iter().any(|task| task.is_late || task.is_failing);
        HealthReading { ready: !in_the_way && !self.stopping.load(Ordering::Acquire), tasks }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Task>> {
        // Every task's state is whole at every moment, whoever panicked.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one task tells of itself. Each word of it is a sign of life.
pub struct Heartbeat {
    health: Arc<Health>,
    name: &'static str,
}

impl Heartbeat {
    /// Whose it is.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// It lives.
    pub fn beat(&self) {
        self.update(|_, _| {});
    }

    /// A run ended well. What failed before is over.
    pub fn worked(&self) {
        self.update(|task, now| {
            task.failing_since = None;
            task.worked_at = Some(now);
        });
    }

    /// A run failed or panicked. The first of a row counts for "since when".
    pub fn failed(&self) {
        self.update(|task, now| task.failing_since = task.failing_since.or(Some(now)));
    }

    /// It works, but there is this to say, or no longer: one line without secrets,
    /// paths and causes. It is shown, and does not make the service unready: a
    /// balancer that took every node away for it would end what still works.
    pub fn concern(&self, concern: Option<String>) {
        self.update(|task, now| {
            let since = task.concern.as_ref().map_or(now, |(since, _)| *since);
            task.concern = concern.map(|concern| (since, concern));
        });
    }

    fn update(&self, change: impl FnOnce(&mut Task, Duration)) {
        let now = self.health.clock.monotonic();
        if let Some(task) = self.health.lock().get_mut(self.name) {
            task.last_sign = now;
            change(task, now);
        }
    }
}
