//! Signature algorithms and key identifiers. RFC 7518 section 3.1, RFC 8037, RFC 7638.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::digest::Digest;

/// A signature algorithm that access tokens may be signed with. One key has one algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256 (RFC 7518 section 3.4).
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519 (RFC 8037).
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// Every algorithm this build can sign with.
    pub const ALL: [Self; 2] = [Self::Es256, Self::EdDsa];

    /// The name in a JOSE header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Reads a name, byte-exact.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text)
    }
}

impl<'de> Deserialize<'de> for Algorithm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let names = || Self::ALL.map(Self::as_str).join(" or ");
        Self::parse(&name).ok_or_else(|| de::Error::custom(format!("the algorithm must be {}", names())))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A key's identifier: its RFC 7638 SHA-256 thumbprint, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kid(pub Digest);

impl Kid {
    /// Reads the 43 characters of base64url.
    pub fn parse(text: &str) -> Option<Self> {
        Digest::parse(text).map(Self)
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
