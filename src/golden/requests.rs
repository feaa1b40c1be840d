//! What each client is made to ask for: its default scope, each single scope, all its scopes of each resource. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::oauth::Scope;
use crate::oauth::request::{GrantType, TokenRequest};
use crate::policy::{Policy, RegisteredClient, ResourceUri};

/// How the request without a scope is called. No scope has a blank in it, so none is called so.
pub const DEFAULT: &str = "default scope";

/// A request and what it is called in a golden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `default scope`, a scope, or `all of` and a resource.
    pub name: String,
    /// What is asked.
    pub request: TokenRequest,
}

impl Asked {
    fn new(name: String, scope: Option<Scope>) -> Self {
        let request = TokenRequest { grant_type: GrantType::ClientCredentials, scope, resource: None };
        Self { name, request }
    }

    /// The parameters of the request, as they stand in its form.
    pub fn parameters(&self) -> Map<String, Value> {
        let TokenRequest { grant_type, scope, resource } = &self.request;
        let mut parameters = Map::from_iter([("grant_type".to_owned(), grant_type.as_str().into())]);
        let optional = [("scope", scope.as_ref().map(ToString::to_string)), ("resource", resource.clone())];
        parameters
            .extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))));
        parameters
    }
}

/// Everything that this client is made to ask for, in a fixed order. A resource of which it has one scope only is not
/// asked for as a whole: that would be the same request under two names.
pub fn requests(registered: &RegisteredClient, policy: &Policy) -> Vec<Asked> {
    let mut asked = vec![Asked::new(DEFAULT.to_owned(), None)];
    let mut homes = BTreeMap::<&ResourceUri, Vec<&str>>::new();
    for token in registered.client.scope.tokens() {
        // A token by itself is a scope.
        if let Ok(Some(scope)) = Scope::parse(token.as_str()) {
            asked.push(Asked::new(token.to_string(), Some(scope)));
        }
        if let Some(rule) = policy.scopes.get(token) {
            homes.entry(&rule.resource).or_default().push(token.as_str());
        }
    }
    for (resource, tokens) in homes.into_iter().filter(|(_, tokens)| tokens.len() > 1) {
        if let Ok(Some(scope)) = Scope::parse(&tokens.join(" ")) {
            asked.push(Asked::new(format!("all of {resource}"), Some(scope)));
        }
    }
    asked
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::jose::Algorithm;
    use crate::policy::Builtin;
    use crate::policy::plan::{Rules, Wanted, plan};
    use crate::time::Timestamp;

    /// A policy of ten scopes, number by number at one of three resources, and a client of some of them.
    fn policy(held: &BTreeSet<u8>) -> Policy {
        let resource = |number: u8| format!("https://api{}.example", number % 3);
        let name = |number: &u8| format!("s{number}");
        let held = held.iter().map(name).collect::<Vec<_>>().join(" ");
        let wanted = json!({
            "resources": (0..3).map(|number| json!({ "resource": resource(number), "signing_alg": "ES256" })).collect::<Vec<_>>(),
            "scopes": (0..10).map(|number| json!({
                "scope": name(&number), "resource": resource(number), "limit": { "count": 1, "period": 1 },
            })).collect::<Vec<_>>(),
            "clients": [{ "client_id": "web", "scope": held }],
        });
        let wanted: Wanted = serde_json::from_value(wanted).unwrap();
        let builtin = Builtin::of("https://auth.example.com", Algorithm::Es256).unwrap();
        let rules = Rules {
            prune: false,
            algorithms: &[Algorithm::Es256],
            max_lifetime: std::time::Duration::from_hours(1),
            now: Timestamp::from_seconds(0),
            builtin: &builtin,
        };
        plan(&Policy::default(), wanted, rules).unwrap().after
    }

    proptest! {
        #[test]
        fn every_scope_is_asked_for_alone_and_with_those_of_its_resource(
            held in prop::collection::btree_set(0..10_u8, 1..10)
        ) {
            let policy = policy(&held);
            let asked = requests(&policy.clients["web"], &policy);
            prop_assert_eq!((asked[0].name.as_str(), &asked[0].request.scope), (DEFAULT, &None));
            let scopes: Vec<_> = asked[1..].iter().map(|asked| asked.request.scope.clone().unwrap()).collect();
            for (place, scope) in scopes.iter().enumerate() {
                prop_assert!(!scopes[..place].contains(scope), "asked twice: {}", scope);
                prop_assert!(policy.audience_of(scope).is_some());
            }
            for number in &held {
                let alone = asked.iter().find(|asked| asked.name == format!("s{number}")).unwrap();
                prop_assert_eq!(alone.request.scope.as_ref().unwrap().to_string(), format!("s{number}"));
                let mates: Vec<_> = held.iter().filter(|other| *other % 3 == number % 3).collect();
                let whole = asked.iter().find(|asked| asked.name == format!("all of https://api{}.example", number % 3));
                prop_assert_eq!(whole.is_some(), mates.len() > 1);
                if let Some(whole) = whole {
                    prop_assert_eq!(whole.request.scope.as_ref().unwrap().tokens().count(), mates.len());
                }
            }
            let names: BTreeSet<_> = asked.iter().map(|asked| &asked.name).collect();
            prop_assert_eq!(names.len(), asked.len());
        }
    }
}
