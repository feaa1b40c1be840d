//! Whose an access token for the admin API is, and what it allows.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::audit::standing::{Presented, Standing, Standings};
use crate::issue::{ClockInsane, WallClock};
use crate::jose::JwkSet;
use crate::jose::verify::{Expected, verify_access_token};
use crate::keys::rotator::Rotator;
use crate::oauth::Scope;
use crate::policy::builtin::ADMIN_LIFETIME;
use crate::policy::{AdminScopes, Policy, RegisteredClient, ResourceUri};
use crate::store::StoreFault;

/// What it takes to know.
pub struct Bearers {
    /// The `iss` claim, byte-identical to the configuration.
    pub issuer: String,
    /// The admin API's name.
    pub audience: ResourceUri,
    /// Has the published keys.
    pub rotator: Arc<Rotator>,
    /// The policy in force.
    pub policy: Arc<ArcSwap<Policy>>,
    /// Looks tokens up in the log.
    pub standings: Arc<Standings>,
    /// Tells the time of day, as far as it can be believed.
    pub wall_clock: Arc<WallClock>,
}

/// Who holds a token that is good.
#[derive(Clone, Debug)]
pub struct Bearer {
    /// The client, as registered now.
    pub client: Arc<RegisteredClient>,
    /// The admin scopes that both its token and its registration have.
    pub held: AdminScopes,
}

/// Why nobody is let in for a token.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoBearer {
    /// It is not ours, not for the admin API, or no longer good; which of these, nobody is told.
    #[error("the token is not good")]
    NotGood,
    /// That could not be found out.
    #[error(transparent)]
    Unknown(#[from] Fault),
}

/// A question that could not be answered.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// The log could not be read.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The wall clock cannot be right.
    #[error(transparent)]
    Clock(#[from] ClockInsane),
    /// The published keys could not be read.
    #[error("the published keys cannot be read")]
    Keys,
}

impl Bearers {
    /// The audience of the tokens that let in.
    pub fn audience(&self) -> &str {
        self.audience.as_str()
    }

    /// Tells whose this token is. It must be ours and for the admin API, in force by our own clock, known to the
    /// log, and its client enabled. What the client may no longer be granted, a token of before no longer allows.
    pub async fn verify(&self, token: &str, request_id: &str) -> Result<Bearer, NoBearer> {
        let now = self.wall_clock.look().map_err(Fault::from)?;
        let keys = JwkSet::parse(&self.rotator.document().body).map_err(|_| Fault::Keys)?;
        let expected = Expected {
            issuer: &self.issuer,
            audience: Some(self.audience()),
            now,
            leeway: Duration::ZERO,
            max_lifetime: ADMIN_LIFETIME,
        };
        let verified = verify_access_token(token, &keys, &expected).map_err(|_| NoBearer::NotGood)?;
        let presented = Presented::read(token, &self.rotator.ring()).ok_or(NoBearer::NotGood)?;
        let standing = self.standings.of(&presented, "tcp", request_id).await.map_err(Fault::from)?;
        if !matches!(standing, Standing::Recorded(_)) {
            return Err(NoBearer::NotGood);
        }
        let policy = self.policy.load();
        let client = policy.client(&verified.claims.client_id);
        let client = client.filter(|found| !found.client.disabled).ok_or(NoBearer::NotGood)?;
        let scope = verified.claims.scope.as_deref().map(Scope::parse).transpose();
        let scope = scope.ok().flatten().flatten();
        let granted = scope.map_or(AdminScopes::NONE, |scope| AdminScopes::among(&scope));
        let held = granted.and(AdminScopes::among(&client.client.scope));
        Ok(Bearer { client: client.clone(), held })
    }
}
