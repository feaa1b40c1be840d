//! Who asks: the secrets and assertions of clients, and their verification.
//!
//! Unknown clients, wrong secrets, bad assertions, disabled clients and wrong methods
//! cost the same work and give the same answer. RFC 6749 section 2.3, RFC 7521 section 4.2.

mod assertion;
mod authenticate;
pub mod forgetting;
mod last_use;
pub mod secret;
mod secrets;

pub use assertion::Assertions;
pub use authenticate::{Authenticated, Authenticator, NotAuthenticated};
pub use last_use::LastUses;
pub use secrets::ClientSecrets;
