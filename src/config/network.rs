//! A range of addresses such as `10.0.0.0/8`, to say which proxies are trusted. RFC 4632, RFC 4291.
//!
//! Pure.

use std::fmt;
use std::net::IpAddr;

use super::complaint::Wrong;

/// All addresses that share the first `prefix` bits with `address`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `address/prefix`, or an address alone for just that one.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let bad = || {
            Wrong::new(
                format!("{text:?} is not a network"),
                "write an address and a prefix length, such as \"10.0.0.0/8\" or \"::1\"",
            )
        };
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        if address.to_canonical() != address {
            return Err(Wrong::new(
                format!("{text:?} is an IPv4 network in IPv6 clothes"),
                format!("write it as IPv4, such as \"{}\"", address.to_canonical()),
            ));
        }
        let width = width(address);
        let prefix = match prefix {
            None => width,
            Some(digits) => digits
                .parse::<u8>()
                .ok()
                .filter(|length| *length <= width && length.to_string() == digits)
                .ok_or_else(bad)?,
        };
        if prefix == 0 {
            return Err(Wrong::new(
                format!("{text:?} would let anyone claim any source address"),
                "name the networks that your proxies are in",
            ));
        }
        let network = Self { address: masked(address, prefix), prefix };
        if network.address != address {
            return Err(Wrong::new(
                format!("{text:?} has address bits beyond its prefix"),
                format!("write \"{network}\""),
            ));
        }
        Ok(network)
    }

    /// Whether `address` lies in it. An IPv4 address in IPv6 clothes (`::ffff:10.0.0.1`) counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        width(address) == width(self.address) && masked(address, self.prefix) == self.address
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// `address` with the bits after the first `prefix` cleared; `prefix` is 1..=width.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(u32::from(32_u8.saturating_sub(prefix))).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(u32::from(128_u8.saturating_sub(prefix))).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_its_addresses_and_no_others() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "::1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("128.0.0.0/1", "255.0.0.1", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::1", "::1", true),
        ];
        for (network, address, inside) in cases {
            let parsed = Network::parse(network).unwrap();
            assert_eq!(parsed.contains(address.parse().unwrap()), inside, "{network} {address}");
        }
    }

    #[test]
    fn refuses_what_is_no_network() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/08",
            "10.0.0.0/",
            "10.0.0.1/8",
            "a/8",
            "::ffff:10.0.0.0/104",
            "::ffff:10.0.0.1",
            "0.0.0.0/0",
            "::/0",
            "10/8",
        ] {
            assert!(Network::parse(text).is_err(), "{text}");
        }
        assert!(Network::parse("10.1.2.3/8").unwrap_err().fix.contains("10.0.0.0/8"));
    }
}
