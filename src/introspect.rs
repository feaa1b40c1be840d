//! Is this access token good? One answer for introspection, revocation and whoever lets tokens in.
//!
//! ```text
//! form, signature, claims ─► time ─► revoked? ─► known to the log? ─► client still there? ─► Good
//! ```
//!
//! Nothing is looked up for a token whose signature is not ours. What cannot be
//! found out is a [`Fault`] and never "inactive": a store that fails must not
//! make a good token look bad, nor a revocation look done. RFC 7662, RFC 7009,
//! RFC 9068 section 4.

mod asked;
mod record;
mod revocations;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};

pub use asked::NotRevoked;
pub use record::{IssuedToken, Revoker};
pub use revocations::{Revocations, RevocationsReading};

use crate::audit::denials::Denials;
use crate::audit::leaf::token_hash;
use crate::audit::proof::signing_input;
use crate::audit::recorder::RecordFault;
use crate::audit::standing::{Presented, Standing, Standings};
use crate::config::LONGEST_LIFETIME;
use crate::issue::{ClockInsane, WallClock};
use crate::jose::verify::{
    AccessTokenClaims, Decoded, Expected, Invalid, Verified, decode_unverified, verify_access_token,
};
use crate::jose::{JwkSet, Kid};
use crate::keys::KeyRing;
use crate::keys::rotator::Rotator;
use crate::policy::{Policy, RegisteredClient};
use crate::store::StoreFault;
use crate::time::Timestamp;

/// What an introspector is made of.
pub struct IntrospectorParts {
    /// The `iss` claim, byte-identical to the configuration.
    pub issuer: String,
    /// Has the published keys.
    pub rotator: Arc<Rotator>,
    /// The policy in force.
    pub policy: Arc<ArcSwap<Policy>>,
    /// Looks tokens up in the log.
    pub standings: Arc<Standings>,
    /// The revocations in force.
    pub revocations: Arc<Revocations>,
    /// Notes refusals, within bounds.
    pub denials: Arc<Denials>,
    /// Tells the time of day, as far as it can be believed.
    pub wall_clock: Arc<WallClock>,
    /// How far a token's `iat` may lie ahead, since clocks differ. For `exp` there is no such grace.
    pub leeway: Duration,
    /// How long the log is waited for.
    pub deadline: Duration,
}

/// Tells good tokens from others.
pub struct Introspector {
    parts: IntrospectorParts,
    /// The published keys, and the ring that they were taken from.
    keys: ArcSwapOption<(Arc<KeyRing>, JwkSet)>,
}

/// A token that is good at this moment.
#[derive(Clone, Debug)]
pub struct Good {
    /// What it says: `client_id`, `scope`, `jti`, `exp` and the rest.
    pub claims: AccessTokenClaims,
    /// Whose it is, as registered now.
    pub client: Arc<RegisteredClient>,
}

/// Why a token is not good.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotGood {
    /// It is not ours, or no longer good, or not for this audience; which of these, nobody is told.
    #[error("the token is not active")]
    Inactive,
    /// That could not be found out.
    #[error(transparent)]
    Unknown(#[from] Fault),
}

/// A question that could not be answered. The caller may come back; what it was is not for it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// The log was not read in time.
    #[error("the log was not read within {} ms", .0.as_millis())]
    TooSlow(Duration),
    /// The log could not be read.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// A revocation was not recorded; whether it is in force is unknown.
    #[error("the revocation was not recorded: {0}")]
    NotRecorded(#[from] RecordFault),
    /// The wall clock cannot be right.
    #[error(transparent)]
    Clock(#[from] ClockInsane),
}

impl Fault {
    /// Whether it is for want of room alone.
    pub const fn is_overload(&self) -> bool {
        matches!(self, Self::NotRecorded(RecordFault::QueueFull))
    }
}

impl Introspector {
    /// Assembles an introspector.
    pub fn new(parts: IntrospectorParts) -> Self {
        Self { parts, keys: ArcSwapOption::empty() }
    }

    /// Tells whether a token, a JWT in compact form, is good now; for `audience` if that is given.
    ///
    /// A token is good while its client is: one of a client that is disabled or gone
    /// is not, and is again when the client is enabled. `via` and `request_id` say who
    /// came across it, should it be a forgery.
    pub async fn verify(
        &self,
        token: &str,
        audience: Option<&str>,
        via: &'static str,
        request_id: &str,
    ) -> Result<Good, NotGood> {
        let now = self.parts.wall_clock.look().map_err(Fault::from)?;
        let claims = self.in_force(token, now, (via, request_id)).await?.ok_or(NotGood::Inactive)?;
        let policy = self.parts.policy.load();
        let client = policy.client(&claims.client_id).filter(|registered| !registered.client.disabled);
        let is_for = audience.is_none_or(|audience| audience == claims.audience);
        let has_begun = claims.issued_at <= now.plus(self.parts.leeway);
        match client {
            Some(client) if is_for && has_begun => Ok(Good { client: client.clone(), claims }),
            _ => Err(NotGood::Inactive),
        }
    }

    /// The claims of a token that was issued here, has not expired and is not revoked; `None` for all others.
    async fn in_force(
        &self,
        token: &str,
        now: Timestamp,
        (via, request_id): (&'static str, &str),
    ) -> Result<Option<AccessTokenClaims>, Fault> {
        let ring = self.parts.rotator.ring();
        let (presented, claims) = match self.genuine(token, now, &ring) {
            Ok(Verified { kid, claims, .. }) => {
                if claims.expires_at <= now || self.parts.revocations.cover(&claims) {
                    return Ok(None);
                }
                let Some(input) = signing_input(token) else { return Ok(None) };
                let (jti, issued_at) = (Some(claims.jti.clone()), Some(claims.issued_at));
                (Presented { kid, th: token_hash(input.as_bytes()), jti, issued_at }, Some(claims))
            }
            Err(Invalid::Signature) => return Ok(None),
            // It is no good token, but it may be a forgery.
            Err(_) => match signed_by_us(token, &ring) {
                Some(presented) => (presented, None),
                None => return Ok(None),
            },
        };
        let standing = self.parts.standings.of(&presented, via, request_id);
        let standing = tokio::time::timeout(self.parts.deadline, standing).await;
        // Of what a rollback lost nobody knows whether it was issued, nor whether it was revoked since: it is not
        // believed. Whoever holds such a token gets another one for the asking.
        match standing.map_err(|_| Fault::TooSlow(self.parts.deadline))?? {
            Standing::Recorded(_) => Ok(claims),
            Standing::Lost | Standing::Unrecorded => Ok(None),
        }
    }

    /// Form, header, signature by a published key, and claims; all but the time.
    fn genuine(&self, token: &str, now: Timestamp, ring: &Arc<KeyRing>) -> Result<Verified, Invalid> {
        let expected = Expected {
            issuer: &self.parts.issuer,
            audience: None,
            now,
            // The caller looks at the time: `iat` and `exp` are not judged alike.
            leeway: Duration::MAX,
            // A token was bounded by the settings of its own time, which its record proves.
            max_lifetime: LONGEST_LIFETIME,
        };
        let known = self.keys.load();
        if let Some(known) = known.as_ref().filter(|known| Arc::ptr_eq(&known.0, ring)) {
            return verify_access_token(token, &known.1, &expected);
        }
        let keys: JwkSet = ring.served().map(|key| key.public.clone()).collect();
        let verified = verify_access_token(token, &keys, &expected);
        self.keys.store(Some(Arc::new((ring.clone(), keys))));
        verified
    }
}

/// What one of our keys signed although we never say it, or have that key out of service: unless the log knows it, the
/// key is in other hands. Only the key that the header names is tried.
fn signed_by_us(token: &str, ring: &KeyRing) -> Option<Presented> {
    let Decoded { header, .. } = decode_unverified(token).ok()?;
    let kid = header.get("kid")?.as_str().and_then(Kid::parse)?;
    let keys = vec![ring.key(kid)?.clone()];
    Presented::read(token, &KeyRing { version: ring.version, keys })
}
