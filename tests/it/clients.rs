//! A client's registration: changed member by member, and never by accident.

use axum::http::{Method, Request, header};
use mintmark::audit::event::EventType;
use serde_json::{Value, json};

use crate::harness::{Answer, START, TestMint, with_mint};

const READER: &str = "/admin/v1/clients/reader";

/// A merge patch, under its own content type.
async fn patch_with(mint: &TestMint, path: &str, changes: &Value, fields: &[(&str, &str)]) -> Answer {
    let mut request = Request::patch(path).header(header::CONTENT_TYPE, "application/merge-patch+json");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    mint.admin_send(request.body(changes.to_string().into()).unwrap()).await
}

async fn patch(mint: &TestMint, changes: Value) -> Answer {
    patch_with(mint, READER, &changes, &[("if-match", "*")]).await
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_nothing_else() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let before = mint.admin_get(READER).await.json();
        mint.later("5s").await;
        let answer = patch_with(
            mint,
            READER,
            &json!({ "client_name": "Reader", "access_token_lifetime": 60, "claims": { "team": "billing" } }),
            &[("if-match", "\"v1\"")],
        )
        .await;
        assert_eq!(answer.assert_status(200).header("etag"), "\"v2\"");
        let mut expected = before.clone();
        expected["client_name"] = json!("Reader");
        expected["access_token_lifetime"] = json!(60);
        expected["claims"] = json!({ "team": "billing" });
        expected["updated_at"] = json!(START.seconds() + 5);
        assert_eq!(answer.json(), expected);
        mint.restart().await;
        let shown = mint.admin_get(READER).await;
        assert_eq!((shown.json(), shown.header("etag")), (expected.clone(), "\"v2\""));

        let told = mint.logged(EventType::ClientUpdated).await;
        assert_eq!(told.len(), 1);
        assert_eq!((&told[0].body["object"], &told[0].body["before"]), (&json!("reader"), &before));
        assert_eq!(told[0].body["after"], expected);
    })
    .await;
}

#[tokio::test]
async fn a_change_is_in_the_next_token() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.token(&reader, "").await.assert_token();
        patch(mint, json!({ "access_token_lifetime": 60, "claims": { "team": "billing" } })).await;
        let answer = mint.token(&reader, "").await;
        assert_eq!(
            (answer.json()["expires_in"].as_u64(), answer.assert_token().1["team"].as_str()),
            (Some(60), Some("billing"))
        );
        patch(mint, json!({ "scope": "orders:read" })).await.assert_status(200);
        mint.token(&reader, "scope=orders:write").await.assert_refused(400, "invalid_scope");
        let one = json!({ "limits": { "orders:read": { "count": 1, "period": 3_600 } } });
        patch(mint, one).await.assert_status(200);
        mint.token(&reader, "").await.assert_refused(429, "rate_limited");
        // The limit's own default is back with `null`.
        patch(mint, json!({ "limits": { "orders:read": null } })).await.assert_status(200);
        mint.token(&reader, "").await.assert_token();
    })
    .await;
}

#[tokio::test]
async fn claims_and_limits_are_merged_member_by_member() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let first = json!({
            "claims": { "a": { "x": 1, "y": [1, 2] }, "b": 2 },
            "limits": { "orders:read": { "count": 60, "period": 60, "burst": 5 } },
        });
        patch(mint, first).await.assert_status(200);
        let second = json!({
            "claims": { "a": { "x": null, "y": [3] }, "c": null },
            "limits": { "orders:read": { "count": 30 } , "orders:write": { "count": 1, "period": 1 } },
        });
        let merged = patch(mint, second).await.assert_status(200).json();
        assert_eq!(merged["claims"], json!({ "a": { "y": [3] }, "b": 2 }));
        let limits = json!({
            "orders:read": { "count": 30, "period": 60, "burst": 5 },
            "orders:write": { "count": 1, "period": 1, "burst": 1 },
        });
        assert_eq!(merged["limits"], limits);
        let none = patch(mint, json!({ "claims": null, "limits": null })).await.assert_status(200).json();
        assert_eq!((&none["claims"], &none["limits"]), (&json!({}), &json!({})));
    })
    .await;
}

#[tokio::test]
async fn null_resets_an_optional_member_and_no_other() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let set = json!({
            "client_name": "R", "access_token_lifetime": 60, "token_endpoint_auth_method": "client_secret_post",
        });
        patch(mint, set).await.assert_status(200);
        let reset = json!({
            "client_name": null, "access_token_lifetime": null, "default_scope": null,
            "token_endpoint_auth_method": null,
        });
        let client = patch(mint, reset).await.assert_status(200).json();
        for member in ["client_name", "access_token_lifetime", "default_scope"] {
            assert_eq!(client[member], Value::Null, "{member}");
        }
        assert_eq!(client["token_endpoint_auth_method"], "client_secret_basic");
        patch(mint, json!({ "scope": null })).await.assert_problem(400);
    })
    .await;
}

#[tokio::test]
async fn the_method_changes_for_the_same_secret() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.token(&reader, "").await.assert_token();
        patch(mint, json!({ "token_endpoint_auth_method": "client_secret_post" })).await.assert_status(200);
        mint.token(&reader, "").await.assert_refused(401, "invalid_client");
        let form = format!("grant_type=client_credentials&client_id=reader&client_secret={}", reader.secret);
        mint.post_form(&form).await.assert_token();
    })
    .await;
}

#[tokio::test]
async fn a_patch_that_is_not_exact_changes_nothing() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let before = mint.admin_get(READER).await;
        for (bad, named) in [
            (json!({ "client_id": "other" }), "client_id"),
            (json!({ "client_id": "reader" }), "client_id"),
            (json!({ "created_at": 0 }), "created_at"),
            (json!({ "updated_at": null }), "updated_at"),
            (json!({ "disabled": true }), "/disable"),
            (json!({ "disabled": null }), "/disable"),
            (json!({ "admin": true }), "admin"),
            (json!({ "client_secret": "mms_x" }), "client_secret"),
            // Not taken for a member that is reset.
            (json!({ "acces_token_lifetime": null }), "acces_token_lifetime"),
            (json!({ "\u{1b}[2J": null }), "\\u{1b}[2J"),
            (json!({ "client_name": "R", "scope": ["orders:read"] }), "patch: scope: "),
            (json!({ "scope": "orders:read unknown" }), "scope"),
            (json!({ "scope": "orders:write" }), "default_scope"),
            (json!({ "access_token_lifetime": 3_601 }), "access_token_lifetime"),
            (json!({ "access_token_lifetime": 0 }), "access_token_lifetime"),
            (json!({ "claims": { "iss": "evil" } }), "claims"),
            (json!({ "claims": [1] }), "patch: claims: "),
            (json!({ "limits": { "orders:read": { "count": 0 } } }), "patch"),
            (json!({ "limits": { "other": { "count": 1, "period": 1 } } }), "limits"),
            (json!({ "token_endpoint_auth_method": "none" }), "patch: token_endpoint_auth_method: "),
            (json!({ "rotate_every": 3_599 }), "rotate_every"),
            (json!({ "rotate_every": "90d" }), "patch: rotate_every: "),
            (json!({ "client_name": "two\nlines" }), "client_name"),
        ] {
            let answer = patch(mint, bad.clone()).await;
            let detail = answer.assert_problem(400).json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains(named), "{bad}: {detail}");
        }
        for body in ["[]", "null", "7", "{\"client_name\":\"a\",\"client_name\":\"b\"}", "{", ""] {
            let request = Request::patch(READER).header(header::CONTENT_TYPE, "application/merge-patch+json");
            let request = request.header("if-match", "*").body(body.to_owned().into()).unwrap();
            mint.admin_send(request).await.assert_problem(400);
        }
        let after = mint.admin_get(READER).await;
        assert_eq!((after.json(), after.header("etag")), (before.json(), before.header("etag")));
        assert_eq!(mint.logged(EventType::ClientUpdated).await.len(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_patch_is_known_by_its_content_type() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let send = async |kind: &str| {
            let request = Request::patch(READER).header("if-match", "*");
            let request = if kind.is_empty() { request } else { request.header(header::CONTENT_TYPE, kind) };
            mint.admin_send(request.body("{\"client_name\":\"R\"}".into()).unwrap()).await
        };
        for kind in [
            "application/merge-patch+json",
            "Application/Merge-Patch+JSON; charset=utf-8",
            "application/json",
        ] {
            send(kind).await.assert_status(200);
        }
        for kind in ["application/json-patch+json", "text/plain", ""] {
            let answer = send(kind).await;
            assert_eq!(answer.assert_problem(415).header("accept-patch"), "application/merge-patch+json");
        }
        // No other route takes a patch's type.
        let request =
            Request::post("/admin/v1/clients").header(header::CONTENT_TYPE, "application/merge-patch+json");
        mint.admin_send(request.body("{}".into()).unwrap()).await.assert_problem(415);
    })
    .await;
}

#[tokio::test]
async fn a_patch_names_the_version_that_was_seen() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let name = json!({ "client_name": "R" });
        patch_with(mint, READER, &name, &[]).await.assert_problem(428);
        for stale in ["\"v0\"", "\"v2\"", "v1", ""] {
            patch_with(mint, READER, &name, &[("if-match", stale)]).await.assert_problem(412);
        }
        let seen = [("if-match", "\"v1\"")];
        let (one, two) = tokio::join!(patch_with(mint, READER, &name, &seen), async {
            patch_with(mint, READER, &json!({ "client_name": "S" }), &seen).await
        });
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412], "of two who saw the same version one is refused");
        for fields in [&[][..], &[("if-match", "*")], &[("if-match", "\"v1\"")]] {
            patch_with(mint, "/admin/v1/clients/nobody", &name, fields).await.assert_problem(404);
        }
        mint.admin(Method::PUT, READER, Some(name)).await.assert_problem(405);
    })
    .await;
}

#[tokio::test]
async fn a_patch_that_changes_nothing_is_no_change() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        mint.later("5s").await;
        for same in [json!({}), json!({ "scope": "orders:write orders:read" }), json!({ "claims": {} })] {
            let answer = patch(mint, same).await;
            assert_eq!(answer.assert_status(200).header("etag"), "\"v1\"");
            assert_eq!(answer.json()["updated_at"], START.seconds());
        }
        assert_eq!(mint.logged(EventType::ClientUpdated).await.len(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_patch_neither_disables_nor_enables() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.admin(Method::POST, &format!("{READER}/disable"), None).await.assert_status(200);
        let changed = patch(mint, json!({ "client_name": "R" })).await.assert_status(200).json();
        assert_eq!(changed["disabled"], true);
        mint.token(&reader, "").await.assert_refused(401, "invalid_client");
    })
    .await;
}

#[tokio::test]
async fn what_a_patch_says_comes_back_byte_for_byte() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        for name in ["'; DROP TABLE clients; --", "${jndi:ldap://x}", "\u{202e}gnp.exe", "👩‍👩‍👧‍👦", "\u{2028}", ""]
        {
            let patched = patch(mint, json!({ "client_name": name, "claims": { "note": name } })).await;
            patched.assert_status(200);
            let shown = mint.admin_get(READER).await.json();
            assert_eq!((&shown["client_name"], &shown["claims"]["note"]), (&json!(name), &json!(name)));
        }
    })
    .await;
}
