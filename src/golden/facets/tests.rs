//! Each change of an answer has its line, and none has two.

use serde_json::{Value, json};

use super::*;

fn answer() -> Value {
    json!({
        "request": { "grant_type": "client_credentials", "scope": "a b" },
        "header": { "typ": "at+jwt", "alg": "ES256", "kid": "<ES256-1>" },
        "claims": {
            "iss": "https://auth.example.com", "sub": "web", "aud": "https://api.example", "client_id": "web",
            "scope": "a b", "iat": "now", "exp": "iat + 600", "jti": "<unique>", "tenant": "acme"
        },
        "lifetime": {
            "seconds": 600,
            "bounds": [
                { "seconds": 600, "set_by": "resource", "name": "https://api.example" },
                { "seconds": 3600, "set_by": "tokens.max_lifetime", "name": null }
            ]
        },
        "limits": {
            "a": { "limit": "600/1m", "set_by": "scope", "total": null, "enforce": "refuse" },
            "b": { "limit": "60/1m", "set_by": "scope", "total": "90/1m", "enforce": "refuse" }
        },
        "length": 512
    })
}

fn refused(error: &str) -> Value {
    let refused = json!({ "error": error, "error_description": "so it is" });
    json!({ "request": { "grant_type": "client_credentials" }, "refused": refused })
}

/// The lines after these places became these values.
fn after(edits: &[(&str, Value)]) -> Vec<String> {
    let mut new = answer();
    for (pointer, value) in edits {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        new.pointer_mut(parent).unwrap()[name] = value.clone();
    }
    facets(Some(&answer()), Some(&new))
}

#[test]
fn a_shorter_life_is_told_once_with_who_set_it() {
    let by_client = json!({
        "seconds": 300,
        "bounds": [
            { "seconds": 300, "set_by": "client", "name": "web" },
            { "seconds": 600, "set_by": "resource", "name": "https://api.example" },
            { "seconds": 3600, "set_by": "tokens.max_lifetime", "name": null }
        ]
    });
    let told = after(&[("/claims/exp", json!("iat + 300")), ("/lifetime", by_client)]);
    assert_eq!(told, ["lifetime 10m -> 5m (now set by the client; was by the resource)"]);

    let bounds = json!([
        { "seconds": 300, "set_by": "scope", "name": "a" },
        { "seconds": 300, "set_by": "resource", "name": "https://api.example" }
    ]);
    let shorter = [
        ("/claims/exp", json!("iat + 300")),
        ("/lifetime/seconds", json!(300)),
        ("/lifetime/bounds", bounds),
    ];
    assert_eq!(after(&shorter), ["lifetime 10m -> 5m (now set by the scope a; was by the resource)"]);
}

#[test]
fn a_bound_that_does_not_bite_is_told_too() {
    let mut bounds = answer()["lifetime"]["bounds"].take();
    bounds[1]["seconds"] = json!(7200);
    let told = after(&[("/lifetime/bounds", bounds)]);
    assert_eq!(
        told,
        ["lifetime 10m as before, above it 1h of tokens.max_lifetime -> 2h of tokens.max_lifetime"]
    );
}

#[test]
fn another_scope_brings_its_limit_and_its_length() {
    let limit = json!({ "limit": "6/1m", "set_by": "scope", "total": null, "enforce": "refuse" });
    let told = after(&[
        ("/request/scope", json!("a b c")),
        ("/claims/scope", json!("a b c")),
        ("/limits/c", limit),
        ("/length", json!(515)),
    ]);
    assert_eq!(told, ["scope a b -> a b c"]);
}

#[test]
fn what_stands_alone_is_told_as_it_is() {
    for (pointer, value, line) in [
        ("/limits/a/limit", json!("300/1m burst 5"), "limit of a 600/1m -> 300/1m burst 5"),
        ("/limits/b/total", Value::Null, "limit of b over all clients 90/1m -> none"),
        ("/limits/b/enforce", json!("monitor"), "limit of b is there to refuse -> monitor"),
        (
            "/limits/b/set_by",
            json!("client"),
            "limit of b 60/1m as before (now set by the client; was by the scope)",
        ),
        ("/claims/tenant", json!(["x", "y"]), "claim tenant acme -> x, y"),
        ("/claims/roles", json!({ "a": 1 }), "claim roles is new: {\"a\":1}"),
        ("/claims/exp", json!("iat + 601"), "claim exp iat + 600 -> iat + 601"),
        ("/length", json!(513), "length 512 -> 513 bytes"),
        ("/header/kid", json!("<ES256-2>"), "/header/kid <ES256-1> -> <ES256-2>"),
        ("/more", json!(1), "/more is new: 1"),
    ] {
        assert_eq!(after(&[(pointer, value)]), [line]);
    }
    let eddsa = [("/header/alg", json!("EdDSA")), ("/header/kid", json!("<EdDSA-1>"))];
    assert_eq!(after(&eddsa), ["signed with ES256 -> EdDSA"]);
    let own = [("/limits/a/limit", json!("9/1m")), ("/limits/a/set_by", json!("client"))];
    assert_eq!(after(&own), ["limit of a 600/1m -> 9/1m (now set by the client; was by the scope)"]);
}

#[test]
fn a_refusal_is_told_with_its_reason() {
    let (granted, no_scope, no_client) = (answer(), refused("invalid_scope"), refused("invalid_client"));
    let told = |old: Option<&Value>, new: Option<&Value>| facets(old, new).join("; ");
    assert_eq!(told(Some(&granted), Some(&no_scope)), "refused now: invalid_scope (so it is)");
    assert_eq!(
        told(Some(&no_scope), Some(&granted)),
        "granted now: a token for 10m; was refused: invalid_scope (so it is)"
    );
    assert_eq!(
        told(Some(&no_scope), Some(&no_client)),
        "refused otherwise: invalid_scope (so it is) -> invalid_client (so it is)"
    );
    assert_eq!(told(None, Some(&granted)), "new: a token for 10m");
    assert_eq!(told(Some(&no_scope), None), "not asked any more, was refused, invalid_scope (so it is)");
    assert_eq!(told(Some(&granted), Some(&granted)), "");
}
