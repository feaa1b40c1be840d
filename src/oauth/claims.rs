//! What was allowed ([`Grant`]) and what the access token says about it. RFC 9068 sections 2.1 and 2.2.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;

use super::Scope;
use super::name::{ClientId, ResourceUri};
use super::request::GrantType;
use crate::digest::base64url;
use crate::jose::{Algorithm, Kid};
use crate::time::Timestamp;

/// Claims that no client may set for itself: what the issuer says, and what
/// verifiers and their libraries give a meaning of their own.
pub const RESERVED: [&str; 20] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "scope",
    "cnf",
    "act",
    "may_act",
    "azp",
    "auth_time",
    "acr",
    "amr",
    "nonce",
    "sid",
    "status",
    "typ",
];

/// Whether `name` is kept for the issuer.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// A decision of `issue::authorize`: this client may have a token that says this.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// Who asked, and the subject of the token.
    pub client_id: ClientId,
    /// By which grant.
    pub grant_type: GrantType,
    /// What was granted; all of it lies in `audience`.
    pub scope: Scope,
    /// The resource the token is for.
    pub audience: ResourceUri,
    /// From `iat` to `exp`, whole seconds.
    pub lifetime: Duration,
    /// The algorithm that the resource wants.
    pub algorithm: Algorithm,
    /// The client's own static claims, none of them reserved.
    pub claims: Arc<StaticClaims>,
}

/// Static claims by name.
pub type StaticClaims = std::collections::BTreeMap<String, Value>;

/// A token's identifier: 48 bits of milliseconds, then 128 random bits, base64url (30 characters).
/// Time comes first so that the index over it stays local.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Jti(String);

impl Jti {
    /// Composes an identifier from the time and fresh randomness.
    pub fn compose(now: Timestamp, random: [u8; 16]) -> Self {
        let millis = (now.micros() / 1_000).to_be_bytes();
        let mut bytes = [0; 22];
        for (to, from) in bytes.iter_mut().zip(millis.iter().skip(2).chain(&random)) {
            *to = *from;
        }
        Self(base64url(&bytes))
    }

    /// Reads 30 characters of base64url.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = crate::digest::base64url_decode(text)?;
        (bytes.len() == 22).then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Jti> for String {
    fn from(jti: Jti) -> Self {
        jti.0
    }
}

/// The claims of an access token, written in this order, static claims last in byte order.
#[derive(Debug)]
pub struct AccessTokenClaims<'a> {
    /// The issuer, byte-identical to the configuration.
    pub issuer: &'a str,
    /// What was granted.
    pub grant: &'a Grant,
    /// When, in seconds.
    pub issued_at: u64,
    /// Until when, in seconds.
    pub expires_at: u64,
    /// The token's identifier.
    pub jti: &'a Jti,
}

impl Serialize for AccessTokenClaims<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("iss", self.issuer)?;
        map.serialize_entry("sub", self.grant.client_id.as_str())?;
        map.serialize_entry("aud", self.grant.audience.as_str())?;
        map.serialize_entry("client_id", self.grant.client_id.as_str())?;
        map.serialize_entry("scope", &self.grant.scope.to_string())?;
        map.serialize_entry("iat", &self.issued_at)?;
        map.serialize_entry("exp", &self.expires_at)?;
        map.serialize_entry("jti", self.jti.as_str())?;
        for (name, value) in self.grant.claims.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The JOSE header of an access token signed with this key, base64url: exactly `typ`, `alg`, `kid`.
pub fn encoded_header(algorithm: Algorithm, kid: &Kid) -> String {
    base64url(format!(r#"{{"typ":"at+jwt","alg":"{algorithm}","kid":"{kid}"}}"#).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jti_sorts_by_time_and_keeps_its_randomness() {
        let early = Jti::compose(Timestamp::from_seconds(1_795_301_881), [255; 16]);
        let late = Jti::compose(Timestamp::from_micros(1_795_301_881_001_000), [0; 16]);
        let bytes = |jti: &Jti| crate::digest::base64url_decode(jti.as_str()).unwrap();
        assert!(bytes(&early) < bytes(&late));
        assert_eq!(early.as_str().len(), 30);
        assert_eq!(Jti::parse(early.as_str()), Some(early));
        assert_eq!(Jti::parse("short"), None);
    }
}
