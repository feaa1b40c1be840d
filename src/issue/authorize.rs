//! What this client may have for this request: client × request × policy → [`Grant`]. Pure.
//!
//! Deny by default: every rule must say yes. RFC 6749 section 3.3, RFC 8707 section 2.2.

use std::time::Duration;

use serde::Serialize;

use crate::limits::{Charge, LimitKey};
use crate::oauth::claims::Grant;
use crate::oauth::request::TokenRequest;
use crate::oauth::{OAuthError, Scope};
use crate::policy::snapshot::Lifetimes;
use crate::policy::{Policy, RegisteredClient, Resource, ResourceUri};

/// Decides the grant. Only `invalid_scope` and `invalid_target` can come of it.
pub fn authorize(
    registered: &RegisteredClient,
    request: &TokenRequest,
    policy: &Policy,
    lifetimes: Lifetimes,
) -> Result<Grant, OAuthError> {
    let client = &registered.client;
    let scope = match &request.scope {
        Some(asked) if asked.is_subset(&client.scope) => asked,
        Some(_) => return Err(OAuthError::SCOPE_NOT_ALLOWED),
        None => client.default_scope.as_ref().ok_or(OAuthError::SCOPE_MISSING)?,
    };
    if scope.tokens().any(|token| !policy.scopes.contains_key(token)) {
        return Err(OAuthError::SCOPE_NOT_ALLOWED);
    }
    let audience = audience(policy, scope, request.resource.as_deref())?;
    let resource = policy.resources.get(audience).ok_or(OAuthError::RESOURCE_NOT_ALLOWED)?;
    Ok(Grant {
        client_id: client.id.clone(),
        grant_type: request.grant_type,
        scope: scope.clone(),
        audience: audience.clone(),
        lifetime: bounds(registered, (resource, scope), policy, lifetimes)
            .map(|bound| bound.lifetime)
            .min()
            .unwrap_or(lifetimes.max),
        algorithm: resource.signing_alg,
        claims: client.claims.clone(),
    })
}

/// The one resource that the scopes belong to, which must be the one asked for if one was.
fn audience<'a>(
    policy: &'a Policy,
    scope: &Scope,
    asked: Option<&str>,
) -> Result<&'a ResourceUri, OAuthError> {
    let home = policy.audience_of(scope);
    match asked {
        None => home.ok_or(OAuthError::SCOPES_OF_TWO_RESOURCES),
        Some(asked) => home.filter(|home| home.as_str() == asked).ok_or(OAuthError::RESOURCE_NOT_ALLOWED),
    }
}

/// What keeps a token from living longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SetBy {
    /// The client's registration.
    #[serde(rename = "client")]
    Client,
    /// The resource that the token is for.
    #[serde(rename = "resource")]
    Resource,
    /// One of the granted scopes.
    #[serde(rename = "scope")]
    Scope,
    /// The configuration, where none of the above sets anything.
    #[serde(rename = "tokens.lifetime")]
    Lifetime,
    /// The configuration, above everything.
    #[serde(rename = "tokens.max_lifetime")]
    MaxLifetime,
    /// The key, which leaves the JWKS soon.
    #[serde(rename = "key")]
    Key,
}

/// One bound of a token's lifetime; the least of them is its lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound<'a> {
    /// Where it comes from.
    pub set_by: SetBy,
    /// The name of the client, resource or scope, or of the key.
    pub name: Option<&'a str>,
    /// How long.
    pub lifetime: Duration,
}

/// Every bound of the lifetime: what resource, scopes and client set; the configured default
/// where none does; the configured maximum.
pub fn bounds<'a>(
    registered: &'a RegisteredClient,
    (resource, scope): (&'a Resource, &'a Scope),
    policy: &'a Policy,
    lifetimes: Lifetimes,
) -> impl Iterator<Item = Bound<'a>> {
    let bound = |set_by, name, lifetime| Bound { set_by, name, lifetime };
    let client = &registered.client;
    let of_client = client.lifetime.map(|span| bound(SetBy::Client, Some(client.id.as_str()), span));
    let of_resource = resource.lifetime.map(|span| bound(SetBy::Resource, Some(resource.uri.as_str()), span));
    let rules = scope.tokens().filter_map(|token| policy.scopes.get(token));
    let of_scopes =
        rules.filter_map(move |rule| Some(bound(SetBy::Scope, Some(rule.name.as_str()), rule.lifetime?)));
    let mut set = of_client.into_iter().chain(of_resource).chain(of_scopes).peekable();
    let none_set = set.peek().is_none();
    let configured = none_set.then_some(bound(SetBy::Lifetime, None, lifetimes.default));
    set.chain(configured).chain([bound(SetBy::MaxLifetime, None, lifetimes.max)])
}

/// What this grant costs: one permit of each of its scopes, at the client's own limit where it has one.
pub fn charges(registered: &RegisteredClient, grant: &Grant, policy: &Policy) -> Vec<Charge> {
    let rules = grant.scope.tokens().filter_map(|token| policy.scopes.get(token));
    rules
        .map(|rule| Charge {
            key: LimitKey { client: registered.key, scope: rule.key },
            scope: rule.name.clone(),
            quota: registered.client.limits.get(&rule.name).copied().unwrap_or(rule.limit),
            total: rule.total,
            enforce: rule.enforce,
        })
        .collect()
}
