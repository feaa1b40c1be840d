//! Tokens for the admin API over TCP: for each request the one that its role needs, no more. RFC 6750 section 2.1.
//!
//! They live in memory as long as the command does, and are asked for anew when the server takes one no longer.

use std::collections::HashMap;
use std::path::Path;

use hyper::Method;
use hyper::header::HeaderValue;
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::Mutex;

use super::failure::Failure;
use super::grant::Asker;
use crate::config::read_secret_file;
use crate::http::admin::roles;
use crate::policy::AdminScopes;

/// A secret of ours has 53 characters; no client has a longer one than this.
const LONGEST_SECRET: usize = 256;

/// A client that administers.
#[derive(Debug)]
pub struct Bearer {
    asker: Asker,
    tokens: Mutex<HashMap<AdminScopes, HeaderValue>>,
}

/// The value of an `Authorization` header.
pub(super) struct Credential {
    pub(super) value: HeaderValue,
    /// Whether it was used before, so that its time may be over.
    pub(super) is_used: bool,
}

impl Bearer {
    /// Asks as this client; nothing is sent yet.
    pub fn new(asker: Asker) -> Self {
        Self { asker, tokens: Mutex::default() }
    }

    /// What lets this request in. A token that was had before is used again.
    pub(super) async fn credential(&self, method: &Method, path: &str) -> Result<Credential, Failure> {
        let needed = needed(method, path);
        let mut tokens = self.tokens.lock().await;
        if let Some(value) = tokens.get(&needed) {
            return Ok(Credential { value: value.clone(), is_used: true });
        }
        let value = self.ask(needed).await?;
        tokens.insert(needed, value.clone());
        Ok(Credential { value, is_used: false })
    }

    /// Forgets the token for this request: the server takes it no longer.
    pub(super) async fn forget(&self, method: &Method, path: &str) {
        self.tokens.lock().await.remove(&needed(method, path));
    }

    async fn ask(&self, needed: AdminScopes) -> Result<HeaderValue, Failure> {
        let scope = needed.to_string();
        let asked =
            self.asker.ask([("scope", Some(&*scope).filter(|scope| !scope.is_empty())), ("resource", None)]);
        let answer = asked.await.map_err(|failure| failure.about(&format!("no token for {scope}")))?;
        let token = answer.get("access_token").and_then(Value::as_str);
        let value = token.and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok());
        let mut value = value.ok_or_else(|| {
            Failure::refused(format!("{} gave no access token: is it Mintmark?", self.asker.issuer))
        })?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// What the role table says; nothing in particular for a path that it does not have, so that the server may refuse it.
fn needed(method: &Method, path: &str) -> AdminScopes {
    let path = path.split('?').next().unwrap_or(path);
    roles::of_path(method, path).unwrap_or(AdminScopes::NONE)
}

/// A client's secret from a file that nobody else can read: one line of text.
pub(super) fn read_secret(path: &Path) -> Result<SecretString, Failure> {
    let bytes = read_secret_file(path, LONGEST_SECRET).map_err(|refused| {
        Failure::usage(format!("--admin-secret-file: {}; {}", refused.problem(), refused.fix()))
    })?;
    let text = std::str::from_utf8(&bytes).map(|text| text.trim_end_matches(['\r', '\n']));
    match text {
        Ok(text) if !text.is_empty() => Ok(SecretString::from(text)),
        _ => Err(Failure::usage(format!("--admin-secret-file: {} holds no secret", path.display()))),
    }
}
