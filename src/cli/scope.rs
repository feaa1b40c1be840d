//! `mintmark scope`: what may be done at a resource, and how often.

use std::num::NonZeroU32;

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::escape::escaped;
use super::failure::{Failure, one_line};
use super::output::{NOTHING, member, rate};
use super::resource::lifetime;
use super::session::Session;
use super::values;
use crate::limits::Quota;

const SCOPES: &str = "/admin/v1/scopes";

/// What can be done with scopes.
#[derive(Debug, Subcommand)]
pub(super) enum Scope {
    /// Make a scope, or change what is given of one
    #[command(after_help = "Example:\n  \
        mintmark scope set orders:read --resource https://api.example --limit 600/1m")]
    Set(#[command(flatten)] Set),
    /// List all scopes
    List,
    /// Delete a scope that no client has
    Delete {
        /// The scope's name
        name: String,
    },
}

/// A scope's rule; what is not given stays as it is.
#[derive(Debug, clap::Args)]
pub(super) struct Set {
    /// The scope's name, such as orders:read
    name: String,
    /// The URI of the resource it belongs to; needed for a new scope
    #[arg(long, value_name = "URI")]
    resource: Option<String>,
    /// How many tokens each client gets, such as 600/1m; needed for a new scope
    #[arg(long, value_name = "RATE", value_parser = values::quota)]
    limit: Option<Quota>,
    /// How many of them at once [default: the count of --limit]
    #[arg(long, value_name = "COUNT")]
    burst: Option<NonZeroU32>,
    /// How many tokens all clients get together, such as 10000/1m
    #[arg(long, value_name = "RATE", value_parser = values::quota)]
    total: Option<Quota>,
    /// The longest lifetime of its tokens, such as 5m
    #[arg(long, value_name = "SPAN", value_parser = values::seconds)]
    lifetime: Option<u64>,
    /// Count what is over the limit and let it pass; --monitor=false refuses it again
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    monitor: Option<bool>,
}

impl Set {
    /// The rule as it shall be. A new rate without a burst has its own count as burst.
    fn merged(&self, present: Option<&Value>) -> Result<Map<String, Value>, Failure> {
        let old = |name: &str| present.and_then(|present| present.get(name)).cloned();
        let missing = |option: &str| {
            Failure::usage(format!("the scope {} does not exist yet: give {option} to make it", self.name))
        };
        let resource = self.resource.clone().map(Value::from).or_else(|| old("resource"));
        let limit = match self.limit {
            Some(limit) => Some(limit),
            None => old("limit").and_then(|limit| serde_json::from_value(limit).ok()),
        };
        let limit: Quota = limit.ok_or_else(|| missing("--limit"))?;
        let limit = match self.burst {
            Some(burst) => limit.with_burst(burst).map_err(|bad| Failure::usage(bad.to_string()))?,
            None => limit,
        };
        let enforce = self.monitor.map(|monitor| json!(if monitor { "monitor" } else { "refuse" }));
        let total = self.total.map(|total| json!(total));
        Ok(Map::from_iter([
            ("scope".to_owned(), json!(self.name)),
            ("resource".to_owned(), resource.ok_or_else(|| missing("--resource"))?),
            ("limit".to_owned(), json!(limit)),
            ("total".to_owned(), total.or_else(|| old("total")).unwrap_or_default()),
            ("enforce".to_owned(), enforce.or_else(|| old("enforce")).unwrap_or_else(|| json!("refuse"))),
            (
                "token_lifetime".to_owned(),
                self.lifetime.map(Value::from).or_else(|| old("token_lifetime")).unwrap_or_default(),
            ),
        ]))
    }
}

/// Does it.
pub(super) async fn run(verb: Scope, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let admin = session.admin()?;
    match verb {
        Scope::Set(set) => {
            let path = format!("{SCOPES}/{}", escaped(&set.name));
            let rule = admin.put(&path, |present| set.merged(present)).await?;
            session.print(&rule)
        }
        Scope::Delete { name } => {
            admin.delete(&format!("{SCOPES}/{}", escaped(&name))).await?;
            session.say(&[format!("{} is deleted.", one_line(&name))])
        }
        Scope::List => {
            let scopes = admin.list(SCOPES, None).await?;
            let headings = ["SCOPE", "LIMIT", "TOTAL", "ENFORCE", "LIFETIME", "RESOURCE"];
            session.print_list(&scopes, &headings, row)
        }
    }
}

fn row(scope: &Value) -> Vec<String> {
    let of = |name: &str| scope.get(name).and_then(rate).unwrap_or_else(|| NOTHING.to_owned());
    vec![
        member(scope, "scope"),
        of("limit"),
        of("total"),
        member(scope, "enforce"),
        lifetime(scope),
        member(scope, "resource"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(limit: Option<&str>, burst: Option<u32>) -> Set {
        Set {
            name: "orders:read".to_owned(),
            resource: None,
            limit: limit.map(|limit| Quota::parse(limit).unwrap()),
            burst: burst.and_then(NonZeroU32::new),
            total: None,
            lifetime: None,
            monitor: None,
        }
    }

    #[test]
    fn a_new_rate_does_not_keep_the_old_burst() {
        let present = json!({
            "scope": "orders:read", "resource": "https://api.example",
            "limit": { "count": 600, "period": 60, "burst": 600 },
            "total": null, "enforce": "monitor", "token_lifetime": 300, "created_at": 1
        });
        let merged = set(Some("6/1m"), None).merged(Some(&present)).unwrap();
        let expected = json!({
            "scope": "orders:read", "resource": "https://api.example",
            "limit": { "count": 6, "period": 60, "burst": 6 },
            "total": null, "enforce": "monitor", "token_lifetime": 300
        });
        assert_eq!(Value::Object(merged), expected);
        let merged = set(None, Some(50)).merged(Some(&present)).unwrap();
        assert_eq!(merged["limit"], json!({ "count": 600, "period": 60, "burst": 50 }));
    }

    #[test]
    fn a_new_scope_needs_its_limit_and_its_resource() {
        for set in [set(None, None), set(Some("6/1m"), None)] {
            assert_eq!(set.merged(None).unwrap_err().exit.code(), 2);
        }
    }
}
