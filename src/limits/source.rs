//! Where a caller counts from: one IPv4 address, or the /64 of an IPv6 address.
//!
//! Pure. It never looks at a name or a port. One caller owns a whole /64 of IPv6
//! (RFC 4291 section 2.5.4), so counting its addresses one by one would count nothing.

use std::net::{IpAddr, Ipv6Addr};

/// One source of requests. Who comes without an address, as over a Unix socket, is one source of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(Option<IpAddr>);

impl Source {
    /// The source that an address belongs to. An IPv4 address in IPv6 clothes (`::ffff:192.0.2.1`) counts as IPv4.
    pub fn of(address: Option<IpAddr>) -> Self {
        Self(address.map(|address| match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
            v4 @ IpAddr::V4(_) => v4,
        }))
    }

    /// The address, or the first one of the network, for the log.
    pub fn address(self) -> Option<IpAddr> {
        self.0
    }

    /// 17 bytes that no other source has.
    pub(super) fn bytes(self) -> [u8; 17] {
        let mut out = [0; 17];
        if let (Some(address), [is_there, rest @ ..]) = (self.0, &mut out) {
            *is_there = 1;
            *rest = match address {
                IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
                IpAddr::V6(v6) => v6.octets(),
            };
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_an_ipv4_address_or_a_64_of_ipv6() {
        let of = |text: &str| Source::of(Some(text.parse().unwrap()));
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::1", "::2", true),
        ] {
            assert_eq!(of(one) == of(other), same, "{one} {other}");
            assert_eq!(of(one).bytes() == of(other).bytes(), same, "{one} {other}");
        }
        assert_eq!(of("2001:db8::1").address(), Some("2001:db8::".parse().unwrap()));
        assert_ne!(Source::of(None), of("::"));
        assert_ne!(Source::of(None).bytes(), of("::").bytes());
    }
}
