//! An issuer that never issues: what each client would get under a policy and a configuration. Pure.
//!
//! It asks the functions of an issuance (`issue::authorize`, and `issue::preview`, which composes
//! as an issuance does), so it cannot say anything else than the service. Its keys sign nothing,
//! its clock stands still, nothing is charged or recorded.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::requests::{Asked, requests};
use super::simulation::{Name, Simulation};
use crate::config::Settings;
use crate::issue::authorize::authorize;
use crate::issue::preview::{LifetimeShown, LimitShown, Preview, preview};
use crate::jose::Algorithm;
use crate::keys::schedule::longest_lifetime;
use crate::keys::{ActiveKey, KeyFacts};
use crate::oauth::{ErrorCode, OAuthError};
use crate::policy::plan::{Complaint, Plan, Rules, Wanted, plan};
use crate::policy::snapshot::Lifetimes;
use crate::policy::{Builtin, Policy, RegisteredClient};
use crate::time::Timestamp;

/// An algorithm without a key; no policy that passes the checks has one.
const NO_KEY: OAuthError =
    OAuthError { code: ErrorCode::TemporarilyUnavailable, description: "no key of this algorithm signs" };

/// The moment after a first start, with this policy and no other.
pub struct Trial {
    issuer: String,
    lifetimes: Lifetimes,
    policy: Policy,
    keys: BTreeMap<Algorithm, StandIn>,
    now: Timestamp,
}

/// The key that would sign.
struct StandIn {
    name: Name,
    key: ActiveKey,
    longest_lifetime: Duration,
}

/// A token that would be issued; members in this order.
#[derive(Serialize)]
struct Granted {
    request: Map<String, Value>,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    lifetime: LifetimeShown,
    limits: Map<String, Value>,
    length: usize,
}

/// What the token endpoint would say instead.
#[derive(Serialize)]
struct Refused {
    request: Map<String, Value>,
    refused: Refusal,
}

#[derive(Serialize)]
struct Refusal {
    error: &'static str,
    error_description: &'static str,
}

impl Trial {
    /// Puts the wanted policy in force over an empty one, at `now`, or gives every complaint about it: those of
    /// `mintmark policy apply`.
    pub fn new(settings: &Settings, wanted: Wanted, now: Timestamp) -> Result<Self, Vec<Complaint>> {
        let lifetimes = Lifetimes { default: settings.tokens.lifetime, max: settings.tokens.max_lifetime };
        let policy = in_force(settings, wanted, now)?;
        let quantities = settings.keys.quantities(settings.tokens.max_lifetime);
        let mut simulation = Simulation::new(&settings.keys.algorithms, &quantities, now);
        while simulation.step(now).is_some() {}
        let stand_in = |facts: &KeyFacts| {
            let key = ActiveKey::that_never_signs(facts.public.clone());
            let longest_lifetime = longest_lifetime(facts, &quantities);
            Some(StandIn { name: simulation.name(facts.kid)?, key, longest_lifetime })
        };
        let active = Algorithm::ALL.into_iter().filter_map(|algorithm| {
            let facts = simulation.ring().active(algorithm)?;
            Some((algorithm, stand_in(facts)?))
        });
        let keys = active.collect();
        Ok(Self { issuer: settings.issuer.as_str().to_owned(), lifetimes, policy, keys, now })
    }

    /// The policy, with the admin API's own resource and scopes in it.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The clients, by id.
    pub fn clients(&self) -> Vec<&RegisteredClient> {
        let mut clients: Vec<_> = self.policy.clients.values().map(AsRef::as_ref).collect();
        clients.sort_unstable_by_key(|registered| &registered.client.id);
        clients
    }

    /// Everything that this client would get: `{"client_id","tokens":{<request>:{...}}}`, and how many of the requests
    /// would be granted.
    pub fn tokens(&self, registered: &RegisteredClient) -> (Value, usize) {
        let mut granted = 0;
        let mut tokens = Map::new();
        for asked in requests(registered, &self.policy) {
            let answer = match self.answer(registered, &asked) {
                Ok(answer) => {
                    granted += 1;
                    json!(answer)
                }
                Err(OAuthError { code, description }) => {
                    let refused = Refusal { error: code.as_str(), error_description: description };
                    json!(Refused { request: asked.parameters(), refused })
                }
            };
            tokens.insert(asked.name, answer);
        }
        (json!({ "client_id": registered.client.id, "tokens": tokens }), granted)
    }

    fn answer(&self, registered: &RegisteredClient, asked: &Asked) -> Result<Granted, OAuthError> {
        if registered.client.disabled {
            return Err(OAuthError::INVALID_CLIENT);
        }
        let grant = authorize(registered, &asked.request, &self.policy, self.lifetimes)?;
        let StandIn { name, key, longest_lifetime } = self.keys.get(&grant.algorithm).ok_or(NO_KEY)?;
        let under = (registered, &self.policy, self.lifetimes);
        let shown = preview(&self.issuer, under, grant, (key, *longest_lifetime), self.now)?;
        let Preview { mut header, mut claims, lifetime, limits, length } = shown;
        // What differs from token to token is shown as what it is, once it is known to be that.
        let kid = key.kid().to_string();
        replace(&mut header, "kid", &json!(kid), || format!("<{name}>"));
        let (issued_at, expires_at) = (json!(self.now.seconds()), claims.get("exp").and_then(Value::as_u64));
        replace(&mut claims, "iat", &issued_at, || "now".to_owned());
        if let Some(lives) = expires_at.and_then(|end| end.checked_sub(self.now.seconds())) {
            replace(&mut claims, "exp", &json!(expires_at), || format!("iat + {lives}"));
        }
        replace(&mut claims, "jti", &Value::Null, || "<unique>".to_owned());
        let limits = limits.iter().map(limit).collect();
        Ok(Granted { request: asked.parameters(), header, claims, lifetime, limits, length })
    }
}

fn in_force(settings: &Settings, wanted: Wanted, now: Timestamp) -> Result<Policy, Vec<Complaint>> {
    let algorithms = &settings.keys.algorithms;
    let nameless = || {
        let problem = "it is too long to name the admin API".to_owned();
        vec![Complaint { place: "issuer".to_owned(), problem }]
    };
    let builtin = algorithms.first().and_then(|first| Builtin::of(settings.issuer.as_str(), *first));
    let builtin = builtin.ok_or_else(nameless)?;
    let mut empty = Policy::default();
    // An empty policy has no names that could be taken.
    let _ = builtin.complete(&mut empty);
    let max_lifetime = settings.tokens.max_lifetime;
    let rules = Rules { prune: false, algorithms, max_lifetime, now, builtin: &builtin };
    plan(&empty, wanted, rules).map(|Plan { after, .. }| after)
}

/// Shows a member that is as expected in other words; one that is not stays as it is, for everybody to see.
fn replace(members: &mut Map<String, Value>, name: &str, expected: &Value, shown: impl FnOnce() -> String) {
    if let Some(value) = members.get_mut(name).filter(|value| *value == expected) {
        *value = shown().into();
    }
}

/// What a scope costs, in the words in which it is typed.
fn limit(limit: &LimitShown) -> (String, Value) {
    let LimitShown { scope, limit, set_by, total, enforce } = limit;
    let total = total.map(|total| total.typed());
    let told = json!({ "limit": limit.typed(), "set_by": set_by, "total": total, "enforce": enforce });
    (scope.clone(), told)
}
