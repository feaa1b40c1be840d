//! Is this credential a registered client's? Equal work and equal answers for every no.

use std::sync::Arc;
use std::time::Duration;

use super::{Assertions, ClientSecrets};
use crate::audit::recorder::RecordFault;
use crate::limits::{Attempts, Source};
use crate::oauth::credential::{AuthMethod, Credential};
use crate::policy::{ClientId, Policy, RegisteredClient};
use crate::workers::NotDone;

/// A client that is who it says it is.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// The client.
    pub registered: Arc<RegisteredClient>,
    /// How it authenticated.
    pub method: AuthMethod,
    /// By which of its secrets, or the RFC 7638 thumbprint of which of its keys.
    pub secret_id: String,
}

/// Why nobody was authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAuthenticated {
    /// The credential is nobody's. `known` names the client if there is one of that id: for the log, not for the answer.
    Refused {
        /// The registered client that was named.
        known: Option<ClientId>,
    },
    /// Too much failed before, so that it was not looked at; or it was, and is told the same.
    Throttled {
        /// The registered client that was named: for the log, not for the answer.
        known: Option<ClientId>,
        /// The true time until one more may be tried.
        wait: Duration,
    },
    /// It was not verified to the end; whose it is stays open.
    NotDone(NotDone),
    /// An assertion that may be used once was not noted as used.
    NotRecorded(RecordFault),
}

/// Verifies credentials, by whichever method they came.
pub struct Authenticator {
    secrets: ClientSecrets,
    assertions: Assertions,
    attempts: Arc<Attempts>,
}

impl Authenticator {
    /// Takes who knows secrets, who knows assertions, and who counts what fails.
    pub fn new(secrets: ClientSecrets, assertions: Assertions, attempts: Arc<Attempts>) -> Self {
        Self { secrets, assertions, attempts }
    }

    /// Tells which client this credential belongs to, under the policy in force. An assertion is used
    /// up by it. What fails is counted for the client id and for `source`, by whichever method it came. Verifying its signature takes less than signing a token, so that it is done in place.
    pub async fn authenticate(
        &self,
        policy: &Policy,
        credential: &Credential,
        source: Source,
    ) -> Result<Authenticated, NotAuthenticated> {
        let authenticated = match credential {
            Credential::Secret(secret) => self.secrets.authenticate(policy, secret, source).await,
            Credential::Assertion(assertion) => self.assertions.authenticate(policy, assertion, source).await,
        };
        if matches!(authenticated, Err(NotAuthenticated::Throttled { .. })) {
            self.attempts.note_throttled();
        }
        authenticated
    }
}
