//! The failpoints of a step: by what it does to keys, right before and right after its one transaction.

use crate::failpoint::failpoint;
use crate::keys::KeyState;
use crate::keys::plan::Plan;

/// The step is decided, and nothing of it is recorded.
pub(super) fn before_commit(plan: &Plan) {
    if moves_to(plan, KeyState::Published) {
        failpoint!("rotate.publish.before");
    }
    if moves_to(plan, KeyState::Active) {
        failpoint!("rotate.activate.before");
    }
    if moves_to(plan, KeyState::Passive) {
        failpoint!("rotate.retire.before");
    }
    if moves_to(plan, KeyState::Removed) {
        failpoint!("rotate.delete.before");
    }
    if moves_to(plan, KeyState::Revoked) {
        failpoint!("revoke.before_commit");
    }
}

/// The step is durable, and not yet in force.
pub(super) fn after_commit(plan: &Plan) {
    if moves_to(plan, KeyState::Published) {
        failpoint!("rotate.publish.after");
    }
    if moves_to(plan, KeyState::Active) {
        failpoint!("rotate.activate.after");
    }
    if moves_to(plan, KeyState::Passive) {
        failpoint!("rotate.retire.after");
    }
    if moves_to(plan, KeyState::Removed) {
        failpoint!("rotate.delete.after");
    }
    if moves_to(plan, KeyState::Revoked) {
        failpoint!("revoke.after_commit");
    }
}

fn moves_to(plan: &Plan, state: KeyState) -> bool {
    plan.transitions.iter().any(|transition| transition.to == state)
}
