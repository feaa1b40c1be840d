//! What was decided about each scope, counted where the decision is made: under the lock that it holds anyway.
//!
//! By the scope's number, so that only registered scopes ever take memory.

use std::collections::HashMap;

/// What became of the requests for one scope since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScopeCounts {
    /// Permits that were taken.
    pub allowed: u64,
    /// Refusals for this scope's own limit, the client's or the total. That another scope of the request
    /// refused is not among them.
    pub refused: u64,
    /// Requests that a monitored limit would have refused.
    pub would_have_refused: u64,
}

/// What a limiter remembers and has decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimiterReading {
    /// Budgets that are remembered: those not known to be full.
    pub budgets: usize,
    /// By the scope's number.
    pub scopes: HashMap<u32, ScopeCounts>,
}

impl LimiterReading {
    /// Adds what one shard has.
    pub(super) fn add(&mut self, budgets: usize, counts: &HashMap<u32, ScopeCounts>) {
        self.budgets += budgets;
        for (scope, counted) in counts {
            let all = self.scopes.entry(*scope).or_default();
            all.allowed += counted.allowed;
            all.refused += counted.refused;
            all.would_have_refused += counted.would_have_refused;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::*;
    use crate::limits::{Charge, Enforce, LimitKey, Limiter, Quota};
    use crate::oauth::ScopeToken;

    const NOW: Duration = Duration::from_secs(1_000);

    fn charge(client: u32, scope: u32, quota: &str) -> Charge {
        let token = ScopeToken::parse(&format!("scope:{scope}")).unwrap();
        let quota = Quota::parse(quota).unwrap();
        Charge { key: LimitKey { client, scope }, scope: token, quota, total: None, enforce: Enforce::Refuse }
    }

    #[test]
    fn decisions_are_counted_once_for_each_scope_that_made_them() {
        let limiter = Limiter::new();
        let watched = Charge { enforce: Enforce::Monitor, ..charge(1, 2, "1/1h") };
        let (scarce, other) = (charge(1, 0, "1/1h"), charge(1, 1, "9/1h"));
        limiter.admit(&[scarce.clone(), other.clone(), scarce.clone(), watched.clone()], NOW);
        limiter.admit(&[scarce.clone(), other.clone(), watched.clone()], NOW);
        limiter.admit(&[other, watched], NOW);
        limiter.admit(&[charge(40, 1, "9/1h")], NOW);
        let reading = limiter.reading();
        let counts =
            |allowed, refused, would_have_refused| ScopeCounts { allowed, refused, would_have_refused };
        assert_eq!(
            reading.scopes,
            HashMap::from([(0, counts(1, 1, 0)), (1, counts(3, 0, 0)), (2, counts(1, 0, 2))])
        );
        assert_eq!(reading.budgets, limiter.len());
        limiter.forget_scopes(&HashSet::from([1]));
        assert_eq!(limiter.reading().scopes, HashMap::from([(1, counts(3, 0, 0))]));
    }
}
