//! One budget and one permit: what governor decides, without anything that it remembers.
//!
//! Pure: a debt goes in, a debt or a wait comes out. Its clock stands still, and
//! it holds no state between calls; who keeps the debts is asked elsewhere. GCRA, ITU-T I.371.

use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, RateLimiter, StateStore};

use super::Quota;
use super::quota::{MAX_DEBT, nanos};

/// The stage that governor writes to: one budget's debt, read before and written after.
///
/// A debt is relative to now, so this fits [`Origin`], whose now is always zero.
struct Stage {
    before: u64,
    after: std::cell::Cell<u64>,
}

impl StateStore for Stage {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (outcome, after) = decide(Some(Nanos::new(self.before)))?;
        self.after.set(after.as_u64());
        Ok(outcome)
    }
}

/// A clock that stands at its origin. It is what lets a limiter be made anew
/// for each quota and still read old state rightly.
struct Origin;

impl Clock for Origin {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(0)
    }
}

/// Takes one permit under `debt`: the debt thereafter, or the time until one can be taken.
pub(super) fn take(quota: &Quota, debt: u64) -> Result<u64, Duration> {
    // The interval is at least one, so there always is such a quota; without one nothing passes.
    let Some(rate) = governor::Quota::with_period(Duration::from_nanos(quota.interval())) else {
        return Err(quota.period());
    };
    let stage = Stage { before: debt, after: std::cell::Cell::new(debt) };
    // Three words on the stack: cheaper to make than to look up.
    let limiter: RateLimiter<_, _, _, NoOpMiddleware<Nanos>> =
        RateLimiter::new(rate.allow_burst(quota.burst()), stage, Origin);
    match limiter.check() {
        Ok(()) => Ok(limiter.into_state_store().after.get()),
        Err(refusal) => Err(refusal.wait_time_from(Origin.now())),
    }
}

/// Nanoseconds of a caller's clock, at most 73 years after its start, so that no sum overflows.
pub(super) fn bounded(now: Duration) -> u64 {
    nanos(now).min(MAX_DEBT)
}
