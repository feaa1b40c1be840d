//! Limits tied to scopes, and to failed attempts: what is charged and what was decided about it.
//!
//! This file, `quota`, `gcra`, `source` and `headers` are pure: they ask no clock
//! and hold no state. The state is in `limiter`, which does not know who a client
//! is: clients and scopes are numbers that the policy snapshot gives out, so only
//! registered ones can ever take memory; and in `attempts`, for whoever fails to
//! authenticate, with a bound of its own.
//! The algorithm is GCRA (ITU-T I.371), the fields on the wire are
//! draft-ietf-httpapi-ratelimit-headers.

pub mod attempts;
mod gcra;
pub mod headers;
pub mod limiter;
pub mod line;
pub mod quota;
mod source;
pub mod turns;

use std::time::Duration;

pub use attempts::Attempts;
pub use limiter::{Limiter, LimiterReading, ScopeCounts};
pub use quota::{BadQuota, Quota};
pub use source::Source;
pub use turns::{NoTurn, Turns};

use crate::oauth::scope::ScopeToken;

/// Which budget is charged: that of one client for one scope.
///
/// The policy snapshot gives each registered client and each registered scope
/// a number that stays the same as long as the process lives and is never
/// given to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LimitKey {
    /// The client's number.
    pub client: u32,
    /// The scope's number.
    pub scope: u32,
}

/// What an exhausted limit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Enforce {
    /// Refuses the request.
    #[default]
    Refuse,
    /// Lets it pass and only tells that it would have refused.
    Monitor,
}

/// One scope of a request, with the limits that hold for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Whose budget.
    pub key: LimitKey,
    /// The scope's name, for the answer.
    pub scope: ScopeToken,
    /// The client's limit for this scope.
    pub quota: Quota,
    /// The limit over all clients together, if the scope has one.
    pub total: Option<Quota>,
    /// What either limit does when it is exhausted.
    pub enforce: Enforce,
}

/// What is left for one scope after a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeState {
    /// The scope.
    pub scope: ScopeToken,
    /// The client's limit for it.
    pub quota: Quota,
    /// Permits that could be taken now: the lesser of the client's and the total's.
    pub remaining: u32,
    /// Time to the next permit when none remains, else until all have grown back.
    pub reset: Duration,
}

/// The answer to a request for permits: all of its scopes were charged, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request may go on. When not, nothing was charged.
    pub admitted: bool,
    /// Every scope of the request once, in scope order, also when refused.
    pub charged: Vec<ScopeState>,
    /// The greatest true wait over the scopes that refuse; `None` exactly when admitted.
    pub retry_after: Option<Duration>,
    /// Exhausted scopes that are only monitored, in scope order. They were not charged.
    pub would_have_refused: Vec<ScopeToken>,
}
