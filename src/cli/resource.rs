//! `mintmark resource`: the APIs that tokens are for.

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::escape::escaped;
use super::failure::{Failure, one_line};
use super::output::{NOTHING, member};
use super::session::Session;
use super::values;
use crate::time::span_text;

const RESOURCES: &str = "/admin/v1/resources";
/// The algorithm of a resource that names none.
const USUAL_ALGORITHM: &str = "ES256";

/// What can be done with resources.
#[derive(Debug, Subcommand)]
pub(super) enum Resource {
    /// Make a resource, or change what is given of one
    Set {
        /// The resource's absolute URI: the aud claim of its tokens
        uri: String,
        /// The algorithm of its tokens [default for a new one: ES256]
        #[arg(long, value_name = "ALGORITHM", value_parser = values::algorithms(), hide_possible_values = true)]
        alg: Option<String>,
        /// The longest lifetime of its tokens, such as 10m
        #[arg(long, value_name = "SPAN", value_parser = values::seconds)]
        lifetime: Option<u64>,
    },
    /// List all resources
    List,
    /// Delete a resource that no scope belongs to
    Delete {
        /// The resource's URI
        uri: String,
    },
}

/// Does it.
pub(super) async fn run(verb: Resource, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let admin = session.admin()?;
    match verb {
        Resource::Set { uri, alg, lifetime } => {
            let compose = |present: Option<&Value>| Ok(merged(present, &uri, alg.as_deref(), lifetime));
            let set = admin.put(&format!("{RESOURCES}/{}", escaped(&uri)), compose).await?;
            session.print(&set)
        }
        Resource::Delete { uri } => {
            admin.delete(&format!("{RESOURCES}/{}", escaped(&uri))).await?;
            session.say(&[format!("{} is deleted.", one_line(&uri))])
        }
        Resource::List => {
            let resources = admin.list(RESOURCES, None).await?;
            session.print_list(&resources, &["RESOURCE", "ALG", "LIFETIME"], row)
        }
    }
}

fn merged(
    present: Option<&Value>,
    uri: &str,
    alg: Option<&str>,
    lifetime: Option<u64>,
) -> Map<String, Value> {
    let old = |name: &str| present.and_then(|present| present.get(name)).cloned();
    let alg = alg.map(Value::from).or_else(|| old("signing_alg"));
    let lifetime = lifetime.map(Value::from).or_else(|| old("token_lifetime"));
    Map::from_iter([
        ("resource".to_owned(), json!(uri)),
        ("signing_alg".to_owned(), alg.unwrap_or_else(|| json!(USUAL_ALGORITHM))),
        ("token_lifetime".to_owned(), lifetime.unwrap_or_default()),
    ])
}

fn row(resource: &Value) -> Vec<String> {
    vec![member(resource, "resource"), member(resource, "signing_alg"), lifetime(resource)]
}

/// The member `token_lifetime` as a span; `-` where none is set.
pub(super) fn lifetime(object: &Value) -> String {
    let seconds = object.get("token_lifetime").and_then(Value::as_u64);
    seconds.map_or_else(|| NOTHING.to_owned(), |seconds| span_text(std::time::Duration::from_secs(seconds)))
}
