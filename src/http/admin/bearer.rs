//! The door of the admin API over TCP: who calls is what a bearer token says. RFC 6750.
//!
//! A token of our own, for the admin API and nothing else, lets its client in
//! for what its admin scopes allow, by [`roles`]. The role is asked of the
//! route that the router has chosen, so that no spelling of a path leads around
//! it. There is no cookie and no header field for browsers' scripts of other
//! origins, so neither a foreign page nor a name that is bound anew to this
//! address reaches anything; the `Host` that a request names decides nothing.
//! Whoever cannot be identified, for whatever reason, is not let in.

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::{self, Next};
use axum::response::Response;

use super::{AdminSide, Caller, acts, roles};
use crate::admin::Actor;
use crate::audit::denials::{Asked, Denials};
use crate::http::error::{self, BeyondPower};
use crate::http::{Rooms, hardened, log, origin, shed};
use crate::introspect::{Good, Introspector, NotGood};
use crate::issue::Origin;
use crate::oauth::Scope;
use crate::policy::{AdminScopes, RegisteredClient, ResourceUri};

/// What the door needs to know who comes.
pub struct Gate {
    /// What is behind it.
    pub side: Arc<AdminSide>,
    /// The admin API's name, the `aud` of the tokens that let in.
    pub audience: ResourceUri,
    /// Tells good tokens from others.
    pub introspector: Arc<Introspector>,
    /// Notes who was not let in.
    pub denials: Arc<Denials>,
    /// How many are let in at once.
    pub rooms: Arc<Rooms>,
}

/// Who holds a token that is good.
struct Bearer {
    /// As registered now.
    client: Arc<RegisteredClient>,
    /// The admin scopes that both its token and its registration have: what the client may no longer be granted, a
    /// token of before no longer allows.
    held: AdminScopes,
}

impl From<Good> for Bearer {
    fn from(Good { claims, client }: Good) -> Self {
        let scope = claims.scope.as_deref().and_then(|scope| Scope::parse(scope).ok().flatten());
        let granted = scope.map_or(AdminScopes::NONE, |scope| AdminScopes::among(&scope));
        let held = granted.and(AdminScopes::among(&client.client.scope));
        Self { client, held }
    }
}

/// Every route of the admin listener over TCP.
pub fn admin_router_over_tcp(gate: Gate) -> Router {
    let log = log::router(gate.side.served.clone(), &gate.side.vkey);
    let acts = acts(gate.side.clone());
    let shed = middleware::from_fn_with_state(gate.rooms.clone(), shed::shed);
    let by_token = middleware::from_fn_with_state(Arc::new(gate), let_in);
    acts.merge(log).layer(by_token).layer(shed).layer(middleware::map_response(hardened))
}

async fn let_in(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let origin = origin::origin(&parts, &[], &gate.side.request_ids);
    let bearer = match gate.identify(&parts.headers, &origin).await {
        Ok(bearer) => bearer,
        Err(refused) => return *refused,
    };
    // Only who is known learns which routes there are.
    if let Some(route) = parts.extensions.get::<MatchedPath>() {
        let needed = roles::of_route(&parts.method, route.as_str());
        if !needed.is_some_and(|needed| bearer.held.has(needed)) {
            gate.note(&bearer, needed.unwrap_or(AdminScopes::NONE), &origin);
            return error::beyond_token(needed, &origin.request_id);
        }
    }
    let name = format!("client:{}", bearer.client.client.id);
    let (request_id, held) = (origin.request_id.clone(), bearer.held);
    let actor = Actor { name, via: "tcp", request_id, once: None, held };
    parts.extensions.insert(Caller(actor));
    let response = next.run(Request::from_parts(parts, body)).await;
    if let Some(BeyondPower(needed)) = response.extensions().get() {
        gate.note(&bearer, *needed, &origin);
    }
    response
}

impl Gate {
    async fn identify(&self, headers: &HeaderMap, origin: &Origin) -> Result<Bearer, Box<Response>> {
        let refuse = |given: bool, reason| {
            self.denials.stranger(reason, None, origin);
            Box::new(error::unauthenticated(given, &origin.request_id))
        };
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let token = match (given.next(), given.next()) {
            (None, _) => return Err(refuse(false, "no_token")),
            (Some(one), None) => one.to_str().ok().and_then(bearer_token),
            (Some(_), Some(_)) => None,
        };
        let token = token.ok_or_else(|| refuse(true, "invalid_token"))?;
        let good = self.introspector.verify(token, Some(self.audience.as_str()), "tcp", &origin.request_id);
        good.await.map(Bearer::from).map_err(|why| match why {
            NotGood::Inactive => refuse(true, "invalid_token"),
            NotGood::Unknown(fault) => Box::new(error::not_identified(&fault, &origin.request_id)),
        })
    }

    fn note(&self, bearer: &Bearer, needed: AdminScopes, origin: &Origin) {
        let scope = Scope::parse(&needed.to_string()).ok().flatten();
        let asked = Asked { scope: scope.as_ref(), resource: Some(self.audience.as_str()) };
        self.denials.refused(&bearer.client.client.id, "insufficient_scope", asked, origin);
    }
}

/// The token of `Authorization: Bearer`. RFC 6750 section 2.1, RFC 9110 section 11.4.
fn bearer_token(credentials: &str) -> Option<&str> {
    let (scheme, token) = credentials.split_once(' ')?;
    let token = token.trim_matches(' ');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    (scheme.eq_ignore_ascii_case("Bearer") && !token.is_empty() && token.bytes().all(plain)).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_scheme_has_tokens() {
        for given in ["Bearer a.b-c_d", "bearer a.b-c_d", "BEARER  a.b-c_d "] {
            assert_eq!(bearer_token(given), Some("a.b-c_d"), "{given:?}");
        }
        for other in [
            "",
            "Bearer",
            "Bearer ",
            "Bearera.b",
            "Basic YTpi",
            "DPoP a.b",
            "Bearer a b",
            "Bearer a,b",
            "Bearer é",
        ] {
            assert_eq!(bearer_token(other), None, "{other:?}");
        }
    }
}
