//! Scope limits: what they allowed, refused and, where they are only watched, would have refused.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Group;
use super::sheet::Sheet;
use crate::limits::Limiter;
use crate::policy::Policy;

pub(super) struct Limits {
    pub(super) policy: Arc<ArcSwap<Policy>>,
    pub(super) limiter: Arc<Limiter>,
}

impl Group for Limits {
    fn write(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let (policy, reading) = (self.policy.load(), self.limiter.reading());
        // By what is registered: a scope that is gone is gone from here too.
        let decisions = policy.scopes.values().flat_map(|rule| {
            let counts = reading.scopes.get(&rule.key).copied().unwrap_or_default();
            let outcomes = [
                ("allowed", counts.allowed),
                ("refused", counts.refused),
                ("would_have_refused", counts.would_have_refused),
            ];
            outcomes
                .map(|(outcome, count)| (vec![("scope", rule.name.as_str()), ("outcome", outcome)], count))
        });
        sheet.counters(
            "scope_decisions",
            "Decisions about requests for each scope, by outcome",
            decisions,
        )?;
        sheet.gauge(
            "limit_budgets",
            "Budgets of scope limits that are not full and so remembered",
            reading.budgets,
        )
    }
}
