//! The whole policy at one version, as the request path reads it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Client, ClientId, Resource, ResourceUri, ScopeRule, Violation};
use crate::digest::Digest;
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
    /// When it opened the door last, as far as that is written down.
    pub last_used_at: Option<Timestamp>,
    /// When its owner was last reminded to replace it.
    pub reminded_at: Option<Timestamp>,
}

impl SecretHash {
    /// The end of a secret that ends at once. No clock shows it, so that none that steps back lets the secret live again.
    pub const ENDED: Timestamp = Timestamp::from_micros(0);

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

/// What a row of the stored policy is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowKind {
    /// A resource.
    Resource,
    /// A scope, with its limit.
    Scope,
    /// A client, with its own limits.
    Client,
    /// A secret of a client.
    Secret,
}

impl RowKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Resource, Self::Scope, Self::Client, Self::Secret];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Scope => "scope",
            Self::Client => "client",
            Self::Secret => "secret",
        }
    }
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
    /// [`reserved_id`] of every client that was deleted.
    pub reserved: Arc<HashSet<Digest>>,
    /// The admin API, once [`super::Builtin::complete`] put it and its scopes in beside what is stored.
    pub admin_resource: Option<ResourceUri>,
    /// How many rows could not be read when this was.
    pub damaged: BTreeMap<RowKind, u64>,
}

/// What stays of a deleted client's id: enough to know it again, not to tell it.
pub fn reserved_id(id: &ClientId) -> Digest {
    Digest::of(&[b"mintmark/client/v1\n", id.as_str().as_bytes()])
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

    /// Whether no client of this id may be registered: there is one, or there was.
    pub fn is_taken(&self, id: &ClientId) -> bool {
        self.clients.contains_key(id) || self.reserved.contains(&reserved_id(id))
    }

    /// Lets what a damaged row was `before` stay in force: a limit is neither opened nor closed by it. `false` where
    /// nothing is known of before, and for clients and secrets: who may come in is not gone by what was once.
    pub fn keep(&mut self, kind: RowKind, name: &str, before: &Self) -> bool {
        match kind {
            RowKind::Resource => before.stored_resource(name).is_some_and(|resource| {
                self.resources.insert(resource.uri.clone(), resource.clone());
                true
            }),
            RowKind::Scope => before.stored_scope(name).is_some_and(|rule| {
                self.scopes.insert(rule.name.clone(), rule.clone());
                true
            }),
            RowKind::Client | RowKind::Secret => false,
        }
    }

    /// The resources that people set, by name: all but the admin API.
    pub fn stored_resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values().filter(|resource| self.admin_resource.as_ref() != Some(&resource.uri))
    }

    /// The scopes that people set, by name: all but those of the admin API.
    pub fn stored_scopes(&self) -> impl Iterator<Item = &Arc<ScopeRule>> {
        self.scopes.values().filter(|rule| self.admin_resource.as_ref() != Some(&rule.resource))
    }

    /// One of [`Policy::stored_resources`]. Takes any text.
    pub fn stored_resource(&self, uri: &str) -> Option<&Arc<Resource>> {
        self.stored_resources().find(|resource| resource.uri.as_str() == uri)
    }

    /// One of [`Policy::stored_scopes`]. Takes any text.
    pub fn stored_scope(&self, name: &str) -> Option<&Arc<ScopeRule>> {
        self.stored_scopes().find(|rule| rule.name.as_str() == name)
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
        self.check_home(rule)?;
        check_lifetime("token_lifetime", rule.lifetime, max)
    }

    /// A scope never moves to another resource: what clients hold would become worth something else.
    pub fn check_home(&self, rule: &ScopeRule) -> Result<(), Violation> {
        match self.scopes.get(&rule.name) {
            Some(before) if before.resource != rule.resource => {
                let problem = format!("a scope stays with its resource, {}", before.resource);
                Err(Violation::new("resource", problem))
            }
            _ => Ok(()),
        }
    }

    /// Checks a client before it is set: each scope exists, the default scope lies in one resource, and what it may
    /// introspect tokens for is registered, or is the admin API.
    pub fn check_client(&self, client: &Client, max: Duration) -> Result<(), Violation> {
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
        if let Some(unknown) = client.introspects.iter().find(|uri| !self.resources.contains_key(*uri)) {
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
