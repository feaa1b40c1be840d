//! The token endpoint as a client sees it. RFC 6749 sections 2.3.1 and 4.4.
//!
//! Never repeats a request, and says nothing of a secret or a token in a failure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use zeroize::Zeroizing;

use super::escape::escaped;
use super::failure::Failure;
use super::refusal::refusal;
use super::wire::{self, Address};

/// A client at a token endpoint.
#[derive(Debug)]
pub struct Asker {
    /// The issuer.
    pub issuer: Address,
    /// The client's identifier.
    pub client: String,
    /// Its secret.
    pub secret: SecretString,
}

impl Asker {
    /// Asks for a token, with those of the parameters that have a value. Gives the endpoint's body.
    pub async fn ask(&self, parameters: [(&str, Option<&str>); 2]) -> Result<Value, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, self.basic()?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let mut form = "grant_type=client_credentials".to_owned();
        for (name, value) in parameters {
            if let Some(value) = value {
                form.extend(["&", name, "=", &escaped(value)]);
            }
        }
        let answer =
            wire::send(&self.issuer, Method::POST, "/oauth2/token", headers, Bytes::from(form)).await?;
        if !answer.status.is_success() {
            let refused = refusal(answer.status, &answer.headers, &answer.body);
            return Err(match answer.status {
                StatusCode::UNAUTHORIZED => {
                    refused.advised("check the client, the file of its secret, and `mintmark client get`")
                }
                StatusCode::BAD_REQUEST => {
                    refused.advised("see what the client may have with `mintmark client get`")
                }
                _ => refused,
            });
        }
        serde_json::from_slice(&answer.body).map_err(|_| {
            Failure::refused(format!("the answer of {} is not JSON: is it Mintmark?", self.issuer))
        })
    }

    /// Both parts are form-encoded before they are joined.
    fn basic(&self) -> Result<HeaderValue, Failure> {
        let secret = Zeroizing::new(escaped(self.secret.expose_secret()));
        let pair = Zeroizing::new(format!("{}:{}", escaped(&self.client), *secret));
        let credential = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
        let mut credential = HeaderValue::try_from(credential.as_str())
            .map_err(|_| Failure::usage("the client's identifier or secret cannot be sent"))?;
        credential.set_sensitive(true);
        Ok(credential)
    }
}
