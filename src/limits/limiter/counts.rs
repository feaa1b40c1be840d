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
