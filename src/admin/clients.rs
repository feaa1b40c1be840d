//! Clients: registered, changed, disabled, deleted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::client_patch::patched;
use super::{Actor, Admin, Expected, NewSecret, Refusal, record};
use crate::audit::event::EventType;
use crate::clients::secret::Made;
use crate::limits::Quota;
use crate::oauth::claims::StaticClaims;
use crate::oauth::credential::AuthMethod;
use crate::oauth::{Scope, ScopeToken};
use crate::policy::{Client, ClientId, RegisteredClient};
use crate::store::Change;
use crate::time::{Timestamp, optional_seconds};

/// What a person says about a new client.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewClient {
    /// Its identifier.
    pub client_id: ClientId,
    /// A name for people.
    #[serde(default)]
    pub client_name: Option<String>,
    /// All that it may be granted.
    pub scope: Scope,
    /// What it gets when it asks for nothing in particular.
    #[serde(default)]
    pub default_scope: Option<Scope>,
    /// How it authenticates.
    #[serde(default = "basic")]
    pub token_endpoint_auth_method: AuthMethod,
    /// The longest lifetime of its tokens, seconds.
    #[serde(default, with = "optional_seconds")]
    pub access_token_lifetime: Option<Duration>,
    /// Claims of its own.
    #[serde(default)]
    pub claims: StaticClaims,
    /// Its own limits.
    #[serde(default)]
    pub limits: BTreeMap<ScopeToken, Quota>,
    /// How old a secret may be before it wants a successor, seconds.
    #[serde(default, with = "optional_seconds")]
    pub rotate_every: Option<Duration>,
}

fn basic() -> AuthMethod {
    AuthMethod::ClientSecretBasic
}

impl NewClient {
    pub(super) fn register(self, now: Timestamp) -> Client {
        let now = Timestamp::from_seconds(now.seconds());
        Client {
            id: self.client_id,
            name: self.client_name,
            auth_method: self.token_endpoint_auth_method,
            scope: self.scope,
            default_scope: self.default_scope,
            lifetime: self.access_token_lifetime,
            claims: Arc::new(self.claims),
            limits: self.limits,
            rotate_every: self.rotate_every,
            disabled: false,
            created_at: now,
            updated_at: now,
            version: 1,
        }
    }
}

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
    pub async fn create_client(&self, actor: &Actor, new: NewClient) -> Result<Created, Refusal> {
        let made = self.make_secret().await?;
        let acting = self.act().await?;
        let client = new.register(self.parts.clock.now());
        let policy = self.policy();
        if policy.client(client.id.as_str()).is_some() {
            return Err(Refusal::Taken);
        }
        policy.check_client(&client, self.parts.lifetimes.max)?;
        let record = record(EventType::ClientCreated, actor, client.id.as_str(), (None, Some(&client)));
        let Made { secret, hash } = made;
        let secret = NewSecret { secret_id: hash.secret_id.clone(), secret };
        let changes = vec![Change::PutClient(client.clone()), Change::AddSecret(client.id.clone(), hash)];
        match self.apply(&acting, record, changes).await {
            Err(Refusal::Stale) => Err(Refusal::Taken),
            done => done.map(|()| Created { client, secret }),
        }
    }

    /// Disables or enables a client, at once for its next request. Asking for what is so already is fine.
    pub async fn set_disabled(&self, actor: &Actor, id: &str, disabled: bool) -> Result<Client, Refusal> {
        let acting = self.act().await?;
        let before = self.registered(id)?;
        if before.client.disabled == disabled {
            return Ok(before.client.clone());
        }
        let mut client = self.touched(&before);
        client.disabled = disabled;
        let event = if disabled { EventType::ClientDisabled } else { EventType::ClientEnabled };
        let record = record(event, actor, client.id.as_str(), (Some(&before.client), Some(&client)));
        self.apply(&acting, record, vec![Change::PutClient(client.clone())]).await?;
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
