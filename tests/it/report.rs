//! The auditor's report: its figures are what happened, and it says what it cannot know.

use axum::http::Method;
use mintmark::audit::event::EventType;
use serde_json::{Value, json};

use crate::harness::{START, TestMint, foreign_connection, with_mint, with_settings};
use crate::log::{busy_client, issue, published_size};

const REPORT: &str = "/admin/v1/audit/report";

async fn report(mint: &TestMint, query: &str) -> Value {
    let answer = mint.admin_get(&format!("{REPORT}{query}")).await;
    assert_eq!(answer.assert_status(200).header("content-type"), "application/json; charset=utf-8");
    answer.json()
}

#[tokio::test]
async fn the_report_tells_what_was_done() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let writer = mint.client("writer", json!({ "scope": "orders:write" })).await;
        for _ in 0..3 {
            mint.token(&reader, "").await.assert_token();
        }
        let (header, _) = mint.token(&writer, "scope=orders:write").await.assert_token();
        for _ in 0..5 {
            mint.token(&reader, "scope=none").await.assert_refused(400, "invalid_scope");
        }
        let stranger = reader.with_secret("mms_wrong");
        for _ in 0..2 {
            mint.token(&stranger, "").await.assert_refused(401, "invalid_client");
        }
        mint.post_form("grant_type=client_credentials&scope=a").await;
        mint.later("1m").await;
        mint.admin(Method::POST, "/admin/v1/keys/rotate", Some(json!({ "now": true })))
            .await
            .assert_status(200);
        mint.admin(Method::POST, "/admin/v1/clients/writer/disable", None).await.assert_status(200);
        let (next, _) = mint.token(&reader, "").await.assert_token();
        mint.admin_get("/admin/v1/audit/entries?event=token.issued").await.assert_status(200);
        mint.admin_get("/admin/v1/audit/export").await.assert_status(200);
        mint.tick().await;

        let told = report(mint, "").await;
        let size = published_size(mint).await;
        assert_eq!(told["entries"]["count"], size);
        assert_eq!(
            (&told["verification"]["ok"], &told["verification"]["entries"]),
            (&json!(true), &json!(size))
        );
        assert_eq!(told["issued"], json!({ "count": 5, "without_body": 0 }));
        assert_eq!(told["denied"]["count"], 8);
        let rows = |list: &str| told[list]["items"].as_array().unwrap().clone();
        let figures = |list: &str, what: &str| -> Vec<(String, u64)> {
            let row = |row: &Value| (row["name"].as_str().unwrap().to_owned(), row[what].as_u64().unwrap());
            rows(list).iter().map(row).collect()
        };
        let named = |name: &Value, count| (name.as_str().unwrap().to_owned(), count);
        assert_eq!(figures("clients", "issued"), [("reader".to_owned(), 4), ("writer".to_owned(), 1)]);
        assert_eq!(figures("clients", "denied"), [("reader".to_owned(), 7), ("writer".to_owned(), 0)]);
        let scopes = figures("scopes", "issued");
        assert!(
            scopes.contains(&("orders:read".to_owned(), 4))
                && scopes.contains(&("orders:write".to_owned(), 1))
        );
        let keys = figures("keys", "issued");
        assert_eq!(keys, [named(&header["kid"], 4), named(&next["kid"], 1)]);
        assert_eq!(figures("reasons", "denied")[0], ("invalid_scope".to_owned(), 5));
        let events =
            |list: &str| -> Vec<Value> { rows(list).iter().map(|row| row["event"].clone()).collect() };
        assert_eq!(
            events("acts"),
            ["resource.set", "scope.set", "scope.set", "client.created", "client.created", "client.disabled"]
        );
        let disabled = &rows("acts")[5];
        assert_eq!((&disabled["actor"], &disabled["object"]), (&json!("unix:0"), &json!("writer")));
        assert_eq!(disabled["at"], START.seconds() + 60);
        let rotated = rows("key_changes").into_iter().filter(|row| row["actor"] == "unix:0");
        let rotated: Vec<_> = rotated.map(|row| row["event"].clone()).collect();
        assert!(rotated.contains(&json!("key.passive")) && rotated.contains(&json!("key.activated")));
        assert_eq!(rows("readers"), [json!({ "name": "unix:0", "read": 1, "exported": 1, "erased": 0 })]);
        assert_eq!(events("runs"), ["log.opened", "node.started"]);

        let reads = mint.logged(EventType::AuditRead).await;
        assert_eq!(reads.last().unwrap().body["object"], "report ..");
    })
    .await;
}

#[tokio::test]
async fn a_period_is_cut_out_of_the_log_and_verified_by_itself() {
    with_mint(async |mint| {
        let client = busy_client(mint).await;
        mint.later("3h").await;
        issue(mint, &client, 2_300).await;
        mint.later("3h").await;
        mint.token(&client, "scope=many").await.assert_token();
        mint.tick().await;
        let seconds = |hours: u64| START.seconds() + hours * 3_600;
        let told = report(mint, &format!("?from={}&to={}", seconds(1), seconds(4))).await;
        assert_eq!(told["issued"]["count"], 2_300);
        let entries = &told["entries"];
        let (first, end) = (entries["first"].as_u64().unwrap(), entries["end"].as_u64().unwrap());
        assert_eq!(end - first, entries["count"].as_u64().unwrap());
        assert_eq!(told["verification"]["entries"], entries["count"]);
        assert_eq!(told["verification"]["ok"], true, "{}", told["verification"]);
        assert_eq!((&entries["first_at"], &entries["last_at"]), (&json!(seconds(3)), &json!(seconds(3))));
        // What is newer than the checkpoint is left out, and that is told.
        mint.token(&client, "scope=many").await.assert_token();
        let later = report(mint, &format!("?from={}", seconds(5))).await;
        assert_eq!((&later["issued"]["count"], &later["entries"]["newer"]), (&json!(1), &json!(2)));
        let nothing = report(mint, &format!("?from={}", seconds(9))).await;
        assert_eq!((&nothing["entries"]["first"], &nothing["verification"]), (&Value::Null, &Value::Null));
        for bad in ["?from=x", "?to=-1", "?from=2&from=3", "?since=2", "?from=3&to=2"] {
            mint.admin_get(&format!("{REPORT}{bad}")).await.assert_problem(400);
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_dropped_is_counted_and_not_guessed() {
    with_settings(&[("MINTMARK_AUDIT__BODY_RETENTION", "20d")], async |mint| {
        let reader = mint.usual_policy().await;
        for _ in 0..3 {
            mint.token(&reader, "").await.assert_token();
            mint.token(&reader, "scope=none").await.assert_refused(400, "invalid_scope");
        }
        mint.tick().await;
        mint.later("29d").await;
        mint.drop_old_bodies().await;
        mint.token(&reader, "").await.assert_token();
        mint.tick().await;
        let told = report(mint, "").await;
        assert_eq!(told["issued"], json!({ "count": 4, "without_body": 3 }));
        let (records, untold) = (&told["denied"]["records"], &told["denied"]["without_body"]);
        assert!(records == untold && *records != 0 && told["denied"]["count"] == 0, "{}", told["denied"]);
        assert_eq!(told["clients"]["items"], json!([{ "name": "reader", "issued": 1, "denied": 0 }]));
        assert_eq!(told["acts"]["items"][0]["without_body"], true);
        assert_eq!(told["verification"]["ok"], true, "what is erased on purpose is no fault");
    })
    .await;
}

#[tokio::test]
async fn a_changed_entry_is_told_with_the_figures() {
    let mut mint = TestMint::start(&[]).await;
    let client = busy_client(&mint).await;
    issue(&mint, &client, 100).await;
    let mut other = foreign_connection(&mint.data_dir().join("mintmark.db")).await;
    let changed =
        "UPDATE log_entries SET leaf = CAST(replace(leaf, '\"iat\":1', '\"iat\":2') AS BLOB) WHERE idx = 50";
    sqlx::query(changed).execute(&mut other).await.unwrap();
    sqlx::Connection::close(other).await.unwrap();
    let told = report(&mint, "").await;
    let verdict = &told["verification"];
    assert_eq!((&verdict["ok"], &verdict["first_bad_index"]), (&json!(false), &json!(50)), "{verdict}");
    assert_eq!(told["issued"]["count"], 100);
    // The oracle would rightly complain of such a store.
    mint.stop().await;
}
