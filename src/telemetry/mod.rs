//! What an operator sees of the running process: its health, its metrics and its log lines.

mod cadence;
mod health;
mod histogram;
mod lines;
pub mod metrics;
mod seldom;
mod traffic;

pub use cadence::Cadence;
pub use health::{Health, HealthReading, Heartbeat, Readiness, TaskReading};
pub use histogram::{Histogram, HistogramReading, SPANS};
pub use lines::start_log;
pub use seldom::Seldom;
pub use traffic::{ClassReading, ENDS, OTHER, RouteReading, Traffic, TrafficReading, UnderWay};
