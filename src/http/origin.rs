//! Where a request came from, and its name.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::request::Parts;

use super::accept::PeerAddress;
use crate::ambient::{Entropy, EntropyFailed, random};
use crate::config::Network;
use crate::digest::base64url;
use crate::issue::Origin;

/// Names requests: a part that is this process's own, and a number.
#[derive(Debug)]
pub struct RequestIds {
    process: String,
    next: AtomicU64,
}

impl RequestIds {
    /// Takes 48 random bits for this process.
    pub fn new(entropy: &dyn Entropy) -> Result<Self, EntropyFailed> {
        let process: [u8; 6] = random(entropy)?;
        Ok(Self { process: base64url(&process), next: AtomicU64::new(1) })
    }

    /// A name that no other request has.
    pub fn next(&self) -> String {
        format!("{}-{}", self.process, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// The origin of a request on the public listener.
pub(super) fn origin(parts: &Parts, trusted: &[Network], ids: &RequestIds) -> Origin {
    let peer = parts.extensions.get::<PeerAddress>().map(|peer| peer.0.ip());
    Origin {
        request_id: ids.next(),
        trace_id: header(parts, "traceparent").and_then(trace_id).map(str::to_owned),
        source_ip: peer.map(|peer| client_address(peer, &forwarded(parts), trusted)),
    }
}

fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name)?.to_str().ok()
}

/// Every hop that `X-Forwarded-For` names, the farthest first. Each proxy adds
/// its peer at the end, some by a line of their own.
fn forwarded(parts: &Parts) -> String {
    let lines = parts.headers.get_all("x-forwarded-for").iter();
    lines.map(|line| line.to_str().unwrap_or("?")).collect::<Vec<_>>().join(",")
}

/// The trace id of a W3C `traceparent`, version 00.
fn trace_id(text: &str) -> Option<&str> {
    let mut fields = text.split('-');
    let (version, id) = (fields.next()?, fields.next()?);
    let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let known =
        version == "00" && id.len() == 32 && id.bytes().all(lower_hex) && id.bytes().any(|b| b != b'0');
    known.then_some(id)
}

/// The nearest address that is no trusted proxy. Who is not trusted is not believed about others.
fn client_address(peer: IpAddr, forwarded: &str, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut nearest = peer;
    let mut hops = forwarded.rsplit(',').map(|hop| hop.trim().parse::<IpAddr>());
    while is_trusted(nearest) {
        match hops.next() {
            Some(Ok(hop)) => nearest = hop,
            Some(Err(_)) | None => break,
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted = [Network::parse("10.0.0.0/8").unwrap()];
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let table = [
            ("192.0.2.1", "198.51.100.1", "192.0.2.1"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "203.0.113.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
            ("10.0.0.1", "198.51.100.1,nonsense", "10.0.0.1"),
            ("10.0.0.1", "", "10.0.0.1"),
        ];
        for (peer, forwarded, expected) in table {
            assert_eq!(
                client_address(address(peer), forwarded, &trusted),
                address(expected),
                "{peer} {forwarded:?}"
            );
        }
    }

    #[test]
    fn a_trace_id_is_taken_only_from_a_whole_traceparent() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace_id(&format!("00-{id}-00f067aa0ba902b7-01")), Some(id));
        for bad in ["", "00", &format!("ff-{id}-0-0"), "00-00000000000000000000000000000000-1-1", "00-\n-1-1"]
        {
            assert_eq!(trace_id(bad), None, "{bad}");
        }
    }
}
