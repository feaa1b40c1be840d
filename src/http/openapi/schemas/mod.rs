//! The components of both documents: what goes in and comes out, by the bounds of the rooms that read it.
//!
//! Bounds and words come from those rooms; what members an answer has is held
//! to the truth by every answer of every integration test.

mod audit;
mod keys;
mod policy;
mod tokens;

use super::words::Form;

/// Every component of the admin document.
pub(super) fn admin() -> Vec<(&'static str, Form)> {
    [policy::components(), keys::components(), audit::components(), tokens::admin_components()].concat()
}

/// Every component of the public document.
pub(super) fn public() -> Vec<(&'static str, Form)> {
    tokens::components()
}

pub(super) use keys::kid;
pub(super) use policy::{client_id, resource_uri, scope_token};
pub(super) use tokens::jti;
