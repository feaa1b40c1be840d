//! The vocabulary of the OAuth RFCs.
//!
//! Pure: no HTTP, no store, no clock.

pub mod claims;
pub mod credential;
pub mod error;
pub mod form;
pub mod metadata;
pub mod name;
pub mod request;
pub mod scope;

pub use error::{ErrorCode, OAuthError};
pub use scope::{Scope, ScopeToken};
