//! What is recorded is what the real service issues, request by request.

use std::collections::BTreeMap;

use axum::http::Method;
use mintmark::limits::Quota;
use serde_json::{Value, json};

use super::Desk;
use crate::harness::{Answer, ORDERS, TestClient, TestMint, segment, with_settings};

const STOCK: &str = "https://stock.example.com";
const ALGORITHMS: &str = "ES256,EdDSA";

/// A policy with something of everything, in the admin API's form.
fn policy() -> Value {
    let quota = |text: &str, burst: u32| {
        json!(Quota::parse(text).unwrap().with_burst(burst.try_into().unwrap()).unwrap())
    };
    let scope = |name: &str, resource: &str, limit: Value| json!({ "scope": name, "resource": resource, "limit": limit });
    let mut scopes = vec![
        scope("orders:read", ORDERS, quota("600/1m", 50)),
        scope("orders:write", ORDERS, quota("60/1m", 60)),
        scope("stock:read", STOCK, quota("700/1h", 700)),
        scope("weird/~scope", STOCK, quota("9/1s", 9)),
    ];
    scopes[1]["token_lifetime"] = json!(120);
    scopes[2]["total"] = json!({ "count": 9000, "period": 60 });
    scopes[3]["enforce"] = json!("monitor");
    // Twelve scopes that are granted one by one and are too much for one token.
    let long: Vec<_> = (10..22).map(|number| format!("long:{number}:{}", "x".repeat(90))).collect();
    scopes.extend(long.iter().map(|name| scope(name, ORDERS, quota("60/1m", 60))));
    json!({
        "resources": [
            { "resource": ORDERS, "signing_alg": "ES256", "token_lifetime": 900 },
            { "resource": STOCK, "signing_alg": "EdDSA" },
        ],
        "scopes": scopes,
        "clients": [
            { "client_id": "plain", "scope": "orders:read" },
            { "client_id": "both", "scope": "orders:read orders:write stock:read", "default_scope": "orders:read orders:write" },
            {
                "client_id": "own", "scope": "stock:read weird/~scope", "default_scope": "weird/~scope",
                "access_token_lifetime": 77, "claims": { "roles": ["b", "a"], "n": 1.5, "deep": { "z": null, "a": 1 } },
                "limits": { "stock:read": { "count": 5, "period": 60, "burst": 3 } },
            },
            { "client_id": "large", "scope": long.join(" "), "claims": { "x": "y".repeat(1900) } },
            { "client_id": "shut.out", "scope": "orders:read", "default_scope": "orders:read", "disabled": true },
            { "client_id": "admin", "scope": "admin:read admin:keys stock:read" },
            { "client_id": "...", "scope": "stock:read" },
        ],
    })
}

/// Applies the policy and gives each client a secret.
async fn apply(mint: &TestMint) -> Vec<TestClient> {
    let body = json!({ "policy": policy() });
    mint.admin(Method::POST, "/admin/v1/policy/apply", Some(body)).await.assert_status(200);
    let mut clients = Vec::new();
    for client in policy()["clients"].as_array().unwrap() {
        let id = client["client_id"].as_str().unwrap().to_owned();
        let path = format!("/admin/v1/clients/{}/secrets", segment(&id));
        let made = mint.admin(Method::POST, &path, Some(json!({ "overlap": 0 }))).await;
        let secret = made.assert_status(201).json()["client_secret"].as_str().unwrap().to_owned();
        clients.push(TestClient { id, secret });
    }
    clients
}

fn form_of(request: &Value) -> String {
    assert_eq!(request["grant_type"], "client_credentials");
    match request.as_object().unwrap().len() {
        1 => String::new(),
        2 => format!("scope={}", request["scope"].as_str().unwrap().replace(' ', "+")),
        _ => panic!("{request}"),
    }
}

/// The issued token, told as a recorded one is.
async fn told(mint: &TestMint, answer: &Answer, names: &mut BTreeMap<String, String>) -> Value {
    let (mut header, mut claims) = answer.assert_token();
    let token = answer.access_token().unwrap();
    let audience = claims["aud"].as_str().unwrap().to_owned();
    mint.judge(&token, &mint.jwks().await, &audience).unwrap();
    let kid = header["kid"].as_str().unwrap().to_owned();
    let name = format!("<{}-1>", header["alg"].as_str().unwrap());
    // One key by each name, and each key by one name.
    assert_eq!(names.entry(name.clone()).or_insert(kid.clone()), &kid);
    header["kid"] = json!(name);
    let (issued_at, expires_at) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
    assert_eq!(answer.json()["expires_in"], expires_at - issued_at);
    assert_eq!(answer.json()["scope"], claims["scope"]);
    claims["iat"] = json!("now");
    claims["exp"] = json!(format!("iat + {}", expires_at - issued_at));
    claims["jti"] = json!("<unique>");
    json!({ "header": header, "claims": claims, "length": token.len(), "seconds": expires_at - issued_at })
}

/// A limit of the API as it is recorded.
fn typed(limit: &Value) -> Value {
    let quota =
        |value: &Value| serde_json::from_value::<Quota>(value.clone()).ok().map(|quota| quota.typed());
    json!({
        "limit": quota(&limit["limit"]), "set_by": limit["set_by"], "total": quota(&limit["total"]),
        "enforce": limit["enforce"],
    })
}

/// `RateLimit-Policy` as it follows from what is recorded.
fn rate_limit_policy(limits: &Value) -> String {
    let items = limits.as_object().unwrap().iter().map(|(scope, limit)| {
        let rate = limit["limit"].as_str().unwrap().split(' ').next().unwrap();
        let quota = Quota::parse(rate).unwrap();
        format!("\"{scope}\";q={};w={}", quota.count(), quota.period().as_secs())
    });
    items.collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn every_recorded_answer_is_the_services_own() {
    let mut desk = Desk::new();
    desk.set("MINTMARK_KEYS__ALGORITHMS", ALGORITHMS);
    desk.set("MINTMARK_TOKENS__LIFETIME", "7m");
    desk.write("policy.toml", &policy().to_string());
    desk.record().await.exits(0);
    let settings = [("MINTMARK_KEYS__ALGORITHMS", ALGORITHMS), ("MINTMARK_TOKENS__LIFETIME", "7m")];
    with_settings(&settings, async |mint| {
        let mut names = BTreeMap::new();
        let (mut granted, mut refused) = (0, Vec::new());
        for client in apply(mint).await {
            let recorded: Value =
                serde_json::from_str(&desk.text(&format!("goldens/tokens/{}.json", client.id))).unwrap();
            assert_eq!(recorded["client_id"], json!(client.id));
            for (name, recorded) in recorded["tokens"].as_object().unwrap() {
                let answer = mint.token(&client, &form_of(&recorded["request"])).await;
                let what = format!("{} {name}", client.id);
                if let Some(refusal) = recorded.get("refused") {
                    let said = answer.json();
                    let said =
                        json!({ "error": said["error"], "error_description": said["error_description"] });
                    assert_eq!(said.to_string(), refusal.to_string(), "{what}");
                    refused.push(format!("{what}: {}", said["error"].as_str().unwrap()));
                    continue;
                }
                granted += 1;
                let issued = told(mint, &answer, &mut names).await;
                // As texts: members in the same order too.
                for member in ["header", "claims", "length"] {
                    assert_eq!(recorded[member].to_string(), issued[member].to_string(), "{what}");
                }
                assert_eq!(recorded["lifetime"]["seconds"], issued["seconds"], "{what}");
                assert_eq!(
                    answer.header("ratelimit-policy"),
                    rate_limit_policy(&recorded["limits"]),
                    "{what}"
                );

                let asked = json!({ "client_id": client.id, "scope": recorded["request"].get("scope") });
                let shown = mint.admin(Method::POST, "/admin/v1/token/preview", Some(asked)).await.json();
                assert_eq!(recorded["lifetime"], shown["lifetime"], "{what}");
                for limit in shown["limits"].as_array().unwrap() {
                    let scope = limit["scope"].as_str().unwrap();
                    assert_eq!(recorded["limits"][scope], typed(limit), "{what}");
                }
            }
        }
        assert_eq!(names.keys().collect::<Vec<_>>(), ["<ES256-1>", "<EdDSA-1>"]);
        assert_eq!(granted, 1 + 5 + 4 + 12 + 4 + 1);
        assert_eq!(
            refused,
            [
                "plain default scope: invalid_scope",
                "large default scope: invalid_scope",
                &format!("large all of {ORDERS}: invalid_scope"),
                "shut.out default scope: invalid_client",
                "shut.out orders:read: invalid_client",
                "admin default scope: invalid_scope",
                "... default scope: invalid_scope",
            ]
        );
    })
    .await;
}

/// The timeline is not made up either: the service's own keys do what it says, and the JWKS is served as it says.
#[tokio::test]
async fn the_recorded_timeline_is_what_the_service_does() {
    let mut desk = Desk::new();
    desk.set("MINTMARK_KEYS__ALGORITHMS", ALGORITHMS);
    desk.write("policy.toml", &policy().to_string());
    desk.record().await.exits(0);
    let text = desk.text("goldens/rotation.txt");
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with('+')).collect();
    with_settings(&[("MINTMARK_KEYS__ALGORITHMS", ALGORITHMS)], async |mint| {
        let mut at = std::time::Duration::ZERO;
        for (place, row) in rows.iter().enumerate() {
            let cells: Vec<_> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
            let due = offset(cells[0]);
            mint.later_by(due.saturating_sub(at)).await;
            at = due;
            // What is served is told after the last row of a moment as after its first.
            let last = rows.get(place + 1).is_none_or(|next| !next.starts_with(&format!("{} ", cells[0])));
            if last {
                let answer = mint.get("/.well-known/jwks.json").await;
                assert_eq!(
                    answer.json()["keys"].as_array().unwrap().len(),
                    cells[6].split(' ').count(),
                    "{row}"
                );
                assert_eq!(answer.header("cache-control"), cells[7], "{row}");
                let ring = mint.app().rotator.ring();
                let served = ring.keys.iter().filter(|key| key.state.is_served()).map(|key| {
                    let count = ring.of(key.algorithm).take_while(|other| other.kid != key.kid).count() + 1;
                    (key.algorithm, count, format!("{}-{count}", key.algorithm))
                });
                let mut served: Vec<_> = served.collect();
                served.sort();
                let served: Vec<_> = served.into_iter().map(|(.., name)| name).collect();
                assert_eq!(served.join(" "), cells[6], "{row}");
            }
        }
        assert!(rows.len() > 40, "{text}");
    })
    .await;
}

/// `+14d1h2m30s`.
fn offset(text: &str) -> std::time::Duration {
    let mut rest = text.strip_prefix('+').unwrap();
    let mut sum = std::time::Duration::ZERO;
    while let Some(end) = rest.find(|c: char| c.is_ascii_alphabetic()) {
        sum += mintmark::time::parse_span(&rest[..=end]).unwrap();
        rest = &rest[end + 1..];
    }
    sum
}
