//! Tasks under supervision, in a time that passes only when everybody waits.

use std::future::{pending, ready};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

use super::*;
use crate::ambient::{Clock, Entropy, EntropyFailed};
use crate::time::Timestamp;

const START: Timestamp = Timestamp::from_seconds(1_795_348_800);
const SECOND: Duration = Duration::from_secs(1);

/// Both clocks by tokio's, which the tests stop.
struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        START.plus(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Chance that always gives the longest pause.
struct Longest;

impl Entropy for Longest {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyFailed> {
        out.fill(0xff);
        Ok(())
    }

    fn p256_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, EntropyFailed> {
        Err(EntropyFailed)
    }

    fn rsa_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, EntropyFailed> {
        Err(EntropyFailed)
    }
}

/// A house of tasks without any work of its own.
struct House {
    ambient: Ambient,
    health: Arc<Health>,
}

impl House {
    fn new() -> Self {
        let clock = Arc::new(PausedClock(Instant::now()));
        let ambient = Ambient { clock: clock.clone(), entropy: Arc::new(Longest), build: crate::VERSION };
        Self { ambient, health: Health::new(clock) }
    }

    fn run<F: Future<Output = Result<(), String>> + Send + 'static>(
        &self,
        (name, cadence): (&'static str, Cadence),
        tick: impl Fn() -> F + Send + Sync + 'static,
    ) -> JoinHandle<()> {
        let task = Task { name, cadence, advice: "do this" };
        tokio::spawn(task.supervise(&self.health, self.ambient.clone(), tick, || None))
    }

    fn complaints(&self) -> Vec<String> {
        let readiness = self.health.readiness();
        assert_eq!(readiness.ready, readiness.complaints.is_empty(), "{readiness:?}");
        readiness.complaints
    }

    #[track_caller]
    fn assert_ready(&self) {
        assert_eq!(self.complaints(), [] as [String; 0]);
    }
}

/// Lets time pass, and everything happen that is due in it.
async fn pass(span: Duration) {
    timeout(span, pending::<()>()).await.unwrap_err();
}

/// When runs began, since the start.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<Duration>>>);

impl Diary {
    fn note(&self, start: Instant) {
        self.0.lock().unwrap().push(start.elapsed());
    }

    /// Whole seconds between them; the timer is a few milliseconds late.
    fn pauses(&self) -> Vec<u64> {
        let runs = self.0.lock().unwrap();
        runs.windows(2).map(|pair| pair[1].saturating_sub(pair[0]).as_secs()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_is_tried_again_at_growing_distances_until_it_works() {
    let (house, start) = (House::new(), Instant::now());
    let (diary, broken) = (Diary::default(), Arc::new(AtomicBool::new(true)));
    let (noted, switch) = (diary.clone(), broken.clone());
    house.run(("keys", Cadence::backing_off(SECOND, SECOND * 10)), move || {
        let (noted, switch) = (noted.clone(), switch.clone());
        async move {
            noted.note(start);
            assert!(!switch.load(Ordering::Acquire), "a secret in a panic's message");
            Ok(())
        }
    });
    pass(SECOND * 36).await;
    assert_eq!(diary.pauses(), [1, 2, 4, 8, 10, 10]);
    let told = house.complaints();
    let expected =
        "keys: fails since 2026-11-22T12:00:00.000000Z; do this; the log has the cause under task=keys";
    assert_eq!(told, [expected]);

    broken.store(false, Ordering::Release);
    pass(Duration::from_millis(11_500)).await;
    house.assert_ready();
    assert_eq!(diary.pauses()[6..], [10, 1, 1], "and its rhythm is the old one");
    // The next row of failures begins with a short pause again, and with a time of its own.
    broken.store(true, Ordering::Release);
    pass(SECOND * 4).await;
    assert_eq!(diary.pauses()[9..], [1, 1, 2]);
    assert!(house.complaints()[0].starts_with("keys: fails since 2026-11-22T12:00:48."));
}

#[tokio::test(start_paused = true)]
async fn what_a_task_that_must_be_seen_at_once_keeps_is_its_second() {
    let (house, start) = (House::new(), Instant::now());
    let (diary, broken) = (Diary::default(), Arc::new(AtomicBool::new(true)));
    let (noted, switch) = (diary.clone(), broken.clone());
    house.run(("store", Cadence::steady(SECOND)), move || {
        noted.note(start);
        let broken = switch.load(Ordering::Acquire);
        ready(if broken { Err("/var/lib/mintmark is full".to_owned()) } else { Ok(()) })
    });
    pass(SECOND * 60).await;
    assert_eq!(diary.pauses(), vec![1; diary.pauses().len()]);
    assert!(diary.pauses().len() >= 59);
    let told = house.complaints();
    assert!(told.len() == 1 && !told[0].contains("var"), "the cause is for the log: {told:?}");
    broken.store(false, Ordering::Release);
    pass(SECOND).await;
    house.assert_ready();
}

#[tokio::test(start_paused = true)]
async fn a_run_that_never_ends_is_noticed_within_half_a_minute_and_forgiven_when_it_ends() {
    for period in [Duration::from_millis(40), SECOND, Duration::from_hours(1)] {
        let (house, rescue) = (House::new(), Arc::new(Notify::new()));
        let (runs, rescued) = (Arc::new(AtomicU64::new(0)), rescue.clone());
        let cadence = Cadence::backing_off(period, SECOND);
        house.run(("keys", cadence), move || {
            let (nth, rescued) = (runs.fetch_add(1, Ordering::AcqRel), rescued.clone());
            async move {
                if nth == 1 {
                    rescued.notified().await;
                }
                Ok(())
            }
        });
        pass(period).await;
        house.assert_ready();
        pass(cadence.longest_silence().saturating_sub(SECOND)).await;
        house.assert_ready();
        pass(SECOND * 2).await;
        let told = house.complaints();
        assert!(
            told.len() == 1 && told[0].starts_with("keys: no sign of life since 2026-11-22T1"),
            "{told:?}"
        );
        assert!(told[0].contains("restart the service"), "{told:?}");
        rescue.notify_one();
        pass(Duration::from_millis(1)).await;
        house.assert_ready();
    }
}

#[tokio::test(start_paused = true)]
async fn the_death_of_a_supervisor_is_noticed_within_half_a_minute() {
    let house = House::new();
    let hourly = Cadence::backing_off(Duration::from_hours(1), SECOND);
    let doomed = house.run(("retention", hourly), || ready(Ok(())));
    house.run(("store", Cadence::steady(SECOND)), || ready(Ok(())));
    pass(Duration::from_mins(100)).await;
    house.assert_ready();
    doomed.abort();
    pass(SECOND * 30).await;
    let told = house.complaints();
    assert!(told.len() == 1 && told[0].starts_with("retention: no sign of life since"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_never_started_is_a_silence_too() {
    let house = House::new();
    let task = Task { name: "keys", cadence: Cadence::steady(SECOND), advice: "do this" };
    let _never_polled = task.supervise(&house.health, house.ambient.clone(), || ready(Ok(())), || None);
    house.assert_ready();
    pass(SECOND * 10).await;
    assert_eq!(house.complaints().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_panics_stops_nobody_else_and_poisons_nothing() {
    let house = House::new();
    let shared = Arc::new(Mutex::new(0_u64));
    let (breaks, counts) = (shared.clone(), shared.clone());
    house.run(("broken", Cadence::steady(SECOND)), move || {
        let _held = breaks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        panic!("with a lock in its hand");
        #[expect(unreachable_code, reason = "it gives the tick its type")]
        ready(Ok(()))
    });
    house.run(("sweep", Cadence::steady(SECOND)), move || {
        *counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += 1;
        ready(Ok(()))
    });
    pass(SECOND * 60).await;
    assert!(*shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner) >= 60);
    let told = house.complaints();
    assert!(told.len() == 1 && told[0].starts_with("broken: fails since"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn one_that_works_may_complain_and_leaves_the_service_ready() {
    let house = House::new();
    let concern = Arc::new(Mutex::new(None));
    let (fails, said) = (Arc::new(AtomicBool::new(false)), concern.clone());
    let failing = fails.clone();
    let task = Task { name: "keys", cadence: Cadence::steady(SECOND), advice: "do this" };
    let tick = move || ready(if failing.load(Ordering::Acquire) { Err("no".to_owned()) } else { Ok(()) });
    let say = move || said.lock().unwrap().clone();
    tokio::spawn(task.supervise(&house.health, house.ambient.clone(), tick, say));
    pass(SECOND * 5).await;
    house.assert_ready();

    *concern.lock().unwrap() = Some("the next key of ES256 is missing".to_owned());
    pass(SECOND * 5).await;
    let readiness = house.health.readiness();
    assert!(readiness.ready);
    let works = "keys: works, but since 2026-11-22T12:00:0";
    assert!(readiness.complaints[0].starts_with(works), "{readiness:?}");
    assert!(readiness.complaints[0].ends_with("Z: the next key of ES256 is missing"), "{readiness:?}");

    fails.store(true, Ordering::Release);
    pass(SECOND * 2).await;
    let readiness = house.health.readiness();
    assert!(!readiness.ready && readiness.complaints.len() == 2, "both are told: {readiness:?}");

    fails.store(false, Ordering::Release);
    *concern.lock().unwrap() = None;
    pass(SECOND * 2).await;
    house.assert_ready();
}

#[tokio::test(start_paused = true)]
async fn runs_that_take_longer_than_their_period_follow_each_other_and_leave_others_their_turn() {
    let house = House::new();
    let counted = Arc::new(AtomicU64::new(0));
    let runs = counted.clone();
    house.run(("busy", Cadence::steady(Duration::ZERO)), move || {
        runs.fetch_add(1, Ordering::AcqRel);
        tokio::task::yield_now().map(Ok)
    });
    // Time stands still while somebody is busy, so that only turns are counted here.
    while counted.load(Ordering::Acquire) < 100 {
        tokio::task::yield_now().await;
    }
    house.assert_ready();
}
