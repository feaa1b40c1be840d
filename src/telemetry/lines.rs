//! Log lines on standard error: text for a terminal, JSON otherwise. They never hold secrets, tokens or query strings.

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging. `filter` is a list such as `info,mintmark::keys=debug`; what cannot be read becomes `info`.
pub fn start_log(filter: &str, terminal: bool) {
    let filter: Targets =
        filter.parse().unwrap_or_else(|_| Targets::new().with_default(tracing::Level::INFO));
    let lines = fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    // A second start in one process (tests) keeps the first.
    let _ = if terminal { registry.with(lines).try_init() } else { registry.with(lines.json()).try_init() };
}
