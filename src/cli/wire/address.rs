//! Where a server listens, as a person writes it: RFC 3986 section 3.2 or a socket's path.
//!
//! It parses only; it never looks up a name and never connects.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use hyper::Uri;
use hyper::http::uri::{Authority, Scheme};

use super::WireError;

/// The host that requests over a Unix socket name.
const LOCAL_HOST: &str = "mintmark";

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket.
    Unix(PathBuf),
    /// Plain HTTP.
    Http {
        /// Host and, if not 80, port.
        authority: Authority,
    },
    /// HTTP over TLS 1.2 or 1.3.
    Https {
        /// Host and, if not 443, port.
        authority: Authority,
    },
    /// The same to a listener of this machine, whose certificate has another name than its address and is not
    /// looked at. For questions without credentials only.
    HttpsUnnamed {
        /// Host and port.
        authority: Authority,
    },
}

impl Address {
    /// Parses `unix:PATH`, `https://HOST[:PORT]` or `http://HOST[:PORT]`, the
    /// last for loopback only; a closing `/` is taken, a path is not.
    pub fn parse(text: &str) -> Result<Self, WireError> {
        let address = Self::parse_allowing_plain_http(text)?;
        match &address {
            Self::Http { authority } if !is_loopback(authority) => {
                Err(WireError::PlainHttp(authority.to_string()))
            }
            _ => Ok(address),
        }
    }

    /// As [`parse`](Self::parse), with plain HTTP to any host, for callers who asked for it.
    pub fn parse_allowing_plain_http(text: &str) -> Result<Self, WireError> {
        let refused = || WireError::Address(text.escape_debug().to_string());
        if let Some(path) = text.strip_prefix("unix:") {
            let path = Path::new(path);
            return if path.as_os_str().is_empty() { Err(refused()) } else { Ok(Self::Unix(path.into())) };
        }
        let parts = text.parse::<Uri>().map_err(|_| refused())?.into_parts();
        let bare = parts.path_and_query.is_none_or(|path| path.as_str() == "/");
        match (parts.scheme, parts.authority) {
            (_, Some(authority)) if !bare || !is_host_and_port(&authority) => Err(refused()),
            (Some(scheme), Some(authority)) if scheme == Scheme::HTTP => Ok(Self::Http { authority }),
            (Some(scheme), Some(authority)) if scheme == Scheme::HTTPS => Ok(Self::Https { authority }),
            _ => Err(refused()),
        }
    }

    pub(super) fn host_header(&self) -> &str {
        match self {
            Self::Unix(_) => LOCAL_HOST,
            Self::Http { authority } | Self::Https { authority } | Self::HttpsUnnamed { authority } => {
                authority.as_str()
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Http { authority } => write!(f, "http://{authority}"),
            Self::Https { authority } | Self::HttpsUnnamed { authority } => write!(f, "https://{authority}"),
        }
    }
}

/// Without a user name, and with a port that is one, if any.
fn is_host_and_port(authority: &Authority) -> bool {
    let host = authority.host();
    !host.is_empty()
        && (authority.as_str() == host || authority.port_u16().is_some())
        && !authority.as_str().contains('@')
}

/// The host without the brackets that an IPv6 literal wears in an authority.
pub(super) fn bare_host(authority: &Authority) -> &str {
    let host = authority.host();
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn is_loopback(authority: &Authority) -> bool {
    let host = bare_host(authority);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_writes_is_where_it_goes() {
        assert_eq!(Address::parse("unix:data/admin.sock").unwrap(), Address::Unix("data/admin.sock".into()));
        for text in [
            "http://127.0.0.1:8081",
            "http://[::1]:8081",
            "http://localhost:8081",
            "https://auth.example.com",
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(
            Address::parse("https://auth.example.com/").unwrap().to_string(),
            "https://auth.example.com"
        );
    }

    #[test]
    fn plain_http_leaves_the_machine_only_when_asked_to() {
        for text in [
            "http://auth.example.com",
            "http://10.0.0.1:8081",
            "http://localhost.example.com",
            "http://0.0.0.0",
        ] {
            assert!(matches!(Address::parse(text), Err(WireError::PlainHttp(_))), "{text}");
            assert!(Address::parse_allowing_plain_http(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused_in_one_line() {
        for text in [
            "",
            "unix:",
            "data/admin.sock",
            "auth.example.com",
            "auth.example.com:443",
            "ftp://auth.example.com",
            "https://auth.example.com/path",
            "https://auth.example.com?q",
            "https://user:secret@auth.example.com",
            "https://auth.example.com:99999",
            "https://auth.example.com:",
            "https://:443",
            "https://a b",
            "x\ny",
        ] {
            let error = Address::parse_allowing_plain_http(text).expect_err(text);
            assert!(matches!(error, WireError::Address(_)), "{text}");
            assert!(!error.to_string().contains('\n'));
        }
    }
}
