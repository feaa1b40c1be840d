//! What an operator sees of the running process: its health and its log lines.

mod health;
mod lines;

pub use health::Health;
pub use lines::start_log;
