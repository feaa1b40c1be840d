//! What every policy has without a row in the store: the admin API as a resource, and its scopes.
//!
//! Pure. A store that has objects of these names, from before they were the
//! issuer's own, keeps what they mean: nothing is put in their place, so that
//! no token of before becomes an administrator's.

use std::sync::Arc;
use std::time::Duration;

use super::admin_scope::AdminScope;
use super::{Policy, Resource, ResourceUri, ScopeRule, Violation};
use crate::jose::Algorithm;
use crate::limits::{Enforce, Quota};
use crate::oauth::ScopeToken;

/// How long a token for the admin API is good: an administrator asks anew.
pub const ADMIN_LIFETIME: Duration = Duration::from_mins(5);
/// How often one client may have each admin scope: a command asks once or twice.
const ADMIN_TOKENS: &str = "120/1m";
/// Numbers in limiter keys from here on are never a stored scope's: a store gives them from 1 upwards, and a row that
/// has one is left out.
pub const FIRST_RESERVED_KEY: u32 = u32::MAX - 0xFFFF;

/// The objects that the issuer itself brings.
#[derive(Clone, Debug)]
pub struct Builtin {
    resource: Arc<Resource>,
    scopes: Vec<Arc<ScopeRule>>,
}

/// Stored objects that stand where the issuer's own would: none of its own was put in. Their names, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store has {} of names that are the issuer's own", .0.join(", "))]
pub struct Shadowed(pub Vec<String>);

impl Builtin {
    /// Those of this issuer; `algorithm` signs the tokens. `None` if the issuer's name makes no resource, which no
    /// configured one does.
    pub fn of(issuer: &str, algorithm: Algorithm) -> Option<Self> {
        let uri = ResourceUri::parse(&format!("{issuer}/admin")).ok()?;
        let limit = Quota::parse(ADMIN_TOKENS).ok()?;
        let scopes = AdminScope::ALL.into_iter().zip(FIRST_RESERVED_KEY..).map(|(scope, key)| {
            Some(Arc::new(ScopeRule {
                key,
                name: ScopeToken::parse(scope.as_str()).ok()?,
                resource: uri.clone(),
                limit,
                total: None,
                enforce: Enforce::Refuse,
                lifetime: None,
                version: 0,
            }))
        });
        let scopes = scopes.collect::<Option<Vec<_>>>()?;
        let lifetime = Some(ADMIN_LIFETIME);
        Some(Self {
            resource: Arc::new(Resource { uri, signing_alg: algorithm, lifetime, version: 0 }),
            scopes,
        })
    }

    /// The name of the admin API, the `aud` of its tokens.
    pub fn resource(&self) -> &ResourceUri {
        &self.resource.uri
    }

    /// Completes a policy as the store gave it. Where one of the names is taken there, all of them are left out, and
    /// the names that are taken are told.
    pub fn complete(&self, policy: &mut Policy) -> Result<(), Shadowed> {
        policy.scopes.retain(|_, rule| rule.key < FIRST_RESERVED_KEY);
        let taken = self.scopes.iter().filter(|rule| policy.scopes.contains_key(&rule.name));
        let mut shadowed: Vec<_> = taken.map(|rule| format!("the scope {}", rule.name)).collect();
        if policy.resources.contains_key(self.resource()) {
            shadowed.push(format!("the resource {}", self.resource()));
        }
        if !shadowed.is_empty() {
            return Err(Shadowed(shadowed));
        }
        policy.admin_resource = Some(self.resource().clone());
        policy.resources.insert(self.resource().clone(), self.resource.clone());
        policy.scopes.extend(self.scopes.iter().map(|rule| (rule.name.clone(), rule.clone())));
        Ok(())
    }

    /// Refuses a resource that is the issuer's own.
    pub fn check_resource(&self, resource: &Resource) -> Result<(), Violation> {
        if self.owns_resource(&resource.uri) {
            return Err(Violation::new("resource", "is the admin API, which nobody sets"));
        }
        Ok(())
    }

    /// Refuses a scope that is the issuer's own, or would lie at its resource.
    pub fn check_scope(&self, rule: &ScopeRule) -> Result<(), Violation> {
        if self.owns_scope(&rule.name) {
            return Err(Violation::new("scope", "is one of the issuer's own, which nobody sets"));
        }
        if self.owns_resource(&rule.resource) {
            return Err(Violation::new("resource", "is the admin API, which has its scopes already"));
        }
        Ok(())
    }

    /// Whether a scope of this name would be the issuer's own, and nobody may set or delete it.
    pub fn owns_scope(&self, name: &ScopeToken) -> bool {
        AdminScope::parse(name.as_str()).is_some()
    }

    /// The same of a resource.
    pub fn owns_resource(&self, uri: &ResourceUri) -> bool {
        uri == self.resource()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::Scope;

    fn builtin() -> Builtin {
        Builtin::of("https://auth.example.com", Algorithm::EdDsa).unwrap()
    }

    fn orders(name: &str, uri: &str, key: u32) -> Policy {
        let mut policy = Policy::default();
        let rule = ScopeRule {
            key,
            name: ScopeToken::parse(name).unwrap(),
            resource: ResourceUri::parse(uri).unwrap(),
            limit: Quota::parse("1/1m").unwrap(),
            total: None,
            enforce: Enforce::Refuse,
            lifetime: None,
            version: 1,
        };
        let uri = rule.resource.clone();
        let resource =
            Resource { uri: uri.clone(), signing_alg: Algorithm::Es256, lifetime: None, version: 1 };
        policy.resources.insert(uri, Arc::new(resource));
        policy.scopes.insert(rule.name.clone(), Arc::new(rule));
        policy
    }

    #[test]
    fn every_policy_has_the_admin_api_and_tells_it_from_what_is_stored() {
        let mut policy = orders("orders:read", "https://orders.example.com", 1);
        builtin().complete(&mut policy).unwrap();
        let all =
            Scope::parse("admin:audit admin:clients admin:keys admin:limits admin:read").unwrap().unwrap();
        let home = policy.audience_of(&all).unwrap();
        assert_eq!(home.as_str(), "https://auth.example.com/admin");
        assert_eq!(policy.resources[home].signing_alg, Algorithm::EdDsa);
        assert_eq!(
            policy.stored_scopes().map(|rule| rule.name.as_str()).collect::<Vec<_>>(),
            ["orders:read"]
        );
        assert_eq!(
            policy.stored_resources().map(|resource| resource.uri.as_str()).collect::<Vec<_>>(),
            ["https://orders.example.com"]
        );
        let mixed = Scope::parse("admin:read orders:read").unwrap().unwrap();
        assert_eq!(policy.audience_of(&mixed), None, "one token is for one resource");
    }

    #[test]
    fn names_that_are_taken_keep_what_they_mean() {
        for (name, uri, told) in [
            ("admin:keys", "https://orders.example.com", "the scope admin:keys"),
            ("orders:read", "https://auth.example.com/admin", "the resource https://auth.example.com/admin"),
        ] {
            let mut policy = orders(name, uri, 1);
            assert_eq!(builtin().complete(&mut policy), Err(Shadowed(vec![told.to_owned()])));
            assert_eq!((policy.scopes.len(), policy.resources.len()), (1, 1), "nothing was put in");
            assert_eq!(policy.admin_resource, None);
            assert_eq!(policy.scopes[name].resource.as_str(), uri);
        }
    }

    #[test]
    fn a_stored_number_is_never_one_of_the_issuers_own() {
        let mut policy = orders("orders:read", "https://orders.example.com", FIRST_RESERVED_KEY);
        builtin().complete(&mut policy).unwrap();
        assert!(!policy.scopes.contains_key("orders:read"));
        let keys: std::collections::BTreeSet<_> = policy.scopes.values().map(|rule| rule.key).collect();
        assert_eq!(keys.len(), AdminScope::ALL.len());
    }
}
