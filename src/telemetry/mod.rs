//! What an operator sees of the running process: its health and its log lines.

mod cadence;
mod health;
mod lines;
mod seldom;

pub use cadence::Cadence;
pub use health::{Health, Heartbeat, Readiness};
pub use lines::start_log;
pub use seldom::Seldom;
