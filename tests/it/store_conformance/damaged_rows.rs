//! SQLite: rows that another hand broke are left out, told, and stop nobody.

use mintmark::keys::KeyState;
use mintmark::store::Change;
use serde_json::json;

use super::ring::{key, swap};
use super::{DRIVERS, Written, client, database, id, resource, scope, secret};
use crate::harness::{ORDERS, SeededEntropy, foreign_connection, with_mint};

#[tokio::test]
async fn broken_rows_are_left_out_and_the_others_served() {
    let breaks = [
        ("UPDATE clients SET document = '' WHERE id = 'x'", "client x"),
        ("UPDATE clients SET document = 'null' WHERE id = 'x'", "client x"),
        ("UPDATE clients SET document = '{}' WHERE id = 'x'", "client x"),
        ("UPDATE clients SET document = CAST(x'FF' AS TEXT) WHERE id = 'x'", "client x"),
        ("UPDATE clients SET document = substr(document, 1, 40) WHERE id = 'x'", "client x"),
        ("UPDATE clients SET document = replace(document, '\"x\"', '\"y\"') WHERE id = 'x'", "client x"),
        ("UPDATE clients SET document = hex(zeroblob(200000)) WHERE id = 'x'", "client x"),
        ("UPDATE clients SET key = 99999999999 WHERE id = 'x'", "client x"),
        ("UPDATE client_secrets SET selector = -1 WHERE secret_id = 's1'", "secret s1"),
        ("UPDATE client_secrets SET phc = CAST(x'FF' AS TEXT) WHERE secret_id = 's1'", "secret s1"),
        ("UPDATE resources SET document = '[]'", "resource"),
        ("UPDATE resources SET document = CAST(x'C3' AS TEXT)", "resource"),
        ("UPDATE scopes SET document = replace(document, '600', '0') WHERE name = 'a'", "scope a"),
        ("UPDATE scopes SET document = replace(document, '\"a\"', '\"b\"') WHERE name = 'a'", "scope a"),
        ("UPDATE scopes SET key = -7 WHERE name = 'a'", "scope a"),
    ];
    for (sql, told) in breaks {
        let mut written = Written::start(DRIVERS[0].1).await;
        let changes = vec![
            Change::PutResource(resource(1)),
            Change::PutScope(scope("a", 1)),
            Change::PutScope(scope("b", 1)),
            Change::PutClient(client("x", 1)),
            Change::PutClient(client("y", 1)),
            Change::AddSecret(id("x"), secret("s1", 1)),
            Change::AddSecret(id("y"), secret("s2", 2)),
        ];
        written.change(changes).await.unwrap();
        let mut foreign = foreign_connection(&database(written.folder.path())).await;
        sqlx::query(sql).execute(&mut foreign).await.unwrap();
        let read = written.store.policy().await;
        let (policy, broken) = read.unwrap_or_else(|fault| panic!("{sql}: {fault}"));
        assert!(broken.len() == 1 && broken[0].to_string().starts_with(told), "{sql}: {broken:?}");
        let y = policy.client("y").unwrap_or_else(|| panic!("{sql}: the others are served"));
        assert_eq!((&y.client, y.secrets.len()), (&client("y", 1), 1), "{sql}");
        assert!(policy.scopes.keys().any(|name| name.as_str() == "b"), "{sql}");
        assert_eq!(
            policy.scopes.values().find(|rule| rule.name.as_str() == "b").unwrap().limit,
            scope("b", 1).limit,
            "{sql}"
        );
        assert!(
            policy.client("x").is_none_or(|x| !told.starts_with("client") && x.client == client("x", 1)),
            "{sql}"
        );
    }
}

#[tokio::test]
async fn a_broken_key_row_is_left_out_and_the_others_served() {
    let entropy = SeededEntropy::new(b"broken");
    let keys: Vec<_> =
        [KeyState::Passive, KeyState::Active, KeyState::Published].map(|state| key(&entropy, state)).into();
    for set in [
        "public = ''",
        "public = 'null'",
        "public = '{\"kty\":\"oct\"}'",
        "public = CAST(x'FF' AS TEXT)",
        "alg = 'none'",
        "alg = CAST(x'FF' AS TEXT)",
        "alg = 'ES256'",
        "state = 'gone'",
        "kid = 'short'",
        "kid = CAST(x'FF' AS TEXT)",
        "reason = CAST(x'FF' AS TEXT)",
    ] {
        let mut written = Written::start(DRIVERS[0].1).await;
        let halves = keys.iter().map(|key| (key.kid, vec![1; 48])).collect();
        written.change(vec![swap(0, &keys, halves)]).await.unwrap();
        let mut foreign = foreign_connection(&database(written.folder.path())).await;
        let sql = format!("UPDATE signing_keys SET {set} WHERE state = 'passive'");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut foreign).await.unwrap();
        let stored = written.store.key_ring().await.unwrap_or_else(|fault| panic!("{set}: {fault}"));
        assert_eq!(stored.ring.keys, keys[1..], "{set}");
        assert_eq!(stored.broken.len(), 1, "{set}");
    }
}

/// A running issuer and a starting one live with broken rows alike.
#[tokio::test]
async fn an_issuer_serves_the_others_while_a_row_is_broken() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let broken = mint.client("broken", json!({ "scope": "orders:read" })).await;
        let mut foreign = foreign_connection(&mint.data_dir().join("mintmark.db")).await;
        sqlx::query("UPDATE clients SET document = CAST(x'FF' AS TEXT) WHERE id = 'broken'")
            .execute(&mut foreign)
            .await
            .unwrap();
        sqlx::Connection::close(foreign).await.unwrap();
        for _ in 0..2 {
            mint.scope(&format!("new{}", mint.log().await.len()), ORDERS, "1/1m").await;
            mint.token(&reader, "").await.assert_token();
            mint.token(&broken, "scope=orders:read").await.assert_refused(401, "invalid_client");
            mint.restart().await;
        }
    })
    .await;
}
