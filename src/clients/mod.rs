//! Who asks: client secrets and their verification.
//!
//! Unknown clients, wrong secrets, disabled clients and wrong methods cost the
//! same work and give the same answer. RFC 6749 section 2.3.

mod authenticate;
mod last_use;
pub mod secret;

pub use authenticate::{Authenticated, Authenticator, NotAuthenticated};
pub use last_use::LastUses;
