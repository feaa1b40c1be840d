//! What a client would get, without giving it.

use super::{Admin, Refusal};
use crate::issue::authorize::authorize;
use crate::issue::preview::{Preview, preview};
use crate::oauth::request::{GrantType, TokenRequest};
use crate::oauth::{ErrorCode, OAuthError, Scope};

/// Which token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The client that would ask.
    pub client_id: String,
    /// The scope that it would ask for, as text; `None` asks for its default.
    pub scope: Option<String>,
    /// The resource that it would name.
    pub resource: Option<String>,
}

/// What would become of the request.
#[derive(Clone, Debug, PartialEq)]
pub enum Previewed {
    /// A token like this.
    Granted(Box<Preview>),
    /// A refusal with this code, and why.
    Refused(ErrorCode, String),
}

impl From<OAuthError> for Previewed {
    fn from(error: OAuthError) -> Self {
        Self::Refused(error.code, error.description.to_owned())
    }
}

impl Admin {
    /// Tells which token a client would get now, or why none, apart from its limits: nothing is charged, recorded or
    /// issued, and nobody is authenticated.
    pub fn preview_token(&self, asked: &Asked) -> Result<Previewed, Refusal> {
        let (policy, lifetimes) = (self.policy(), self.parts.lifetimes);
        let registered = policy.client(&asked.client_id).ok_or(Refusal::NotFound("client"))?;
        if registered.client.disabled {
            return Ok(Previewed::Refused(ErrorCode::InvalidClient, "the client is disabled".to_owned()));
        }
        let Ok(scope) = Scope::parse(asked.scope.as_deref().unwrap_or_default()) else {
            return Ok(OAuthError::SCOPE_SYNTAX.into());
        };
        let (grant_type, resource) = (GrantType::ClientCredentials, asked.resource.clone());
        let request = TokenRequest { grant_type, scope, resource };
        let grant = match authorize(registered, &request, &policy, lifetimes) {
            Ok(grant) => grant,
            Err(error) => return Ok(error.into()),
        };
        let in_force = match self.parts.signer.active(grant.algorithm) {
            Ok(in_force) => in_force,
            Err(none) => return Ok(Previewed::Refused(ErrorCode::TemporarilyUnavailable, none.to_string())),
        };
        let under = (registered.as_ref(), policy.as_ref(), lifetimes);
        let by = (&in_force.key, in_force.longest_lifetime);
        let previewed = preview(&self.parts.issuer, under, grant, by, self.now());
        Ok(previewed.map_or_else(Into::into, |preview| Previewed::Granted(Box::new(preview))))
    }
}
