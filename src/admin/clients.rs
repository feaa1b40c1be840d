//! Clients and their secrets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use super::{Actor, Admin, Refusal, record};
use crate::ambient::random;
use crate::audit::event::EventType;
use crate::clients::secret::{self, Made};
use crate::jose::ClientKeys;
use crate::limits::Quota;
use crate::oauth::claims::StaticClaims;
use crate::oauth::credential::AuthMethod;
use crate::oauth::{Scope, ScopeToken};
use crate::policy::{Client, ClientId, RegisteredClient, SecretHash, Violation};
use crate::store::Change;
use crate::time::{Timestamp, optional_seconds};

/// The longest overlap of two secrets.
const MAX_OVERLAP: Duration = Duration::from_hours(24 * 90);

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
    /// Its public keys as a JWK Set, for `private_key_jwt` alone.
    #[serde(default)]
    pub jwks: Option<Value>,
    /// Where others would have its keys fetched from: nothing is ever fetched here.
    #[serde(default)]
    pub jwks_uri: Option<Value>,
    /// The longest lifetime of its tokens, seconds.
    #[serde(default, with = "optional_seconds")]
    pub access_token_lifetime: Option<Duration>,
    /// Claims of its own.
    #[serde(default)]
    pub claims: StaticClaims,
    /// Its own limits.
    #[serde(default)]
    pub limits: BTreeMap<ScopeToken, Quota>,
}

fn basic() -> AuthMethod {
    AuthMethod::ClientSecretBasic
}

impl NewClient {
    fn register(self, now: Timestamp) -> Result<Client, Violation> {
        let now = Timestamp::from_seconds(now.seconds());
        if self.jwks_uri.is_some() {
            return Err(Violation::new("jwks_uri", "keys are taken by value alone; send them as jwks"));
        }
        let jwks = self.jwks.map(|set| ClientKeys::from_value(&set)).transpose();
        Ok(Client {
            id: self.client_id,
            name: self.client_name,
            auth_method: self.token_endpoint_auth_method,
            jwks: jwks.map_err(|bad| Violation::new("jwks", bad.to_string()))?,
            scope: self.scope,
            default_scope: self.default_scope,
            lifetime: self.access_token_lifetime,
            claims: Arc::new(self.claims),
            limits: self.limits,
            disabled: false,
            created_at: now,
            updated_at: now,
            version: 1,
        })
    }
}

/// A new client with its one and only sight of the secret.
#[derive(Debug)]
pub struct Created {
    /// The client.
    pub client: Client,
    /// Its secret, if its method has one.
    pub secret: Option<NewSecret>,
}

/// A new secret, shown this once.
#[derive(Debug)]
pub struct NewSecret {
    /// Its public identifier.
    pub secret_id: String,
    /// The secret.
    pub secret: SecretString,
}

impl Admin {
    /// Registers a client and makes its first secret, unless it has keys.
    pub async fn create_client(&self, actor: &Actor, new: NewClient) -> Result<Created, Refusal> {
        let has_secrets = new.token_endpoint_auth_method.has_secrets();
        let made = if has_secrets { Some(self.make_secret().await?) } else { None };
        let acting = self.act().await;
        let client = new.register(self.parts.clock.now()).map_err(Refusal::ClientMetadata)?;
        let policy = self.policy();
        if policy.client(client.id.as_str()).is_some() {
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
        match self.apply(&acting, record, changes).await {
            Err(Refusal::Stale) => Err(Refusal::Taken),
            done => done.map(|()| Created { client, secret }),
        }
    }

    /// Disables or enables a client, at once for its next request. Asking for what is so already is fine.
    pub async fn set_disabled(&self, actor: &Actor, id: &str, disabled: bool) -> Result<Client, Refusal> {
        let acting = self.act().await;
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

    /// Makes a new secret; the one before it works on for `overlap`. At most two live at once.
    pub async fn rotate_secret(
        &self,
        actor: &Actor,
        id: &str,
        overlap: Duration,
    ) -> Result<NewSecret, Refusal> {
        if overlap > MAX_OVERLAP {
            return Err(Violation::new("overlap", "at most 90 days").into());
        }
        if !self.registered(id)?.client.auth_method.has_secrets() {
            let problem = "a client with private_key_jwt has no secret";
            return Err(Violation::new("token_endpoint_auth_method", problem).into());
        }
        let Made { secret, hash } = self.make_secret().await?;
        let acting = self.act().await;
        let before = self.registered(id)?;
        let now = self.parts.clock.now();
        let live: Vec<_> = before.secrets.iter().filter(|hash| hash.is_live(now)).collect();
        if live.len() >= 2 {
            return Err(Refusal::TwoSecrets);
        }
        let client = self.touched(&before);
        let shown = NewSecret { secret_id: hash.secret_id.clone(), secret };
        let record = record(EventType::ClientSecretAdded, actor, id, (None, Some(&hash.secret_id)));
        let mut changes = vec![Change::PutClient(client.clone())];
        changes.extend(live.iter().map(|old| Change::EndSecret(old.secret_id.clone(), now.plus(overlap))));
        changes.push(Change::AddSecret(client.id, hash));
        self.apply(&acting, record, changes).await?;
        Ok(shown)
    }

    /// Ends the oldest of two live secrets at once, if there are two.
    pub async fn end_oldest_of_two(&self, actor: &Actor, id: &str) -> Result<(), Refusal> {
        let acting = self.act().await;
        let before = self.registered(id)?;
        let now = self.parts.clock.now();
        let mut live = before.secrets.iter().filter(|hash| hash.is_live(now));
        let (Some(SecretHash { secret_id, .. }), Some(_)) = (live.next(), live.next()) else { return Ok(()) };
        let record = record(EventType::ClientSecretRevoked, actor, id, (Some(secret_id), None));
        let changes =
            vec![Change::PutClient(self.touched(&before)), Change::EndSecret(secret_id.clone(), now)];
        self.apply(&acting, record, changes).await
    }

    fn registered(&self, id: &str) -> Result<Arc<RegisteredClient>, Refusal> {
        self.policy().client(id).cloned().ok_or(Refusal::NotFound("client"))
    }

    /// The client at its next version, so that nothing remembered about the present one holds any more.
    fn touched(&self, registered: &RegisteredClient) -> Client {
        let mut client = registered.client.clone();
        client.version += 1;
        client.updated_at = Timestamp::from_seconds(self.parts.clock.now().seconds());
        client
    }

    async fn make_secret(&self) -> Result<Made, Refusal> {
        let secret = secret::generate(&*self.parts.entropy)?;
        let salt = random(&*self.parts.entropy)?;
        let now = self.parts.clock.now();
        Ok(self.parts.hashing.run(move || secret::make(secret, salt, now)).await??)
    }
}
