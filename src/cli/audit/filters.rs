//! Which entries of the log somebody wants to see: the conditions of `audit search` and `audit tail`.

use crate::cli::admin::Admin;
use crate::cli::escape::escaped;
use crate::cli::failure::Failure;
use crate::cli::key;
use crate::cli::values::{self, Time};
use crate::time::Timestamp;

/// Which entries; all conditions must hold.
#[derive(Debug, clap::Args)]
pub(super) struct Filters {
    /// Of this client
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// Of the token with this jti
    #[arg(long)]
    jti: Option<String>,
    /// With this scope
    #[arg(long)]
    scope: Option<String>,
    /// With this key: its identifier, or at least the first 6 characters
    #[arg(long, value_parser = values::kid, allow_hyphen_values = true)]
    kid: Option<String>,
    /// Of this kind, such as token.issued
    #[arg(long, value_parser = values::events(), hide_possible_values = true)]
    event: Option<String>,
    /// Not before this time, such as 2026-11-21T22:58:01Z, or 2h for two hours ago
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    from: Option<Time>,
    /// Not after this time
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    to: Option<Time>,
    /// Only tokens that have not expired
    #[arg(long)]
    unexpired: bool,
}

impl Filters {
    /// The path of the first page at `route`, with `more` parameters. The server is asked for what was not typed whole.
    pub(super) async fn path(
        &self,
        route: &str,
        more: &[(&str, Option<String>)],
        admin: &Admin,
        now: Timestamp,
    ) -> Result<String, Failure> {
        let kid = match &self.kid {
            Some(kid) => Some(key::whole_kid(admin, kid).await?),
            None => None,
        };
        let texts = [
            ("client_id", self.client.clone()),
            ("jti", self.jti.clone()),
            ("scope", self.scope.clone()),
            ("kid", kid),
            ("event", self.event.clone()),
            ("from", self.from.map(|time| time.seconds(now).to_string())),
            ("to", self.to.map(|time| time.seconds(now).to_string())),
            ("unexpired", self.unexpired.then(|| true.to_string())),
        ];
        let query: Vec<String> = texts
            .iter()
            .chain(more)
            .filter_map(|(name, text)| Some(format!("{name}={}", escaped(text.as_deref()?))))
            .collect();
        Ok(if query.is_empty() { route.to_owned() } else { format!("{route}?{}", query.join("&")) })
    }
}
