//! Verification of signed tokens: the one strict wrapper around jsonwebtoken.
//!
//! The crate leaves `typ`, `crit`, repeated members, the JSON types of `iss`
//! and `aud` and the bounds of `exp` to its caller and reads the system clock
//! for the rest; all of that is done here, with the time as a parameter. Never
//! fetches a key and never looks a token up. RFC 7515, RFC 8725, RFC 9068
//! section 4.

pub mod assertion;

use std::collections::HashSet;
use std::time::Duration;

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::strict_json::{self, BadJson};
use super::{Algorithm, JwkSet, Kid, PublicJwk, provider};
use crate::digest::base64url_decode;
use crate::time::Timestamp;

/// The longest token that is read, in bytes.
pub const MAX_TOKEN: usize = 8 * 1024;

/// What a verifier expects of an access token.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The `iss` claim, byte by byte.
    pub issuer: &'a str,
    /// The `aud` claim, byte by byte; `None` takes any one string.
    pub audience: Option<&'a str>,
    /// The time of the verification.
    pub now: Timestamp,
    /// How far the clocks of issuer and verifier may differ.
    pub leeway: Duration,
    /// The longest time from `iat` to `exp` that the issuer would ever grant.
    pub max_lifetime: Duration,
}

/// A token's two JSON objects. Nothing about them is known to be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The JOSE header.
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Map<String, Value>,
}

/// A token whose signature one of the given keys made.
#[derive(Clone, Debug)]
pub struct Signed {
    /// Its header and claims.
    pub decoded: Decoded,
    /// The key that its `kid` names and that its signature fits.
    pub key: PublicJwk,
}

/// An access token that is genuine and in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Header and claims as they were signed.
    pub decoded: Decoded,
    /// The thumbprint of the key that signed.
    pub kid: Kid,
    /// The claims of RFC 9068, typed.
    pub claims: AccessTokenClaims,
}

/// The claims that every access token of this issuer has. RFC 9068 section 2.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessTokenClaims {
    /// `iss`
    pub issuer: String,
    /// `sub`
    pub subject: String,
    /// `aud`, always one string
    pub audience: String,
    /// `client_id`
    pub client_id: String,
    /// `scope`, if granted
    pub scope: Option<String>,
    /// `iat`
    pub issued_at: Timestamp,
    /// `exp`
    pub expires_at: Timestamp,
    /// `jti`
    pub jti: String,
}

/// Why a token was refused: one short sentence, fit for whoever holds the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Longer than [`MAX_TOKEN`].
    #[error("the token is longer than 8192 bytes")]
    TooLong,
    /// Not the compact serialisation (RFC 7515 section 7.1), to the letter.
    #[error("the token is not three base64url parts joined by dots")]
    Form,
    /// The header is no unambiguous JSON.
    #[error("the header: {0}")]
    HeaderJson(BadJson),
    /// The claims are no unambiguous JSON.
    #[error("the claims: {0}")]
    ClaimsJson(BadJson),
    /// The header or the claims are JSON, but no object.
    #[error("the header and the claims are not both JSON objects")]
    NotObjects,
    /// `crit` is there; no extension is understood (RFC 7515 section 4.1.11).
    #[error("the header has crit")]
    Critical,
    /// The header brings or points at a key of its own (RFC 8725 section 3.10).
    #[error("the header brings its own key (jwk, jku, x5u or x5c)")]
    OwnKey,
    /// Not a token of this kind (RFC 8725 section 3.11).
    #[error("typ is not at+jwt")]
    Type,
    /// An access token's header has `typ`, `alg` and `kid` only.
    #[error("the header has members besides typ, alg and kid")]
    HeaderMember,
    /// `alg` is missing or not one that is ever used here.
    #[error("alg is not an accepted algorithm")]
    Algorithm,
    /// `kid` is missing or in none of the keys.
    #[error("kid names no key of the key set")]
    UnknownKey,
    /// `alg` is not the algorithm of the key that `kid` names (RFC 8725 section 3.1).
    #[error("alg is not the algorithm of the key")]
    KeyAlgorithm,
    /// Somebody else signed, or something was changed.
    #[error("the signature does not fit the key")]
    Signature,
    /// A claim is missing or has the wrong JSON type.
    #[error("the claim {0} is missing or has the wrong type")]
    Claim(&'static str),
    /// Another issuer's.
    #[error("iss is another issuer")]
    Issuer,
    /// For somebody else.
    #[error("aud is another audience")]
    Audience,
    /// `exp` is not after `iat`, or further after it than the issuer grants.
    #[error("the lifetime from iat to exp is not one that the issuer grants")]
    Lifetime,
    /// `iat` or `nbf` lies ahead.
    #[error("the token is from the future")]
    NotYet,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// Another library took the cryptography over.
    #[error("{0}")]
    Provider(#[from] provider::InstallFailed),
}

/// Verifies an access token of this issuer: form, header, signature, then claims.
pub fn verify_access_token(token: &str, keys: &JwkSet, expected: &Expected<'_>) -> Result<Verified, Invalid> {
    let Signed { decoded, key } = verify_signed(token, keys)?;
    if decoded.header.get("typ").and_then(Value::as_str) != Some("at+jwt") {
        return Err(Invalid::Type);
    }
    if decoded.header.len() != 3 {
        return Err(Invalid::HeaderMember);
    }
    let claims = AccessTokenClaims::read(&decoded.claims)?;
    claims.check(expected)?;
    check_not_before(&decoded.claims, expected)?;
    Ok(Verified { decoded, kid: key.kid(), claims })
}

/// Verifies form, header and signature of any compact JWS whose payload is a
/// JSON object. `typ` and every claim are left to the caller, who must check
/// them before trusting anything.
pub fn verify_signed(token: &str, keys: &JwkSet) -> Result<Signed, Invalid> {
    let decoded = decode_unverified(token)?;
    let header = &decoded.header;
    if header.contains_key("crit") {
        return Err(Invalid::Critical);
    }
    if ["jwk", "jku", "x5u", "x5c"].iter().any(|name| header.contains_key(*name)) {
        return Err(Invalid::OwnKey);
    }
    let algorithm = header.get("alg").and_then(Value::as_str).and_then(Algorithm::parse);
    let algorithm = algorithm.ok_or(Invalid::Algorithm)?;
    let key = header.get("kid").and_then(Value::as_str).and_then(|kid| keys.find(kid));
    let key = key.ok_or(Invalid::UnknownKey)?;
    if key.algorithm() != algorithm {
        return Err(Invalid::KeyAlgorithm);
    }
    check_signature(token, key)?;
    Ok(Signed { decoded, key: key.clone() })
}

/// Reads header and claims and believes neither: for people who look at a token.
pub fn decode_unverified(token: &str) -> Result<Decoded, Invalid> {
    if token.len() > MAX_TOKEN {
        return Err(Invalid::TooLong);
    }
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Invalid::Form);
    };
    let bytes = |part| base64url_decode(part).filter(|bytes| !bytes.is_empty()).ok_or(Invalid::Form);
    let (header, claims) = (bytes(header)?, bytes(claims)?);
    bytes(signature)?;
    let header = strict_json::parse(&header, strict_json::MAX_DEPTH).map_err(Invalid::HeaderJson)?;
    let claims = strict_json::parse(&claims, strict_json::MAX_DEPTH).map_err(Invalid::ClaimsJson)?;
    match (header, claims) {
        (Value::Object(header), Value::Object(claims)) => Ok(Decoded { header, claims }),
        _ => Err(Invalid::NotObjects),
    }
}

/// Only the signature is left to jsonwebtoken: its claim checks accept a
/// missing or mistyped `iss` and `aud` and read the system clock.
#[expect(clippy::disallowed_methods, reason = "this is the one strict wrapper")]
fn check_signature(token: &str, key: &PublicJwk) -> Result<(), Invalid> {
    provider::install()?;
    let mut validation = jsonwebtoken::Validation::new(provider::jwt_name(key.algorithm()));
    validation.required_spec_claims = HashSet::new();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    jsonwebtoken::decode::<IgnoredAny>(token, &provider::decoding_key(key), &validation)
        .map(|_| ())
        .map_err(|_| Invalid::Signature)
}

impl AccessTokenClaims {
    fn read(claims: &Map<String, Value>) -> Result<Self, Invalid> {
        let text = |name| match claims.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
            _ => Err(Invalid::Claim(name)),
        };
        let time = |name| whole_seconds(claims.get(name)).ok_or(Invalid::Claim(name));
        Ok(Self {
            issuer: text("iss")?,
            audience: text("aud")?,
            subject: text("sub")?,
            client_id: text("client_id")?,
            scope: if claims.contains_key("scope") { Some(text("scope")?) } else { None },
            issued_at: time("iat")?,
            expires_at: time("exp")?,
            jti: text("jti")?,
        })
    }

    fn check(&self, expected: &Expected<'_>) -> Result<(), Invalid> {
        let Expected { issuer, audience, now, leeway, max_lifetime } = *expected;
        if self.issuer != issuer {
            return Err(Invalid::Issuer);
        }
        if audience.is_some_and(|audience| audience != self.audience) {
            return Err(Invalid::Audience);
        }
        // With the check of `iat` below, this also bounds how far `exp` may lie ahead of now.
        if self.expires_at <= self.issued_at || self.expires_at.since(self.issued_at) > max_lifetime {
            return Err(Invalid::Lifetime);
        }
        if self.issued_at > now.plus(leeway) {
            return Err(Invalid::NotYet);
        }
        if self.expires_at.plus(leeway) <= now {
            return Err(Invalid::Expired);
        }
        Ok(())
    }
}

/// This issuer writes no `nbf`; where one is, it holds (RFC 7519 section 4.1.5).
fn check_not_before(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), Invalid> {
    let Some(value) = claims.get("nbf") else { return Ok(()) };
    let not_before = whole_seconds(Some(value)).ok_or(Invalid::Claim("nbf"))?;
    if not_before > expected.now.plus(expected.leeway) { Err(Invalid::NotYet) } else { Ok(()) }
}

/// A `NumericDate` that is a whole number and not before 1970.
fn whole_seconds(value: Option<&Value>) -> Option<Timestamp> {
    value.and_then(Value::as_u64).map(Timestamp::from_seconds)
}

#[cfg(test)]
mod tests;
