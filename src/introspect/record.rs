//! What the log says of a revocation: who revoked which token, or all that were issued before some time.
//!
//! Pure but for its place. One token is found by its `lk` without telling its `jti`.

use serde::Serialize;

use crate::audit::body;
use crate::audit::event::EventType;
use crate::audit::leaf::{Record, jti_hash};
use crate::store::Change;
use crate::time::Timestamp;

/// Who revokes, and how that came in.
#[derive(Clone, Debug)]
pub struct Revoker<'a> {
    /// `client:<id>` or `unix:<uid>`.
    pub actor: &'a str,
    /// `revoke` for the client's own endpoint, else as for other acts.
    pub via: &'static str,
    /// The request's identifier.
    pub request_id: &'a str,
    /// The client's address.
    pub source_ip: Option<String>,
    /// What is written in the same transaction, also where nothing is to be revoked any more.
    pub beside: Option<Change>,
}

/// A single token that was issued here.
#[derive(Clone, Copy, Debug)]
pub struct IssuedToken<'a> {
    /// Its identifier.
    pub jti: &'a str,
    /// Whose it is, where that can still be told.
    pub client_id: Option<&'a str>,
    /// Its end.
    pub expires_at: Timestamp,
}

/// The body of a `token.revoked` record; members in this order.
#[derive(Serialize)]
struct RevokedBody<'a> {
    actor: &'a str,
    via: &'static str,
    request_id: &'a str,
    source_ip: Option<&'a str>,
    /// The `jti`, the client, or `all`.
    object: &'a str,
    client_id: Option<&'a str>,
    jti: Option<&'a str>,
    issued_before: Option<String>,
}

impl<'a> RevokedBody<'a> {
    fn by(by: &'a Revoker<'_>, object: &'a str) -> Self {
        Self {
            actor: by.actor,
            via: by.via,
            request_id: by.request_id,
            source_ip: by.source_ip.as_deref(),
            object,
            client_id: None,
            jti: None,
            issued_before: None,
        }
    }
}

/// One token is revoked.
pub(super) fn of_token(issuer: &str, by: &Revoker<'_>, token: &IssuedToken<'_>) -> Record {
    let (client_id, jti) = (token.client_id, Some(token.jti));
    let body = RevokedBody { client_id, jti, ..RevokedBody::by(by, token.jti) };
    Record {
        lk: Some(jti_hash(issuer, token.jti)),
        exp: Some(token.expires_at.seconds()),
        ..Record::of(EventType::TokenRevoked, body::line(&body))
    }
}

/// What was issued before a time is revoked, to one client or to all.
pub(super) fn of_floor(by: &Revoker<'_>, client_id: Option<&str>, not_before: Timestamp) -> Record {
    let issued_before = Some(not_before.to_string());
    let body = RevokedBody { client_id, issued_before, ..RevokedBody::by(by, client_id.unwrap_or("all")) };
    Record::of(EventType::TokenRevoked, body::line(&body))
}
