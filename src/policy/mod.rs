//! Who may ask for what: resources, scopes and clients, and the rules over them.
//!
//! Pure. A [`Policy`] is an immutable snapshot; a change makes a new one.
//! What is asked beyond it is refused, never narrowed.

pub mod admin_scope;
pub mod builtin;
pub mod client;
pub mod due;
pub mod in_use;
pub mod merge_patch;
pub mod plan;
pub mod registration;
pub mod resource;
pub mod scope_rule;
pub mod snapshot;

pub use crate::oauth::name::{ClientId, ResourceUri};
pub use admin_scope::{AdminScope, AdminScopes};
pub use builtin::{Builtin, Shadowed};
pub use client::Client;
pub use in_use::InUse;
pub use registration::Registration;
pub use resource::Resource;
pub use scope_rule::ScopeRule;
pub use snapshot::{Policy, RegisteredClient, RowKind, SecretHash, reserved_id};

/// A rule of the policy that a value would break: what to tell the person who set it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{member}: {problem}")]
pub struct Violation {
    /// The member of the object, by its name in the admin API.
    pub member: &'static str,
    /// What is wrong and what would do.
    pub problem: String,
}

impl Violation {
    /// A complaint about one member.
    pub fn new(member: &'static str, problem: impl Into<String>) -> Self {
        Self { member, problem: problem.into() }
    }
}
