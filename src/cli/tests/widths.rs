//! Tables under the worst that the API can hold: no line is wider than a terminal, but for a value to be copied whole.

use serde_json::{Value, json};

use super::fake::{Asked, Fake, json_answer};
use super::on_a_terminal;
use crate::cli::output::{COLUMNS, width};

/// The last second that the calendar has.
const LATEST: u64 = 253_402_207_199;

fn long() -> Value {
    let (scope, uri) = ("s".repeat(128), format!("https://{}", "u".repeat(504)));
    let quota = json!({ "count": 4_294_967_295_u64, "period": 86_400, "burst": 4_294_967_294_u64 });
    let kid = "K".repeat(43);
    let leaf = json!({
        "t": "client.secret_added", "ts": "9999-12-30T21:59:59.999999Z", "kid": kid, "iat": LATEST, "exp": LATEST
    });
    json!({
        "client_id": "c".repeat(64),
        "client_name": "請求書の会計システム 👩‍👧 e\u{301}".repeat(10),
        "scope": format!("{scope} {}", "t".repeat(128)),
        "default_scope": scope,
        "token_endpoint_auth_method": "client_secret_basic",
        "resource": uri,
        "signing_alg": "ES256",
        "token_lifetime": 4_294_967_295_u64,
        "access_token_lifetime": 86_401,
        "limit": quota, "total": quota, "enforce": "monitor",
        "limits": { scope.clone(): quota },
        "claims": { "n".repeat(64): "名".repeat(200), "list": [1, "two words", { "deep": [[]] }] },
        "jwks": { "keys": [{ "kty": "RSA", "n": "A".repeat(342) }] },
        "introspects": [uri],
        "secret_id": "s".repeat(16), "client_secret": "m".repeat(53), "expires_at": LATEST,
        "created_at": 0, "updated_at": LATEST, "last_used_at": null, "disabled": true,
        "kid": kid, "alg": "ES256", "state": "revoked", "reason": "漏洩 of the key ".repeat(40),
        "published_at": 1, "activated_at": 2, "revoked_at": LATEST,
        "index": 18_446_744_073_709_551_615_u64, "salt": "z".repeat(64), "leaf": leaf,
        "body": { "client_id": "c".repeat(64), "scope": scope, "actor": "unix:4294967295", "object": uri },
    })
}

fn report() -> Value {
    let object = long();
    let row = json!({
        "name": object["scope"], "issued": u64::MAX, "denied": u64::MAX, "index": u64::MAX, "at": LATEST,
        "event": "client.secret_added", "actor": object["resource"], "node": "n".repeat(64),
        "object": object["resource"], "reason": object["reason"], "before": object["scope"], "after": "x y",
        "read": u64::MAX, "exported": u64::MAX, "erased": u64::MAX,
    });
    let list = json!({ "items": [row], "more": u64::MAX });
    json!({
        "origin": "auth.example.com/log", "from": LATEST, "to": LATEST,
        "entries": { "count": u64::MAX, "first": u64::MAX, "end": u64::MAX, "outside_period": u64::MAX, "newer": 1 },
        "verification": { "ok": true, "size": u64::MAX, "not_checked": ["a rule ".repeat(30)] },
        "issued": { "count": u64::MAX, "without_body": u64::MAX },
        "denied": { "count": u64::MAX, "anonymous": u64::MAX, "without_body": u64::MAX },
        "bodies": { "there": u64::MAX, "gone": u64::MAX, "unreadable": u64::MAX },
        "clients": list, "scopes": list, "keys": list, "reasons": list, "acts": list, "key_changes": list,
        "readers": list, "runs": list, "incidents": list,
    })
}

/// Whether the line is one value, or the end of one, that somebody may copy: it cannot be broken.
fn is_one_value(line: &str) -> bool {
    line.split_whitespace().count() <= 2 && line.split_whitespace().any(|word| width(word) > COLUMNS / 2)
}

#[tokio::test]
async fn no_table_is_wider_than_a_terminal() {
    let server = Fake::on_a_socket(|asked: &Asked| {
        let path = asked.line.split(' ').nth(1).unwrap().split('?').next().unwrap();
        let document = match path.strip_prefix("/admin/v1/").unwrap() {
            "audit/report" => report(),
            "clients" | "scopes" | "resources" | "keys" | "audit/entries" if asked.body.is_empty() => {
                json!({ "items": [long(), { "client_id": "a", "scope": "b", "resource": "c:d" }], "now": LATEST - 1 })
            }
            _ => long(),
        };
        json_answer(200, &document)
    });
    for command in [
        "client list",
        "client get web",
        "client create web --scope a",
        "client rotate-secret web",
        "client disable web",
        "client enable web",
        "scope list",
        "resource list",
        "key list",
        "key list --all",
        "audit search",
        "audit show 1",
        "audit report",
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        let ran = on_a_terminal(&[&words[..], &["--admin", &server.address]].concat()).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.lines().count() > 2, "{command}: {}", ran.out);
        let is_list = command.ends_with("list") || command.starts_with("audit search");
        for line in ran.out.lines() {
            assert!(width(line) <= COLUMNS || (!is_list && is_one_value(line)), "{command}: {line}");
        }
    }
}
