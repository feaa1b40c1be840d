//! What a token says, for how long, and that verifiers need nothing but the published keys.

use std::collections::BTreeSet;

use axum::http::Method;
use mintmark::digest::{base64url, base64url_decode};
use serde_json::{Value, json};

use crate::harness::{ISSUER, ORDERS, START, TestMint, segment, with_mint, with_settings};

const LEDGER: &str = "https://ledger.example.com";
const BOTH_ALGORITHMS: &[(&str, &str)] = &[("MINTMARK_KEYS__ALGORITHMS", "ES256,EdDSA")];

/// [`ORDERS`] with ES256 and [`LEDGER`] with EdDSA, a scope each.
async fn two_resources(mint: &TestMint) {
    mint.resource(ORDERS, "ES256").await;
    mint.resource(LEDGER, "EdDSA").await;
    mint.scope("orders:read", ORDERS, "600/1m").await;
    mint.scope("ledger:read", LEDGER, "600/1m").await;
}

#[tokio::test]
async fn a_token_has_exactly_the_header_and_claims_of_the_profile() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let (header, claims) = mint.token(&reader, "scope=orders:write+orders:read").await.assert_token();
        let kid = header["kid"].as_str().unwrap();
        assert_eq!(header, json!({ "typ": "at+jwt", "alg": "ES256", "kid": kid }));
        assert_eq!(base64url_decode(kid).unwrap().len(), 32);

        let jti = claims["jti"].as_str().unwrap();
        let now = START.seconds();
        let expected = json!({
            "iss": ISSUER, "sub": "reader", "aud": ORDERS, "client_id": "reader",
            "scope": "orders:read orders:write", "iat": now, "exp": now + 600, "jti": jti,
        });
        assert_eq!(claims, expected);
    })
    .await;
}

#[tokio::test]
async fn a_client_brings_claims_of_its_own_into_its_tokens() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let own = json!({ "roles": ["auditor"], "groups": { "eu": 1 }, "tier": "gold", "beta": true });
        let client = mint.client("own", json!({ "scope": "orders:read", "claims": own })).await;
        let (_, claims) = mint.token(&client, "scope=orders:read").await.assert_token();
        for (name, value) in own.as_object().unwrap() {
            assert_eq!(&claims[name], value);
        }
        assert_eq!(claims.as_object().unwrap().len(), 8 + 4);
    })
    .await;
}

#[tokio::test]
async fn no_client_may_set_a_claim_that_the_issuer_sets() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let reserved = [
            "iss",
            "sub",
            "aud",
            "exp",
            "nbf",
            "iat",
            "jti",
            "client_id",
            "scope",
            "cnf",
            "act",
            "may_act",
            "azp",
            "auth_time",
            "acr",
            "amr",
            "nonce",
            "sid",
            "status",
            "typ",
        ];
        for name in reserved {
            let body = json!({ "client_id": "evil", "scope": "orders:read", "claims": { name: "x" } });
            let answer = mint.admin(Method::POST, "/admin/v1/clients", Some(body)).await;
            assert_eq!(answer.status, 400, "{name}");
            assert!(answer.assert_problem(400).json()["detail"].as_str().unwrap().contains(name), "{name}");
        }
        mint.admin_get("/admin/v1/clients/evil").await.assert_problem(404);
        let (deep, wide) = (json!([[[[[1]]]]]), json!("x".repeat(2_049)));
        for claims in
            [json!({ "deep": deep }), json!({ "wide": wide }), json!({ "": 1 }), json!([]), json!("x")]
        {
            let body = json!({ "client_id": "evil", "scope": "orders:read", "claims": claims });
            mint.admin(Method::POST, "/admin/v1/clients", Some(body)).await.assert_problem(400);
        }
    })
    .await;
}

#[tokio::test]
async fn one_token_is_for_one_registered_resource() {
    with_settings(BOTH_ALGORITHMS, async |mint| {
        two_resources(mint).await;
        let both = mint.client("both", json!({ "scope": "orders:read ledger:read" })).await;
        let (_, claims) = mint
            .token(&both, "scope=ledger:read&resource=https%3A%2F%2Fledger.example.com")
            .await
            .assert_token();
        assert_eq!(claims["aud"], LEDGER);

        for form in [
            "scope=orders:read+ledger:read",
            "scope=orders:read+ledger:read&resource=https://orders.example.com",
            "scope=orders:read&resource=https://ledger.example.com",
            "scope=orders:read&resource=https://orders.example.com&resource=https://ledger.example.com",
            "scope=orders:read&resource=https://orders.example.com&resource=https://orders.example.com",
            "scope=orders:read&resource=https://unknown.example.com",
            "scope=orders:read&resource=https://orders.example.com/",
            "scope=orders:read&resource=HTTPS://orders.example.com",
            "scope=orders:read&resource=https://*.example.com",
            "scope=orders:read&resource=*",
            "scope=orders:read&resource=not%20a%20uri",
        ] {
            let answer = mint.token(&both, form).await;
            assert_eq!(answer.status, 400, "{form}");
            answer.assert_refused(400, "invalid_target");
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_without_a_default_scope_must_name_one_and_a_default_lies_in_one_resource() {
    with_settings(BOTH_ALGORITHMS, async |mint| {
        two_resources(mint).await;
        let both = mint.client("both", json!({ "scope": "orders:read ledger:read" })).await;
        mint.token(&both, "").await.assert_refused(400, "invalid_scope");
        mint.token(&both, "resource=https://orders.example.com").await.assert_refused(400, "invalid_scope");

        let own = json!({ "scope": "orders:read ledger:read", "default_scope": "ledger:read" });
        let ledger = mint.client("ledger", own).await;
        let (_, claims) = mint.token(&ledger, "").await.assert_token();
        assert_eq!((&claims["scope"], &claims["aud"]), (&json!("ledger:read"), &json!(LEDGER)));
        mint.token(&ledger, "resource=https://orders.example.com")
            .await
            .assert_refused(400, "invalid_target");

        for default in ["orders:read ledger:read", "orders:write", ""] {
            let body =
                json!({ "client_id": "bad", "scope": "orders:read ledger:read", "default_scope": default });
            mint.admin(Method::POST, "/admin/v1/clients", Some(body)).await.assert_problem(400);
        }
    })
    .await;
}

#[tokio::test]
async fn the_resource_decides_the_algorithm_and_verifiers_need_only_the_key_set() {
    with_settings(BOTH_ALGORITHMS, async |mint| {
        two_resources(mint).await;
        let both = mint.client("both", json!({ "scope": "orders:read ledger:read" })).await;
        let keys = mint.jwks().await;
        let mut kids = BTreeSet::new();
        for (scope, audience, alg) in [("orders:read", ORDERS, "ES256"), ("ledger:read", LEDGER, "EdDSA")] {
            let answer = mint.token(&both, &format!("scope={scope}")).await;
            let (header, _) = answer.assert_token();
            assert_eq!(header["alg"], alg);
            kids.insert(header["kid"].as_str().unwrap().to_owned());
            let token = answer.access_token().unwrap();
            let verified = mint.judge(&token, &keys, audience).unwrap();
            assert_eq!(
                (verified.claims.client_id.as_str(), verified.claims.scope.as_deref()),
                ("both", Some(scope))
            );
            // What was meant for one is nothing to the other.
            let other = if audience == ORDERS { LEDGER } else { ORDERS };
            assert!(mint.judge(&token, &keys, other).is_err());
        }
        assert_eq!(kids.len(), 2, "one key, one algorithm");
    })
    .await;
}

#[tokio::test]
async fn a_token_verifies_as_it_is_and_in_no_other_way() {
    with_settings(BOTH_ALGORITHMS, async |mint| {
        two_resources(mint).await;
        let both = mint.client("both", json!({ "scope": "orders:read ledger:read" })).await;
        let keys = mint.jwks().await;
        for (scope, audience) in [("orders:read", ORDERS), ("ledger:read", LEDGER)] {
            let answer = mint.token(&both, &format!("scope={scope}")).await;
            let (header, claims) = answer.assert_token();
            let token = answer.access_token().unwrap();
            mint.judge(&token, &keys, audience).unwrap();

            for at in (0..token.len()).step_by(7) {
                let mut bytes = token.clone().into_bytes();
                bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
                let changed = String::from_utf8(bytes).unwrap();
                assert!(mint.judge(&changed, &keys, audience).is_err(), "byte {at}");
            }
            let part = |value: &Value| base64url(value.to_string().as_bytes());
            let signature = token.rsplit('.').next().unwrap();
            for alg in ["none", "nOnE", "HS256", "RS256", "PS256", "ES384", "EdDSA", "ES256"] {
                let mut other = header.clone();
                other["alg"] = json!(alg);
                other["x"] = json!(1);
                for signature in [signature, ""] {
                    let forged = format!("{}.{}.{signature}", part(&other), part(&claims));
                    assert!(mint.judge(&forged, &keys, audience).is_err(), "{alg}");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_token_ends_when_it_says() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let token = mint.token(&reader, "").await.access_token().unwrap();
        let keys = mint.jwks().await;
        mint.later("659s").await;
        mint.judge(&token, &keys, ORDERS).unwrap();
        mint.later("1s").await;
        assert_eq!(mint.judge(&token, &keys, ORDERS).unwrap_err().to_string(), "the token has expired");
    })
    .await;
}

#[tokio::test]
async fn the_shortest_lifetime_of_resource_scope_and_client_holds() {
    with_mint(async |mint| {
        // Resource, scopes a and b, client; then what tokens for a, and for both, live.
        let table = [
            ([None, None, None, None], 600, 600),
            ([Some(1200), None, None, None], 1200, 1200),
            ([Some(1200), Some(900), None, None], 900, 900),
            ([Some(1200), Some(900), Some(300), None], 900, 300),
            ([Some(1200), Some(900), Some(300), Some(60)], 60, 60),
            ([None, None, Some(3600), None], 600, 3600),
            ([Some(1), None, None, Some(3600)], 1, 1),
        ];
        for (row, ([resource, a, b, client], for_a, for_both)) in table.into_iter().enumerate() {
            let uri = format!("https://r{row}.example.com");
            let body = json!({ "resource": uri, "signing_alg": "ES256", "token_lifetime": resource });
            put(mint, "resources", &uri, body).await.assert_status(201);
            let names = [format!("a{row}"), format!("b{row}")];
            for (name, lifetime) in names.iter().zip([a, b]) {
                put(mint, "scopes", name, scope(name, &uri, &json!(lifetime))).await.assert_status(201);
            }
            let members = json!({ "scope": names.join(" "), "access_token_lifetime": client });
            let client = mint.client(&format!("c{row}"), members).await;
            for (asked, expected) in [(names[0].clone(), for_a), (names.join("+"), for_both)] {
                let answer = mint.token(&client, &format!("scope={asked}")).await;
                let (_, claims) = answer.assert_token();
                let lifetime = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
                assert_eq!(
                    (lifetime, &answer.json()["expires_in"]),
                    (expected, &json!(expected)),
                    "row {row}, {asked}"
                );
            }
        }
    })
    .await;
}

#[tokio::test]
async fn no_lifetime_may_exceed_the_configured_maximum() {
    let settings = [("MINTMARK_TOKENS__LIFETIME", "5m"), ("MINTMARK_TOKENS__MAX_LIFETIME", "15m")];
    with_settings(&settings, async |mint| {
        let reader = mint.usual_policy().await;
        assert_eq!(mint.token(&reader, "").await.json()["expires_in"], 300);
        for bad in [json!(901), json!(0), json!(-1), json!(1.5), json!("5m"), json!(u64::MAX), json!(1e300)] {
            let uri = "https://new.example.com";
            let resource = json!({ "resource": uri, "signing_alg": "ES256", "token_lifetime": bad });
            put(mint, "resources", uri, resource).await.assert_problem(400);
            put(mint, "scopes", "new", scope("new", ORDERS, &bad)).await.assert_problem(400);
            let client = json!({ "client_id": "new", "scope": "orders:read", "access_token_lifetime": bad });
            mint.admin(Method::POST, "/admin/v1/clients", Some(client)).await.assert_problem(400);
        }
        put(mint, "scopes", "new", scope("new", ORDERS, &json!(900))).await.assert_status(201);
        // What the request asks for has no say.
        assert_eq!(mint.token(&reader, "expires_in=86400&lifetime=86400").await.json()["expires_in"], 300);

        // A maximum that was lowered later holds for what was allowed before.
        let long = mint.client("long", json!({ "scope": "new" })).await;
        assert_eq!(mint.token(&long, "scope=new").await.json()["expires_in"], 900);
        mint.set("MINTMARK_TOKENS__MAX_LIFETIME", "6m");
        mint.restart().await;
        assert_eq!(mint.token(&long, "scope=new").await.json()["expires_in"], 360);
    })
    .await;
}

#[tokio::test]
async fn a_resource_can_only_have_a_configured_algorithm() {
    with_mint(async |mint| {
        for alg in ["EdDSA", "RS256", "HS256", "none", "es256", ""] {
            let body = json!({ "resource": ORDERS, "signing_alg": alg });
            put(mint, "resources", ORDERS, body).await.assert_problem(400);
        }
        mint.resource(ORDERS, "ES256").await;
    })
    .await;
}

#[tokio::test]
async fn an_algorithm_that_a_resource_needs_cannot_be_taken_away() {
    with_settings(BOTH_ALGORITHMS, async |mint| {
        two_resources(mint).await;
        mint.stop().await;
        mint.set("MINTMARK_KEYS__ALGORITHMS", "ES256");
        let refused = mint.reopen().await.unwrap_err().to_string();
        assert_eq!(refused, "keys.algorithms: the resource https://ledger.example.com needs EdDSA; add it");
    })
    .await;
}

#[tokio::test]
async fn no_two_tokens_have_the_same_identifier() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let mut seen = BTreeSet::new();
        for round in 0..4 {
            let answers = mint.send_all((0..50).map(|_| reader.request("scope=orders:read")).collect()).await;
            for answer in answers {
                let (_, claims) = answer.assert_token();
                let jti = base64url_decode(claims["jti"].as_str().unwrap()).unwrap();
                assert_eq!(jti.len(), 22, "48 bits of time and 128 random bits");
                let mut millis = [0; 8];
                millis[2..].copy_from_slice(&jti[..6]);
                assert_eq!(u64::from_be_bytes(millis), START.seconds() * 1_000);
                assert!(seen.insert(jti[6..].to_vec()), "repeated");
            }
            if round % 2 == 0 { mint.restart().await } else { mint.crash().await }
        }
        assert_eq!(seen.len(), 200);
    })
    .await;
}

async fn put(mint: &TestMint, kind: &str, name: &str, body: Value) -> crate::harness::Answer {
    mint.admin(Method::PUT, &format!("/admin/v1/{kind}/{}", segment(name)), Some(body)).await
}

fn scope(name: &str, resource: &str, lifetime: &Value) -> Value {
    let limit = json!({ "count": 600, "period": 60 });
    json!({ "scope": name, "resource": resource, "limit": limit, "token_lifetime": lifetime })
}
