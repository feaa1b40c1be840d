//! Answers to acts on clients.

use secrecy::ExposeSecret as _;
use serde::Serialize;

use super::{Answer, Outcome, Secrets};
use crate::admin::{Created, NewSecret};
use crate::policy::Client;

/// A new client. The one answer of its kind that shows a secret.
#[derive(Serialize)]
struct CreatedBody<'a> {
    #[serde(flatten)]
    client: &'a Client,
    /// Left out for a client without secrets.
    #[serde(flatten)]
    secret: Option<FirstSecret<'a>>,
}

#[derive(Serialize)]
struct FirstSecret<'a> {
    secret_id: &'a str,
    /// `null` where the answer is told again.
    client_secret: Option<&'a str>,
}

/// A further secret of a client.
#[derive(Serialize)]
struct SecretBody<'a> {
    secret_id: &'a str,
    /// `null` where the answer is told again.
    client_secret: Option<&'a str>,
    expires_at: Option<u64>,
}

impl NewSecret {
    fn text(&self, secrets: Secrets) -> Option<&str> {
        Some(self.secret.expose_secret()).filter(|_| secrets == Secrets::Shown)
    }

    /// What is told of it.
    pub fn answer(&self, secrets: Secrets) -> Answer {
        let body =
            SecretBody { secret_id: &self.secret_id, client_secret: self.text(secrets), expires_at: None };
        Answer::new(Outcome::Made, None, &body)
    }
}

impl Created {
    /// What is told of it.
    pub fn answer(&self, secrets: Secrets) -> Answer {
        let Self { client, secret } = self;
        let secret = secret
            .as_ref()
            .map(|secret| FirstSecret { secret_id: &secret.secret_id, client_secret: secret.text(secrets) });
        let body = CreatedBody { client, secret };
        Answer::new(Outcome::Made, Some(client.version), &body)
    }
}

impl Client {
    /// What is told of it.
    pub fn answer(&self) -> Answer {
        Answer::new(Outcome::Done, Some(self.version), self)
    }
}
