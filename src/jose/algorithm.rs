//! Signature algorithms and key identifiers. RFC 7518 section 3.1, RFC 8037, RFC 7638.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::digest::Digest;

/// A signature algorithm that tokens may be signed with. One key has one algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256 (RFC 7518 section 3.4).
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519 (RFC 8037).
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3).
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PSS with SHA-256 (RFC 7518 section 3.5).
    #[serde(rename = "PS256")]
    Ps256,
}

impl Algorithm {
    /// Every algorithm that signatures are verified with, whatever the build.
    pub const ALL: [Self; 4] = [Self::Es256, Self::EdDsa, Self::Rs256, Self::Ps256];

    /// The name in a JOSE header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
        }
    }

    /// Reads a name, byte-exact.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text)
    }

    /// Whether its keys are RSA keys: a signature takes long, and so does making a key.
    pub const fn is_rsa(self) -> bool {
        matches!(self, Self::Rs256 | Self::Ps256)
    }

    /// Whether this build makes keys for it. RSA keys need the feature `rsa`;
    /// without keys that follow each other, an algorithm cannot be configured.
    pub const fn has_keys_in_this_build(self) -> bool {
        !self.is_rsa() || cfg!(feature = "rsa")
    }

    /// The algorithms that this build makes keys for, in the order of [`Self::ALL`].
    pub fn with_keys_in_this_build() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|algorithm| algorithm.has_keys_in_this_build())
    }
}

impl<'de> Deserialize<'de> for Algorithm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let names = || Self::ALL.map(Self::as_str).join(", ");
        Self::parse(&name)
            .ok_or_else(|| de::Error::custom(format!("the algorithm must be one of {}", names())))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A key's identifier: its RFC 7638 SHA-256 thumbprint, never reused. It does
/// not cover the algorithm, so one RSA key has one `kid` whatever it is for.
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
