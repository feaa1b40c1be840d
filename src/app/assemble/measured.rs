//! Whose numbers `/metrics` reads.

use std::sync::Arc;

use super::{Bounds, Ground};
use crate::admin::Admin;
use crate::audit::standing::Standings;
use crate::http::traffic::Counted;
use crate::limits::Attempts;
use crate::telemetry::metrics::{Count, Metrics, MetricsParts};
use crate::workers::Workers;

/// What is not part of the ground.
pub(super) struct Measured<'a> {
    pub(super) bounds: &'a Bounds,
    pub(super) attempts: &'a Arc<Attempts>,
    pub(super) standings: Arc<Standings>,
    pub(super) hashing: Workers,
    /// Verified secrets and used assertions.
    pub(super) remembered: (Count, Count),
    pub(super) counted: &'a Counted,
}

/// Every number there is.
pub(super) fn metrics(ground: &Ground, admin: &Arc<Admin>, measured: Measured<'_>) -> Metrics {
    let rooms = measured.bounds.rooms.clone();
    let (verified_secrets, used_assertions) = measured.remembered;
    Metrics::new(MetricsParts {
        policy: ground.policy.clone(),
        limiter: measured.bounds.limiter.clone(),
        attempts: measured.attempts.clone(),
        turns: measured.bounds.turns.clone(),
        classes: Box::new(move || rooms.readings()),
        signer: ground.signer.clone(),
        rotator: ground.rotator.clone(),
        recorder: ground.recorder.clone(),
        publisher: ground.publisher.clone(),
        standings: measured.standings,
        revocations: ground.revocations.clone(),
        hashing: measured.hashing,
        verified_secrets,
        used_assertions,
        admin: admin.clone(),
        health: ground.health.clone(),
        wall_clock: ground.wall_clock.clone(),
        clock: ground.ambient.clock.clone(),
        traffic: measured.counted.all(),
    })
}
