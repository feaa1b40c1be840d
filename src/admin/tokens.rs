//! Revoking tokens by hand: one by its `jti`, or all that were issued before some time, such as after a leak.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Actor, Admin, Answer, Refusal};
use crate::audit::about::About;
use crate::audit::leaf::Leaf;
use crate::introspect::{IssuedToken, Revoker};
use crate::oauth::claims::Jti;
use crate::policy::{ClientId, Violation};
use crate::time::Timestamp;

/// Which tokens are revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevokeTokens {
    /// The one with this `jti`.
    One(String),
    /// Those of a client, or (`None`) of all clients, that were issued before a time.
    Before(Option<String>, IssuedBefore),
}

/// The bound of what is revoked. A token's `iat` is a whole second, and one of this very second is not before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuedBefore {
    /// This second.
    At(Timestamp),
    /// The second after this one, so that each token which exists is before it.
    Now,
}

/// What is in force after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum TokensRevoked {
    /// One token.
    One {
        /// Its identifier.
        jti: String,
        /// Whose it is; `None` when the log can no longer tell.
        client_id: Option<String>,
        /// Its end, Unix seconds. Nothing is recorded of a token whose end has passed.
        exp: u64,
    },
    /// A bound.
    Before {
        /// Whose tokens; `None` for those of all clients.
        client_id: Option<String>,
        /// Unix seconds: the later of the client's own bound and that of all clients.
        issued_before: u64,
    },
}

impl TokensRevoked {
    /// The client that it tells of, if any.
    fn named(&self) -> BTreeSet<ClientId> {
        let (Self::One { client_id, .. } | Self::Before { client_id, .. }) = self;
        client_id.iter().filter_map(|id| ClientId::parse(id).ok()).collect()
    }
}

impl Admin {
    /// Revokes tokens at once, wherever introspection is asked. What is revoked already stays so.
    ///
    /// After [`Refusal::Unknown`] look, or repeat: nothing is revoked twice.
    pub async fn revoke_tokens(
        &self,
        actor: &Actor,
        tokens: &RevokeTokens,
    ) -> Result<TokensRevoked, Refusal> {
        match tokens {
            RevokeTokens::One(jti) => self.revoke_one(actor, jti).await,
            RevokeTokens::Before(client, before) => {
                self.revoke_before(actor, client.as_deref(), *before).await
            }
        }
    }

    async fn revoke_one(&self, actor: &Actor, jti: &str) -> Result<TokensRevoked, Refusal> {
        const UNKNOWN: Refusal = Refusal::NotFound("token");
        // What no token can be called is not looked up.
        let jti = Jti::parse(jti).ok_or(UNKNOWN)?;
        let index = self.parts.store.index_of_jti(jti.as_str()).await?.ok_or(UNKNOWN)?;
        let entry = self.parts.store.entries_at(&[index]).await?.pop().ok_or(UNKNOWN)?;
        let leaf = Leaf::parse(&entry.leaf).map_err(|_| Refusal::Internal("the entry cannot be read"))?;
        let exp = leaf.exp.ok_or(UNKNOWN)?;
        let client_id =
            entry.body.and_then(|(_, body)| About::read(leaf.event, &body).client().map(str::to_owned));
        let expires_at = Timestamp::from_seconds(exp);
        let revoked = TokensRevoked::One { jti: jti.as_str().to_owned(), client_id: client_id.clone(), exp };
        if expires_at > self.parts.wall_clock.look()? {
            let token = IssuedToken { jti: jti.as_str(), client_id: client_id.as_deref(), expires_at };
            self.parts.revocations.revoke(&revoker(actor, &revoked), &token).await?;
        } else {
            self.remember_alone(actor, &Answer::done(&revoked), revoked.named()).await?;
        }
        Ok(revoked)
    }

    async fn revoke_before(
        &self,
        actor: &Actor,
        client: Option<&str>,
        before: IssuedBefore,
    ) -> Result<TokensRevoked, Refusal> {
        // A client that is deleted meanwhile would leave a bound behind that bears its name.
        let _acting = if client.is_some() { Some(self.act().await?) } else { None };
        let registered = client.map(|id| self.registered(id)).transpose()?;
        let client = registered.as_ref().map(|registered| &registered.client.id);
        let now = self.parts.wall_clock.foresee()?;
        let not_before = match before {
            IssuedBefore::At(time) => time,
            IssuedBefore::Now => Timestamp::from_seconds(now.seconds().saturating_add(1)),
        };
        // One second more than clocks may differ: so late is "now" on a clock that is ahead.
        let skew = self.parts.rotator.quantities().clock_skew;
        if not_before.seconds() > now.plus(skew).seconds().saturating_add(1) {
            let problem = "lies in the future; tokens that do not exist yet are not revoked";
            return Err(Violation::new("issued_before", problem).into());
        }
        let revocations = &self.parts.revocations;
        let client_id = client.map(|client| client.as_str().to_owned());
        let issued_before = revocations.floor(client_id.as_deref()).max(not_before).seconds();
        let revoked = TokensRevoked::Before { client_id, issued_before };
        revocations.raise_floor(&revoker(actor, &revoked), client, not_before).await?;
        Ok(revoked)
    }
}

/// Who revokes, and that this is the answer.
fn revoker<'a>(actor: &'a Actor, revoked: &TokensRevoked) -> Revoker<'a> {
    let Actor { name, via, request_id, .. } = actor;
    let beside = actor.remembers(&Answer::done(revoked), revoked.named());
    Revoker { actor: name, via, request_id, source_ip: None, beside }
}
