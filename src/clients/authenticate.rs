//! Is this credential a registered client's? Equal work and equal answers for every no.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Assertions, secret};
use crate::ambient::{Clock, Entropy, EntropyFailed, random};
use crate::audit::recorder::RecordFault;
use crate::failpoint::failpoint;
use crate::oauth::credential::{AuthMethod, Credential, PresentedSecret};
use crate::policy::{ClientId, Policy, RegisteredClient};
use crate::workers::{NotDone, Workers};

/// How long a verified secret is remembered at most.
const REMEMBERED: Duration = Duration::from_mins(5);
/// How many verified secrets are remembered at most.
const CAPACITY: u64 = 10_000;

/// A client that is who it says it is.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// The client.
    pub registered: Arc<RegisteredClient>,
    /// How it authenticated.
    pub method: AuthMethod,
    /// By which of its secrets, or the RFC 7638 thumbprint of which of its keys.
    pub secret_id: String,
}

/// Why nobody was authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAuthenticated {
    /// The credential is nobody's. `known` names the client if there is one of that id: for the log, not for the answer.
    Refused {
        /// The registered client that was named.
        known: Option<ClientId>,
    },
    /// It was not verified to the end; whose it is stays open.
    NotDone(NotDone),
    /// An assertion that may be used once was not noted as used.
    NotRecorded(RecordFault),
}

/// A secret that was verified lately.
#[derive(Clone)]
struct Remembered {
    client_version: u64,
    secret_id: Arc<str>,
    at: Duration,
}

/// Verifies credentials, remembering the last good ones.
pub struct Authenticator {
    hashing: Workers,
    assertions: Assertions,
    clock: Arc<dyn Clock>,
    cache_key: hmac::Key,
    verified: Cache<[u8; 32], Remembered>,
}

impl Authenticator {
    /// Takes where Argon2 runs (each run takes 19 MiB while it lasts) and a random cache key, so that what is remembered says nothing outside this process.
    pub fn new(
        hashing: Workers,
        assertions: Assertions,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
    ) -> Result<Self, EntropyFailed> {
        let key: [u8; 32] = random(entropy)?;
        Ok(Self {
            hashing,
            assertions,
            clock,
            cache_key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            verified: Cache::new(CAPACITY),
        })
    }

    /// Tells which client this credential belongs to, under the policy in force. An assertion is used
    /// up by it. Verifying its signature takes less than signing a token, so that it is done in place.
    pub async fn authenticate(
        &self,
        policy: &Policy,
        credential: &Credential,
    ) -> Result<Authenticated, NotAuthenticated> {
        match credential {
            Credential::Secret(secret) => self.by_secret(policy, secret).await,
            Credential::Assertion(assertion) => self.assertions.authenticate(policy, assertion).await,
        }
    }

    async fn by_secret(
        &self,
        policy: &Policy,
        credential: &PresentedSecret,
    ) -> Result<Authenticated, NotAuthenticated> {
        let registered = policy.client(&credential.client_id);
        let refused = || NotAuthenticated::Refused { known: registered.map(|r| r.client.id.clone()) };
        if credential.secret.expose_secret().len() > secret::MAX_LENGTH {
            return Err(refused());
        }
        let secret_id = self.secret_id(registered, credential).await?;
        // Only now, after the same work for everybody, may the reasons differ.
        let (Some(registered), Some(secret_id)) = (registered, secret_id) else { return Err(refused()) };
        if registered.client.disabled || registered.client.auth_method != credential.method {
            return Err(refused());
        }
        let secret_id = secret_id.as_ref().to_owned();
        Ok(Authenticated { registered: registered.clone(), method: credential.method, secret_id })
    }

    /// The live secret that was presented, from memory or by one Argon2.
    async fn secret_id(
        &self,
        registered: Option<&Arc<RegisteredClient>>,
        credential: &PresentedSecret,
    ) -> Result<Option<Arc<str>>, NotAuthenticated> {
        let cache_key = self.cache_key(&credential.client_id, &credential.secret);
        if let (Some(registered), Some(found)) = (registered, self.verified.get(&cache_key).await) {
            if self.still_holds(registered, &found) {
                return Ok(Some(found.secret_id));
            }
            self.verified.invalidate(&cache_key).await;
        }
        // Concurrent first requests with the same secret share one Argon2.
        let verified =
            self.verified.try_get_with(cache_key, self.verify(registered, &credential.secret)).await;
        match verified {
            // It may have been begun under an older policy, by a request that was here first.
            Ok(found) if registered.is_some_and(|registered| self.still_holds(registered, &found)) => {
                Ok(Some(found.secret_id))
            }
            Ok(_) => Ok(None),
            Err(failed) => match *failed {
                NotVerified::Wrong => Ok(None),
                NotVerified::NotDone(why) => Err(NotAuthenticated::NotDone(why)),
            },
        }
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
