//! The issuance itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::authorize::{authorize, charges};
use super::compose::{Circumstances, compose};
use super::origin::Origin;
use super::wall_clock::WallClock;
use crate::ambient::{Clock, Entropy, random};
use crate::audit::denials::{Asked, Denials};
use crate::audit::recorder::{RecordFault, Recorder};
use crate::clients::{Authenticated, Authenticator, NotAuthenticated};
use crate::failpoint::failpoint;
use crate::keys::signer::{NoSignature, Signer};
use crate::limits::{Decision, Limiter, NoTurn, Source, Turns};
use crate::oauth::claims::{Grant, Jti};
use crate::oauth::credential::Credential;
use crate::oauth::request::TokenRequest;
use crate::oauth::{OAuthError, Scope};
use crate::policy::snapshot::Lifetimes;
use crate::policy::{Policy, RegisteredClient};
use crate::workers::NotDone;

/// What a mint is made of.
pub struct MintParts {
    /// The `iss` claim, byte-identical to the configuration.
    pub issuer: String,
    /// The configured lifetimes.
    pub lifetimes: Lifetimes,
    /// The policy in force; whoever changes the policy swaps it.
    pub policy: Arc<ArcSwap<Policy>>,
    /// Tells who asks.
    pub authenticator: Authenticator,
    /// Says how many tokens may be under way at once, and whose turn it is.
    pub turns: Turns,
    /// Holds the clients to their limits.
    pub limiter: Arc<Limiter>,
    /// Writes the log.
    pub recorder: Recorder,
    /// Notes refusals, within bounds.
    pub denials: Arc<Denials>,
    /// Signs what was recorded.
    pub signer: Arc<Signer>,
    /// Tells how much time has passed, for the limits.
    pub clock: Arc<dyn Clock>,
    /// Tells the time of day, as far as it can be believed.
    pub wall_clock: Arc<WallClock>,
    /// Gives the randomness of token identifiers.
    pub entropy: Arc<dyn Entropy>,
    /// Which build of the program this is; records say it.
    pub build: &'static str,
}

/// Issues access tokens.
pub struct Mint {
    parts: MintParts,
}

/// A token that may be released. Debug shows everything but the token.
pub struct Issued {
    /// The compact JWT.
    pub access_token: String,
    /// What it grants.
    pub scope: Scope,
    /// How long it is good, whole seconds.
    pub lifetime: Duration,
    /// What is left of the charged limits.
    pub limits: Decision,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { access_token: _, scope, lifetime, limits } = self;
        f.debug_struct("Issued")
            .field("scope", scope)
            .field("lifetime", lifetime)
            .field("limits", limits)
            .finish_non_exhaustive()
    }
}

/// Why there is no token.
#[derive(Debug)]
pub enum Denial {
    /// The client can mend this.
    Refused(OAuthError),
    /// The client may come back after this time.
    Limited(Decision),
    /// Too many attempts to authenticate failed. The caller may come back after this time.
    Throttled(Duration),
    /// We failed; the cause is for the log only.
    Failed(Fault),
}

/// A failure of ours. The client may come back; what it was is not for it.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The client's secret was not looked at to the end.
    #[error("nobody was authenticated: {0}")]
    NotAuthenticated(#[from] NotDone),
    /// More is asked for at once than can be done.
    #[error("nothing was begun: {0}")]
    NoTurn(#[from] NoTurn),
    /// The record could not be made durable in time, so nothing was signed.
    #[error("nothing was recorded: {0}")]
    NotRecorded(#[from] RecordFault),
    /// There is no key to sign with or no room for it to sign, it was revoked while the request was under way, or gave no true signature.
    #[error("nothing was signed: {0}")]
    NotSigned(#[from] NoSignature),
    /// The wall clock cannot be right.
    #[error(transparent)]
    Clock(#[from] super::ClockInsane),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] crate::ambient::EntropyFailed),
}

impl Fault {
    /// Whether it is for want of room alone: it passes by itself.
    pub const fn is_overload(&self) -> bool {
        matches!(
            self,
            Self::NotAuthenticated(NotDone::Overloaded)
                | Self::NoTurn(NoTurn)
                | Self::NotRecorded(RecordFault::QueueFull)
                | Self::NotSigned(NoSignature::Overloaded(_))
        )
    }
}

impl<E: Into<Fault>> From<E> for Denial {
    fn from(fault: E) -> Self {
        Self::Failed(fault.into())
    }
}

impl Mint {
    /// Assembles a mint.
    pub fn new(parts: MintParts) -> Self {
        Self { parts }
    }

    /// Issues one token, or says why not.
    ///
    /// Without a turn, and room for its record and its signature, it is refused before anything is charged
    /// or recorded; the room that it has goes with it from then on.
    ///
    /// Dropped before the record is durable, it leaves nothing or a record of
    /// a token that nobody received; there is never a token without a record.
    pub async fn issue(
        &self,
        credential: Credential,
        request: &TokenRequest,
        origin: &Origin,
    ) -> Result<Issued, Denial> {
        let parts = &self.parts;
        let now = self.now()?;
        let policy = parts.policy.load_full();

        let client = self.authenticate(&policy, &credential, origin).await?;
        let registered = &client.registered;

        let mut grant = authorize(registered, request, &policy, parts.lifetimes)
            .map_err(|error| self.refused(registered, request, error, origin))?;

        // Kept until the token is signed.
        let _turn = parts.turns.take(registered.key).await?;

        let (key, longest_lifetime) = parts.signer.reserve(grant.algorithm)?;
        grant.lifetime = grant.lifetime.min(longest_lifetime);
        parts.recorder.check_room()?;

        let limits = parts.limiter.admit(&charges(registered, &grant, &policy), parts.clock.monotonic());
        if !limits.admitted {
            self.note(registered, request, "rate_limited", origin);
            return Err(Denial::Limited(limits));
        }
        failpoint!("limit.after_take");

        let jti = Jti::compose(now, random(&*parts.entropy)?);
        let circumstances = circumstances(&client, origin, (policy.version, parts.build));
        let unsigned = compose(&parts.issuer, &grant, key, (now, &jti), &circumstances)
            .map_err(|error| self.refused(registered, request, error, origin))?;

        let recorded = parts.recorder.record(unsigned).await?;
        failpoint!("issue.after_record");

        let access_token = parts.signer.sign(recorded).await?;
        failpoint!("issue.after_sign");
        let Grant { scope, lifetime, .. } = grant;
        Ok(Issued { access_token, scope, lifetime, limits })
    }

    /// Tells which client presents this credential, where it wants no token: for introspection and revocation.
    pub async fn identify(
        &self,
        credential: &Credential,
        origin: &Origin,
    ) -> Result<Arc<RegisteredClient>, Denial> {
        let policy = self.parts.policy.load_full();
        Ok(self.authenticate(&policy, credential, origin).await?.registered)
    }

    /// A request that could not be read is refused, and counted like one by a stranger.
    pub fn refuse_unread(&self, error: OAuthError, origin: &Origin) -> Denial {
        self.parts.denials.stranger(error.code.as_str(), None, origin);
        Denial::Refused(error)
    }

    /// The time to issue with. A clock that stepped back too far is recorded, and its new time used.
    fn now(&self) -> Result<crate::time::Timestamp, Denial> {
        let reading = self.parts.wall_clock.read()?;
        if let Some(before) = reading.stepped_back_from {
            self.parts.denials.clock_skew(before, reading.now);
        }
        Ok(reading.now)
    }

    async fn authenticate(
        &self,
        policy: &Policy,
        credential: &Credential,
        origin: &Origin,
    ) -> Result<Authenticated, Denial> {
        let source = Source::of(origin.source_ip);
        match self.parts.authenticator.authenticate(policy, credential, source).await {
            Ok(client) => Ok(client),
            Err(NotAuthenticated::Refused { known }) => {
                let error = OAuthError::INVALID_CLIENT;
                self.parts.denials.stranger(error.code.as_str(), known.as_ref(), origin);
                Err(Denial::Refused(error))
            }
            Err(NotAuthenticated::Throttled { known, wait }) => {
                self.parts.denials.stranger("throttled", known.as_ref(), origin);
                Err(Denial::Throttled(wait))
            }
            Err(NotAuthenticated::NotDone(why)) => Err(why.into()),
            Err(NotAuthenticated::NotRecorded(why)) => Err(why.into()),
        }
    }

    fn refused(
        &self,
        registered: &RegisteredClient,
        request: &TokenRequest,
        error: OAuthError,
        origin: &Origin,
    ) -> Denial {
        self.note(registered, request, error.code.as_str(), origin);
        Denial::Refused(error)
    }

    fn note(
        &self,
        registered: &RegisteredClient,
        request: &TokenRequest,
        reason: &'static str,
        origin: &Origin,
    ) {
        let client = &registered.client;
        let asked = Asked {
            scope: request.scope.as_ref().or(client.default_scope.as_ref()),
            resource: request.resource.as_deref(),
        };
        self.parts.denials.refused(&client.id, reason, asked, origin);
    }
}

fn circumstances<'a>(
    client: &'a Authenticated,
    origin: &'a Origin,
    (policy_version, build): (u64, &'static str),
) -> Circumstances<'a> {
    Circumstances {
        auth_method: client.method.as_str(),
        secret_id: &client.secret_id,
        source_ip: origin.source_ip.map(|address| address.to_string()),
        request_id: &origin.request_id,
        trace_id: origin.trace_id.as_deref(),
        policy_version,
        build,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::Kid;

    #[test]
    fn want_of_room_is_overload_and_a_panic_is_a_fault() {
        let kid = Kid(crate::digest::Digest([1; 32]));
        let faults: [(Fault, bool); 5] = [
            (NoTurn.into(), true),
            (NotDone::Overloaded.into(), true),
            (NotDone::Panicked.into(), false),
            (NoSignature::Overloaded(kid).into(), true),
            (NoSignature::Failed(kid).into(), false),
        ];
        for (fault, is_overload) in faults {
            assert_eq!(fault.is_overload(), is_overload, "{fault}");
        }
    }
}
