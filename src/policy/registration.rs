//! What a person says about a client: to register it, or to say anew what it is. RFC 7591 section 2.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::{Client, ClientId, ResourceUri, Violation};
use crate::jose::ClientKeys;
use crate::limits::Quota;
use crate::oauth::claims::StaticClaims;
use crate::oauth::credential::AuthMethod;
use crate::oauth::{Scope, ScopeToken};
use crate::time::{Timestamp, optional_seconds};

/// A client in a person's words. What is left out is as without it, except for what guards a client: that stays.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
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
    /// How it authenticates; left out, as it did, and a new client by `client_secret_basic`.
    #[serde(default)]
    pub token_endpoint_auth_method: Option<AuthMethod>,
    /// Its public keys as a JWK Set, for `private_key_jwt` alone; left out, as they were.
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
    /// Audiences whose tokens it may introspect.
    #[serde(default)]
    pub introspects: BTreeSet<ResourceUri>,
    /// How old a secret may be before it wants a successor, seconds.
    #[serde(default, with = "optional_seconds")]
    pub rotate_every: Option<Duration>,
    /// Whether it gets nothing; left out, as it was. Nobody is let in again by silence.
    #[serde(default)]
    pub disabled: Option<bool>,
}

impl Registration {
    /// The client that it makes of `before`, at the version after it. Its keys may be none that are taken.
    pub fn over(self, before: Option<&Client>, now: Timestamp) -> Result<Client, Violation> {
        let now = Timestamp::from_seconds(now.seconds());
        if self.jwks_uri.is_some() {
            return Err(Violation::new("jwks_uri", "keys are taken by value alone; send them as jwks"));
        }
        let auth_method = self.token_endpoint_auth_method.or(before.map(|before| before.auth_method));
        let auth_method = auth_method.unwrap_or(AuthMethod::ClientSecretBasic);
        let jwks = self.jwks.map(|set| ClientKeys::from_value(&set)).transpose();
        let jwks = jwks.map_err(|bad| Violation::new("jwks", bad.to_string()))?;
        // Keys go with the method that has them.
        let kept = before.filter(|_| !auth_method.has_secrets()).and_then(|before| before.jwks.clone());
        Ok(Client {
            id: self.client_id,
            name: self.client_name,
            auth_method,
            jwks: jwks.or(kept),
            scope: self.scope,
            default_scope: self.default_scope,
            lifetime: self.access_token_lifetime,
            claims: Arc::new(self.claims),
            limits: self.limits,
            introspects: self.introspects,
            rotate_every: self.rotate_every,
            disabled: self.disabled.unwrap_or(before.is_some_and(|before| before.disabled)),
            created_at: before.map_or(now, |before| before.created_at),
            updated_at: now,
            version: before.map_or(0, |before| before.version) + 1,
        })
    }
}
