//! `mintmark client secrets` and `revoke-secret`: what opens the door for a client, and what shall no longer.
//!
//! Here is what was done in sentences, too. A line is at most 80 columns wide, but for commands and names, which are
//! there to be copied whole.

use serde_json::Value;

use super::path;
use crate::cli::admin::Admin;
use crate::cli::escape::escaped;
use crate::cli::failure::{Failure, one_line};
use crate::cli::output::member;
use crate::cli::session::Session;
use crate::cli::when::Times;

/// Lists the secrets that live.
pub(super) async fn list(id: &str, admin: &Admin, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let secrets = admin.list(&format!("{}/secrets", path(id)), None).await?;
    let times = session.times();
    session.print_list(&secrets, &["SECRET", "MADE", "USED", "DUE", "ENDS"], |secret| row(secret, &times))
}

/// Ends one of them at once.
pub(super) async fn revoke(
    id: &str,
    secret_id: &str,
    admin: &Admin,
    session: &mut Session<'_, '_>,
) -> Result<(), Failure> {
    let secrets = format!("{}/secrets", path(id));
    admin.delete_unseen(&format!("{secrets}/{}", escaped(secret_id))).await?;
    let left = admin.list(&secrets, None).await?;
    let is_last = left.get("items").and_then(Value::as_array).is_some_and(Vec::is_empty);
    session.say(&revoked(&one_line(id), &one_line(secret_id), is_last))
}

fn revoked(id: &str, secret_id: &str, is_last: bool) -> Vec<String> {
    let mut lines = vec![format!("{secret_id} opens nothing any more.")];
    if is_last {
        lines.push("It was the last one: the client gets no token until there is another.".to_owned());
        lines.push(format!("Next: mintmark client rotate-secret {id}"));
    }
    lines.push("Tokens that were got with it live until they expire.".to_owned());
    lines
}

/// What follows from a client's end.
pub(super) fn deleted(id: &str) -> Vec<String> {
    let id = one_line(id);
    vec![
        format!("{id} is deleted and gets no token any more."),
        "Its identifier is never given again.".to_owned(),
        "The log still names it. To erase that as well:".to_owned(),
        format!("  mintmark audit erase --client {id}"),
    ]
}

fn row(secret: &Value, times: &Times) -> Vec<String> {
    let is_used = secret.get("last_used_at").is_some_and(Value::is_u64);
    let used = if is_used { times.distance_of(secret, "last_used_at") } else { "never".to_owned() };
    let distance = |name| times.distance_of(secret, name);
    vec![
        member(secret, "secret_id"),
        distance("created_at"),
        used,
        distance("due_at"),
        distance("expires_at"),
    ]
}
