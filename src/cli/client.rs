//! `mintmark client`: machines that ask for tokens.
//!
//! A secret comes from the server once and is printed once.

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::admin::escaped;
use super::failure::Failure;
use super::output::member;
use super::session::Session;
use super::values;
use crate::limits::Quota;

const CLIENTS: &str = "/admin/v1/clients";
const ONLY_NOW: &str = "The client_secret is shown only now: keep it where only the client can read it.";

/// What can be done with clients.
#[derive(Debug, Subcommand)]
pub(super) enum Client {
    /// Register a client and print its first secret
    #[command(after_help = "Example:\n  \
        mintmark client create web --scope \"orders:read orders:write\" --lifetime 5m")]
    Create(#[command(flatten)] Box<Create>),
    /// Show a client
    Get {
        /// The client's identifier
        id: String,
    },
    /// List all clients
    List,
    /// Refuse a client every further token
    Disable {
        /// The client's identifier
        id: String,
    },
    /// Let a disabled client ask again
    Enable {
        /// The client's identifier
        id: String,
    },
    /// Make a further secret; the older one goes on working for a while
    #[command(after_help = "Example:\n  mintmark client rotate-secret web --overlap 24h")]
    RotateSecret {
        /// The client's identifier
        id: String,
        /// How long the older secret still works
        #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = values::seconds)]
        overlap: u64,
    },
}

/// A client to be registered.
#[derive(Debug, clap::Args)]
pub(super) struct Create {
    /// The client's identifier: 1 to 64 of A-Z a-z 0-9 . _ ~ -
    id: String,
    /// What it may ask for, as one text with blanks: "orders:read orders:write"
    #[arg(long, value_name = "SCOPES")]
    scope: String,
    /// A name for people
    #[arg(long)]
    name: Option<String>,
    /// How it shows who it is
    #[arg(long, value_name = "METHOD", value_parser = ["client_secret_basic", "client_secret_post"])]
    auth: Option<String>,
    /// The longest lifetime of its tokens, such as 5m
    #[arg(long, value_name = "SPAN", value_parser = values::seconds)]
    lifetime: Option<u64>,
    /// What it gets when it asks for no scope
    #[arg(long, value_name = "SCOPES")]
    default_scope: Option<String>,
    /// A claim for all of its tokens; the value is JSON or else text; may be repeated
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = values::claim)]
    claims: Vec<(String, Value)>,
    /// Its own limit for a scope, such as orders:read=60/1m; may be repeated
    #[arg(long = "limit", value_name = "SCOPE=RATE", value_parser = values::scope_quota)]
    limits: Vec<(String, Quota)>,
}

impl Create {
    fn body(self) -> Value {
        let mut body = Map::new();
        body.insert("client_id".to_owned(), self.id.into());
        body.insert("scope".to_owned(), self.scope.into());
        let optional = [
            ("client_name", self.name.map(Value::from)),
            ("default_scope", self.default_scope.map(Value::from)),
            ("token_endpoint_auth_method", self.auth.map(Value::from)),
            ("access_token_lifetime", self.lifetime.map(Value::from)),
            ("claims", (!self.claims.is_empty()).then(|| self.claims.into_iter().collect())),
            (
                "limits",
                (!self.limits.is_empty())
                    .then(|| self.limits.into_iter().map(|(scope, quota)| (scope, json!(quota))).collect()),
            ),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                body.insert(name.to_owned(), value);
            }
        }
        Value::Object(body)
    }
}

/// Does it.
pub(super) async fn run(verb: Client, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let admin = session.admin()?;
    match verb {
        Client::Create(create) => {
            let made = admin.post(CLIENTS, Some(&create.body())).await?;
            session.print_with_remark(&made, ONLY_NOW)
        }
        Client::Get { id } => session.print(&admin.get(&path(&id)).await?),
        Client::List => {
            let clients = admin.list(CLIENTS, None).await?;
            session.print_list(&clients, &["CLIENT", "STATE", "SCOPE", "NAME"], row)
        }
        Client::Disable { id } => session.print(&admin.post(&format!("{}/disable", path(&id)), None).await?),
        Client::Enable { id } => session.print(&admin.post(&format!("{}/enable", path(&id)), None).await?),
        Client::RotateSecret { id, overlap } => {
            let made =
                admin.post(&format!("{}/secrets", path(&id)), Some(&json!({ "overlap": overlap }))).await?;
            session.print_with_remark(&made, ONLY_NOW)
        }
    }
}

fn path(id: &str) -> String {
    format!("{CLIENTS}/{}", escaped(id))
}

fn row(client: &Value) -> Vec<String> {
    let disabled = client.get("disabled").and_then(Value::as_bool).unwrap_or_default();
    let state = if disabled { "disabled" } else { "enabled" };
    vec![
        member(client, "client_id"),
        state.to_owned(),
        member(client, "scope"),
        member(client, "client_name"),
    ]
}
