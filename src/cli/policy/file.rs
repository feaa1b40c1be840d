//! A policy file, in TOML or JSON, to and from the admin API's own JSON.
//!
//! TOML is for people: spans such as `10m` and rates such as `600/1m`, names as
//! on the command line. JSON is the API's, as an export with `-o json` gives it.
//! What a value means is the server's to say; here it is only put into its form.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::num::NonZeroU32;
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::cli::cause::cause;
use crate::cli::failure::Failure;
use crate::cli::values;
use crate::jose::client_keys::MAX_BYTES;
use crate::limits::{Enforce, Quota};
use crate::time::{parse_span, span_text};

/// The longest file of keys, bytes: the longest set, and four times as much for blanks between its members.
const LONGEST_KEYS: u64 = 5 * MAX_BYTES as u64;

/// A whole policy. Members of objects are in the order in which a person would write them.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resource: Vec<Resource>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scope: Vec<Scope>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    client: Vec<Client>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Resource {
    uri: String,
    #[serde(default = "es256")]
    signing_alg: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifetime: Option<Span>,
}

fn es256() -> String {
    "ES256".to_owned()
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Scope {
    name: String,
    resource: String,
    limit: Rate,
    #[serde(skip_serializing_if = "Option::is_none")]
    burst: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<Rate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enforce: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifetime: Option<Span>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Client {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<String>,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifetime: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    introspects: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotate_every: Option<Span>,
    /// A key set, or the name of a file with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks: Option<toml::Value>,
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    claims: toml::Table,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    limits: BTreeMap<String, Rate>,
}

/// Whole seconds, written `10m`.
#[derive(Clone, Copy, Debug)]
struct Span(u64);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let span = parse_span(&text).map_err(serde::de::Error::custom)?;
        if span.subsec_nanos() != 0 {
            return Err(serde::de::Error::custom("expected whole seconds"));
        }
        Ok(Self(span.as_secs()))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&span_text(std::time::Duration::from_secs(self.0)))
    }
}

/// A quota, written `600/1m`, or `{ limit = "600/1m", burst = 50 }` where its burst is not its count.
#[derive(Clone, Copy, Debug)]
struct Rate(Quota);

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RateTable {
    limit: String,
    burst: Option<NonZeroU32>,
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let table = match toml::Value::deserialize(deserializer)? {
            toml::Value::String(limit) => RateTable { limit, burst: None },
            table => table.try_into().map_err(D::Error::custom)?,
        };
        let quota = Quota::parse(&table.limit).map_err(D::Error::custom)?;
        let quota = table.burst.map_or(Ok(quota), |burst| quota.with_burst(burst));
        quota.map(Self).map_err(D::Error::custom)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(quota) = self;
        let (limit, burst) = (quota.to_string(), quota.burst());
        if burst == quota.count() {
            return serializer.serialize_str(&limit);
        }
        RateTable { limit, burst: Some(burst) }.serialize(serializer)
    }
}

/// Reads the text of the policy file at `path`, or of standard input for `-`.
pub(in crate::cli) fn read_at(text: &str, path: &Path) -> Result<Value, Failure> {
    let folder = path.parent().unwrap_or(Path::new(""));
    read(text, Some(folder)).map_err(|problem| match path.to_str() {
        Some("-") => Failure::usage(problem),
        _ => Failure::usage(format!("{}: {problem}", path.display())),
    })
}

/// The same of a file that has to be whole: it may come from anywhere, and no other file is opened for it.
pub(in crate::cli) fn read_whole_at(text: &str, path: &Path) -> Result<Value, Failure> {
    read(text, None).map_err(|problem| Failure::usage(format!("{}: {problem}", path.display())))
}

/// Reads a policy file; names of other files in it are relative to `folder`, without one there may be none. Gives the
/// `policy` of the admin API, or what is wrong in one line.
pub(super) fn read(text: &str, folder: Option<&Path>) -> Result<Value, String> {
    if text.trim_start().starts_with('{') {
        return read_json(text);
    }
    let file: File = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.split('\n').count();
        format!("line {line}: {}", error.message().split_whitespace().collect::<Vec<_>>().join(" "))
    })?;
    let scopes: Result<Vec<_>, String> = file.scope.into_iter().map(Scope::document).collect();
    let clients: Result<Vec<_>, String> =
        file.client.into_iter().map(|client| client.document(folder)).collect();
    let resources: Vec<_> = file.resource.into_iter().map(Resource::document).collect();
    Ok(json!({ "resources": resources, "scopes": scopes?, "clients": clients? }))
}

/// What an export holds beside what can be set.
fn read_json(text: &str) -> Result<Value, String> {
    let policy: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(without_times(policy))
}

/// An export with what can be set and nothing else.
pub(in crate::cli) fn without_times(mut policy: Value) -> Value {
    if let Some(members) = policy.as_object_mut() {
        members.remove("policy_version");
    }
    let clients = policy.get_mut("clients").and_then(Value::as_array_mut);
    for client in clients.into_iter().flatten().filter_map(Value::as_object_mut) {
        client.remove("created_at");
        client.remove("updated_at");
    }
    policy
}

impl Resource {
    fn document(self) -> Value {
        let lifetime = ("token_lifetime", self.lifetime.map(|Span(seconds)| json!(seconds)));
        with(json!({ "resource": self.uri, "signing_alg": self.signing_alg }), [lifetime])
    }
}

impl Scope {
    fn document(self) -> Result<Value, String> {
        let Rate(limit) = self.limit;
        let limit = self.burst.map_or(Ok(limit), |burst| limit.with_burst(burst));
        let limit = limit.map_err(|bad| format!("scope {}: {bad}", self.name))?;
        let members = [
            ("total", self.total.map(|Rate(total)| json!(total))),
            ("enforce", self.enforce.map(Value::from)),
            ("token_lifetime", self.lifetime.map(|Span(seconds)| json!(seconds))),
        ];
        Ok(with(json!({ "scope": self.name, "resource": self.resource, "limit": limit }), members))
    }
}

impl Client {
    fn document(self, folder: Option<&Path>) -> Result<Value, String> {
        let id = self.id;
        let jwks = self.jwks.map(|jwks| key_set(jwks, folder)).transpose();
        let jwks = jwks.map_err(|problem| format!("client {id}: jwks: {problem}"))?;
        let claims = claims(self.claims).map_err(|problem| format!("client {id}: claims: {problem}"))?;
        let limits: Map<_, _> =
            self.limits.into_iter().map(|(scope, Rate(quota))| (scope, json!(quota))).collect();
        let members = [
            ("client_name", self.name.map(Value::from)),
            ("token_endpoint_auth_method", self.auth.map(Value::from)),
            ("default_scope", self.default_scope.map(Value::from)),
            ("access_token_lifetime", self.lifetime.map(|Span(seconds)| json!(seconds))),
            ("disabled", self.disabled.map(Value::from)),
            ("introspects", (!self.introspects.is_empty()).then(|| json!(self.introspects))),
            ("rotate_every", self.rotate_every.map(|Span(seconds)| json!(seconds))),
            ("jwks", jwks),
            ("claims", (!claims.is_empty()).then_some(Value::Object(claims))),
            ("limits", (!limits.is_empty()).then_some(Value::Object(limits))),
        ];
        Ok(with(json!({ "client_id": id, "scope": self.scope }), members))
    }
}

fn with<const N: usize>(object: Value, optional: [(&str, Option<Value>); N]) -> Value {
    let mut object = object;
    if let Some(members) = object.as_object_mut() {
        let given = optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        members.extend(given);
    }
    object
}

/// A key set by value, or the one in the file of that name.
fn key_set(jwks: toml::Value, folder: Option<&Path>) -> Result<Value, String> {
    let toml::Value::String(name) = jwks else { return values::as_public_keys(json_of(jwks)?) };
    let folder =
        folder.ok_or("names a file, and a recorded policy has each key set by value; record anew")?;
    let path = folder.join(name);
    let about = |problem: String| format!("{}: {problem}", path.display());
    let text = key_text(&path).map_err(about)?;
    values::public_keys(&text).map_err(about)
}

/// The text of a file of keys. A device never ends and a pipe is waited for, so neither is opened.
fn key_text(path: &Path) -> Result<String, String> {
    let unreadable = |error: io::Error| format!("cannot read it: {}", cause(&error));
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err("is no file: name a file that holds the key set".to_owned());
    }
    let mut text = String::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    file.take(LONGEST_KEYS + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LONGEST_KEYS {
        return Err(format!("is larger than {LONGEST_KEYS} bytes, which no key set is"));
    }
    Ok(text)
}

fn claims(claims: toml::Table) -> Result<Map<String, Value>, String> {
    claims.into_iter().map(|(name, value)| Ok((name, json_of(value)?))).collect()
}

/// The value in JSON, which knows no dates and no infinity.
fn json_of(value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => serde_json::Number::from_f64(number)
            .ok_or_else(|| format!("{number} is no number of JSON"))?
            .into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(time) => return Err(format!("write the time {time} as text, in quotes")),
        toml::Value::Array(items) => items.into_iter().map(json_of).collect::<Result<Vec<_>, _>>()?.into(),
        toml::Value::Table(members) => claims(members)?.into(),
    })
}

/// Writes an export of the admin API as TOML, or says what cannot be said in it.
pub(in crate::cli) fn write(export: Value) -> Result<String, String> {
    let export: Export = serde_json::from_value(export).map_err(|error| format!("not a policy: {error}"))?;
    let file = File {
        resource: export.resources.into_iter().map(Resource::from).collect(),
        scope: export.scopes.into_iter().map(Scope::from).collect(),
        client: export.clients.into_iter().map(Client::exported).collect::<Result<_, _>>()?,
    };
    toml::to_string(&file).map_err(|error| error.to_string())
}

/// The admin API's export, as far as a file says it.
#[derive(Deserialize)]
struct Export {
    resources: Vec<crate::policy::Resource>,
    scopes: Vec<crate::policy::ScopeRule>,
    clients: Vec<crate::policy::Client>,
}

impl From<crate::policy::Resource> for Resource {
    fn from(resource: crate::policy::Resource) -> Self {
        Self {
            uri: resource.uri.into(),
            signing_alg: resource.signing_alg.as_str().to_owned(),
            lifetime: resource.lifetime.map(|span| Span(span.as_secs())),
        }
    }
}

impl From<crate::policy::ScopeRule> for Scope {
    fn from(rule: crate::policy::ScopeRule) -> Self {
        let own_burst = (rule.limit.burst() != rule.limit.count()).then(|| rule.limit.burst());
        // The burst stands beside the limit of a scope, not in it.
        let limit = rule.limit.with_burst(rule.limit.count()).unwrap_or(rule.limit);
        Self {
            name: rule.name.into(),
            resource: rule.resource.into(),
            limit: Rate(limit),
            burst: own_burst,
            total: rule.total.map(Rate),
            enforce: (rule.enforce != Enforce::default()).then(|| "monitor".to_owned()),
            lifetime: rule.lifetime.map(|span| Span(span.as_secs())),
        }
    }
}

impl Client {
    fn exported(client: crate::policy::Client) -> Result<Self, String> {
        let id = client.id.as_str().to_owned();
        let claims = client.claims.iter().map(|(name, value)| Ok((name.clone(), toml_of(value)?)));
        let claims = claims.collect::<Result<_, String>>();
        let jwks = client.jwks.map(|keys| toml_of(&json!(keys))).transpose();
        Ok(Self {
            name: client.name,
            auth: Some(client.auth_method.as_str().to_owned()),
            scope: client.scope.to_string(),
            default_scope: client.default_scope.map(|scope| scope.to_string()),
            lifetime: client.lifetime.map(|span| Span(span.as_secs())),
            disabled: client.disabled.then_some(true),
            introspects: client.introspects.into_iter().map(String::from).collect(),
            rotate_every: client.rotate_every.map(|span| Span(span.as_secs())),
            jwks: jwks.map_err(|problem| format!("client {id}: jwks: {problem}"))?,
            claims: claims.map_err(|problem| format!("client {id}: claims: {problem}"))?,
            limits: client.limits.into_iter().map(|(scope, quota)| (scope.into(), Rate(quota))).collect(),
            id,
        })
    }
}

/// The value in TOML, which knows no null.
fn toml_of(value: &Value) -> Result<toml::Value, String> {
    toml::Value::try_from(value).map_err(|_| "TOML cannot say null; export with -o json".to_owned())
}

#[cfg(test)]
mod tests;
