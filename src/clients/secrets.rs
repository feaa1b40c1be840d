//! Is this secret a registered client's? One Argon2 for each that is not remembered, and never more than there is room for.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};

use super::authenticate::{Authenticated, NotAuthenticated};
use super::last_use::{LastUse, LastUses};
use super::secret;
use crate::ambient::{Clock, Entropy, EntropyFailed, random};
use crate::failpoint::failpoint;
use crate::oauth::credential::PresentedSecret;
use crate::policy::{Policy, RegisteredClient};
use crate::workers::{NotDone, Workers};

/// How long a verified secret is remembered at most.
const REMEMBERED: Duration = Duration::from_mins(5);
/// How often a request begins anew because another one verified its secret under another policy.
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

/// Verifies secrets, remembering the last good ones.
pub struct ClientSecrets {
    hashing: Workers,
    clock: Arc<dyn Clock>,
    cache_key: hmac::Key,
    verified: Cache<[u8; 32], Remembered>,
    last_uses: Arc<LastUses>,
}

impl ClientSecrets {
    /// Takes where Argon2 runs (each run takes 19 MiB while it lasts) and a random cache key, so that what is remembered says nothing outside this process. Uses are noted in `last_uses`.
    pub fn new(
        hashing: Workers,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
        last_uses: Arc<LastUses>,
    ) -> Result<Self, EntropyFailed> {
        let key: [u8; 32] = random(entropy)?;
        Ok(Self {
            hashing,
            clock,
            cache_key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            verified: Cache::new(CAPACITY),
            last_uses,
        })
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
    ) -> Result<Authenticated, NotAuthenticated> {
        let registered = policy.client(&credential.client_id);
        let refused = || NotAuthenticated::Refused { known: registered.map(|r| r.client.id.clone()) };
        if credential.secret.expose_secret().len() > secret::MAX_LENGTH {
            return Err(refused());
        }
        let found = self.verified(registered, credential).await?;
        // Only now, after the same work for everybody, may the reasons differ.
        let (Some(registered), Some(found)) = (registered, found) else { return Err(refused()) };
        if registered.client.disabled || registered.client.auth_method != credential.method {
            return Err(refused());
        }
        found.last_use.note(self.clock.now());
        let secret_id = found.secret_id.as_ref().to_owned();
        Ok(Authenticated { registered: registered.clone(), method: credential.method, secret_id })
    }

    /// The live secret that was presented, from memory or by one Argon2.
    async fn verified(
        &self,
        registered: Option<&Arc<RegisteredClient>>,
        credential: &PresentedSecret,
    ) -> Result<Option<Remembered>, NotAuthenticated> {
        let cache_key = self.cache_key(&credential.client_id, &credential.secret);
        for _ in 0..ATTEMPTS {
            if let (Some(registered), Some(found)) = (registered, self.verified.get(&cache_key).await) {
                if self.still_holds(registered, &found) {
                    return Ok(Some(found));
                }
                self.verified.invalidate(&cache_key).await;
            }
            // Concurrent first requests with the same secret share one Argon2.
            let verified =
                self.verified.try_get_with(cache_key, self.verify(registered, &credential.secret)).await;
            match verified {
                Ok(found) => match registered {
                    Some(registered) if self.still_holds(registered, &found) => return Ok(Some(found)),
                    // It was begun under another policy, by a request that was here first, and says nothing of
                    // this one: whoever is registered is not refused for a change that is none of the secret's.
                    Some(registered) if found.client_version != registered.client.version => {}
                    _ => return Ok(None),
                },
                Err(failed) => match *failed {
                    NotVerified::Wrong => return Ok(None),
                    NotVerified::NotDone(why) => return Err(NotAuthenticated::NotDone(why)),
                },
            }
        }
        Err(NotAuthenticated::NotDone(NotDone::Overloaded))
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
    ) -> impl Iterator<Item = &'a crate::policy::SecretHash> + use<'a> {
        let now = self.clock.now();
        registered.secrets.iter().filter(move |hash| hash.is_live(now))
    }

    /// Runs exactly one Argon2, against a dummy where nothing fits.
    async fn verify(
        &self,
        registered: Option<&Arc<RegisteredClient>>,
        presented: &SecretString,
    ) -> Result<Remembered, NotVerified> {
        let selector = secret::selector(presented);
        let candidate = registered
            .and_then(|registered| self.live_secrets(registered).find(|hash| hash.selector == selector));
        let phc = candidate.map_or_else(|| secret::DUMMY.to_owned(), |hash| hash.phc.clone());
        let presented = presented.clone();
        failpoint!("auth.before_hash");
        let fits = self.hashing.run(move || secret::verify(&presented, &phc)).await?;
        let (true, Some(candidate), Some(registered)) = (fits, candidate, registered) else {
            return Err(NotVerified::Wrong);
        };
        Ok(Remembered {
            client_version: registered.client.version,
            secret_id: candidate.secret_id.as_str().into(),
            last_use: self.last_uses.of(&registered.client.id, &candidate.secret_id),
            at: self.clock.monotonic(),
        })
    }

    /// Injective, since the id is preceded by its length; a full HMAC, since a
    /// shortened one would let one client's secret stand for another's.
    fn cache_key(&self, client_id: &str, secret: &SecretString) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.cache_key);
        context.update(&(client_id.len() as u64).to_be_bytes());
        context.update(client_id.as_bytes());
        context.update(secret.expose_secret().as_bytes());
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        out
    }
}

/// Why a verification gave nothing to remember.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum NotVerified {
    #[error("nobody's secret")]
    Wrong,
    #[error(transparent)]
    NotDone(#[from] NotDone),
}

#[cfg(test)]
mod tests;
