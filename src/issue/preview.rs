//! What a token would be like, and why: for people who look before they leap. Pure.
//!
//! It asks the same functions as an issuance, so it cannot say anything else.
//! Nothing is issued, charged or recorded by it.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::authorize::{Bound, SetBy, authorize, bounds, charges};
use super::compose::signing_input;
use crate::digest::base64url_decode;
use crate::jose::Algorithm;
use crate::keys::ActiveKey;
use crate::limits::{Enforce, Quota};
use crate::oauth::claims::{Grant, Jti, StaticClaims};
use crate::oauth::request::{GrantType, TokenRequest};
use crate::oauth::{OAuthError, Scope};
use crate::policy::snapshot::Lifetimes;
use crate::policy::{Policy, RegisteredClient, ResourceUri};
use crate::time::Timestamp;

/// The lifetime that a token would have, and everything that bounds it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LifetimeShown {
    /// Whole seconds from `iat` to `exp`: the least of the bounds.
    pub seconds: u64,
    /// All bounds, the least first.
    pub bounds: Vec<BoundShown>,
}

/// One bound of a lifetime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BoundShown {
    /// Whole seconds.
    pub seconds: u64,
    /// Where it comes from.
    pub set_by: SetBy,
    /// The name of the client, resource, scope or key; none for a setting.
    pub name: Option<String>,
}

/// What one scope of a token would cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LimitShown {
    /// The scope.
    pub scope: String,
    /// The limit that holds for this client.
    pub limit: Quota,
    /// Whether the client has its own limit or the scope's.
    pub set_by: SetBy,
    /// The limit over all clients together.
    pub total: Option<Quota>,
    /// Whether it refuses or only counts.
    pub enforce: Enforce,
}

/// All about a token that follows from the policy alone, whenever it is asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shape {
    /// Its `scope`.
    pub scope: String,
    /// Its `aud`.
    pub resource: ResourceUri,
    /// Its `alg`.
    pub signing_alg: Algorithm,
    /// How long it lives, and why.
    pub lifetime: LifetimeShown,
    /// The client's own claims in it.
    pub claims: Arc<StaticClaims>,
    /// What each of its scopes costs.
    pub limits: Vec<LimitShown>,
}

/// A token as it would be now. Its `jti` is made at issuance and is `null` here.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Preview {
    /// Its header.
    pub header: Map<String, Value>,
    /// Its claims, in their order.
    pub claims: Map<String, Value>,
    /// How long it would live, and why.
    pub lifetime: LifetimeShown,
    /// What each of its scopes would cost.
    pub limits: Vec<LimitShown>,
    /// How long the compact JWT would be, bytes.
    pub length: usize,
}

/// The token that this client would get for this request, apart from the time and the key.
pub fn shape(
    registered: &RegisteredClient,
    request: &TokenRequest,
    policy: &Policy,
    lifetimes: Lifetimes,
) -> Result<Shape, OAuthError> {
    let grant = authorize(registered, request, policy, lifetimes)?;
    Ok(Shape {
        scope: grant.scope.to_string(),
        lifetime: lifetime(registered, &grant, policy, lifetimes, None),
        limits: limits(registered, &grant, policy),
        resource: grant.audience,
        signing_alg: grant.algorithm,
        claims: grant.claims,
    })
}

/// One token for each resource that the client has scopes of, with all of these scopes, in the order of the resources.
pub fn shapes(registered: &RegisteredClient, policy: &Policy, lifetimes: Lifetimes) -> Vec<Shape> {
    let mut homes = std::collections::BTreeMap::<&ResourceUri, Vec<&str>>::new();
    for token in registered.client.scope.tokens() {
        if let Some(rule) = policy.scopes.get(token) {
            homes.entry(&rule.resource).or_default().push(token.as_str());
        }
    }
    let whole = homes.into_values().filter_map(|tokens| Scope::parse(&tokens.join(" ")).ok()?);
    let asked =
        |scope| TokenRequest { grant_type: GrantType::ClientCredentials, scope: Some(scope), resource: None };
    whole.filter_map(|scope| shape(registered, &asked(scope), policy, lifetimes).ok()).collect()
}

/// The token that this client would get now, signed by `key`, whose tokens may live for `longest_lifetime`.
pub fn preview(
    issuer: &str,
    (registered, policy, lifetimes): (&RegisteredClient, &Policy, Lifetimes),
    mut grant: Grant,
    (key, longest_lifetime): (&ActiveKey, Duration),
    now: Timestamp,
) -> Result<Preview, OAuthError> {
    let kid = key.kid().to_string();
    let of_key = Bound { set_by: SetBy::Key, name: Some(&kid), lifetime: longest_lifetime };
    // In daily life the key bounds nothing: then it is no reason for anybody.
    let of_key = (longest_lifetime < lifetimes.max).then_some(of_key);
    let lifetime = lifetime(registered, &grant, policy, lifetimes, of_key);
    grant.lifetime = grant.lifetime.min(longest_lifetime);
    let jti = Jti::compose(now, [0; 16]);
    let (input, _) = signing_input(issuer, &grant, key, (now, &jti))?;
    let mut parts = input.split('.').map(|part| {
        base64url_decode(part).and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default()
    });
    let (header, mut claims): (_, Map<_, _>) =
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    claims.insert("jti".to_owned(), Value::Null);
    let length = input.len() + 1 + key.encoded_signature_length();
    Ok(Preview { header, claims, lifetime, limits: limits(registered, &grant, policy), length })
}

fn lifetime(
    registered: &RegisteredClient,
    grant: &Grant,
    policy: &Policy,
    lifetimes: Lifetimes,
    of_key: Option<Bound<'_>>,
) -> LifetimeShown {
    let resource = policy.resources.get(&grant.audience);
    let of_policy = resource
        .into_iter()
        .flat_map(|resource| bounds(registered, (resource, &grant.scope), policy, lifetimes));
    let mut bounds: Vec<_> = of_policy.chain(of_key).collect();
    bounds.sort_by_key(|bound| bound.lifetime);
    let shown = |bound: &Bound<'_>| BoundShown {
        seconds: bound.lifetime.as_secs(),
        set_by: bound.set_by,
        name: bound.name.map(str::to_owned),
    };
    let bounds: Vec<_> = bounds.iter().map(shown).collect();
    LifetimeShown { seconds: bounds.first().map_or(0, |bound| bound.seconds), bounds }
}

fn limits(registered: &RegisteredClient, grant: &Grant, policy: &Policy) -> Vec<LimitShown> {
    let own = &registered.client.limits;
    let shown = |charge: crate::limits::Charge| LimitShown {
        set_by: if own.contains_key(&charge.scope) { SetBy::Client } else { SetBy::Scope },
        scope: charge.scope.into(),
        limit: charge.quota,
        total: charge.total,
        enforce: charge.enforce,
    };
    charges(registered, grant, policy).into_iter().map(shown).collect()
}
