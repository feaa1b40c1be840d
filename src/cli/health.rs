//! `mintmark healthcheck`: whether the server is ready, for containers and scripts.

use bytes::Bytes;
use clap::ValueHint;
use hyper::Method;
use hyper::header::HeaderMap;
use serde_json::json;

use super::failure::Failure;
use super::session::Session;
use super::wire::{self, Address};

/// Which server.
#[derive(Debug, clap::Args)]
pub(super) struct Healthcheck {
    /// The server [default: the configured public listener]
    #[arg(long, value_hint = ValueHint::Url)]
    url: Option<String>,
}

/// Asks it. A server that is not ready is a failure with exit code 3, however it says so.
pub(super) async fn run(asked: &Healthcheck, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let address = match &asked.url {
        // No credential goes there.
        Some(url) => Address::parse_allowing_plain_http(url)?,
        None => session.globals.public_address()?,
    };
    let answer = wire::send(&address, Method::GET, "/readyz", HeaderMap::new(), Bytes::new()).await.map_err(
        |error| match Failure::from(error) {
            late if late.exit == super::Exit::Refused => Failure::unreachable(late.to_string()),
            other => other,
        },
    )?;
    if !answer.status.is_success() {
        return Err(Failure::unreachable(format!(
            "the server at {address} is not ready: it answers /readyz with {}; its log tells why",
            answer.status
        )));
    }
    session.print_as(&json!({ "ready": true }), |out| writeln!(out, "ready"))
}
