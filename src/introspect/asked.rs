//! What clients may ask: what a token is worth, and that it be worth nothing. RFC 7662, RFC 7009.

use super::{Fault, Introspector, IssuedToken, NotGood, Revoker};
use crate::audit::denials::Asked;
use crate::issue::Origin;
use crate::jose::verify::AccessTokenClaims;
use crate::oauth::OAuthError;
use crate::policy::Client;

/// Why a token was not revoked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotRevoked {
    /// It is another client's, and stays as good as it was.
    #[error("{}", .0.description)]
    Refused(OAuthError),
    /// Whether it is revoked is unknown.
    #[error(transparent)]
    Unknown(#[from] Fault),
}

impl Introspector {
    /// What `caller` is told of a token: its claims while it is good, if the caller is its client or may introspect
    /// tokens for its audience; else nothing.
    pub async fn introspect(
        &self,
        caller: &Client,
        token: &str,
        origin: &Origin,
    ) -> Result<Option<AccessTokenClaims>, Fault> {
        match self.verify(token, None, "introspect", &origin.request_id).await {
            Ok(good) => Ok(Some(good.claims).filter(|claims| {
                claims.client_id == caller.id.as_str()
                    || caller.introspects.contains(claims.audience.as_str())
            })),
            Err(NotGood::Inactive) => Ok(None),
            Err(NotGood::Unknown(fault)) => Err(fault),
        }
    }

    /// Revokes a token of the caller's own. What is no token of ours, has expired or is revoked needs no more.
    ///
    /// Dropped before it returns, the token may be revoked.
    pub async fn revoke(&self, caller: &Client, token: &str, origin: &Origin) -> Result<(), NotRevoked> {
        let now = self.parts.wall_clock.look().map_err(Fault::from)?;
        let claims = self.in_force(token, now, ("revoke", &origin.request_id)).await?;
        let Some(claims) = claims else { return Ok(()) };
        if claims.client_id != caller.id.as_str() {
            let error = OAuthError::TOKEN_OF_ANOTHER;
            let asked = Asked { scope: None, resource: None };
            self.parts.denials.refused(&caller.id, error.code.as_str(), asked, origin);
            return Err(NotRevoked::Refused(error));
        }
        let revoker = Revoker {
            beside: None,
            actor: &format!("client:{}", caller.id),
            via: "revoke",
            request_id: &origin.request_id,
            source_ip: origin.source_ip.map(|address| address.to_string()),
        };
        let token = IssuedToken {
            jti: &claims.jti,
            client_id: Some(&claims.client_id),
            expires_at: claims.expires_at,
        };
        self.parts.revocations.revoke(&revoker, &token).await.map_err(Fault::from)?;
        Ok(())
    }
}
