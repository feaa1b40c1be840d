//! What this client may have for this request: client × request × policy → [`Grant`]. Pure.
//!
//! Deny by default: every rule must say yes. RFC 6749 section 3.3, RFC 8707 section 2.2.

use std::time::Duration;

use crate::limits::{Charge, LimitKey};
use crate::oauth::claims::Grant;
use crate::oauth::request::TokenRequest;
use crate::oauth::{OAuthError, Scope};
use crate::policy::snapshot::Lifetimes;
use crate::policy::{Policy, RegisteredClient, ResourceUri};

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
        lifetime: lifetime(registered, scope, policy, lifetimes),
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

/// The least of what resource, scopes and client set; the configured default
/// where none does; never above the configured maximum.
fn lifetime(registered: &RegisteredClient, scope: &Scope, policy: &Policy, lifetimes: Lifetimes) -> Duration {
    let rules = || scope.tokens().filter_map(|token| policy.scopes.get(token));
    let resources = rules().filter_map(|rule| policy.resources.get(&rule.resource)?.lifetime);
    let scopes = rules().filter_map(|rule| rule.lifetime);
    let least = registered.client.lifetime.into_iter().chain(resources).chain(scopes).min();
    least.unwrap_or(lifetimes.default).min(lifetimes.max)
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
