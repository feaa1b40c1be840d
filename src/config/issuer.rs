//! The issuer identifier: RFC 8414 section 2, narrowed to a bare origin.
//!
//! Pure. Clients compare issuers byte by byte, so a text that a URL parser
//! would rewrite (upper case, a default port) is refused, never mended.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::complaint::Wrong;

/// `https://host[:port]`, or `http://` on loopback; byte-identical to the configured text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Issuer(String);

impl Issuer {
    /// Reads an issuer; the error says what is wrong and what would do.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let (scheme, authority) = text
            .split_once("://")
            .filter(|(scheme, _)| ["https", "http"].contains(scheme))
            .ok_or_else(|| wrong(text, "is not an https URL"))?;
        if let Some(found) = authority.find(['/', '?', '#', '@']) {
            let tail = authority.get(found..).unwrap_or_default();
            return Err(wrong(text, &format!("has more than a host and a port ({tail:?})")));
        }
        let (host, port) = split_port(authority);
        if let Some(port) = port {
            check_port(text, scheme, port)?;
        }
        let loopback = check_host(text, host)?;
        if scheme == "http" && !loopback {
            return Err(wrong(text, "is http but not on loopback"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text exactly as configured.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `host[:port]`, as it stands in the text.
    pub fn authority(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// Whether it is `https`; the others are on loopback.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn wrong(text: &str, what: &str) -> Wrong {
    Wrong::new(
        format!("{text:?} {what}"),
        "write \"https://host\" or \"https://host:port\" in lower case, without path, query, fragment or \
         trailing slash (http only on localhost, 127.0.0.1 or [::1])",
    )
}

/// Splits at the colon of the port, not at those of an IPv6 address.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn check_port(text: &str, scheme: &str, port: &str) -> Result<(), Wrong> {
    let number: u16 = port.parse().map_err(|_| wrong(text, "has a port that is not a number up to 65535"))?;
    if number == 0 || number.to_string() != port {
        return Err(wrong(text, "has a port that is not written as a plain number from 1"));
    }
    // URL parsers drop a default port, and then the bytes differ.
    if (scheme, number) == ("https", 443) || (scheme, number) == ("http", 80) {
        return Err(wrong(text, "names the default port, which must be left out"));
    }
    Ok(())
}

/// Whether a valid host is loopback.
fn check_host(text: &str, host: &str) -> Result<bool, Wrong> {
    let bad_host = || wrong(text, "has a host that is not a lower-case name or an address");
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address_of_text: Ipv6Addr = address.parse().map_err(|_| bad_host())?;
        if address_of_text.to_string() != address {
            return Err(bad_host());
        }
        return Ok(address_of_text.is_loopback());
    }
    // WHATWG URL parsers read a name whose last label is a number as an IPv4 address.
    if host.rsplit('.').next().is_some_and(|label| label.starts_with(|c: char| c.is_ascii_digit())) {
        let address: Ipv4Addr = host.parse().map_err(|_| bad_host())?;
        return Ok(address.is_loopback());
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if host.len() <= 253 && host.split('.').all(is_label) { Ok(host == "localhost") } else { Err(bad_host()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_issuer_is_an_origin_and_keeps_its_bytes() {
        for (text, authority) in [
            ("https://auth.example.com", "auth.example.com"),
            ("https://auth.example.com:8443", "auth.example.com:8443"),
            ("https://10.0.0.1", "10.0.0.1"),
            ("https://[2001:db8::1]:9000", "[2001:db8::1]:9000"),
            ("http://localhost:8080", "localhost:8080"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://[::1]", "[::1]"),
        ] {
            let issuer = Issuer::parse(text).unwrap();
            assert_eq!((issuer.as_str(), issuer.authority()), (text, authority));
            assert_eq!(issuer.is_https(), text.starts_with("https"));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "auth.example.com",
            "https://",
            "https://:443",
            "https://a/",
            "https://a/b",
            "https://a?b",
            "https://a#b",
            "https://u@a",
            "HTTPS://a",
            "https://A",
            "https://a:443",
            "http://localhost:80",
            "https://a:",
            "https://a:0",
            "https://a:080",
            "https://a:+1",
            "https://a:65536",
            "https://a_b",
            "https://-a",
            "https://a.",
            "https://a..b",
            "https://1.2.3",
            "https://01.2.3.4",
            "https://a b",
            "https://a\n",
            "https://é.example",
            "https://[::0001]",
            "https://[::1",
            "https://::1",
            "http://example.com",
            "http://localhost.example.com",
            "http://10.0.0.1",
            "ftp://a",
            " https://a",
        ] {
            assert!(Issuer::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn never_changes_a_byte_and_never_panics(text in "https?://[a-z0-9.:\\[\\]/-]{0,20}|\\PC{0,20}") {
            if let Ok(issuer) = Issuer::parse(&text) {
                prop_assert_eq!(issuer.as_str(), text.as_str());
                prop_assert!(!issuer.authority().contains('/'));
            }
        }
    }
}
