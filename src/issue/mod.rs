//! The spine: one issuance from the request to the signed token, in order.
//!
//! 1 authenticate, 2 authorize, 3 reserve, 4 admit, 5 compose, 6 record, 7 sign. No
//! step calls back to an earlier one. Only authentication (a cached read) and
//! recording (one write, shared with other requests) reach beyond memory.

pub mod authorize;
pub mod compose;
mod mint;
pub mod origin;
pub mod preview;
mod settled;
mod wall_clock;

pub use compose::Unsigned;
pub use mint::{Denial, Fault, Issued, Mint, MintParts};
pub use origin::Origin;
pub use settled::{SETTLING, SettledClock};
pub use wall_clock::{ClockInsane, WallClock};

#[cfg(test)]
mod tests;
