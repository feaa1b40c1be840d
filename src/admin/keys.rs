//! Signing keys by hand. What the ring allows is decided in `keys`; here a person's words are checked.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Actor, Admin, Answer, Outcome, Refusal};
use crate::audit::unexpired::{Unexpired, unexpired};
use crate::config::read_kek;
use crate::jose::{Algorithm, Kid, import};
use crate::keys::KeyFacts;
use crate::keys::rotator::{By, InRing, Revocation};
use crate::keys::seal::Sealer;
use crate::policy::Violation;
use crate::time::Timestamp;
use crate::workers::apart;

/// The longest reason, in characters: it is shown in lists.
const MAX_REASON: usize = 200;

/// How long an answer waits for the count of tokens.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a person says about a key that leaked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// Why, for the log and for `key list`: 1 to 200 characters on one line.
    pub reason: String,
    /// Since when it may have been in other hands, in seconds since the epoch. It informs only.
    #[serde(default)]
    pub since: Option<u64>,
    /// Only tell what it would do.
    #[serde(default)]
    pub dry_run: bool,
}

impl Admin {
    /// Lets the standby of one ring, or of each, sign: now where every verifier knows it, else then.
    pub async fn rotate_keys(
        &self,
        actor: &Actor,
        algorithm: Option<Algorithm>,
        at_once: bool,
    ) -> Result<Answer, Refusal> {
        let beside = |rotation: &_| actor.remembers(&Answer::of_rotation(rotation), BTreeSet::new());
        let by = By::new(&actor.name, &beside);
        Ok(Answer::of_rotation(&self.parts.rotator.rotate(algorithm, at_once, by).await?))
    }

    /// Holds a key in the JWKS.
    pub async fn retain_key(&self, actor: &Actor, kid: Kid) -> Result<Answer, Refusal> {
        let answer = |key: &InRing| Answer::of_key(Outcome::Done, key, &self.parts.rotator);
        let beside = |key: &InRing| actor.remembers(&answer(key), BTreeSet::new());
        Ok(answer(&self.parts.rotator.retain(kid, By::new(&actor.name, &beside)).await?))
    }

    /// Lets a held key go.
    pub async fn release_key(&self, actor: &Actor, kid: Kid) -> Result<Answer, Refusal> {
        let answer = |key: &InRing| Answer::of_key(Outcome::Done, key, &self.parts.rotator);
        let beside = |key: &InRing| actor.remembers(&answer(key), BTreeSet::new());
        Ok(answer(&self.parts.rotator.release(kid, By::new(&actor.name, &beside)).await?))
    }

    /// Takes a key out of the JWKS for ever, or tells what that would do; with it the tokens by that
    /// key that have not expired. They are counted after the act, which they neither delay nor undo:
    /// `null` where the log could not be read, or is so long that it would take too long.
    pub async fn revoke_key(&self, actor: &Actor, kid: Kid, revoke: &Revoke) -> Result<Answer, Refusal> {
        let now = self.parts.clock.now();
        check_reason(&revoke.reason)?;
        let since = revoke.since.map(Timestamp::from_seconds);
        if since.is_some_and(|since| since > now) {
            return Err(Violation::new("since", "since is in the future").into());
        }
        let rotator = &self.parts.rotator;
        let beside =
            |done: &Revocation| actor.remembers(&Answer::of_revocation(done, revoke, None), BTreeSet::new());
        let revocation = if revoke.dry_run {
            rotator.foresee_revocation(kid, &revoke.reason).await?
        } else {
            rotator.revoke(kid, &revoke.reason, since, By::new(&actor.name, &beside)).await?
        };
        let tokens = self.unexpired_by(&revocation.key, self.parts.clock.now()).await;
        let answer = Answer::of_revocation(&revocation, revoke, tokens.as_ref());
        if let Some(complete) = actor.completes(&answer).filter(|_| !revoke.dry_run)
            && let Err(fault) = self.parts.recorder.act(Vec::new(), vec![complete]).await
        {
            tracing::warn!(%fault, "the count of tokens is not in the answer that is given again");
        }
        Ok(answer)
    }

    async fn unexpired_by(&self, key: &KeyFacts, now: Timestamp) -> Option<Unexpired> {
        if key.activated_at.is_none() {
            return Some(Unexpired::default());
        }
        let counting = unexpired(&*self.parts.store, key.kid, now);
        match tokio::time::timeout(PATIENCE, counting).await {
            Ok(Ok(tokens)) => Some(tokens),
            Ok(Err(fault)) => {
                tracing::error!(%fault, kid = %key.kid, "the tokens of a key could not be counted");
                None
            }
            Err(_) => None,
        }
    }

    /// Takes in a private key that was made elsewhere, PKCS#8 in PEM. It waits, staged, until its ring
    /// needs a standby.
    pub async fn import_key(
        &self,
        actor: &Actor,
        pem: Zeroizing<String>,
        algorithm: Option<Algorithm>,
    ) -> Result<Answer, Refusal> {
        let read = apart(move || import::import(pem.as_bytes(), algorithm)).await;
        let read = read.ok_or(Refusal::Internal("the key could not be read"))?;
        let (pair, pkcs8) = read.map_err(|bad| Violation::new("pkcs8", bad.to_string()))?;
        let answer = |key: &InRing| Answer::of_key(Outcome::Made, key, &self.parts.rotator);
        let beside = |key: &InRing| actor.remembers(&answer(key), BTreeSet::new());
        Ok(answer(&self.parts.rotator.import(pair, pkcs8, By::new(&actor.name, &beside)).await?))
    }

    /// Seals every private key under the KEK in this file. Tells the KEK's fingerprint and how many keys.
    pub async fn rewrap_keys(&self, actor: &Actor, kek_file: PathBuf) -> Result<Answer, Refusal> {
        if !kek_file.is_absolute() {
            return Err(Violation::new("kek_file", "kek_file is an absolute path").into());
        }
        let read = apart(move || read_kek(&kek_file)).await;
        let kek = read.ok_or(Refusal::Internal("the file could not be read"))?;
        let kek = kek.map_err(|error| {
            if actor.via == "socket" {
                return Violation::new("kek_file", error.to_string());
            }
            // Who is not on this machine learns nothing of its files.
            tracing::warn!(request_id = actor.request_id, %error, "no keys were sealed anew");
            Violation::new("kek_file", "is no key file that this server takes; its log says why")
        })?;
        let sealer = Sealer::new(kek.expose());
        let kek_id = sealer.kek_id();
        let beside = |count: &usize| actor.remembers(&Answer::of_rewrap(&kek_id, *count), BTreeSet::new());
        let count = self.parts.rotator.rewrap(sealer, By::new(&actor.name, &beside)).await?;
        Ok(Answer::of_rewrap(&kek_id, count))
    }
}

fn check_reason(reason: &str) -> Result<(), Violation> {
    let length = reason.chars().count();
    if reason.trim().is_empty() || length > MAX_REASON || reason.chars().any(char::is_control) {
        let problem = format!("reason is 1 to {MAX_REASON} characters on one line");
        return Err(Violation::new("reason", problem));
    }
    Ok(())
}
