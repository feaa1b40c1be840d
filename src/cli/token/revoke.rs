//! `mintmark token revoke`: what an operator does when tokens are in wrong hands.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::failure::{Failure, one_line};
use crate::cli::output::member;
use crate::cli::session::Session;
use crate::cli::values::{self, Time};
use crate::cli::when::Times;

/// Which tokens.
#[derive(Debug, Args)]
pub(in crate::cli) struct Revoke {
    #[command(flatten)]
    which: Which,
    /// Only those that were issued before this time, such as 2h or
    /// 2026-11-21T22:58:01Z [default: all that there are]
    #[arg(long, value_name = "TIME", value_parser = values::time, conflicts_with = "jti")]
    before: Option<Time>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The token with this identifier
    #[arg(long, value_name = "JTI", allow_hyphen_values = true)]
    jti: Option<String>,
    /// The tokens of this client
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// The tokens of all clients
    #[arg(long)]
    all: bool,
}

/// Does it.
pub(super) async fn revoke(asked: &Revoke, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let before = || match asked.before {
        Some(time) => json!(time.seconds(session.clock.now())),
        // By the server's clock, which the tokens were issued by.
        None => json!("now"),
    };
    let body = match &asked.which {
        Which { jti: Some(jti), .. } => json!({ "jti": jti }),
        Which { client: Some(client), .. } => json!({ "client_id": client, "issued_before": before() }),
        Which { .. } => json!({ "issued_before": before() }),
    };
    let answer = session.admin()?.post("/admin/v1/tokens/revoke", Some(&body)).await?;
    let times = session.times();
    session.print_as(&answer, |out| told(&answer, &times).iter().try_for_each(|line| writeln!(out, "{line}")))
}

/// What is in force, in sentences.
fn told(answer: &Value, times: &Times) -> Vec<String> {
    let whose = match answer.get("client_id").and_then(Value::as_str) {
        Some(client) => format!(" of {}", one_line(client)),
        None => String::new(),
    };
    let seconds = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or_default();
    let what = match answer.get("jti") {
        Some(_) => format!(
            "The token {}{whose} is good no longer; it would have ended at {}.",
            one_line(&member(answer, "jti")),
            times.full(seconds("exp"))
        ),
        None => format!(
            "No token{whose} that was issued before {} is good any longer.",
            times.full(seconds("issued_before"))
        ),
    };
    vec![
        what,
        "Introspection says so from now on.".to_owned(),
        "Who verifies tokens offline accepts them until they end.".to_owned(),
    ]
}
