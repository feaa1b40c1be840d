//! Where a request came from, and its name.
//!
//! A peer is believed about others only if it is a trusted proxy, and then by `X-Forwarded-For` alone:
//! the `Forwarded` field (RFC 7239) is never read, since a proxy that does not set it passes on a stranger's.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::request::Parts;

use super::accept::PeerAddress;
use crate::ambient::{Entropy, EntropyFailed, random};
use crate::config::Network;
use crate::digest::base64url;
use crate::issue::Origin;

/// So many hops are looked at, from the nearest on. No honest request went through more proxies of ours.
const HOPS: usize = 64;

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
        source_ip: peer.map(|peer| client_address(peer, forwarded(parts), trusted)),
    }
}

fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name)?.to_str().ok()
}

/// Every hop that `X-Forwarded-For` names, the nearest first. Each proxy adds
/// its peer at the end, some by a line of their own.
fn forwarded(parts: &Parts) -> impl Iterator<Item = &str> {
    // What is no text at all is a hop that nobody can read.
    let lines = parts.headers.get_all("x-forwarded-for").iter().map(|line| line.to_str().unwrap_or("?"));
    lines.rev().flat_map(|line| line.rsplit(','))
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

/// The nearest address that is no trusted proxy. Who is not trusted is not believed about others. Where
/// a trusted proxy names nobody, or what cannot be read, the request is its own.
fn client_address<'a>(peer: IpAddr, hops: impl Iterator<Item = &'a str>, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut nearest = peer.to_canonical();
    let mut hops = hops.take(HOPS).map(|hop| address(hop.trim()));
    while is_trusted(nearest) {
        match hops.next() {
            Some(Some(hop)) => nearest = hop,
            Some(None) | None => break,
        }
    }
    nearest
}

/// An address as proxies write it: alone, in brackets, or with the port that it spoke from.
fn address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).filter(|hop| hop.contains(':'));
    let alone = bare.unwrap_or(hop).parse().ok();
    let address = alone.or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The address of a request whose peer is `peer`, with these lines of the header.
    fn seen(peer: &str, lines: &[&str]) -> String {
        let trusted = [Network::parse("10.0.0.0/8").unwrap(), Network::parse("2001:db8::/32").unwrap()];
        let mut request = axum::http::Request::get("/").header("forwarded", "for=203.0.113.77");
        for line in lines {
            request = request.header("x-forwarded-for", *line);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        client_address(peer.parse().unwrap(), forwarded(&parts), &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let table = [
            ("192.0.2.1", "198.51.100.1", "192.0.2.1"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "203.0.113.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
            ("10.0.0.1", "198.51.100.1,nonsense", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1,", "10.0.0.1"),
            ("10.0.0.1", "unknown", "10.0.0.1"),
            ("10.0.0.1", "_hidden", "10.0.0.1"),
            ("10.0.0.1", "", "10.0.0.1"),
            // IPv4 in IPv6 clothes, as a listener for both sees it.
            ("::ffff:192.0.2.1", "198.51.100.1", "192.0.2.1"),
            ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "198.51.100.1, ::ffff:10.0.0.2", "198.51.100.1"),
            // With ports, as some proxies write them.
            ("10.0.0.1", "198.51.100.1:567", "198.51.100.1"),
            ("10.0.0.1", "198.51.100.1:567, 10.0.0.2:8080", "198.51.100.1"),
            ("10.0.0.1", "[2001:db9::1]:5", "2001:db9::1"),
            ("10.0.0.1", "[2001:db9::1]", "2001:db9::1"),
            ("10.0.0.1", "[198.51.100.1]", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1:99999", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.256", "10.0.0.1"),
            ("2001:db8::7", "2001:db9::1", "2001:db9::1"),
        ];
        for (peer, line, expected) in table {
            assert_eq!(seen(peer, &[line]), expected, "{peer} {line:?}");
        }
    }

    #[test]
    fn lines_are_one_list_and_the_last_one_is_the_nearest() {
        assert_eq!(seen("10.0.0.1", &["203.0.113.9", "198.51.100.1, 10.0.0.2", "10.0.0.3"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["203.0.113.9", ""]), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(seen("192.0.2.1", &["203.0.113.9", "198.51.100.1"]), "192.0.2.1");
    }

    #[test]
    fn however_many_hops_there_are_only_the_nearest_are_looked_at() {
        let far = |hops: usize| format!("198.51.100.1{}", ",10.0.0.2".repeat(hops));
        assert_eq!(seen("10.0.0.1", &[&far(HOPS - 1)]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &[&far(HOPS)]), "10.0.0.2");
        assert_eq!(seen("10.0.0.1", &[&far(10_000)]), "10.0.0.2");
        assert_eq!(seen("192.0.2.1", &[&far(10_000)]), "192.0.2.1");
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
