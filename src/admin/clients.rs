//! Clients: registered, changed, disabled, deleted.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::client_patch::patched;
use super::{Actor, Admin, Expected, NewSecret, Refusal, Secrets, record};
use crate::audit::event::EventType;
use crate::clients::secret::Made;
use crate::policy::{Client, RegisteredClient, Registration};
use crate::store::Change;
use crate::time::Timestamp;

/// A new client with its one and only sight of the secret.
#[derive(Debug)]
pub struct Created {
    /// The client.
    pub client: Client,
    /// Its secret.
    pub secret: NewSecret,
}

impl Admin {
    /// Registers a client and makes its first secret.
    pub async fn create_client(&self, actor: &Actor, new: Registration) -> Result<Created, Refusal> {
        // Before the work: the scope that was asked for does not change any more.
        actor.check_scope(&new.scope)?;
        let made = self.make_secret().await?;
        let acting = self.act().await?;
        let client = new.over(None, self.parts.clock.now());
        let policy = self.policy();
        if policy.is_taken(&client.id) {
            return Err(Refusal::Taken);
        }
        policy.check_client(&client, self.parts.lifetimes.max)?;
        let record = record(EventType::ClientCreated, actor, client.id.as_str(), (None, Some(&client)));
        let Made { secret, hash } = made;
        let secret = NewSecret { secret_id: hash.secret_id.clone(), secret };
        let mut changes = vec![Change::PutClient(client.clone()), Change::AddSecret(client.id.clone(), hash)];
        let created = Created { client, secret };
        changes.extend(actor.remembers(&created.answer(Secrets::Withheld)));
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
            self.remember_alone(actor, &before.client.answer()).await?;
            return Ok(before.client.clone());
        }
        let mut client = self.touched(&before);
        client.disabled = disabled;
        let event = if disabled { EventType::ClientDisabled } else { EventType::ClientEnabled };
        let record = record(event, actor, client.id.as_str(), (Some(&before.client), Some(&client)));
        let mut changes = vec![Change::PutClient(client.clone())];
        changes.extend(actor.remembers(&client.answer()));
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
        let client = patched(&before.client, patch, self.parts.clock.now())?;
        // Both: who may not have its power may not change its keys either, nor take it over by another method.
        actor.check_scope(&before.client.scope)?;
        actor.check_scope(&client.scope)?;
        let Client { updated_at, version, .. } = before.client;
        if (Client { updated_at, version, ..client.clone() }) == before.client {
            return Ok(before.client.clone());
        }
        self.policy().check_client(&client, self.parts.lifetimes.max)?;
        let objects = (Some(&before.client), Some(&client));
        let record = record(EventType::ClientUpdated, actor, id, objects);
        self.apply(&acting, record, vec![Change::PutClient(client.clone())]).await?;
        Ok(client)
    }

    /// Takes a client away with its secrets. Its id is never given again.
    pub async fn delete_client(&self, actor: &Actor, id: &str, expected: Expected) -> Result<(), Refusal> {
        let acting = self.act().await?;
        let before = self.registered(id)?;
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
