//! One public key as a JSON Web Key: read strictly, written byte-stably.
//!
//! Never holds, writes or accepts a private member. RFC 7517, RFC 7518 sections
//! 6.2 and 6.3.1, RFC 8037 section 2, RFC 7638.

use std::fmt;

use ring::agreement::{ECDH_P256, EphemeralPrivateKey, agree_ephemeral};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::rsa::{BadRsa, RsaPublicKey, Scheme};
use super::{Algorithm, Kid, ed25519};
use crate::digest::{Digest, base64url, base64url_decode};

/// A public key that signatures may be verified with. Its `Display` is the JWK
/// with exactly `kty use alg kid` and the key parameters, in this order.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum PublicJwk {
    /// A point on P-256; big-endian coordinates. For ES256 only.
    P256 {
        /// The x coordinate.
        x: [u8; 32],
        /// The y coordinate.
        y: [u8; 32],
    },
    /// An Ed25519 public key as RFC 8032 encodes it. For EdDSA only.
    Ed25519 {
        /// The encoded point.
        x: [u8; 32],
    },
    /// An RSA public key, for RS256 or for PS256, never for both.
    Rsa(RsaPublicKey),
}

/// Why a JWK was refused. The text is fit for whoever registered the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadJwk {
    /// Not a JSON object, or a member with the wrong JSON type.
    #[error("a JWK is an object whose kty, crv, x, y, n, e, alg, use and kid are strings")]
    Shape,
    /// It carries a private or symmetric part.
    #[error("a private or symmetric key member is present; send public keys only")]
    Private,
    /// `kty`, `crv` or `alg` is one this issuer does not verify with, or an RSA key
    /// does not say which `alg` it is for (RFC 7517 section 5 lets a set skip it).
    #[error(
        "the key type, curve or algorithm is not supported; \
         use P-256 with ES256, Ed25519 with EdDSA, or RSA with alg RS256 or PS256"
    )]
    Unsupported,
    /// `alg` is a known one that this key cannot have, or not the expected one.
    #[error("alg does not fit the key")]
    Algorithm,
    /// `use` is not `sig` or `key_ops` lacks `verify`.
    #[error("the key is not for verifying signatures")]
    Use,
    /// A coordinate is not 32 bytes of base64url without padding.
    #[error("a coordinate is not 32 bytes in base64url without padding")]
    Coordinate,
    /// The point is not on its curve, or anybody could sign for it.
    #[error("the point is not on the curve or is of small order")]
    Point,
    /// The RSA modulus is too short, too long, even, or not written in full.
    #[error("n is not an odd number of 2048 to 4096 bits in base64url without padding or leading zeros")]
    Modulus,
    /// The RSA exponent cannot be one.
    #[error("e is not an odd number from 3 to 2^33 in base64url without padding or leading zeros")]
    Exponent,
}

/// Every member that RFC 7518 section 6, RFC 8037 and the registry call private.
const PRIVATE_MEMBERS: [&str; 10] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv", "seed"];

impl PublicJwk {
    /// Reads one JWK. Members it does not know are ignored (RFC 7517 section 4),
    /// `kid` included: which key a `kid` names is the set's affair.
    /// An RSA key must say by `alg` which of RS256 and PS256 it is for.
    pub fn parse(jwk: &Value) -> Result<Self, BadJwk> {
        Self::read(jwk, None)
    }

    /// The same for a key whose algorithm is settled elsewhere, such as in a
    /// registration: `alg` may be missing, but not be another one.
    pub fn parse_for(algorithm: Algorithm, jwk: &Value) -> Result<Self, BadJwk> {
        let key = Self::read(jwk, Scheme::of(algorithm))?;
        if key.algorithm() == algorithm { Ok(key) } else { Err(BadJwk::Algorithm) }
    }

    fn read(jwk: &Value, scheme: Option<Scheme>) -> Result<Self, BadJwk> {
        let members = jwk.as_object().ok_or(BadJwk::Shape)?;
        if PRIVATE_MEMBERS.iter().any(|name| members.contains_key(*name)) {
            return Err(BadJwk::Private);
        }
        let kty = text(members, "kty")?.ok_or(BadJwk::Shape)?;
        let key = match (kty, text(members, "crv")?) {
            ("EC", Some("P-256")) => {
                Self::P256 { x: coordinate(members, "x")?, y: coordinate(members, "y")? }
            }
            ("OKP", Some("Ed25519")) => Self::Ed25519 { x: coordinate(members, "x")? },
            ("RSA", _) => Self::Rsa(rsa(members, scheme)?),
            _ => return Err(BadJwk::Unsupported),
        };
        key.check_purpose(members)?;
        if key.is_sound() { Ok(key) } else { Err(BadJwk::Point) }
    }

    /// Reads one key back as [`Self::named`] wrote it, by its form alone. Whether it is sound was judged when it was
    /// taken in, and is not judged again.
    pub(super) fn from_stored(jwk: &Value) -> Result<Self, BadJwk> {
        let members = jwk.as_object().ok_or(BadJwk::Shape)?;
        let algorithm = text(members, "alg")?.and_then(Algorithm::parse).ok_or(BadJwk::Unsupported)?;
        Ok(match (text(members, "kty")?, text(members, "crv")?, Scheme::of(algorithm)) {
            (Some("RSA"), None, Some(scheme)) => {
                let n = number(members, "n")?.ok_or(BadJwk::Modulus)?;
                let e = number(members, "e")?.ok_or(BadJwk::Exponent)?;
                Self::Rsa(RsaPublicKey::from_stored(scheme, &n, &e))
            }
            (Some("OKP"), Some("Ed25519"), None) if algorithm == Algorithm::EdDsa => {
                Self::Ed25519 { x: coordinate(members, "x")? }
            }
            (Some("EC"), Some("P-256"), None) if algorithm == Algorithm::Es256 => {
                Self::P256 { x: coordinate(members, "x")?, y: coordinate(members, "y")? }
            }
            _ => return Err(BadJwk::Unsupported),
        })
    }

    /// From the point as ring writes it: uncompressed for P-256, 32 bytes for
    /// Ed25519. RSA keys are no points.
    pub(super) fn from_point(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::Es256 => {
                let (x, y) = bytes.strip_prefix(&[UNCOMPRESSED])?.split_at_checked(32)?;
                Some(Self::P256 { x: x.try_into().ok()?, y: y.try_into().ok()? })
            }
            Algorithm::EdDsa => Some(Self::Ed25519 { x: bytes.try_into().ok()? }),
            Algorithm::Rs256 | Algorithm::Ps256 => None,
        }
    }

    /// From modulus and exponent, both big-endian without leading zeros.
    pub fn rsa(scheme: Scheme, modulus: &[u8], exponent: &[u8]) -> Result<Self, BadJwk> {
        Ok(Self::Rsa(RsaPublicKey::new(scheme, modulus, exponent)?))
    }

    /// The one algorithm this key is for.
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::P256 { .. } => Algorithm::Es256,
            Self::Ed25519 { .. } => Algorithm::EdDsa,
            Self::Rsa(key) => key.scheme().algorithm(),
        }
    }

    /// Whether verifying this signature takes all of the work: the library stops at once where a signature is of
    /// another length, or for RSA no less than the modulus.
    pub(super) fn is_work(&self, signature: &[u8]) -> bool {
        let fits = match self {
            Self::P256 { .. } | Self::Ed25519 { .. } => true,
            Self::Rsa(key) => signature < key.modulus(),
        };
        fits && signature.len() == self.signature_length()
    }

    /// How long a signature of this key is, in bytes.
    pub fn signature_length(&self) -> usize {
        match self {
            Self::P256 { .. } | Self::Ed25519 { .. } => 64,
            Self::Rsa(key) => key.modulus().len(),
        }
    }

    /// The RFC 7638 SHA-256 thumbprint. It does not cover the algorithm.
    pub fn thumbprint(&self) -> Digest {
        match self {
            Self::P256 { x, y } => {
                thumbprint_of(&[("crv", "P-256"), ("kty", "EC"), ("x", &base64url(x)), ("y", &base64url(y))])
            }
            Self::Ed25519 { x } => thumbprint_of(&[("crv", "Ed25519"), ("kty", "OKP"), ("x", &base64url(x))]),
            Self::Rsa(key) => {
                let (n, e) = (base64url(key.modulus()), base64url(key.exponent()));
                thumbprint_of(&[("e", &e), ("kty", "RSA"), ("n", &n)])
            }
        }
    }

    /// Whether `other` is the same key for another algorithm, which no two keys may be.
    pub(super) fn is_twin_of(&self, other: &Self) -> bool {
        self.algorithm() != other.algorithm() && self.thumbprint() == other.thumbprint()
    }

    /// The key's own identifier, which is its thumbprint.
    pub fn kid(&self) -> Kid {
        Kid(self.thumbprint())
    }

    /// Whether `signature` is this key's over `message`, in the form of RFC 7518 section 3 or RFC 8032.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::P256 { x, y } => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, uncompressed(x, y))
                .verify(message, signature)
                .is_ok(),
            Self::Ed25519 { x } => ed25519::verify(x, message, signature),
            Self::Rsa(key) => key.verify(message, signature),
        }
    }

    /// The JWK as a JSON object, its members in the fixed order.
    pub fn to_value(&self) -> Value {
        self.named(&self.kid().to_string())
    }

    /// The same under a `kid` that somebody else chose.
    pub(super) fn named(&self, kid: &str) -> Value {
        let alg = self.algorithm().as_str();
        match self {
            Self::P256 { x, y } => json!({
                "kty": "EC", "use": "sig", "alg": alg, "kid": kid,
                "crv": "P-256", "x": base64url(x), "y": base64url(y),
            }),
            Self::Ed25519 { x } => json!({
                "kty": "OKP", "use": "sig", "alg": alg, "kid": kid,
                "crv": "Ed25519", "x": base64url(x),
            }),
            Self::Rsa(key) => json!({
                "kty": "RSA", "use": "sig", "alg": alg, "kid": kid,
                "n": base64url(key.modulus()), "e": base64url(key.exponent()),
            }),
        }
    }

    fn check_purpose(&self, members: &Map<String, Value>) -> Result<(), BadJwk> {
        match text(members, "alg")? {
            None => {}
            Some(name) if name == self.algorithm().as_str() => {}
            Some(name) if KNOWN_ALGORITHMS.contains(&name) => return Err(BadJwk::Algorithm),
            // Among them RFC 9864's own name for Ed25519, which no token here carries.
            Some(_) => return Err(BadJwk::Unsupported),
        }
        if text(members, "use")?.is_some_and(|purpose| purpose != "sig") {
            return Err(BadJwk::Use);
        }
        match members.get("key_ops") {
            None => Ok(()),
            Some(Value::Array(ops)) if ops.iter().any(|op| op == "verify") => Ok(()),
            Some(_) => Err(BadJwk::Use),
        }
    }

    /// ring parses a peer's point in full only for a key agreement, so one is
    /// made with a key that is thrown away; the outcome depends on the point alone.
    /// What can be seen of an RSA key was seen when it was put together.
    fn is_sound(&self) -> bool {
        match self {
            Self::P256 { x, y } => {
                EphemeralPrivateKey::generate(&ECDH_P256, &crate::ambient::signature_random()).is_ok_and(
                    |own| {
                        let peer = ring::agreement::UnparsedPublicKey::new(&ECDH_P256, uncompressed(x, y));
                        agree_ephemeral(own, &peer, |_| ()).is_ok()
                    },
                )
            }
            Self::Ed25519 { x } => ed25519::is_sound(x),
            Self::Rsa(_) => true,
        }
    }
}

/// The first byte of an uncompressed point (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 0x04;

/// A point on P-256 as ring and jsonwebtoken take it.
pub(super) fn uncompressed(x: &[u8; 32], y: &[u8; 32]) -> Vec<u8> {
    [&[UNCOMPRESSED], x.as_slice(), y.as_slice()].concat()
}

impl From<BadRsa> for BadJwk {
    fn from(bad: BadRsa) -> Self {
        match bad {
            BadRsa::Modulus => Self::Modulus,
            BadRsa::Exponent => Self::Exponent,
        }
    }
}

/// Reads an RSA key for the algorithm that it names, or else for `scheme`.
fn rsa(members: &Map<String, Value>, scheme: Option<Scheme>) -> Result<RsaPublicKey, BadJwk> {
    let scheme = match text(members, "alg")? {
        None => scheme.ok_or(BadJwk::Unsupported)?,
        Some(name) => match Algorithm::parse(name) {
            Some(algorithm) => Scheme::of(algorithm).ok_or(BadJwk::Algorithm)?,
            // RS384 and its like are RSA's too, but no token here carries them.
            None if name.starts_with("RS") || name.starts_with("PS") => return Err(BadJwk::Unsupported),
            None if KNOWN_ALGORITHMS.contains(&name) => return Err(BadJwk::Algorithm),
            None => return Err(BadJwk::Unsupported),
        },
    };
    let n = number(members, "n")?.ok_or(BadJwk::Modulus)?;
    let e = number(members, "e")?.ok_or(BadJwk::Exponent)?;
    Ok(RsaPublicKey::new(scheme, &n, &e)?)
}

/// The signature algorithms of RFC 7518 and RFC 8037: a curve that claims
/// another of these than its own is a mistake, not a key for somebody else.
const KNOWN_ALGORITHMS: [&str; 13] = [
    "ES256", "ES384", "ES512", "EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "HS256",
    "HS384", "HS512",
];

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, BadJwk> {
    members.get(name).map(|value| value.as_str().ok_or(BadJwk::Shape)).transpose()
}

/// A number of RSA, big-endian.
fn number(members: &Map<String, Value>, name: &str) -> Result<Option<Vec<u8>>, BadJwk> {
    Ok(text(members, name)?.and_then(base64url_decode))
}

fn coordinate(members: &Map<String, Value>, name: &str) -> Result<[u8; 32], BadJwk> {
    let encoded = text(members, name)?.ok_or(BadJwk::Coordinate)?;
    base64url_decode(encoded).and_then(|bytes| bytes.try_into().ok()).ok_or(BadJwk::Coordinate)
}

/// RFC 7638 section 3: the required members in byte order, no white space. The
/// callers give them in that order; no value here needs escaping.
fn thumbprint_of(members: &[(&str, &str)]) -> Digest {
    let members: Vec<String> =
        members.iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
    Digest::of(&[b"{", members.join(",").as_bytes(), b"}"])
}

impl fmt::Display for PublicJwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_value().fmt(f)
    }
}

impl fmt::Debug for PublicJwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicJwk({} {})", self.algorithm(), self.kid())
    }
}

impl Serialize for PublicJwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}

#[cfg(test)]
mod tests;
