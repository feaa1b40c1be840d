//! `mintmark client update`: what is given is changed, what is not stays.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::cli::failure::Failure;
use crate::cli::values;
use crate::limits::Quota;
use crate::oauth::credential::AuthMethod;

/// What is changed of a client.
#[derive(Debug, Default, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that a person types")]
pub(in crate::cli) struct Update {
    /// The client's identifier
    pub(super) id: String,
    /// All that it may ask for, as one text with blanks: "orders:read orders:write"
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// A name for people
    #[arg(long, conflicts_with = "no_name")]
    name: Option<String>,
    /// Without a name
    #[arg(long)]
    no_name: bool,
    /// How it shows who it is
    #[arg(long, value_name = "METHOD", value_parser = AuthMethod::ALL.map(AuthMethod::as_str))]
    auth: Option<String>,
    /// The client's public keys, a JWK Set or one JWK, in the place of those it has
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) jwks: Option<PathBuf>,
    /// What it gets when it asks for no scope
    #[arg(long, value_name = "SCOPES", conflicts_with = "no_default_scope")]
    default_scope: Option<String>,
    /// Let it name a scope each time
    #[arg(long)]
    no_default_scope: bool,
    /// The longest lifetime of its tokens, such as 5m
    #[arg(long, value_name = "SPAN", value_parser = values::seconds, conflicts_with = "no_lifetime")]
    lifetime: Option<u64>,
    /// Without a lifetime of its own
    #[arg(long)]
    no_lifetime: bool,
    /// A claim for all of its tokens; the value is JSON or else text; may be repeated
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = values::claim)]
    claims: Vec<(String, Value)>,
    /// Without the claim of this name; may be repeated
    #[arg(long = "no-claim", value_name = "NAME")]
    no_claims: Vec<String>,
    /// Its own limit for a scope, such as orders:read=60/1m; may be repeated
    #[arg(long = "limit", value_name = "SCOPE=RATE", value_parser = values::scope_quota)]
    limits: Vec<(String, Quota)>,
    /// Without a limit of its own for this scope; may be repeated
    #[arg(long = "no-limit", value_name = "SCOPE")]
    no_limits: Vec<String>,
    /// An API whose tokens it may introspect; all of them in the place of those it has; may be repeated
    #[arg(long, value_name = "URI", conflicts_with = "no_introspects")]
    introspects: Vec<String>,
    /// Without any API whose tokens it may introspect
    #[arg(long)]
    no_introspects: bool,
    /// Remind of a new secret when the one in use is this old, such as 90d
    #[arg(long, value_name = "SPAN", value_parser = values::seconds, conflicts_with = "no_rotate_every")]
    rotate_every: Option<u64>,
    /// Without a reminder of new secrets
    #[arg(long)]
    no_rotate_every: bool,
}

impl Update {
    /// The changes as a merge patch of the `present` client (RFC 7396), with `jwks` as its keys; a mistake if there
    /// are none.
    pub(super) fn patch(self, present: &Value, jwks: Option<Value>) -> Result<Value, Failure> {
        let limits = self.limits.into_iter().map(|(scope, quota)| (scope, json!(quota)));
        let members = [
            ("scope", self.scope.map(Value::from)),
            ("client_name", or_null(self.name, self.no_name)),
            ("token_endpoint_auth_method", self.auth.map(Value::from)),
            ("jwks", jwks),
            (
                "introspects",
                or_null((!self.introspects.is_empty()).then_some(self.introspects), self.no_introspects),
            ),
            ("default_scope", or_null(self.default_scope, self.no_default_scope)),
            ("access_token_lifetime", or_null(self.lifetime, self.no_lifetime)),
            ("rotate_every", or_null(self.rotate_every, self.no_rotate_every)),
            ("claims", merged("claim", present.get("claims"), self.claims, &self.no_claims)?),
            ("limits", merged("limit", present.get("limits"), limits, &self.no_limits)?),
        ];
        let given = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let patch: Map<String, Value> = given.collect();
        if patch.is_empty() {
            return Err(Failure::usage(
                "nothing is to be changed: give an option such as --scope; see --help",
            ));
        }
        Ok(Value::Object(patch))
    }
}

fn or_null(given: Option<impl Into<Value>>, reset: bool) -> Option<Value> {
    given.map(Into::into).or(reset.then_some(Value::Null))
}

/// The members that become other ones and (`null`) those that go.
fn merged(
    option: &str,
    present: Option<&Value>,
    set: impl IntoIterator<Item = (String, Value)>,
    gone: &[String],
) -> Result<Option<Value>, Failure> {
    let mut members: Map<String, Value> = gone.iter().map(|name| (name.clone(), Value::Null)).collect();
    for (name, value) in set {
        let old = present.and_then(|present| present.get(&name));
        let Some(value) = exactly(old, &value) else {
            let line = format!("{name} cannot become null by a change; --no-{option} takes it away");
            return Err(Failure::usage(line));
        };
        if members.insert(name.clone(), value).is_some() {
            let line = format!("{name} is given twice with --{option} or --no-{option}: decide for one");
            return Err(Failure::usage(line));
        }
    }
    Ok((!members.is_empty()).then_some(Value::Object(members)))
}

/// The patch after which the member is this value, whatever it is like at `present`: of an object, what it shall not
/// have goes. `None` for what no patch can say: a `null` that stays.
fn exactly(present: Option<&Value>, wanted: &Value) -> Option<Value> {
    match wanted {
        Value::Null => None,
        Value::Object(members) => {
            let old = present.and_then(Value::as_object);
            let others = old.into_iter().flatten().filter(|(name, _)| !members.contains_key(*name));
            let mut patch: Map<String, Value> = others.map(|(name, _)| (name.clone(), Value::Null)).collect();
            for (name, value) in members {
                patch.insert(name.clone(), exactly(old.and_then(|old| old.get(name)), value)?);
            }
            Some(Value::Object(patch))
        }
        other => Some(other.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(update: Update, present: &Value) -> Result<Value, String> {
        update.patch(present, None).map_err(|failure| failure.to_string())
    }

    #[test]
    fn only_what_is_given_is_in_the_patch() {
        let update = Update { no_name: true, lifetime: Some(60), ..Update::default() };
        let expected = json!({ "client_name": null, "access_token_lifetime": 60 });
        assert_eq!(patch(update, &json!({})), Ok(expected));
        let nothing = patch(Update { id: "web".to_owned(), ..Update::default() }, &json!({}));
        assert!(nothing.unwrap_err().contains("nothing is to be changed"));
    }

    /// A claim is set to what is typed, not mixed with what it was.
    #[test]
    fn a_claim_becomes_exactly_what_was_typed() {
        let present = json!({ "claims": { "a": { "x": 1, "y": { "z": 1 } }, "b": 2, "c": 3 } });
        let update = Update {
            claims: vec![
                ("a".to_owned(), json!({ "y": { "w": [null] } })),
                ("b".to_owned(), json!({ "n": 1 })),
            ],
            no_claims: vec!["c".to_owned()],
            ..Update::default()
        };
        let expected =
            json!({ "a": { "x": null, "y": { "z": null, "w": [null] } }, "b": { "n": 1 }, "c": null });
        assert_eq!(patch(update, &present), Ok(json!({ "claims": expected })));
    }

    #[test]
    fn what_a_patch_cannot_say_is_refused() {
        for (claims, no_claims, told) in [
            (vec![("a", Value::Null)], vec![], "a cannot become null"),
            (vec![("a", json!({ "b": null }))], vec![], "a cannot become null"),
            (vec![("a", json!(1)), ("a", json!(2))], vec![], "a is given twice"),
            (vec![("a", json!(1))], vec!["a"], "a is given twice"),
        ] {
            let update = Update {
                claims: claims.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
                no_claims: no_claims.into_iter().map(str::to_owned).collect(),
                ..Update::default()
            };
            let failure = patch(update, &json!({})).unwrap_err();
            assert!(failure.contains(told), "{failure}");
        }
    }

    #[test]
    fn a_limit_replaces_the_one_before_with_its_burst() {
        let present = json!({ "limits": { "a": { "count": 600, "period": 60, "burst": 5 } } });
        let limits = vec![("a".to_owned(), Quota::parse("6/1m").unwrap())];
        let update = Update { limits, no_limits: vec!["b".to_owned()], ..Update::default() };
        let expected = json!({ "limits": { "a": { "count": 6, "period": 60, "burst": 6 }, "b": null } });
        assert_eq!(patch(update, &present), Ok(expected));
    }
}
