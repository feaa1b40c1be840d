//! The issuer's own document, computed from what is enabled. RFC 8414 section 2.

use serde::Serialize;

use super::ScopeToken;
use super::credential::AuthMethod;
use super::request::GrantType;
use crate::jose::client_keys::{ALGORITHMS, ED25519};

/// The authorization server metadata.
#[derive(Debug, Serialize)]
pub struct Metadata<'a> {
    /// Byte-identical to the configuration.
    pub issuer: &'a str,
    /// Where tokens are issued.
    pub token_endpoint: String,
    /// Where the public keys are.
    pub jwks_uri: String,
    /// Empty: there is no authorization endpoint.
    pub response_types_supported: [&'static str; 0],
    /// The offered grants.
    pub grant_types_supported: Vec<&'static str>,
    /// How clients may authenticate.
    pub token_endpoint_auth_methods_supported: Vec<&'static str>,
    /// What client assertions may be signed with.
    pub token_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    /// Where a client asks whether a token is good. RFC 7662.
    pub introspection_endpoint: String,
    /// How clients may authenticate there.
    pub introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    /// And with which signatures.
    pub introspection_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    /// Where a client revokes a token. RFC 7009.
    pub revocation_endpoint: String,
    /// How clients may authenticate there.
    pub revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    /// And with which signatures.
    pub revocation_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    /// Every registered scope, in byte order.
    pub scopes_supported: Vec<&'a str>,
}

impl<'a> Metadata<'a> {
    /// Describes this issuer with these registered scopes.
    pub fn compose(issuer: &'a str, scopes: impl Iterator<Item = &'a ScopeToken>) -> Self {
        let algorithms: Vec<_> =
            ALGORITHMS.iter().map(|algorithm| algorithm.as_str()).chain([ED25519]).collect();
        let methods = AuthMethod::ALL.map(AuthMethod::as_str);
        Self {
            issuer,
            token_endpoint: format!("{issuer}/oauth2/token"),
            jwks_uri: format!("{issuer}/.well-known/jwks.json"),
            response_types_supported: [],
            grant_types_supported: GrantType::ALL.map(GrantType::as_str).to_vec(),
            token_endpoint_auth_methods_supported: methods.to_vec(),
            token_endpoint_auth_signing_alg_values_supported: algorithms.clone(),
            introspection_endpoint: format!("{issuer}/oauth2/introspect"),
            introspection_endpoint_auth_methods_supported: methods.to_vec(),
            introspection_endpoint_auth_signing_alg_values_supported: algorithms.clone(),
            revocation_endpoint: format!("{issuer}/oauth2/revoke"),
            revocation_endpoint_auth_methods_supported: methods.to_vec(),
            revocation_endpoint_auth_signing_alg_values_supported: algorithms,
            scopes_supported: scopes.map(ScopeToken::as_str).collect(),
        }
    }
}
