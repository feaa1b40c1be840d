//! The policy rules and the form of a token, written down once more, as plainly as they can be.
//!
//! It knows text and numbers only and uses nothing of the code that it judges but its SHA-256 and base64url.

use std::collections::BTreeSet;

use super::world::{Ask, World, thumbprint_text};
use crate::digest::{Digest, base64url};

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// `invalid_scope`
    Scope,
    /// `invalid_target`
    Target,
}

/// A token as it must be.
#[derive(Debug)]
pub(super) struct Expected {
    /// The header's exact text.
    pub(super) header: String,
    /// The claims' exact text.
    pub(super) claims: String,
    /// From `iat` to `exp`, seconds.
    pub(super) lifetime: u64,
    /// In the order of the scopes: name, count, count of the total, whether it refuses.
    pub(super) charges: Vec<(String, u32, Option<u32>, bool)>,
}

/// What the rules say of this request.
pub(super) fn answer(world: &World, ask: &Ask) -> Result<Expected, Refused> {
    let client = &world.client;

    // No scope asked for means the client's default; none at all is refused.
    let asked: BTreeSet<String> =
        ask.scope.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    let wanted = if asked.is_empty() { client.default_scope.clone() } else { Some(asked) };
    let wanted = wanted.ok_or(Refused::Scope)?;

    // What a client was not granted, or nobody registered, is refused, never narrowed.
    if wanted.iter().any(|name| !client.scope.contains(name) || !world.scopes.contains_key(name)) {
        return Err(Refused::Scope);
    }

    // One token is for one resource, which is the one that was asked for, if one was, and exists.
    let homes: BTreeSet<&str> = wanted.iter().map(|name| world.scopes[name].resource.as_str()).collect();
    let [home] = Vec::from_iter(homes)[..] else { return Err(Refused::Target) };
    if ask.resource.as_deref().is_some_and(|asked| asked != home) {
        return Err(Refused::Target);
    }
    let resource = world.resources.get(home).ok_or(Refused::Target)?;

    // The least of what is set; the default where nothing is; never above the maximum, nor what the key allows.
    let of_scopes = wanted.iter().filter_map(|name| world.scopes[name].lifetime);
    let set = of_scopes.chain(resource.lifetime).chain(client.lifetime).min();
    let lifetime = set.unwrap_or(world.lifetime).min(world.max_lifetime).min(world.key_lifetime);

    let (alg, signature) = [("ES256", 64), ("EdDSA", 64), ("RS256", 256), ("PS256", 256)][resource.alg];
    let kid = base64url(Digest::of(&[thumbprint_text(resource.alg).as_bytes()]).as_bytes());
    let header = format!(r#"{{"typ":"at+jwt","alg":"{alg}","kid":"{kid}"}}"#);
    let claims = claims(world, ask, (home, &wanted, lifetime));

    // A token that is too long for the headers that carry it is refused.
    let encoded = |bytes: usize| (bytes * 8).div_ceil(6);
    if encoded(header.len()) + 1 + encoded(claims.len()) + 1 + encoded(signature) > 4096 {
        return Err(Refused::Scope);
    }
    let charge = |name: &String| {
        let rule = &world.scopes[name];
        let count = client.limits.get(name).copied().unwrap_or(rule.limit);
        (name.clone(), count, rule.total, !rule.monitor)
    };
    Ok(Expected { header, claims, lifetime, charges: wanted.iter().map(charge).collect() })
}

fn claims(world: &World, ask: &Ask, (home, scope, lifetime): (&str, &BTreeSet<String>, u64)) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let scope = scope.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    let id = quoted(&world.client.id);
    let millis = (ask.now * 1000).to_be_bytes();
    let jti = base64url(&[&millis[2..], &ask.random[..]].concat());
    let text = format!(
        r#"{{"iss":{},"sub":{id},"aud":{},"client_id":{id},"scope":{},"iat":{},"exp":{},"jti":"{jti}""#,
        quoted(&world.issuer),
        quoted(home),
        quoted(&scope),
        ask.now,
        ask.now + lifetime,
    );
    let own = world.client.claims.iter().map(|(name, value)| format!(",{}:{value}", quoted(name)));
    own.fold(text, |text, claim| text + &claim) + "}"
}
