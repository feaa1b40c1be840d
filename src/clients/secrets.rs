//! Is this secret a registered client's? One Argon2 for each that is not remembered, and never more than there is room for.
//!
//! What may be wrong needs a permit before it is hashed, see [`limits::attempts`](crate::limits::attempts); what
//! was right before and cannot have become wrong does not, so that its owner goes on, whoever else fails.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use moka::policy::EvictionPolicy;
use ring::hmac;
use secrecy::ExposeSecret as _;

use super::authenticate::{Authenticated, NotAuthenticated};
use super::last_use::{LastUse, LastUses};
use super::secret;
use crate::ambient::Clock;
use crate::failpoint::failpoint;
use crate::limits::attempts::{Attempt, Permit, Throttled};
use crate::limits::{Attempts, Source};
use crate::oauth::credential::PresentedSecret;
use crate::policy::{Policy, RegisteredClient, SecretHash};
use crate::workers::{NotDone, Workers};

/// How long a verified secret is remembered at most.
const REMEMBERED: Duration = Duration::from_mins(5);
/// How often a request begins anew because another one verified its secret under another policy, or was throttled elsewhere.
const ATTEMPTS: usize = 4;
/// How many verified secrets are remembered at most.
const CAPACITY: u64 = 10_000;

/// A secret that was verified lately.
#[derive(Clone)]
struct Remembered {
    client_version: u64,
    secret_id: Arc<str>,
    last_use: LastUse,
    at: Duration,
}

/// A secret that is to be verified.
struct Asked<'a> {
    /// The client that it may belong to: none where it is not registered, disabled, or asks by another method.
    usable: Option<&'a Arc<RegisteredClient>>,
    credential: &'a PresentedSecret,
    source: Source,
    cache_key: [u8; 32],
}

/// Verifies secrets, remembering the last good ones.
pub struct ClientSecrets {
    hashing: Workers,
    clock: Arc<dyn Clock>,
    cache_key: hmac::Key,
    verified: Cache<[u8; 32], Remembered>,
    /// What was right once, by the secret's id: right as long as that secret lives.
    proven: Cache<[u8; 32], Arc<str>>,
    last_uses: Arc<LastUses>,
    attempts: Arc<Attempts>,
}

impl ClientSecrets {
    /// Takes where Argon2 runs (each run takes 19 MiB while it lasts) and a random `key` that is used for nothing else, so that what is remembered says nothing outside this process. Uses are noted in `last_uses`, failures in `attempts`.
    pub fn new(
        hashing: Workers,
        clock: Arc<dyn Clock>,
        key: &[u8; 32],
        (last_uses, attempts): (Arc<LastUses>, Arc<Attempts>),
    ) -> Self {
        Self {
            hashing,
            clock,
            cache_key: hmac::Key::new(hmac::HMAC_SHA256, key),
            verified: latest(),
            proven: latest(),
            last_uses,
            attempts,
        }
    }

    /// Tells how many verified secrets are remembered, whenever it is asked; those that have just come or gone may be
    /// missing in it.
    pub fn remembered(&self) -> impl Fn() -> u64 + Send + Sync + 'static {
        let verified = self.verified.clone();
        move || verified.entry_count()
    }

    /// Tells which client this secret belongs to, under the policy in force.
    pub(super) async fn authenticate(
        &self,
        policy: &Policy,
        credential: &PresentedSecret,
        source: Source,
    ) -> Result<Authenticated, NotAuthenticated> {
        let registered = policy.client(&credential.client_id);
        // Who is disabled or asks by another method has no secret that would do, and is like one who is not registered.
        let usable = registered
            .filter(|found| !found.client.disabled && found.client.auth_method == credential.method);
        let cache_key = self.cache_key(credential, usable.is_some());
        let found = self.verified(&Asked { usable, credential, source, cache_key }).await;
        let known = || registered.map(|found| found.client.id.clone());
        let found = found.map_err(|why| match why {
            NotVerified::Wrong => NotAuthenticated::Refused { known: known() },
            NotVerified::Throttled(Throttled { wait, .. }) => {
                NotAuthenticated::Throttled { known: known(), wait }
            }
            NotVerified::NotDone(why) => NotAuthenticated::NotDone(why),
        })?;
        let Some(usable) = usable else { return Err(NotAuthenticated::Refused { known: known() }) };
        found.last_use.note(self.clock.now());
        let secret_id = found.secret_id.as_ref().to_owned();
        Ok(Authenticated { registered: usable.clone(), method: credential.method, secret_id })
    }

    /// The live secret that was presented, from memory or by one Argon2.
    async fn verified(&self, asked: &Asked<'_>) -> Result<Remembered, NotVerified> {
        let cache_key = asked.cache_key;
        for _ in 0..ATTEMPTS {
            if let (Some(usable), Some(found)) = (asked.usable, self.verified.get(&cache_key).await) {
                if self.still_holds(usable, &found) {
                    return Ok(found);
                }
                self.verified.invalidate(&cache_key).await;
            }
            // Concurrent first requests with the same secret share one Argon2, and one permit.
            match self.verified.try_get_with(cache_key, self.verify(asked)).await {
                Ok(found) => match asked.usable {
                    Some(usable) if self.still_holds(usable, &found) => return Ok(found),
                    // It was begun under another policy, by a request that was here first, and says nothing of
                    // this one: whoever is registered is not refused for a change that is none of the secret's.
                    Some(usable) if found.client_version != usable.client.version => {}
                    _ => return Err(NotVerified::Wrong),
                },
                Err(failed) => match *failed {
                    // The request that was here first came from elsewhere: what failed there is not held against here.
                    NotVerified::Throttled(throttled) if throttled.source != asked.source => {}
                    why => return Err(why),
                },
            }
        }
        Err(NotVerified::NotDone(NotDone::Overloaded))
    }

    /// Rotation, revocation, disabling and expiry act at once: the memory is checked against the policy.
    fn still_holds(&self, registered: &RegisteredClient, found: &Remembered) -> bool {
        found.client_version == registered.client.version
            && self.clock.monotonic().saturating_sub(found.at) < REMEMBERED
            && self.live_secrets(registered).any(|hash| *hash.secret_id == *found.secret_id)
    }

    fn live_secrets<'a>(
        &self,
        registered: &'a RegisteredClient,
    ) -> impl Iterator<Item = &'a SecretHash> + use<'a> {
        let now = self.clock.now();
        registered.secrets.iter().filter(move |hash| hash.is_live(now))
    }

    /// Runs exactly one Argon2, against a dummy where nothing fits; none where too much failed before.
    async fn verify(&self, asked: &Asked<'_>) -> Result<Remembered, NotVerified> {
        let permit = if self.is_proven(asked).await { None } else { Some(self.permit(asked)?) };
        let if_wrong = permit.as_ref().and_then(Permit::if_wrong);
        let gives_way = permit.as_ref().is_some_and(Permit::has_failed);
        let told = |why: NotVerified| if_wrong.map_or(why, NotVerified::Throttled);

        let presented = asked.credential.secret.clone();
        if presented.expose_secret().len() > secret::MAX_LENGTH {
            drop(permit.map(Permit::begin));
            return Err(told(NotVerified::Wrong));
        }
        let selector = secret::selector(&presented);
        let candidate = asked.usable.and_then(|usable| {
            let hash = self.live_secrets(usable).find(|hash| hash.selector == selector)?;
            Some((usable, hash))
        });
        let phc = candidate.map_or_else(|| secret::DUMMY.to_owned(), |(_, hash)| hash.phc.clone());
        let is_candidate = candidate.is_some();
        failpoint!("auth.before_hash");
        let place = match permit {
            // It is right, unless it was changed a moment ago: strangers do not keep it out.
            None => self.hashing.reserve_at_last(),
            Some(_) if gives_way => self.hashing.reserve_giving_way(),
            Some(_) => self.hashing.reserve(),
        };
        let work = move || {
            let begun = permit.map(Permit::begin);
            let fits = secret::verify(&presented, &phc) && is_candidate;
            if let Some(begun) = begun.filter(|_| fits) {
                begun.was_right();
            }
            fits
        };
        let fits = match place {
            Ok(place) => self.hashing.run_at(place, work).await,
            Err(no_room) => Err(no_room),
        };
        let fits = fits.map_err(|why| told(why.into()))?;
        let Some((usable, candidate)) = candidate.filter(|_| fits) else {
            return Err(told(NotVerified::Wrong));
        };
        let secret_id: Arc<str> = candidate.secret_id.as_str().into();
        self.proven.insert(asked.cache_key, secret_id.clone()).await;
        Ok(Remembered {
            client_version: usable.client.version,
            secret_id,
            last_use: self.last_uses.of(&usable.client.id, &candidate.secret_id),
            at: self.clock.monotonic(),
        })
    }

    /// Whether this very secret was verified before and lives: it can only be right again.
    async fn is_proven(&self, asked: &Asked<'_>) -> bool {
        let (Some(usable), Some(proven)) = (asked.usable, self.proven.get(&asked.cache_key).await) else {
            return false;
        };
        self.live_secrets(usable).any(|hash| *hash.secret_id == *proven)
    }

    fn permit(&self, asked: &Asked<'_>) -> Result<Permit, NotVerified> {
        let (client_id, source) = (asked.credential.client_id.as_str(), asked.source);
        let attempt = Attempt { client_id, is_registered: asked.usable.is_some(), source };
        self.attempts.permit(&attempt).map_err(NotVerified::Throttled)
    }

    /// Injective, since the id is preceded by its length; a full HMAC, since a
    /// shortened one would let one client's secret stand for another's. Who is not
    /// usable is apart, so that nobody shares the verification of one who is.
    fn cache_key(&self, credential: &PresentedSecret, is_usable: bool) -> [u8; 32] {
        let (id, secret) = (&credential.client_id, credential.secret.expose_secret());
        let mut context = hmac::Context::with_key(&self.cache_key);
        context.update(&[u8::from(is_usable)]);
        context.update(&(id.len() as u64).to_be_bytes());
        context.update(id.as_bytes());
        context.update(secret.as_bytes());
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        out
    }
}

/// Remembers the latest: one that comes now is worth more than one that came often.
fn latest<V: Clone + Send + Sync + 'static>() -> Cache<[u8; 32], V> {
    Cache::builder().max_capacity(CAPACITY).eviction_policy(EvictionPolicy::lru()).build()
}

/// Why a verification gave nothing to remember.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum NotVerified {
    #[error("nobody's secret")]
    Wrong,
    #[error("too much failed before")]
    Throttled(Throttled),
    #[error(transparent)]
    NotDone(#[from] NotDone),
}

#[cfg(test)]
mod tests;
