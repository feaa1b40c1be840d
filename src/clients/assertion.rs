//! Is this assertion a registered client's, and not used before? RFC 7523 section 3, RFC 7521 section 4.2.
//!
//! Every no costs the same work and has the same answer. Who is let in has used the assertion up,
//! durably: a restart, another node or a second request at the same time cannot use it again.

use std::sync::Arc;

use moka::future::Cache;
use moka::policy::EvictionPolicy;
use secrecy::ExposeSecret as _;

use super::{Authenticated, NotAuthenticated};
use crate::ambient::Clock;
use crate::audit::recorder::Recorder;
use crate::digest::Digest;
use crate::jose::verify::assertion::{Assertion, BadAssertion, Claimed, Expected};
use crate::oauth::credential::{AuthMethod, PresentedAssertion};
use crate::policy::{ClientId, Policy, RegisteredClient};
use crate::store::UsedAssertion;

/// How many assertions this process remembers by itself. The store remembers all of them.
const CAPACITY: u64 = 20_000;

/// Verifies assertions and uses them up.
pub struct Assertions {
    issuer: String,
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    /// Used here lately, or being used: what is repeated soon never comes to the store.
    used: Cache<Digest, ()>,
}

impl Assertions {
    /// `issuer` is the one audience, byte-identical to the configuration. `recorder` writes what was used.
    pub fn new(issuer: String, recorder: Recorder, clock: Arc<dyn Clock>) -> Self {
        let used = Cache::builder().max_capacity(CAPACITY).eviction_policy(EvictionPolicy::lru()).build();
        Self { issuer, recorder, clock, used }
    }

    /// Tells how many used assertions this process remembers by itself, whenever it is asked; those that have just
    /// come or gone may be missing in it.
    pub fn remembered(&self) -> impl Fn() -> u64 + Send + Sync + 'static {
        let used = self.used.clone();
        move || used.entry_count()
    }

    /// Tells which client signed this, under the policy in force.
    pub(super) async fn authenticate(
        &self,
        policy: &Policy,
        presented: &PresentedAssertion,
    ) -> Result<Authenticated, NotAuthenticated> {
        let claimed = match Claimed::read(presented.jwt.expose_secret()) {
            Ok(claimed) => claimed,
            Err(why) => return Err(refused(None, &why.to_string())),
        };
        let registered = policy.client(claimed.client_id());
        let is_named = presented.client_id.as_deref().is_none_or(|id| id == claimed.client_id());
        let verified = self.verify(claimed, registered.map(|registered| &**registered));
        // Only now, after the same work for everybody, may the reasons differ.
        let assertion = verified.map_err(|why| refused(registered, &why.to_string()))?;
        let Some(registered) = registered.filter(|_| is_named) else {
            return Err(refused(registered, "client_id is another client's"));
        };
        if registered.client.disabled || registered.client.auth_method != AuthMethod::PrivateKeyJwt {
            return Err(refused(Some(registered), "the client is disabled, or its method is another one"));
        }
        if !self.use_up(&assertion).await? {
            return Err(refused(Some(registered), "it was used before"));
        }
        let (method, secret_id) = (AuthMethod::PrivateKeyJwt, assertion.kid.to_string());
        Ok(Authenticated { registered: registered.clone(), method, secret_id })
    }

    fn verify(
        &self,
        claimed: Claimed<'_>,
        registered: Option<&RegisteredClient>,
    ) -> Result<Assertion, BadAssertion> {
        let keys = registered.and_then(|registered| registered.client.jwks.as_ref());
        claimed.verify(keys, &Expected { issuer: &self.issuer, now: self.clock.now() })
    }

    /// `false` if it was used before. A caller that goes away meanwhile has used it.
    async fn use_up(&self, assertion: &Assertion) -> Result<bool, NotAuthenticated> {
        let Assertion { id, until, .. } = *assertion;
        if !self.used.entry(id).or_insert(()).await.is_fresh() {
            return Ok(false);
        }
        match self.recorder.use_up(UsedAssertion { id, until }).await {
            Ok(fresh) => Ok(fresh),
            Err(fault) => {
                // It may be used or not: the store knows when the client comes back.
                self.used.invalidate(&id).await;
                Err(NotAuthenticated::NotRecorded(fault))
            }
        }
    }
}

/// The answer tells nothing; the reason is for an operator who asks for it.
fn refused(registered: Option<&Arc<RegisteredClient>>, why: &str) -> NotAuthenticated {
    let known = registered.map(|registered| registered.client.id.clone());
    tracing::debug!(client = known.as_ref().map(ClientId::as_str), why, "an assertion was refused");
    NotAuthenticated::Refused { known }
}
