//! What the token will say and what the log will say about it. Pure.
//!
//! RFC 9068 for the claims, RFC 7515 section 5.1 for the signing input. The
//! record commits to the signing input, which is known before any signature is.

use serde::Serialize;

use crate::audit::event::EventType;
use crate::audit::leaf::{Record, jti_hash, token_hash};
use crate::digest::base64url;
use crate::keys::{ActiveKey, ReservedKey};
use crate::oauth::OAuthError;
use crate::oauth::claims::{AccessTokenClaims, Grant, Jti};
use crate::time::Timestamp;

/// The longest access token, in bytes: more does not fit the header limits of common servers.
pub const MAX_TOKEN_LENGTH: usize = 4096;

/// A token that nobody has recorded yet, and so nobody can sign.
#[derive(Debug)]
pub struct Unsigned {
    /// `base64url(header) "." base64url(claims)`.
    pub(crate) signing_input: String,
    /// What the log will say.
    record: Record,
    /// What a receipt will be found by.
    jti: Jti,
    /// The key that it was composed for, with room for the signature, which uses this same key.
    pub(crate) key: ReservedKey,
}

/// The circumstances that the record keeps beside the grant.
#[derive(Debug)]
pub struct Circumstances<'a> {
    /// How the client authenticated.
    pub auth_method: &'static str,
    /// By which of its secrets, or the thumbprint of which of its keys.
    pub secret_id: &'a str,
    /// From where.
    pub source_ip: Option<String>,
    /// The request's identifier, also in the answer's log line.
    pub request_id: &'a str,
    /// The W3C trace id, if the caller sent one.
    pub trace_id: Option<&'a str>,
    /// The version of the policy that decided.
    pub policy_version: u64,
    /// Which build of the program issues, such as `0.1.0`.
    pub build: &'static str,
}

/// The body of a `token.issued` record; members in this order.
#[derive(Serialize)]
struct IssuedBody<'a> {
    client_id: &'a str,
    sub: &'a str,
    scope: String,
    aud: &'a str,
    grant: &'static str,
    jti: &'a str,
    alg: &'static str,
    auth_method: &'static str,
    secret_id: &'a str,
    source_ip: Option<&'a str>,
    request_id: &'a str,
    trace_id: Option<&'a str>,
    policy_version: u64,
    build: &'static str,
}

/// What the token of `grant` says, for `key` to sign: RFC 7515 section 5.1, step 6. `invalid_scope` when the token
/// would be longer than [`MAX_TOKEN_LENGTH`].
pub fn signing_input(
    issuer: &str,
    grant: &Grant,
    key: &ActiveKey,
    (now, jti): (Timestamp, &Jti),
) -> Result<(String, Lifespan), OAuthError> {
    let issued_at = now.seconds();
    let expires_at = issued_at.saturating_add(grant.lifetime.as_secs());
    let claims = AccessTokenClaims { issuer, grant, issued_at, expires_at, jti };
    let claims = serde_json::to_vec(&claims).map_err(|_| OAuthError::SCOPE_TOO_LARGE)?;
    let signing_input = format!("{}.{}", key.encoded_header(), base64url(&claims));
    if signing_input.len() + 1 + key.encoded_signature_length() > MAX_TOKEN_LENGTH {
        return Err(OAuthError::SCOPE_TOO_LARGE);
    }
    Ok((signing_input, Lifespan { issued_at, expires_at }))
}

/// From `iat` to `exp`, both in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifespan {
    /// `iat`
    pub issued_at: u64,
    /// `exp`
    pub expires_at: u64,
}

/// Composes the token of `grant` for `key`. `invalid_scope` when it would be longer than [`MAX_TOKEN_LENGTH`].
pub fn compose(
    issuer: &str,
    grant: &Grant,
    key: ReservedKey,
    (now, jti): (Timestamp, &Jti),
    circumstances: &Circumstances<'_>,
) -> Result<Unsigned, OAuthError> {
    let (signing_input, Lifespan { issued_at, expires_at }) = signing_input(issuer, grant, &key, (now, jti))?;
    let record = Record {
        event: EventType::TokenIssued,
        kid: Some(key.kid()),
        th: Some(token_hash(signing_input.as_bytes())),
        lk: Some(jti_hash(issuer, jti.as_str())),
        iat: Some(issued_at),
        exp: Some(expires_at),
        body: Some(body(grant, &key, jti, circumstances)),
    };
    Ok(Unsigned { signing_input, record, jti: jti.clone(), key })
}

impl Unsigned {
    /// Gives up the record and what it will be found by. What is left can only be signed.
    pub(crate) fn take_record(&mut self) -> (Record, Jti) {
        let record = std::mem::replace(&mut self.record, Record::new(EventType::TokenIssued));
        (record, self.jti.clone())
    }
}

fn body(grant: &Grant, key: &ActiveKey, jti: &Jti, circumstances: &Circumstances<'_>) -> Vec<u8> {
    let body = IssuedBody {
        client_id: grant.client_id.as_str(),
        sub: grant.client_id.as_str(),
        scope: grant.scope.to_string(),
        aud: grant.audience.as_str(),
        grant: grant.grant_type.as_str(),
        jti: jti.as_str(),
        alg: key.algorithm().as_str(),
        auth_method: circumstances.auth_method,
        secret_id: circumstances.secret_id,
        source_ip: circumstances.source_ip.as_deref(),
        request_id: circumstances.request_id,
        trace_id: circumstances.trace_id,
        policy_version: circumstances.policy_version,
        build: circumstances.build,
    };
    crate::audit::body::line(&body)
}
