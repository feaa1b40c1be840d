//! The vocabulary of the OAuth RFCs.
//!
//! Pure: no HTTP, no store, no clock.

pub mod scope;

pub use scope::{Scope, ScopeToken};
