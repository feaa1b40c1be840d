//! What the limiter promises: exact, all or none, true waits, nothing forgotten by a change.

mod nodes;

use std::num::NonZeroU32;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;

use super::*;
use crate::limits::LimitKey;
use crate::oauth::scope::ScopeToken;

const NOW: Duration = Duration::from_secs(1_000);

fn quota(text: &str) -> Quota {
    Quota::parse(text).unwrap()
}

fn burst(text: &str, burst: u32) -> Quota {
    quota(text).with_burst(NonZeroU32::new(burst).unwrap()).unwrap()
}

fn charge(client: u32, scope: u32, quota: Quota) -> Charge {
    let token = ScopeToken::parse(&format!("scope:{scope}")).unwrap();
    Charge { key: LimitKey { client, scope }, scope: token, quota, total: None, enforce: Enforce::Refuse }
}

fn remaining(decision: &Decision) -> Vec<u32> {
    decision.charged.iter().map(|state| state.remaining).collect()
}

#[test]
fn of_200_parallel_requests_with_burst_5_exactly_5_pass() {
    for round in 0..10 {
        let limiter = Limiter::new();
        let (start, passed) = (Barrier::new(200), AtomicU32::new(0));
        std::thread::scope(|threads| {
            for _ in 0..200 {
                threads.spawn(|| {
                    let charges = [charge(round, 0, quota("5/1h"))];
                    start.wait();
                    let decision = limiter.admit(&charges, NOW);
                    passed.fetch_add(u32::from(decision.admitted), Ordering::Relaxed);
                });
            }
        });
        assert_eq!(passed.load(Ordering::Relaxed), 5);
    }
}

#[test]
fn parallel_requests_in_opposite_orders_neither_block_nor_exceed_the_total() {
    let limiter = Limiter::new();
    let passed = AtomicU32::new(0);
    std::thread::scope(|threads| {
        for client in 0..8 {
            let (limiter, passed) = (&limiter, &passed);
            threads.spawn(move || {
                let mut charges: Vec<_> =
                    (0..3).map(|scope| charge(client, scope, quota("1000/1h"))).collect();
                charges[1].total = Some(quota("100/1h"));
                charges[2].total = Some(quota("150/1h"));
                for _ in 0..50 {
                    charges.reverse();
                    let admitted = limiter.admit(&charges, NOW).admitted;
                    passed.fetch_add(u32::from(admitted), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(passed.load(Ordering::Relaxed), 100);
    let mut last = charge(99, 2, quota("1000/1h"));
    last.total = Some(quota("150/1h"));
    assert_eq!(remaining(&limiter.admit(&[last], NOW)), [49], "what was refused was not charged");
}

#[test]
fn one_exhausted_scope_leaves_the_others_untouched() {
    let limiter = Limiter::new();
    let (a, b) = (charge(1, 0, quota("5/1m")), charge(1, 1, quota("1/1m")));
    assert!(limiter.admit(&[a.clone(), b.clone()], NOW).admitted);
    for _ in 0..10 {
        let refused = limiter.admit(&[a.clone(), b.clone()], NOW);
        assert!(!refused.admitted);
        assert_eq!(remaining(&refused), [4, 0]);
        assert_eq!(refused.retry_after, Some(Duration::from_mins(1)));
    }
    assert_eq!(remaining(&limiter.admit(&[a], NOW)), [3]);
}

#[test]
fn the_greatest_wait_is_told_and_is_true() {
    let limiter = Limiter::new();
    let both = [charge(1, 0, quota("7/1m")), charge(1, 1, quota("1/1h"))];
    assert!(limiter.admit(&both, NOW).admitted);
    let wait = limiter.admit(&both, NOW).retry_after.unwrap();
    assert_eq!(wait, Duration::from_hours(1));
    assert!(!limiter.admit(&both, NOW + wait.saturating_sub(Duration::from_nanos(1))).admitted);
    let decision = limiter.admit(&both, NOW + wait);
    assert!(decision.admitted);
    assert_eq!(decision.retry_after, None);
}

#[test]
fn a_repeated_scope_counts_once_and_scopes_are_in_order() {
    let limiter = Limiter::new();
    let (a, b) = (charge(1, 0, quota("5/1m")), charge(1, 1, quota("3/1m")));
    let decision = limiter.admit(&[b.clone(), a.clone(), a, b], NOW);
    assert_eq!(remaining(&decision), [4, 2]);
    assert_eq!(decision.charged[0].reset, Duration::from_secs(12));
    assert_eq!(decision.charged[1].reset, Duration::from_secs(20));
}

#[test]
fn nothing_to_charge_is_admitted() {
    let decision = Limiter::new().admit(&[], NOW);
    assert!(decision.admitted && decision.charged.is_empty() && decision.retry_after.is_none());
}

#[test]
fn a_total_holds_over_all_clients_and_clients_apart_from_each_other() {
    let limiter = Limiter::new();
    let ask = |client| {
        limiter.admit(&[Charge { total: Some(quota("3/1m")), ..charge(client, 0, quota("2/1m")) }], NOW)
    };
    assert_eq!(remaining(&ask(1)), [1]);
    assert_eq!(remaining(&ask(1)), [0]);
    let own = ask(1);
    assert_eq!((own.admitted, own.retry_after), (false, Some(Duration::from_secs(30))));
    assert_eq!(remaining(&ask(2)), [0], "the total is the narrower one");
    let total = ask(3);
    assert_eq!((total.admitted, total.retry_after), (false, Some(Duration::from_secs(20))));
    assert_eq!(total.charged[0].reset, Duration::from_secs(20));
}

#[test]
fn monitor_lets_pass_and_tells() {
    let limiter = Limiter::new();
    let watched = Charge { enforce: Enforce::Monitor, ..charge(1, 1, quota("1/1m")) };
    let charges = [charge(1, 0, quota("3/1m")), watched.clone()];
    assert!(limiter.admit(&charges, NOW).would_have_refused.is_empty());
    for left in [1, 0] {
        let decision = limiter.admit(&charges, NOW);
        assert_eq!((decision.admitted, decision.retry_after), (true, None));
        assert_eq!(decision.would_have_refused, std::slice::from_ref(&watched.scope));
        assert_eq!(remaining(&decision), [left, 0]);
    }
    assert!(!limiter.admit(&charges, NOW).admitted, "the other scope still refuses");
    let later = limiter.admit(&[watched], NOW + Duration::from_mins(1));
    assert!(later.would_have_refused.is_empty(), "what passed over the limit was not charged");
}

#[test]
fn a_changed_quota_forgets_nothing_and_its_waits_are_true() {
    let limiter = Limiter::new();
    let ask = |quota, now| limiter.admit(&[charge(1, 0, quota)], now);
    for _ in 0..4 {
        ask(quota("10/1h"), NOW);
    }
    assert_eq!(remaining(&ask(quota("10/1m"), NOW)), [5], "faster, but the four stay taken");
    assert_eq!(remaining(&ask(quota("10/1h"), NOW)), [4], "and back");
    let narrow = ask(quota("4/1h"), NOW);
    assert!(!narrow.admitted);
    // Six taken of four: two and one more must grow back, each in a quarter of an hour.
    assert_eq!(narrow.retry_after, Some(Duration::from_mins(45)));

    // A refusal under the new quota starts the new rate, or the wait would never end.
    let wait = ask(quota("4/1m"), NOW).retry_after.unwrap();
    assert_eq!(wait, Duration::from_secs(45));
    assert!(ask(quota("4/1m"), NOW + wait).admitted);
}

#[test]
fn time_that_steps_back_opens_nothing() {
    let limiter = Limiter::new();
    let ask = |now| limiter.admit(&[charge(1, 0, quota("2/1m"))], now);
    assert!(ask(NOW).admitted && ask(NOW).admitted);
    let wait = ask(Duration::ZERO).retry_after.unwrap();
    assert_eq!(wait, Duration::from_secs(30), "closes nothing either");
    limiter.sweep(NOW + Duration::from_mins(1));
    assert!(limiter.is_empty());
    assert!(ask(NOW).admitted && ask(NOW).admitted);
    assert!(!ask(NOW + Duration::from_secs(89)).admitted, "counted as of the sweep");
    assert!(ask(NOW + Duration::from_secs(90)).admitted);
}

#[test]
fn extremes_do_not_overflow() {
    let most = NonZeroU32::MAX;
    let year = Duration::from_hours(366 * 24);
    let quotas = [
        Quota::new(most, Duration::from_secs(1), most).unwrap(),
        Quota::new(most, year, most).unwrap(),
        Quota::new(NonZeroU32::MIN, year, NonZeroU32::MIN).unwrap(),
        Quota::new(NonZeroU32::MIN, year, NonZeroU32::MIN).unwrap().divided(most),
        Quota::new(most, year, most).unwrap().divided(most),
    ];
    let limiter = Limiter::new();
    for now in [Duration::ZERO, year, Duration::from_secs(u64::MAX), Duration::MAX] {
        for (client, first) in (0..).zip(quotas) {
            for quota in [first].into_iter().chain(quotas) {
                let total = Some(first);
                let decision = limiter.admit(&[Charge { total, ..charge(client, client, quota) }], now);
                assert_eq!(decision.admitted, decision.retry_after.is_none());
            }
        }
        limiter.sweep(now);
    }
}

#[test]
fn memory_follows_what_is_in_use() {
    let limiter = Limiter::new();
    for client in 0..100_000 {
        let now = NOW + Duration::from_millis(client.into());
        limiter.admit(&[charge(client, 0, quota("10/1s"))], now);
        if client % 500 == 0 {
            limiter.sweep(now);
            assert!(limiter.len() <= 101, "one permit grows back in 100 ms");
        }
    }
    limiter.sweep(NOW + Duration::from_secs(200));
    assert!(limiter.is_empty());
    for shard in &limiter.shards {
        let shard = lock(shard);
        assert!(shard.states.capacity() <= 128 && shard.stage.capacity() <= 128);
    }
}

#[test]
fn refused_and_waived_requests_take_no_memory() {
    let limiter = Limiter::new();
    let watched = |scope| Charge {
        enforce: Enforce::Monitor,
        total: Some(quota("1/1h")),
        ..charge(2, scope, quota("5/1h"))
    };
    limiter.admit(&[charge(1, 0, quota("1/1h")), watched(1)], NOW);
    let known = limiter.len();
    for scope in 2..1_000 {
        assert!(!limiter.admit(&[charge(1, 0, quota("1/1h")), watched(scope)], NOW).admitted);
    }
    assert_eq!(limiter.len(), known);
}

#[test]
fn a_panic_under_the_locks_opens_and_closes_nothing() {
    let limiter = Limiter::new();
    assert!(limiter.admit(&[charge(1, 0, quota("2/1m"))], NOW).admitted);
    for shard in &limiter.shards {
        let broken = std::thread::scope(|threads| {
            threads
                .spawn(|| {
                    let mut held = lock(shard);
                    let slot = Slot { client: Some(1), scope: 0 };
                    held.stage(slot, &quota("2/1m"), 0);
                    panic!("a test's panic");
                })
                .join()
        });
        assert!(broken.is_err() && shard.is_poisoned());
    }
    assert!(limiter.admit(&[charge(1, 0, quota("2/1m"))], NOW).admitted);
    assert!(!limiter.admit(&[charge(1, 0, quota("2/1m"))], NOW).admitted);
    limiter.sweep(NOW);
    assert_eq!(limiter.reading().scopes[&0], ScopeCounts { allowed: 2, refused: 1, would_have_refused: 0 });
}

/// A leaky bucket in plain words, to compare with: it fills by one interval a permit and drains as time passes.
#[derive(Clone, Copy, Default)]
struct Bucket {
    level: u128,
    interval: u128,
    at: u128,
}

impl Bucket {
    fn at(self, quota: &Quota, now: u128) -> Self {
        let interval = quota.period().as_nanos().div_ceil(quota.count().get().into());
        let drained = self.level.saturating_sub(now - self.at);
        let level = if self.interval == 0 { 0 } else { (drained * interval).div_ceil(self.interval) };
        Self { level, interval, at: now }
    }

    fn filled(self) -> Self {
        Self { level: self.level + self.interval, ..self }
    }

    /// Zero when one more permit has room.
    fn wait(self, quota: &Quota) -> u128 {
        let room = self.interval * u128::from(quota.burst().get());
        (self.level + self.interval).saturating_sub(room)
    }

    /// Counted by taking them.
    fn remaining(mut self, quota: &Quota) -> u32 {
        let mut permits = 0;
        while self.wait(quota) == 0 {
            self = self.filled();
            permits += 1;
        }
        permits
    }
}

/// The specification of a request, one budget after the other.
#[derive(Default)]
struct Reference(HashMap<Slot, Bucket>);

impl Reference {
    fn admit(&mut self, charges: &[Charge], now: Duration) -> Decision {
        let now = now.as_nanos();
        for (slot, quota) in charges.iter().flat_map(Charge::slots) {
            let bucket = self.0.entry(slot).or_default();
            *bucket = bucket.at(&quota, now);
        }
        let refuses =
            |charge: &Charge| charge.slots().map(|(slot, quota)| self.0[&slot].wait(&quota)).max().unwrap();
        let enforced = charges.iter().filter(|charge| charge.enforce == Enforce::Refuse);
        let wait = enforced.map(refuses).max().unwrap_or(0);
        let (over, within): (Vec<_>, Vec<_>) = charges.iter().partition(|charge| refuses(charge) > 0);
        if wait == 0 {
            for (slot, _) in within.into_iter().flat_map(Charge::slots) {
                let bucket = self.0.get_mut(&slot).unwrap();
                *bucket = bucket.filled();
            }
        }
        let monitored = over.iter().filter(|charge| charge.enforce == Enforce::Monitor);
        Decision {
            admitted: wait == 0,
            charged: charges.iter().map(|charge| self.state(charge)).collect(),
            retry_after: (wait > 0).then(|| span(wait)),
            would_have_refused: monitored.map(|charge| charge.scope.clone()).collect(),
        }
    }

    fn state(&self, charge: &Charge) -> ScopeState {
        let states = charge.slots().map(|(slot, quota)| {
            let bucket = self.0[&slot];
            let wait = bucket.wait(&quota);
            (bucket.remaining(&quota), span(if wait > 0 { wait } else { bucket.level }))
        });
        let narrowest = states.reduce(|one, other| match one.0.cmp(&other.0) {
            std::cmp::Ordering::Less => one,
            std::cmp::Ordering::Greater => other,
            std::cmp::Ordering::Equal => (one.0, one.1.max(other.1)),
        });
        let (remaining, reset) = narrowest.unwrap();
        ScopeState { scope: charge.scope.clone(), quota: charge.quota, remaining, reset }
    }
}

fn span(nanos: u128) -> Duration {
    Duration::from_nanos(nanos.try_into().unwrap())
}

fn any_quota() -> impl Strategy<Value = Quota> {
    prop::sample::select(vec![
        quota("1/1s"),
        quota("3/1s"),
        quota("7/1m"),
        quota("5/1m"),
        burst("600/1m", 4),
        burst("1/1h", 3),
        burst("30/1m", 1),
    ])
}

/// A request of one of two clients for some of three scopes, some time after the last.
fn any_request() -> impl Strategy<Value = (Vec<Charge>, Duration)> {
    let limits = (any_quota(), prop::option::weighted(0.3, any_quota()), prop::bool::weighted(0.2));
    let scopes = prop::sample::subsequence(vec![0, 1, 2], 1..=3);
    let pause = prop_oneof![Just(0), 0..50u64, 0..5_000u64, 0..4_000_000u64];
    (0..2u32, scopes, prop::collection::vec(limits, 3), pause).prop_map(|(client, scopes, limits, pause)| {
        let charges = scopes.into_iter().zip(limits).map(|(scope, (quota, total, monitor))| {
            let enforce = if monitor { Enforce::Monitor } else { Enforce::Refuse };
            Charge { total, enforce, ..charge(client, scope, quota) }
        });
        (charges.collect(), Duration::from_millis(pause))
    })
}

proptest! {
    #[test]
    fn decides_like_the_reference(requests in prop::collection::vec(any_request(), 1..60)) {
        let (limiter, mut reference) = (Limiter::new(), Reference::default());
        let mut now = NOW;
        for (charges, pause) in requests {
            now += pause;
            prop_assert_eq!(limiter.admit(&charges, now), reference.admit(&charges, now));
        }
    }

    #[test]
    fn a_sweep_changes_no_decision(
        requests in prop::collection::vec((any_request(), any::<bool>()), 1..60)
    ) {
        let (swept, kept) = (Limiter::new(), Limiter::new());
        let mut now = NOW;
        for ((charges, pause), sweep) in requests {
            now += pause;
            if sweep {
                swept.sweep(now);
            }
            prop_assert_eq!(swept.admit(&charges, now), kept.admit(&charges, now));
            prop_assert!(swept.len() <= kept.len());
        }
    }

    #[test]
    fn no_window_holds_more_than_burst_and_rate(
        quota in any_quota(),
        pauses in prop::collection::vec(prop_oneof![Just(0), 0..100_000_000u64, 0..30_000_000_000u64], 1..80),
    ) {
        let limiter = Limiter::new();
        let mut now = NOW;
        let mut admitted = Vec::new();
        for pause in pauses {
            now += Duration::from_nanos(pause);
            if let Some(wait) = limiter.admit(&[charge(1, 0, quota)], now).retry_after {
                // The greediest client comes back to the nanosecond.
                now += wait;
                prop_assert!(limiter.admit(&[charge(1, 0, quota)], now).admitted);
            }
            admitted.push(now);
        }
        for (first, start) in admitted.iter().enumerate() {
            for (last, end) in admitted.iter().enumerate().skip(first) {
                // taken <= burst + window x count / period, in whole numbers
                let over = (last - first + 1).saturating_sub(quota.burst().get() as usize) as u128;
                let grown = end.saturating_sub(*start).as_nanos() * u128::from(quota.count().get());
                prop_assert!(over * quota.period().as_nanos() <= grown);
            }
        }
    }

    /// A quota that changes under way gives nothing away: a window holds no more than the greatest burst and what grew
    /// back in it, at each moment by the rate that was in force.
    #[test]
    fn no_window_holds_more_when_the_quota_changes_under_way(
        requests in prop::collection::vec(
            (any_quota(), prop_oneof![Just(0), 0..100_000_000u64, 0..30_000_000_000u64], any::<bool>()), 1..80,
        ),
    ) {
        const PERMIT: u128 = 1_000_000_000_000_000_000;
        let (limiter, mut now, mut in_force) = (Limiter::new(), NOW, None::<Quota>);
        let (mut grown, mut admitted) = (0_u128, Vec::new());
        for (quota, pause, changes) in requests {
            let quota = in_force.filter(|_| !changes).unwrap_or(quota);
            let mut pauses = vec![pause];
            while let Some(pause) = pauses.pop() {
                now += Duration::from_nanos(pause);
                let interval = in_force.map_or(1, |quota| u128::from(quota.interval()));
                grown += (u128::from(pause) * PERMIT).div_ceil(interval);
                in_force = Some(quota);
                match limiter.admit(&[charge(1, 0, quota)], now).retry_after {
                    // The greediest client comes back to the nanosecond.
                    Some(wait) => pauses.push(u64::try_from(wait.as_nanos()).unwrap()),
                    None => admitted.push((grown, quota.burst().get())),
                }
            }
        }
        let burst = u128::from(admitted.iter().map(|(_, burst)| *burst).max().unwrap());
        for (first, (start, _)) in admitted.iter().enumerate() {
            for (last, (end, _)) in admitted.iter().enumerate().skip(first) {
                prop_assert!((last - first + 1) as u128 * PERMIT <= burst * PERMIT + (end - start));
            }
        }
    }

    #[test]
    fn who_waits_as_told_passes(requests in prop::collection::vec(any_request(), 1..40)) {
        let limiter = Limiter::new();
        let mut now = NOW;
        for (charges, pause) in requests {
            now += pause;
            if let Some(wait) = limiter.admit(&charges, now).retry_after {
                let sooner = now + wait.saturating_sub(Duration::from_nanos(1));
                prop_assert!(!limiter.admit(&charges, sooner).admitted);
                now += wait;
                prop_assert!(limiter.admit(&charges, now).admitted);
            }
        }
    }
}
