//! The secrets of clients: made, listed, ended.

use std::time::Duration;

use secrecy::SecretString;

use super::{Actor, Admin, Refusal, Secrets, record};
use crate::ambient::random;
use crate::audit::event::EventType;
use crate::clients::secret::{self, Made};
use crate::policy::due::Due;
use crate::policy::{RegisteredClient, SecretHash, Violation};
use crate::store::Change;
use crate::time::Timestamp;

/// The longest overlap of two secrets.
const MAX_OVERLAP: Duration = Duration::from_hours(24 * 90);

/// A new secret, shown this once.
#[derive(Debug)]
pub struct NewSecret {
    /// Its public identifier.
    pub secret_id: String,
    /// The secret.
    pub secret: SecretString,
}

impl Admin {
    /// Makes a new secret; the one before it works on for `overlap`, or until it ends anyway if that is sooner.
    /// At most two live at once.
    pub async fn rotate_secret(
        &self,
        actor: &Actor,
        id: &str,
        overlap: Duration,
    ) -> Result<NewSecret, Refusal> {
        if overlap > MAX_OVERLAP {
            return Err(Violation::new("overlap", "at most 90 days").into());
        }
        let registered = self.registered(id)?;
        actor.check_scope(&registered.client.scope)?;
        if !registered.client.auth_method.has_secrets() {
            let problem = "a client with private_key_jwt has no secret";
            return Err(Violation::new("token_endpoint_auth_method", problem).into());
        }
        let Made { secret, hash } = self.make_secret().await?;
        let acting = self.act().await?;
        let before = self.registered(id)?;
        actor.check_scope(&before.client.scope)?;
        let now = self.parts.clock.now();
        let live: Vec<_> = live(&before, now).collect();
        if live.len() >= 2 {
            return Err(Refusal::TwoSecrets);
        }
        let client = self.touched(&before);
        let shown = NewSecret { secret_id: hash.secret_id.clone(), secret };
        let record = record(EventType::ClientSecretAdded, actor, id, (None, Some(&hash.secret_id)));
        let mut changes = vec![Change::PutClient(client.clone())];
        let end = if overlap.is_zero() { SecretHash::ENDED } else { now.plus(overlap) };
        let ended = |old: &&SecretHash| {
            let end = old.expires_at.map_or(end, |sooner| sooner.min(end));
            Change::EndSecret(old.secret_id.clone(), end)
        };
        changes.extend(live.iter().map(ended));
        changes.push(Change::AddSecret(client.id.clone(), hash));
        // It names the secret only, which is the client's.
        changes.extend(actor.remembers(&shown.answer(Secrets::Withheld), [client.id].into()));
        self.apply(&acting, record, changes).await?;
        Ok(shown)
    }

    /// The secrets that open the door now, oldest first, and when each is to have a successor.
    pub fn live_secrets(&self, id: &str) -> Result<Vec<(SecretHash, Option<Timestamp>)>, Refusal> {
        let registered = self.registered(id)?;
        let fresher = |hash: &SecretHash| self.parts.last_uses.at(&hash.secret_id).or(hash.last_used_at);
        let told = |hash: &SecretHash| SecretHash { last_used_at: fresher(hash), ..hash.clone() };
        let live = live(&registered, self.parts.clock.now());
        Ok(live.map(|hash| (told(hash), Due::of(&registered.client, hash).map(|due| due.at))).collect())
    }

    /// Ends a live secret at once, the last one too: who leaked it must not wait for another.
    pub async fn revoke_secret(&self, actor: &Actor, id: &str, secret_id: &str) -> Result<(), Refusal> {
        let acting = self.act().await?;
        let before = self.registered(id)?;
        let now = self.parts.clock.now();
        if !live(&before, now).any(|hash| hash.secret_id == secret_id) {
            return Err(Refusal::NotFound("secret"));
        }
        let record = record(EventType::ClientSecretRevoked, actor, id, (Some(secret_id), None));
        let end = Change::EndSecret(secret_id.to_owned(), SecretHash::ENDED);
        self.apply(&acting, record, vec![Change::PutClient(self.touched(&before)), end]).await
    }

    /// Ends the oldest of two live secrets at once, if there are two.
    pub async fn end_oldest_of_two(&self, actor: &Actor, id: &str) -> Result<(), Refusal> {
        let live = self.live_secrets(id)?;
        let (Some((oldest, _)), Some(_)) = (live.first(), live.get(1)) else { return Ok(()) };
        self.revoke_secret(actor, id, &oldest.secret_id).await
    }

    pub(super) async fn make_secret(&self) -> Result<Made, Refusal> {
        let secret = secret::generate(&*self.parts.entropy)?;
        let salt = random(&*self.parts.entropy)?;
        let now = self.parts.clock.now();
        Ok(self.parts.hashing.run(move || secret::make(secret, salt, now)).await??)
    }
}

fn live(registered: &RegisteredClient, now: Timestamp) -> impl Iterator<Item = &SecretHash> {
    registered.secrets.iter().filter(move |hash| hash.is_live(now))
}
