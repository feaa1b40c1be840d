//! `mintmark token`: be a client, look into a token, check one, ask what one would be, revoke some.
//!
//! Only the last two need the admin API. A secret comes from a file or standard
//! input, never from the command line, where other users of the machine see it.

mod preview;
mod revoke;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use clap::{Subcommand, ValueHint};
use hyper::header::HeaderMap;
use hyper::{Method, Uri};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::failure::{Exit, Failure};
use super::grant::Asker;
use super::refusal::refusal;
use super::session::Session;
use super::values;
use super::wire::{self, Address};
use crate::config::LONGEST_LIFETIME;
use crate::jose::JwkSet;
use crate::jose::verify::{Decoded, Expected, decode_unverified, verify_access_token};

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Ask the token endpoint for a token, as a client
    #[command(after_help = "Example:\n  \
        mintmark token request --client web --secret-file secret --scope orders:read")]
    Request(#[command(flatten)] Request),
    /// Show header and claims of a token without checking it
    Inspect {
        /// A file with the token; - is standard input
        #[arg(default_value = "-", value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Check a token as an API would; exit code 1 if it is not valid
    Verify(#[command(flatten)] Verify),
    /// Show what a client would get, and why; nothing is issued
    Preview(#[command(flatten)] preview::Preview),
    /// Let tokens be good no longer, such as when they leaked
    Revoke(#[command(flatten)] revoke::Revoke),
}

/// Who asks whom for what.
#[derive(Debug, clap::Args)]
pub(super) struct Request {
    /// The client's identifier
    #[arg(long, value_name = "ID")]
    client: String,
    /// A file with the client's secret; - is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    secret_file: PathBuf,
    /// The scopes, as one text with blanks [default: the client's default scope]
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// The URI of the resource that the token is for
    #[arg(long, value_name = "URI")]
    resource: Option<String>,
    /// The server [default: the configured issuer, else the public listener]
    #[arg(long, value_hint = ValueHint::Url)]
    url: Option<String>,
}

/// A token and what is expected of it.
#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// A file with the token; - is standard input
    #[arg(default_value = "-", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// The issuer's keys: a file, or the URL of its jwks.json
    #[arg(long, value_name = "URL|FILE", value_hint = ValueHint::FilePath)]
    jwks: String,
    /// The issuer, exactly
    #[arg(long)]
    issuer: String,
    /// The audience, exactly
    #[arg(long)]
    audience: String,
    /// How far the clocks may differ
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = values::seconds)]
    leeway: u64,
}

/// Does it.
pub(super) async fn run(verb: Token, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    match verb {
        Token::Request(asked) => request(&asked, session).await,
        Token::Inspect { file } => inspect(&file, session),
        Token::Verify(expected) => verify(&expected, session).await,
        Token::Preview(asked) => preview::run(&asked, session).await,
        Token::Revoke(asked) => revoke::revoke(&asked, session).await.map(|()| Exit::Done),
    }
}

async fn request(asked: &Request, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let url = match &asked.url {
        Some(url) => url.clone(),
        None => session.globals.issuer_url()?,
    };
    let address = Address::parse(&url)?;
    let text = session.read_text(&asked.secret_file)?;
    let secret = SecretString::from(text.trim_end_matches(['\r', '\n']));
    let client = Asker { issuer: address, client: asked.client.clone(), secret };
    let granted =
        client.ask([("scope", asked.scope.as_deref()), ("resource", asked.resource.as_deref())]).await?;
    session.print(&granted)?;
    Ok(Exit::Done)
}

fn inspect(file: &Path, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let text = session.read_text(file)?;
    let decoded = decode_unverified(text.trim()).map_err(|invalid| Failure::refused(invalid.to_string()))?;
    session.remark("not verified: anybody could have written this; see `mintmark token verify`")?;
    session.print(&json!({ "header": decoded.header, "claims": decoded.claims }))?;
    Ok(Exit::Done)
}

async fn verify(asked: &Verify, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let keys = key_set(&asked.jwks, session).await?;
    let text = session.read_text(&asked.file)?;
    let token = text.trim();
    let expected = Expected {
        issuer: &asked.issuer,
        audience: Some(&asked.audience),
        now: session.clock.now(),
        leeway: Duration::from_secs(asked.leeway),
        // A token that lives longer is not Mintmark's.
        max_lifetime: LONGEST_LIFETIME,
    };
    let invalid = verify_access_token(token, &keys, &expected).err();
    let (header, claims) = match decode_unverified(token) {
        Ok(Decoded { header, claims }) => (Value::Object(header), Value::Object(claims)),
        Err(_) => (Value::Null, Value::Null),
    };
    session.print(&json!({
        "valid": invalid.is_none(),
        "reason": invalid.as_ref().map(ToString::to_string),
        "header": header,
        "claims": claims,
    }))?;
    Ok(if invalid.is_none() { Exit::Done } else { Exit::Refused })
}

async fn key_set(place: &str, session: &mut Session<'_, '_>) -> Result<JwkSet, Failure> {
    let bytes = if place.contains("://") {
        let (address, path) = address_and_path(place)?;
        let answer = wire::send(&address, Method::GET, &path, HeaderMap::new(), Bytes::new()).await?;
        if !answer.status.is_success() {
            return Err(refusal(answer.status, &answer.headers, &answer.body));
        }
        answer.body
    } else {
        Bytes::from(session.read_text(Path::new(place))?)
    };
    JwkSet::parse(&bytes).map_err(|bad| Failure::refused(format!("{place}: {bad}")))
}

/// Keys come by https or over loopback: whoever can change them can sign.
fn address_and_path(url: &str) -> Result<(Address, String), Failure> {
    let uri: Uri = url.parse().map_err(|_| Failure::usage(format!("`{url}` is not a URL")))?;
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
        return Err(Failure::usage(format!("`{url}` is not a URL with a scheme and a host")));
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Ok((Address::parse(&format!("{scheme}://{authority}"))?, path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_not_come_over_the_open_network() {
        let (address, path) = address_and_path("https://auth.example.com/.well-known/jwks.json").unwrap();
        assert_eq!(address.to_string(), "https://auth.example.com");
        assert_eq!(path, "/.well-known/jwks.json");
        assert_eq!(address_and_path("http://auth.example.com/jwks").unwrap_err().exit.code(), 2);
        assert!(address_and_path("http://127.0.0.1:8080/jwks").is_ok());
    }
}
