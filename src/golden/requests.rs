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
