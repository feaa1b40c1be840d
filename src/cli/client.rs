//! `mintmark client`: machines that ask for tokens.
//!
//! A secret comes from the server once and is printed once.

mod secrets;
mod update;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::escape::escaped;
use super::failure::Failure;
use super::output::member;
use super::session::Session;
use super::values;
use crate::limits::Quota;
use crate::oauth::credential::AuthMethod;

const CLIENTS: &str = "/admin/v1/clients";
const ONLY_NOW: &str = "The client_secret is shown only now: keep it where only the client can read it.";

/// What can be done with clients.
#[derive(Debug, Subcommand)]
pub(super) enum Client {
    /// Register a client and print its first secret, unless it has keys of its own
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
    /// Change what is given of a client
    Update(#[command(flatten)] Box<update::Update>),
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
    /// Delete a client for good: its identifier is never given again
    Delete {
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
    /// List the secrets that work: when each was made, used last, and ends
    Secrets {
        /// The client's identifier
        id: String,
    },
    /// End a secret at once, the last one too, such as when it leaked
    RevokeSecret {
        /// The client's identifier
        id: String,
        /// The secret's identifier, as `secrets` lists it
        #[arg(allow_hyphen_values = true)]
        secret_id: String,
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
    #[arg(long, value_name = "METHOD", value_parser = AuthMethod::ALL.map(AuthMethod::as_str))]
    auth: Option<String>,
    /// The client's public keys, a JWK Set or one JWK; for `private_key_jwt` alone
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    jwks: Option<PathBuf>,
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
    /// An API whose tokens it may introspect; may be repeated
    #[arg(long, value_name = "URI")]
    introspects: Vec<String>,
    /// Remind of a new secret when the one in use is this old, such as 90d
    #[arg(long, value_name = "SPAN", value_parser = values::seconds)]
    rotate_every: Option<u64>,
}

impl Create {
    fn body(self, jwks: Option<Value>) -> Value {
        let mut body = Map::new();
        body.insert("client_id".to_owned(), self.id.into());
        body.insert("scope".to_owned(), self.scope.into());
        let optional = [
            ("client_name", self.name.map(Value::from)),
            ("default_scope", self.default_scope.map(Value::from)),
            ("token_endpoint_auth_method", self.auth.map(Value::from)),
            ("jwks", jwks),
            ("access_token_lifetime", self.lifetime.map(Value::from)),
            ("rotate_every", self.rotate_every.map(Value::from)),
            ("claims", (!self.claims.is_empty()).then(|| self.claims.into_iter().collect())),
            (
                "limits",
                (!self.limits.is_empty())
                    .then(|| self.limits.into_iter().map(|(scope, quota)| (scope, json!(quota))).collect()),
            ),
            ("introspects", (!self.introspects.is_empty()).then(|| self.introspects.into())),
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
            let jwks = create.jwks.as_deref().map(|file| public_keys(session, file)).transpose()?;
            let made = admin.post(CLIENTS, Some(&create.body(jwks))).await?;
            if made.get("client_secret").is_none() {
                return session.print(&made);
            }
            session.print_with_remark(&made, ONLY_NOW)
        }
        Client::Get { id } => session.print(&admin.get(&path(&id)).await?),
        Client::List => {
            let clients = admin.list(CLIENTS, None).await?;
            session.print_list(&clients, &["CLIENT", "STATE", "SCOPE", "NAME"], row)
        }
        Client::Update(update) => {
            let jwks = update.jwks.as_deref().map(|file| public_keys(session, file)).transpose()?;
            let path = path(&update.id);
            let client = admin.patch(&path, |present| update.patch(present, jwks)).await?;
            session.print(&client)
        }
        Client::Delete { id } => {
            admin.delete(&path(&id)).await?;
            session.say(&secrets::deleted(&id))
        }
        Client::Secrets { id } => secrets::list(&id, &admin, session).await,
        Client::RevokeSecret { id, secret_id } => secrets::revoke(&id, &secret_id, &admin, session).await,
        Client::Disable { id } => session.print(&admin.post(&format!("{}/disable", path(&id)), None).await?),
        Client::Enable { id } => session.print(&admin.post(&format!("{}/enable", path(&id)), None).await?),
        Client::RotateSecret { id, overlap } => {
            let made =
                admin.post(&format!("{}/secrets", path(&id)), Some(&json!({ "overlap": overlap }))).await?;
            session.print_with_remark(&made, ONLY_NOW)
        }
    }
}

fn public_keys(session: &mut Session<'_, '_>, file: &Path) -> Result<Value, Failure> {
    let text = session.read_text(file)?;
    values::public_keys(&text).map_err(|cause| Failure::usage(format!("{}: {cause}", file.display())))
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
