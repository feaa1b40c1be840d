//! Clients: registered, changed, disabled, deleted.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::client_patch::patched;
use super::{Actor, Admin, Expected, NewSecret, Refusal, Secrets, record};
use crate::audit::event::EventType;
use crate::clients::secret::Made;
use crate::oauth::credential::AuthMethod;
use crate::policy::{Client, RegisteredClient, Registration, SecretHash};
use crate::store::Change;
use crate::time::Timestamp;

/// A new client with its one and only sight of the secret.
#[derive(Debug)]
pub struct Created {
    /// The client.
    pub client: Client,
    /// Its secret, if its method has one.
    pub secret: Option<NewSecret>,
}

impl Admin {
    /// Registers a client and makes its first secret, unless it has keys.
    pub async fn create_client(&self, actor: &Actor, new: Registration) -> Result<Created, Refusal> {
        // Before the work: the scope that was asked for does not change any more.
        actor.check_scope(&new.scope)?;
        let has_secrets = new.token_endpoint_auth_method.is_none_or(AuthMethod::has_secrets);
        let made = if has_secrets { Some(self.make_secret().await?) } else { None };
        let acting = self.act().await?;
        let client = new.over(None, self.parts.clock.now()).map_err(Refusal::ClientMetadata)?;
        let policy = self.policy();
        if policy.is_taken(&client.id) {
            return Err(Refusal::Taken);
        }
        policy.check_client(&client, self.parts.lifetimes.max).map_err(Refusal::ClientMetadata)?;
        let record = record(EventType::ClientCreated, actor, client.id.as_str(), (None, Some(&client)));
        let mut changes = vec![Change::PutClient(client.clone())];
        let secret = made.map(|Made { secret, hash }| {
            let secret_id = hash.secret_id.clone();
            changes.push(Change::AddSecret(client.id.clone(), hash));
            NewSecret { secret_id, secret }
        });
        let created = Created { client, secret };
        let answer = created.answer(Secrets::Withheld);
        changes.extend(actor.remembers(&answer, [created.client.id.clone()].into()));
        match self.apply(&acting, record, changes).await {
            Err(Refusal::Stale) => Err(Refusal::Taken),
            done => done.map(|()| created),
        }
    }

    /// Disables or enables a client, at once for its next request. Asking for what is so already is fine.
    pub async fn set_disabled(&self, actor: &Actor, id: &str, disabled: bool) -> Result<Client, Refusal> {
        let acting = self.act().await?;
        let before = self.registered(id)?;
        if !disabled {
            actor.check_scope(&before.client.scope)?;
        }
        if before.client.disabled == disabled {
            let named = [before.client.id.clone()].into();
            self.remember_alone(actor, &before.client.answer(), named).await?;
            return Ok(before.client.clone());
        }
        let mut client = self.touched(&before);
        client.disabled = disabled;
        let event = if disabled { EventType::ClientDisabled } else { EventType::ClientEnabled };
        let record = record(event, actor, client.id.as_str(), (Some(&before.client), Some(&client)));
        let mut changes = vec![Change::PutClient(client.clone())];
        changes.extend(actor.remembers(&client.answer(), [client.id.clone()].into()));
        self.apply(&acting, record, changes).await?;
        Ok(client)
    }

    /// Changes the members of a client's registration that `patch` names. One that changes nothing is no change.
    pub async fn update_client(
        &self,
        actor: &Actor,
        id: &str,
        patch: Map<String, Value>,
        expected: Expected,
    ) -> Result<Client, Refusal> {
        let acting = self.act().await?;
        let before = self.registered(id)?;
        expected.of_existing(before.client.version)?;
        let client =
            patched(&before.client, patch, self.parts.clock.now()).map_err(Refusal::ClientMetadata)?;
        // Both: who may not have its power may not change its keys either, nor take it over by another method.
        actor.check_scope(&before.client.scope)?;
        actor.check_scope(&client.scope)?;
        let Client { updated_at, version, .. } = before.client;
        if (Client { updated_at, version, ..client.clone() }) == before.client {
            return Ok(before.client.clone());
        }
        self.policy().check_client(&client, self.parts.lifetimes.max).map_err(Refusal::ClientMetadata)?;
        let objects = (Some(&before.client), Some(&client));
        let record = record(EventType::ClientUpdated, actor, id, objects);
        self.apply(&acting, record, replaced(Some(&before), &client, self.parts.clock.now())).await?;
        Ok(client)
    }

    /// Takes a client away with its secrets. Its id is never given again.
    pub async fn delete_client(&self, actor: &Actor, id: &str, expected: Expected) -> Result<(), Refusal> {
        let acting = self.act().await?;
        let before = self.registered(id)?;
        // To disable is free, for an emergency; this is for ever.
        actor.check_scope(&before.client.scope)?;
        expected.of_existing(before.client.version)?;
        let record = record(EventType::ClientDeleted, actor, id, (Some(&before.client), None));
        let change = Change::DeleteClient(before.client.id.clone(), before.client.version);
        self.apply(&acting, record, vec![change]).await
    }

    pub(super) fn registered(&self, id: &str) -> Result<Arc<RegisteredClient>, Refusal> {
        self.policy().client(id).cloned().ok_or(Refusal::NotFound("client"))
    }

    /// The client at its next version, so that nothing remembered about the present one holds any more.
    pub(super) fn touched(&self, registered: &RegisteredClient) -> Client {
        let mut client = registered.client.clone();
        client.version += 1;
        client.updated_at = Timestamp::from_seconds(self.parts.clock.now().seconds());
        client
    }
}

/// Puts a client in the place of another. Secrets that its method no longer has end with it, so that they do not open
/// the door again should the method come back.
pub(super) fn replaced(before: Option<&RegisteredClient>, client: &Client, now: Timestamp) -> Vec<Change> {
    let without = before.filter(|_| !client.auth_method.has_secrets());
    let live = without.into_iter().flat_map(|before| &before.secrets).filter(|hash| hash.is_live(now));
    let ended = live.map(|hash| Change::EndSecret(hash.secret_id.clone(), SecretHash::ENDED));
    std::iter::once(Change::PutClient(client.clone())).chain(ended).collect()
}
