//! `mintmark token preview`: what a client would get, and why, without getting it.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{NOTHING, Table, member, print_object, rate};
use crate::cli::session::Session;
use crate::cli::when::{Times, span};

/// Which token.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Preview {
    /// The client's identifier
    client: String,
    /// The scopes that it would ask for, as one text with blanks [default: its default scope]
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// The resource that it would name
    #[arg(long, value_name = "URI")]
    resource: Option<String>,
}

/// Asks the server; exit code 1 when the client would be refused.
pub(super) async fn run(asked: &Preview, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let mut body = Map::from_iter([("client_id".to_owned(), asked.client.clone().into())]);
    for (name, value) in [("scope", &asked.scope), ("resource", &asked.resource)] {
        body.extend(value.as_ref().map(|value| (name.to_owned(), json!(value))));
    }
    let answer = session.admin()?.post("/admin/v1/token/preview", Some(&Value::Object(body))).await?;
    if answer.get("granted").and_then(Value::as_bool) != Some(true) {
        let error = member(&answer, "error");
        let advice = advice(&error, &asked.client);
        session.print_with_remark(&answer, &advice)?;
        return Ok(Exit::Refused);
    }
    let times = session.times();
    session.print_as(&answer, |out| print(out, &answer, &times))?;
    Ok(Exit::Done)
}

/// What the admin can do about a refusal.
fn advice(error: &str, client: &str) -> String {
    match error {
        "invalid_client" => format!("`mintmark client enable {client}` lets it ask again."),
        "temporarily_unavailable" => "`mintmark key list` tells when a key signs.".to_owned(),
        _ => format!("`mintmark client get {client}` shows what it may ask for."),
    }
}

fn print(out: &mut dyn Write, answer: &Value, times: &Times) -> io::Result<()> {
    let said = ["header", "claims", "length"].iter().filter_map(|name| Some((*name, answer.get(*name)?)));
    let mut said: Map<String, Value> = said.map(|(name, value)| (name.to_owned(), value.clone())).collect();
    if let Some(Value::Object(claims)) = said.get_mut("claims") {
        claims.insert("jti".to_owned(), "made at issuance".into());
    }
    print_object(out, &said, times)?;
    let lifetime = answer.get("lifetime").unwrap_or(&Value::Null);
    writeln!(out, "\nIt lives for {}, the least of:\n", seconds(lifetime))?;
    let mut bounds = Table::new(&["LIFETIME", "SET BY", "NAME"]);
    for bound in items(lifetime.get("bounds")) {
        bounds.push(&[seconds(bound), member(bound, "set_by"), member(bound, "name")]);
    }
    bounds.print(out)?;
    writeln!(out, "\nIt costs one permit of each scope:\n")?;
    let mut limits = Table::new(&["SCOPE", "LIMIT", "SET BY", "TOTAL", "ENFORCE"]);
    for limit in items(answer.get("limits")) {
        limits.push(&[
            member(limit, "scope"),
            quota(limit.get("limit")),
            member(limit, "set_by"),
            quota(limit.get("total")),
            member(limit, "enforce"),
        ]);
    }
    limits.print(out)
}

fn items(list: Option<&Value>) -> impl Iterator<Item = &Value> {
    list.and_then(Value::as_array).into_iter().flatten()
}

fn quota(quota: Option<&Value>) -> String {
    quota.and_then(rate).unwrap_or_else(|| NOTHING.to_owned())
}

fn seconds(object: &Value) -> String {
    span(object.get("seconds").and_then(Value::as_u64).unwrap_or_default())
}
