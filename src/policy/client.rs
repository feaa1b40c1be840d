//! A client: a machine that asks for tokens. Names of members follow RFC 7591 section 2.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ClientId, ResourceUri, Violation};
use crate::jose::{ClientKeys, client_keys};
use crate::limits::Quota;
use crate::oauth::claims::{StaticClaims, is_reserved};
use crate::oauth::credential::AuthMethod;
use crate::oauth::{Scope, ScopeToken};
use crate::time::{Timestamp, optional_seconds, unix_seconds};

/// The longest `client_name`, in characters.
pub const MAX_NAME_LENGTH: usize = 200;
/// The most static claims of one client.
pub const MAX_CLAIMS: usize = 32;
/// The longest JSON text of all static claims together, in bytes.
pub const MAX_CLAIMS_LENGTH: usize = 2048;

/// The most audiences that one client may introspect tokens for.
pub const MAX_INTROSPECTS: usize = 64;
/// How often secrets are changed at most: a person has to be there for it.
pub const LEAST_ROTATE_EVERY: Duration = Duration::from_hours(1);
/// How seldom at least, where it is set at all.
pub const MOST_ROTATE_EVERY: Duration = Duration::from_hours(24 * 730);

/// A registered client. It is deserialised from what is stored alone; what somebody brings is a
/// [`super::Registration`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Its identifier, never given to another client.
    #[serde(rename = "client_id")]
    pub id: ClientId,
    /// A name for people.
    #[serde(rename = "client_name")]
    pub name: Option<String>,
    /// The one method it authenticates with.
    #[serde(rename = "token_endpoint_auth_method")]
    pub auth_method: AuthMethod,
    /// The public keys that it signs its assertions with, if that is its method.
    #[serde(default, deserialize_with = "client_keys::stored")]
    pub jwks: Option<ClientKeys>,
    /// All that it may be granted.
    pub scope: Scope,
    /// What it gets when it asks for nothing in particular.
    pub default_scope: Option<Scope>,
    /// The longest lifetime of its tokens, if it sets one.
    #[serde(rename = "access_token_lifetime", with = "optional_seconds")]
    pub lifetime: Option<Duration>,
    /// Claims of its own in each of its tokens.
    pub claims: Arc<StaticClaims>,
    /// Its own value for the limit of a scope.
    pub limits: BTreeMap<ScopeToken, Quota>,
    /// Audiences whose tokens it may introspect, whoever has them.
    #[serde(default)]
    pub introspects: BTreeSet<ResourceUri>,
    /// How old a secret may be before it wants a successor, if that is set; see [`super::due`].
    #[serde(default, with = "optional_seconds")]
    pub rotate_every: Option<Duration>,
    /// A disabled client gets nothing.
    pub disabled: bool,
    /// When it was registered.
    #[serde(with = "unix_seconds")]
    pub created_at: Timestamp,
    /// When it was changed last.
    #[serde(with = "unix_seconds")]
    pub updated_at: Timestamp,
    /// Counts the changes of this object; the `ETag` of the admin API.
    #[serde(skip)]
    pub version: u64,
}

impl Client {
    /// Checks what can be seen from the client alone; [`super::Policy::check_client`] checks the rest.
    pub fn check(&self) -> Result<(), Violation> {
        if let Some(name) = &self.name
            && (name.chars().count() > MAX_NAME_LENGTH || name.chars().any(char::is_control))
        {
            return Err(Violation::new("client_name", "at most 200 characters, no control characters"));
        }
        match (self.auth_method.has_secrets(), &self.jwks) {
            (true, Some(_)) => {
                return Err(Violation::new("jwks", "only a client with private_key_jwt has keys"));
            }
            (false, None) => {
                return Err(Violation::new(
                    "jwks",
                    "private_key_jwt needs the client's public keys, by value",
                ));
            }
            (true, None) | (false, Some(_)) => {}
        }
        if let Some(default) = &self.default_scope
            && !default.is_subset(&self.scope)
        {
            return Err(Violation::new("default_scope", "must be part of scope"));
        }
        if let Some(outside) = self.limits.keys().find(|token| !self.scope.contains(token)) {
            return Err(Violation::new("limits", format!("{outside} is not part of scope")));
        }
        if self.introspects.len() > MAX_INTROSPECTS {
            return Err(Violation::new("introspects", "at most 64 audiences"));
        }
        let is_sound = |every| (LEAST_ROTATE_EVERY..=MOST_ROTATE_EVERY).contains(&every);
        if !self.rotate_every.is_none_or(is_sound) {
            return Err(Violation::new("rotate_every", "1 hour to 730 days, in seconds"));
        }
        check_claims(&self.claims)
    }
}

fn check_claims(claims: &StaticClaims) -> Result<(), Violation> {
    if let Some(name) = claims.keys().find(|name| is_reserved(name)) {
        return Err(Violation::new("claims", format!("{name} is set by the issuer alone")));
    }
    if claims.keys().any(|name| name.is_empty() || name.chars().any(char::is_control)) {
        return Err(Violation::new("claims", "a claim's name is text without control characters"));
    }
    let length = serde_json::to_vec(claims).map_or(usize::MAX, |text| text.len());
    if claims.len() > MAX_CLAIMS
        || length > MAX_CLAIMS_LENGTH
        || claims.values().any(|value| depth(value) > 4)
    {
        return Err(Violation::new(
            "claims",
            "at most 32 claims of together 2048 bytes, nested at most 4 deep",
        ));
    }
    Ok(())
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}
