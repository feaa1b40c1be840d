//! Is this assertion a registered client's, and not used before? RFC 7523 section 3, RFC 7521 section 4.2.
//!
//! Every no costs the same work and has the same answer. Who is let in has used the assertion up,
//! durably: a restart, another node or a second request at the same time cannot use it again.
//!
//! There is nothing to guess about a signature; failures are counted so that they count alike by every
//! method. Whoever was let in from a source goes on from there, whatever fails beside it.

use std::sync::Arc;

use moka::future::Cache;
use moka::policy::EvictionPolicy;
use secrecy::ExposeSecret as _;

use super::{Authenticated, NotAuthenticated};
use crate::ambient::Clock;
use crate::audit::recorder::Recorder;
use crate::digest::Digest;
use crate::jose::verify::assertion::{Assertion, BadAssertion, Claimed, Expected};
use crate::limits::attempts::{Attempt, CallerName, Throttled};
use crate::limits::{Attempts, Source};
use crate::oauth::credential::{AuthMethod, PresentedAssertion};
use crate::policy::{ClientId, Policy, RegisteredClient};
use crate::store::UsedAssertion;

/// How many assertions this process remembers by itself. The store remembers all of them.
const CAPACITY: u64 = 20_000;

/// For how many clients and sources good assertions speak, the latest.
const CALLERS: u64 = 10_000;

/// Verifies assertions and uses them up.
pub struct Assertions {
    issuer: String,
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    /// Used here lately, or being used: what is repeated soon never comes to the store.
    used: Cache<Digest, ()>,
    attempts: Arc<Attempts>,
    /// Which clients were let in from which sources. Only clients can put something in.
    good: Cache<CallerName, ()>,
}

impl Assertions {
    /// `issuer` is the one audience, byte-identical to the configuration. `recorder` writes what was used.
    pub fn new(issuer: String, recorder: Recorder, clock: Arc<dyn Clock>, attempts: Arc<Attempts>) -> Self {
        let good = Cache::builder().max_capacity(CALLERS).eviction_policy(EvictionPolicy::lru()).build();
        let used = Cache::builder().max_capacity(CAPACITY).eviction_policy(EvictionPolicy::lru()).build();
        Self { issuer, recorder, clock, used, attempts, good }
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
        source: Source,
    ) -> Result<Authenticated, NotAuthenticated> {
        let claimed = Claimed::read(presented.jwt.expose_secret());
        let named = presented.client_id.as_deref();
        let client_id = claimed.as_ref().map_or(named.unwrap_or_default(), |claimed| claimed.client_id());
        let client_id = &*client_id.to_owned();
        let registered = policy.client(client_id);
        let is_named = named.is_none_or(|id| id == client_id);
        let usable = registered.filter(|found| {
            is_named && !found.client.disabled && found.client.auth_method == AuthMethod::PrivateKeyJwt
        });
        let attempt = Attempt { client_id, is_registered: usable.is_some(), source };
        let name = self.attempts.name(&attempt);
        if !self.is_spoken_for(&name).await {
            self.attempts.check(&attempt).map_err(|throttled| not_looked_at(registered, throttled))?;
        }
        let verified = claimed.and_then(|claimed| self.verify(claimed, registered.map(|found| &**found)));
        // Only now, after the same work for everybody, may the reasons differ.
        let (assertion, registered) = match (verified, usable) {
            (Ok(assertion), Some(usable)) => (assertion, usable),
            (Err(why), _) => return Err(self.failed(&attempt, registered, &why.to_string())),
            (Ok(_), None) => {
                let why = "client_id is another client's, or this one is disabled or has another method";
                return Err(self.failed(&attempt, registered, why));
            }
        };
        if !self.use_up(&assertion).await? {
            return Err(refused(Some(registered), "it was used before"));
        }
        self.good.insert(name, ()).await;
        let (method, secret_id) = (AuthMethod::PrivateKeyJwt, assertion.kid.to_string());
        Ok(Authenticated { registered: registered.clone(), method, secret_id })
    }

    async fn is_spoken_for(&self, name: &CallerName) -> bool {
        self.good.get(name).await.is_some()
    }

    fn failed(
        &self,
        attempt: &Attempt<'_>,
        registered: Option<&Arc<RegisteredClient>>,
        why: &str,
    ) -> NotAuthenticated {
        let refused = refused(registered, why);
        let throttled = self.attempts.failed(attempt);
        throttled.map_or(refused, |throttled| not_looked_at(registered, throttled))
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

fn not_looked_at(registered: Option<&Arc<RegisteredClient>>, throttled: Throttled) -> NotAuthenticated {
    let known = registered.map(|registered| registered.client.id.clone());
    NotAuthenticated::Throttled { known, wait: throttled.wait }
}

/// The answer tells nothing; the reason is for an operator who asks for it.
fn refused(registered: Option<&Arc<RegisteredClient>>, why: &str) -> NotAuthenticated {
    let known = registered.map(|registered| registered.client.id.clone());
    tracing::debug!(client = known.as_ref().map(ClientId::as_str), why, "an assertion was refused");
    NotAuthenticated::Refused { known }
}
