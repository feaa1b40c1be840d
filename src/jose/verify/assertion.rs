//! Verification of client assertions: a JWT by which a client says who it is.
//!
//! Two steps, since nobody knows whose keys to take before the claims are read: [`Claimed::read`] holds
//! form and header to their rules and believes nothing; [`Claimed::verify`] judges claims and signature,
//! with the same work whether there is a key or not. Time is a parameter. That an assertion is used
//! once is the caller's to see to. RFC 7523 section 3, RFC 7521 section 5.2, RFC 8725bis, FAPI 2.0
//! section 5.3.2.1.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{Decoded, decode_unverified};
use crate::digest::{Digest, base64url_decode};
use crate::jose::client_keys::{ALGORITHMS, ED25519};
use crate::jose::{Algorithm, ClientKeys, Kid, nobody};
use crate::time::Timestamp;

/// How far the clocks of client and issuer may differ. FAPI 2.0 wants 10 s to be accepted and more
/// than 60 s ahead to be refused; this lies between.
pub const LEEWAY: Duration = Duration::from_secs(30);
/// How far ahead `exp` may lie at most: an hour, for which the assertion is remembered, and a minute for clocks.
pub const MAX_AHEAD: Duration = Duration::from_mins(61);
/// The longest `jti`, in characters.
pub const MAX_JTI: usize = 256;
/// How much longer than any clock would take it an assertion is remembered.
const MARGIN: Duration = Duration::from_mins(1);

/// What the issuer expects of an assertion.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The one `aud`, byte by byte.
    pub issuer: &'a str,
    /// The time of the verification.
    pub now: Timestamp,
}

/// What an assertion claims. Nothing of it is known to be true. There is no `Debug`: it holds the whole assertion.
pub struct Claimed<'a> {
    message: &'a str,
    signature: Vec<u8>,
    algorithm: Algorithm,
    kid: Option<String>,
    client_id: String,
    claims: Map<String, Value>,
}

/// An assertion that its client signed and that is in force. Whether it was used before is not known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// Who signed: `iss` and `sub`.
    pub client_id: String,
    /// The thumbprint of the key that signed, whatever the client calls it.
    pub kid: Kid,
    /// Stands for `jti` among this issuer's clients: no two of them share one.
    pub id: Digest,
    /// Until when it must be remembered: later, no clock that is right takes it again.
    pub until: Timestamp,
}

/// Why an assertion was refused: for an operator who looks for the cause, never for the caller. The
/// texts repeat nothing of the assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAssertion {
    /// Not the compact serialisation of two JSON objects that read one way only.
    #[error("it is not three base64url parts with two unambiguous JSON objects")]
    Form,
    /// `crit`, a key of its own, or a member that changes how the rest is read.
    #[error("the header has crit, a key of its own or another member that is not allowed")]
    Header,
    /// Another kind of token (RFC 8725 section 3.11).
    #[error("typ is neither absent nor JWT nor client-authentication+jwt")]
    Type,
    /// `alg` is missing or not one of [`ALGORITHMS`].
    #[error("alg is not ES256, PS256, EdDSA or Ed25519")]
    Algorithm,
    /// `kid` is not a string.
    #[error("kid is not a string")]
    Kid,
    /// A claim is missing or has the wrong JSON type.
    #[error("the claim {0} is missing or has the wrong type")]
    Claim(&'static str),
    /// `iss` and `sub` are not the same client.
    #[error("iss and sub differ")]
    Subject,
    /// `aud` is not the issuer.
    #[error("aud is not the issuer's identifier")]
    Audience,
    /// `exp` has passed.
    #[error("it has expired")]
    Expired,
    /// `exp` lies further ahead than an assertion is remembered.
    #[error("exp lies more than an hour ahead")]
    TooLong,
    /// `iat` or `nbf` lies ahead.
    #[error("iat or nbf lies ahead")]
    NotYet,
    /// The client has no such key, or without a `kid` more than one of this `alg`; or there is no such client.
    #[error("it names no key that the client is registered with")]
    UnknownKey,
    /// Somebody else signed, or something was changed.
    #[error("the signature does not fit the key")]
    Signature,
}

/// Header members that bring a key, or change what the others mean.
const REFUSED_MEMBERS: [&str; 8] = ["crit", "jwk", "jku", "x5u", "x5c", "b64", "cty", "enc"];
/// What an assertion may call itself; compared as media types are. RFC 7519 section 5.1, RFC 7523bis.
const TYPES: [&str; 2] = ["JWT", "client-authentication+jwt"];

impl<'a> Claimed<'a> {
    /// Reads an assertion: its form, its header, and in whose name it speaks. What comes of it depends on no client.
    pub fn read(jwt: &'a str) -> Result<Self, BadAssertion> {
        let Decoded { header, claims } = decode_unverified(jwt).map_err(|_| BadAssertion::Form)?;
        let (message, signature) = jwt.rsplit_once('.').ok_or(BadAssertion::Form)?;
        let signature = base64url_decode(signature).ok_or(BadAssertion::Form)?;
        let algorithm = algorithm(&header)?;
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return Err(BadAssertion::Kid),
        };
        let client_id = text(&claims, "sub")?.to_owned();
        if text(&claims, "iss")? != client_id {
            return Err(BadAssertion::Subject);
        }
        Ok(Self { message, signature, algorithm, kid, client_id, claims })
    }

    /// The client in whose name it speaks.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Judges the claims, then the signature. `keys` are those of the client that it names; without
    /// them, or where none of them fits, the same work is done for nothing.
    pub fn verify(
        self,
        keys: Option<&ClientKeys>,
        expected: &Expected<'_>,
    ) -> Result<Assertion, BadAssertion> {
        if text(&self.claims, "aud")? != expected.issuer {
            return Err(BadAssertion::Audience);
        }
        let jti = text(&self.claims, "jti")?;
        if jti.chars().nth(MAX_JTI).is_some() {
            return Err(BadAssertion::Claim("jti"));
        }
        let expires_at = check_times(&self.claims, expected.now)?;
        let kid = self.check_signature(keys)?;
        // A client id has no line feed, so that no two pairs give the same text.
        let id = [b"mintmark/assertion/v1\n", self.client_id.as_bytes(), b"\n", jti.as_bytes()];
        let (id, until) = (Digest::of(&id), expires_at.plus(LEEWAY).plus(MARGIN));
        Ok(Assertion { client_id: self.client_id, kid, id, until })
    }

    fn check_signature(&self, keys: Option<&ClientKeys>) -> Result<Kid, BadAssertion> {
        let (message, signature) = (self.message.as_bytes(), self.signature.as_slice());
        let named = keys.and_then(|keys| keys.choose(self.algorithm, self.kid.as_deref()));
        // Where the library would stop at once, the time would tell whose key it is and how long.
        let Some(key) = named.filter(|key| key.is_work(signature)) else {
            nobody::verify(self.algorithm, message, signature);
            return Err(if named.is_some() { BadAssertion::Signature } else { BadAssertion::UnknownKey });
        };
        if key.verify(message, signature) { Ok(key.kid()) } else { Err(BadAssertion::Signature) }
    }
}

fn algorithm(header: &Map<String, Value>) -> Result<Algorithm, BadAssertion> {
    if REFUSED_MEMBERS.iter().any(|name| header.contains_key(*name)) {
        return Err(BadAssertion::Header);
    }
    match header.get("typ") {
        None => {}
        Some(Value::String(name)) if TYPES.iter().any(|known| known.eq_ignore_ascii_case(name)) => {}
        Some(_) => return Err(BadAssertion::Type),
    }
    let name = header.get("alg").and_then(Value::as_str).ok_or(BadAssertion::Algorithm)?;
    let known = if name == ED25519 { Some(Algorithm::EdDsa) } else { Algorithm::parse(name) };
    known.filter(|algorithm| ALGORITHMS.contains(algorithm)).ok_or(BadAssertion::Algorithm)
}

/// `exp`, once it and, where they are, `iat` and `nbf` allow the assertion to be used now.
fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<Timestamp, BadAssertion> {
    let expires_at = time(claims, "exp")?.ok_or(BadAssertion::Claim("exp"))?;
    if expires_at.plus(LEEWAY) <= now {
        return Err(BadAssertion::Expired);
    }
    if expires_at > now.plus(MAX_AHEAD) {
        return Err(BadAssertion::TooLong);
    }
    for name in ["iat", "nbf"] {
        if time(claims, name)?.is_some_and(|begin| begin > now.plus(LEEWAY)) {
            return Err(BadAssertion::NotYet);
        }
    }
    Ok(expires_at)
}

fn text<'a>(claims: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, BadAssertion> {
    match claims.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        _ => Err(BadAssertion::Claim(name)),
    }
}

/// A `NumericDate`: a number of seconds, whole or with a fraction, not before 1970 (RFC 7519 section 2).
fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, BadAssertion> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let whole = value.as_u64().map(Timestamp::from_seconds);
    let read = || Duration::try_from_secs_f64(value.as_f64()?).ok();
    whole.or_else(|| Some(Timestamp::default().plus(read()?))).map(Some).ok_or(BadAssertion::Claim(name))
}

#[cfg(test)]
mod tests;
