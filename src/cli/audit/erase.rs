//! `mintmark audit erase`: erases what the log says of somebody.

use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::session::Session;

/// Whose records lose their bodies.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct Erase {
    /// Of the client with this id
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// Of this subject
    #[arg(long, value_name = "S")]
    subject: Option<String>,
}

/// Repeats the request until nothing more is left.
pub(super) async fn run(asked: &Erase, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let body = match (&asked.client, &asked.subject) {
        (Some(id), _) => json!({ "client_id": id }),
        (None, subject) => json!({ "subject": subject }),
    };
    let admin = session.admin()?;
    let mut erased = 0;
    loop {
        let done = admin.post("/admin/v1/audit/erase", Some(&body)).await?;
        erased += done.get("erased").and_then(Value::as_u64).unwrap_or_default();
        if done.get("more") == Some(&Value::Bool(true)) {
            continue;
        }
        let registered = done.get("registered").cloned().unwrap_or_default();
        let remark = if registered == Value::Bool(true) {
            "A client of that name is registered, so the policy still names it. Backups are out of reach."
        } else {
            "Backups are out of reach of this: they still hold what they held."
        };
        return session.print_with_remark(&json!({ "erased": erased, "registered": registered }), remark);
    }
}
