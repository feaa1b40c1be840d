//! What is promised of failed attempts: exact, in parallel too, alike for all ids, and nothing against who is right.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use proptest::prelude::*;

use super::*;
use crate::time::Timestamp;

/// Nanoseconds, moved by hand.
#[derive(Default)]
struct Nanos(AtomicU64);

impl Clock for Nanos {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

struct Room {
    clock: Arc<Nanos>,
    attempts: Arc<Attempts>,
}

/// How an attempt looks from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Wrong,
    Throttled(Duration),
}

/// Whether it was looked at, and what it was told.
type Seen = (bool, Told);

impl Room {
    fn new(own: &str, of_source: &str) -> Self {
        let clock = Arc::new(Nanos::default());
        let [own, of_source] = [own, of_source].map(|text| Quota::parse(text).unwrap());
        let attempts = Arc::new(Attempts::new(own, of_source, clock.clone(), &[1; 32]));
        Self { clock, attempts }
    }

    fn later(&self, span: Duration) {
        self.clock.0.fetch_add(u64::try_from(span.as_nanos()).unwrap(), Ordering::Relaxed);
    }

    /// A wrong secret.
    fn wrong(&self, attempt: &Attempt<'_>) -> Seen {
        match self.attempts.permit(attempt) {
            Ok(permit) => {
                let if_wrong = permit.if_wrong();
                drop(permit.begin());
                (true, if_wrong.map_or(Told::Wrong, |throttled| Told::Throttled(throttled.wait)))
            }
            Err(throttled) => (false, Told::Throttled(throttled.wait)),
        }
    }

    /// A wrong assertion.
    fn badly_signed(&self, attempt: &Attempt<'_>) -> Seen {
        if let Err(throttled) = self.attempts.check(attempt) {
            return (false, Told::Throttled(throttled.wait));
        }
        let throttled = self.attempts.failed(attempt);
        (true, throttled.map_or(Told::Wrong, |throttled| Told::Throttled(throttled.wait)))
    }

    /// A right secret: whether it was looked at.
    fn right(&self, attempt: &Attempt<'_>) -> bool {
        self.attempts.permit(attempt).map(|permit| permit.begin().was_right()).is_ok()
    }
}

fn from(client_id: &str, last: u8) -> Attempt<'_> {
    let source = Source::of(Some([192, 0, 2, last].into()));
    Attempt { client_id, is_registered: true, source }
}

fn unknown(client_id: &str, last: u8) -> Attempt<'_> {
    Attempt { is_registered: false, ..from(client_id, last) }
}

#[test]
fn of_200_parallel_attempts_no_more_are_looked_at_than_may_fail() {
    for (own, of_source, most) in [("10/1m", "100/1m", 10), ("100/1m", "7/1m", 7)] {
        let room = Room::new(own, of_source);
        let (start, looked_at) = (Barrier::new(200), AtomicU32::new(0));
        std::thread::scope(|threads| {
            for _ in 0..200 {
                threads.spawn(|| {
                    start.wait();
                    let (was_looked_at, _) = room.wrong(&from("web", 1));
                    looked_at.fetch_add(was_looked_at.into(), Ordering::Relaxed);
                });
            }
        });
        assert_eq!(looked_at.load(Ordering::Relaxed), most);
    }
}

#[test]
fn who_is_right_is_charged_nothing() {
    let room = Room::new("1/1m", "1/1m");
    for _ in 0..1_000 {
        assert!(room.right(&from("web", 1)));
    }
    assert_eq!(room.attempts.len(), (0, 0));
}

#[test]
fn what_was_not_looked_at_is_charged_nothing() {
    let room = Room::new("1/1m", "1/1m");
    for _ in 0..10 {
        drop(room.attempts.permit(&from("web", 1)).unwrap_or_else(|_| panic!("a permit")));
    }
    assert_eq!(room.attempts.len(), (0, 0));
    let permit = room.attempts.permit(&from("web", 1)).unwrap_or_else(|_| panic!("a permit"));
    assert!(room.attempts.permit(&from("web", 1)).is_err(), "while it is out there is no other");
    drop(permit);
}

#[test]
fn an_exhausted_source_lets_those_try_who_have_not_failed_there() {
    let room = Room::new("10/1m", "3/1m");
    for _ in 0..3 {
        assert_eq!(room.wrong(&unknown("nobody", 1)), (true, Told::Wrong));
    }
    let wait = Duration::from_secs(20);
    assert_eq!(room.wrong(&unknown("nobody", 1)), (false, Told::Throttled(wait)));
    assert!(room.right(&from("web", 1)), "right, and never failed from there");
    assert_eq!(room.wrong(&from("web", 1)), (true, Told::Throttled(wait)), "wrong, and told like the others");
    assert!(!room.right(&from("web", 1)), "now it has failed from there");
    assert!(room.right(&from("web", 2)), "and comes in from elsewhere");
    room.later(wait);
    assert!(room.right(&from("web", 1)));
}

#[test]
fn those_who_failed_lately_are_told_apart_for_the_waiting_room() {
    let room = Room::new("10/1m", "100/1m");
    let has_failed = |attempt: &Attempt<'_>| room.attempts.permit(attempt).is_ok_and(|p| p.has_failed());
    let under_way = room.attempts.permit(&from("web", 1)).unwrap_or_else(|_| panic!("a permit"));
    assert!(!has_failed(&from("web", 1)), "what is still looked at may be right");
    drop(under_way.begin());
    assert!(has_failed(&from("web", 1)));
    assert!(has_failed(&from("other", 1)), "the source has failed");
    assert!(!has_failed(&from("web", 2)));
    room.later(Duration::from_mins(1));
    assert!(!has_failed(&from("web", 1)));
}

#[test]
fn the_wait_is_true() {
    let room = Room::new("2/1m", "100/1m");
    room.wrong(&from("web", 1));
    room.wrong(&from("web", 1));
    let (_, Told::Throttled(wait)) = room.wrong(&from("web", 1)) else { panic!("not throttled") };
    assert_eq!(wait, Duration::from_secs(30));
    room.later(wait.saturating_sub(Duration::from_nanos(1)));
    assert!(!room.wrong(&from("web", 1)).0);
    room.later(Duration::from_nanos(1));
    assert!(room.wrong(&from("web", 1)).0);
}

#[derive(Clone, Copy, Debug)]
struct Step {
    client: u8,
    source: u8,
    pause: u64,
    is_right: bool,
    by_assertion: bool,
}

fn any_step() -> impl Strategy<Value = Step> {
    let pause = prop_oneof![4 => Just(0), 2 => 0..3_000_000_000_u64, 1 => 0..40_000_000_000_u64];
    (0..4_u8, 0..2_u8, pause, prop::bool::weighted(0.1), any::<bool>()).prop_map(
        |(client, source, pause, is_right, by_assertion)| Step {
            client,
            source,
            pause,
            is_right,
            by_assertion,
        },
    )
}

fn any_limit() -> impl Strategy<Value = String> {
    (1..6_u32, 1..30_u32).prop_map(|(count, seconds)| format!("{count}/{seconds}s"))
}

const IDS: [&str; 4] = ["a", "b", "c", "d"];

proptest! {
    /// Nobody can tell a registered id from another by any order of wrong attempts, waits included.
    #[test]
    fn registered_and_unknown_ids_are_told_the_same(
        steps in prop::collection::vec(any_step(), 1..80), limits in (any_limit(), any_limit())
    ) {
        let rooms = [true, false].map(|registered| (Room::new(&limits.0, &limits.1), registered));
        for step in steps {
            let told = rooms.each_ref().map(|(room, is_registered)| {
                room.later(Duration::from_nanos(step.pause));
                let attempt = from(IDS[usize::from(step.client)], step.source);
                let attempt = Attempt { is_registered: *is_registered, ..attempt };
                if step.by_assertion { room.badly_signed(&attempt).1 } else { room.wrong(&attempt).1 }
            });
            prop_assert_eq!(told[0], told[1]);
        }
    }

    /// In every window no more wrong ones are looked at than `count + rate x window`, whoever is right in between.
    #[test]
    fn never_more_are_looked_at_than_the_limit_says(
        steps in prop::collection::vec(any_step(), 1..120), limits in (any_limit(), any_limit())
    ) {
        let room = Room::new(&limits.0, &limits.1);
        let mut by_id: Vec<Vec<u64>> = vec![Vec::new(); IDS.len() * 2];
        let mut by_source: Vec<Vec<u64>> = vec![Vec::new(); 2];
        for step in steps {
            room.later(Duration::from_nanos(step.pause));
            let now = room.clock.0.load(Ordering::Relaxed);
            let id = IDS[usize::from(step.client)];
            // Half of the ids are registered; only unknown ones are held to the source's limit alone.
            let attempt = Attempt { is_registered: step.client < 2, ..from(id, step.source) };
            if step.is_right && attempt.is_registered {
                room.right(&attempt);
            } else if room.wrong(&attempt).0 {
                by_id[usize::from(step.client) * 2 + usize::from(step.source)].push(now);
                if !attempt.is_registered {
                    by_source[usize::from(step.source)].push(now);
                }
            }
        }
        let held = |times: &Vec<u64>, limit: &str| {
            let quota = Quota::parse(limit).unwrap();
            let (count, period) = (u128::from(quota.count().get()), quota.period().as_nanos());
            times.iter().enumerate().all(|(first, start)| {
                times[first..].iter().enumerate().all(|(further, end)| {
                    let over = u128::try_from(further + 1).unwrap().saturating_sub(count);
                    over * period <= u128::from(end - start) * count
                })
            })
        };
        prop_assert!(by_id.iter().all(|times| held(times, &limits.0)));
        prop_assert!(by_source.iter().all(|times| held(times, &limits.1)));
    }

    /// An id of any length and any text takes the same room, and two are never one.
    #[test]
    fn names_are_by_id_and_source(one in any::<(String, [u8; 4])>(), other in any::<(String, [u8; 4])>()) {
        let room = Room::new("1/1m", "1/1m");
        let name = |(client_id, address): &(String, [u8; 4])| {
            let source = Source::of(Some((*address).into()));
            room.attempts.name(&Attempt { client_id, is_registered: false, source })
        };
        prop_assert_eq!(name(&one) == name(&other), one == other);
    }
}
