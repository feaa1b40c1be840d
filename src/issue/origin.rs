//! Where a request came from, as the log keeps it. Pure, and never part of a decision.

use std::net::IpAddr;

/// Where a request came from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The request's identifier.
    pub request_id: String,
    /// The W3C trace id, if the caller sent one.
    pub trace_id: Option<String>,
    /// The client's address.
    pub source_ip: Option<IpAddr>,
}
