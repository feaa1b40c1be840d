//! The whole policy at one version, as the request path reads it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::{Client, ClientId, Resource, ResourceUri, ScopeRule, Violation};
use crate::jose::Algorithm;
use crate::oauth::{Scope, ScopeToken};
use crate::time::Timestamp;

/// One live secret of a client, as it is kept: a hash and a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretHash {
    /// Its public identifier.
    pub secret_id: String,
    /// 32 bits of its SHA-256, so that exactly one Argon2 runs however many secrets are live.
    pub selector: u32,
    /// The Argon2id PHC string.
    pub phc: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; `None` for the current one.
    pub expires_at: Option<Timestamp>,
}

impl SecretHash {
    /// Whether it still opens the door at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// A client with what the issuer keeps about it.
#[derive(Clone, Debug)]
pub struct RegisteredClient {
    /// A small number that stands for the client in limiter keys; never reused.
    pub key: u32,
    /// What was registered.
    pub client: Client,
    /// Its secrets, oldest first.
    pub secrets: Vec<SecretHash>,
}

/// Every resource, scope and client at one version.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Grows with each change; part of each issuance's record.
    pub version: u64,
    /// By name.
    pub resources: BTreeMap<ResourceUri, Arc<Resource>>,
    /// By name.
    pub scopes: BTreeMap<ScopeToken, Arc<ScopeRule>>,
    /// By id.
    pub clients: HashMap<ClientId, Arc<RegisteredClient>>,
}

/// The lifetimes that the configuration sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Where nothing else sets one.
    pub default: Duration,
    /// Above everything.
    pub max: Duration,
}

impl Policy {
    /// The client of that name, if there is one. Takes any text.
    pub fn client(&self, id: &str) -> Option<&Arc<RegisteredClient>> {
        self.clients.get(id)
    }

    /// Checks a resource before it is set.
    pub fn check_resource(
        resource: &Resource,
        algorithms: &[Algorithm],
        max: Duration,
    ) -> Result<(), Violation> {
        if !algorithms.contains(&resource.signing_alg) {
            let configured = algorithms.iter().map(|a| a.as_str()).collect::<Vec<_>>().join(", ");
            let problem = format!("{} is not in keys.algorithms ({configured})", resource.signing_alg);
            return Err(Violation::new("signing_alg", problem));
        }
        check_lifetime("token_lifetime", resource.lifetime, max)
    }

    /// Checks a scope before it is set. Its resource must exist, and a scope that clients hold stays with its resource.
    pub fn check_scope(&self, rule: &ScopeRule, max: Duration) -> Result<(), Violation> {
        if !self.resources.contains_key(&rule.resource) {
            let problem = format!("{} is not registered; `mintmark resource set` it first", rule.resource);
            return Err(Violation::new("resource", problem));
        }
        if let Some(before) = self.scopes.get(&rule.name)
            && before.resource != rule.resource
        {
            return Err(Violation::new(
                "resource",
                format!("a scope stays with its resource, {}", before.resource),
            ));
        }
        check_lifetime("token_lifetime", rule.lifetime, max)
    }

    /// Checks a client before it is set: each scope exists, the default scope lies in one resource, and what it may
    /// introspect tokens for is registered, or is the admin API of `issuer`.
    pub fn check_client(&self, client: &Client, issuer: &str, max: Duration) -> Result<(), Violation> {
        client.check()?;
        if let Some(unknown) = client.scope.tokens().find(|token| !self.scopes.contains_key(*token)) {
            let problem = format!("{unknown} is not registered; `mintmark scope set` it first");
            return Err(Violation::new("scope", problem));
        }
        if let Some(default) = &client.default_scope
            && self.audience_of(default).is_none()
        {
            return Err(Violation::new("default_scope", "must lie in one resource"));
        }
        let admin = format!("{issuer}/admin");
        let is_known = |uri: &&ResourceUri| self.resources.contains_key(*uri) || uri.as_str() == admin;
        if let Some(unknown) = client.introspects.iter().find(|uri| !is_known(uri)) {
            let problem = format!("{unknown} is not registered; `mintmark resource set` it first");
            return Err(Violation::new("introspects", problem));
        }
        check_lifetime("access_token_lifetime", client.lifetime, max)
    }

    /// The one resource that all of these scopes belong to.
    pub fn audience_of(&self, scope: &Scope) -> Option<&ResourceUri> {
        let mut homes = scope.tokens().map(|token| self.scopes.get(token).map(|rule| &rule.resource));
        let first = homes.next()??;
        homes.all(|home| home == Some(first)).then_some(first)
    }
}

fn check_lifetime(member: &'static str, lifetime: Option<Duration>, max: Duration) -> Result<(), Violation> {
    match lifetime {
        Some(lifetime) if lifetime < Duration::from_secs(1) => {
            Err(Violation::new(member, "at least 1 second"))
        }
        Some(lifetime) if lifetime > max => {
            let limit = crate::time::span_text(max);
            Err(Violation::new(member, format!("must not exceed tokens.max_lifetime, {limit}")))
        }
        _ => Ok(()),
    }
}
