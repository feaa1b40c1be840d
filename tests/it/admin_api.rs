//! The admin API: strict in what it takes, exact in what it answers.

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, ORDERS, START, TestMint, segment, with_mint, with_settings};

const CLIENTS: &str = "/admin/v1/clients";

async fn create(mint: &TestMint, body: Value) -> Answer {
    mint.admin(Method::POST, CLIENTS, Some(body)).await
}

fn resource_path(uri: &str) -> String {
    format!("/admin/v1/resources/{}", segment(uri))
}

async fn put_resource(mint: &TestMint, uri: &str, fields: &[(&str, &str)]) -> Answer {
    let body = json!({ "resource": uri, "signing_alg": "ES256" });
    mint.admin_with(Method::PUT, &resource_path(uri), Some(body), fields).await
}

#[tokio::test]
async fn a_new_client_is_answered_whole_with_its_secret_and_read_back_without() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let asked = json!({
            "client_id": "billing", "client_name": "Billing (nightly) – ä€🔑", "scope": "orders:write orders:read",
            "default_scope": "orders:read", "access_token_lifetime": 120, "claims": { "roles": ["b", "a"] },
            "limits": { "orders:read": { "count": 5, "period": 60, "burst": 2 } },
        });
        let created = create(mint, asked).await;
        assert_eq!(created.assert_status(201).header("etag"), "\"v1\"");
        let mut body = created.json();
        let members = body.as_object_mut().unwrap();
        assert!(members.remove("client_secret").unwrap().as_str().unwrap().starts_with("mms_"));
        assert!(members.remove("secret_id").unwrap().is_string());
        let expected = json!({
            "client_id": "billing", "client_name": "Billing (nightly) – ä€🔑",
            "token_endpoint_auth_method": "client_secret_basic", "jwks": null,
            "scope": "orders:read orders:write", "default_scope": "orders:read", "access_token_lifetime": 120,
            "claims": { "roles": ["b", "a"] },
            "limits": { "orders:read": { "count": 5, "period": 60, "burst": 2 } }, "introspects": [],
            "rotate_every": null, "disabled": false,
            "created_at": START.seconds(), "updated_at": START.seconds(),
        });
        assert_eq!(body, expected);
        let shown = mint.admin_get("/admin/v1/clients/billing").await;
        assert_eq!((shown.assert_status(200).json(), shown.header("etag")), (expected, "\"v1\""));
        assert_eq!(created.header("cache-control"), "no-store");
    })
    .await;
}

#[tokio::test]
async fn a_value_that_breaks_a_rule_is_named() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let with = |member: &str, value: Value| {
            let mut body = json!({ "client_id": "x", "scope": "orders:read" });
            body[member] = value;
            body
        };
        for (member, value) in [
            ("scope", json!("orders:read unknown")),
            ("default_scope", json!("orders:write")),
            ("access_token_lifetime", json!(3_601)),
            ("claims", json!({ "iss": "evil" })),
            ("limits", json!({ "orders:write": { "count": 1, "period": 1 } })),
            ("rotate_every", json!(3_599)),
            ("rotate_every", json!(63_072_001)),
            ("client_name", json!("two\nlines")),
            ("client_name", json!("x".repeat(201))),
        ] {
            let answer = create(mint, with(member, value)).await;
            let detail = answer.assert_problem(400).json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.starts_with(member), "{member}: {detail}");
        }
        for id in ["", "a b", "a/b", "ä", "a:b", "x".repeat(65).as_str()] {
            create(mint, with("client_id", json!(id))).await.assert_problem(400);
        }
        for method in ["none", "private_key_jwt", "client_secret_jwt", "CLIENT_SECRET_BASIC", ""] {
            create(mint, with("token_endpoint_auth_method", json!(method))).await.assert_problem(400);
        }
        for uri in ["orders", "https://", "https://a#b", "https://a b", &format!("https://{}", "a".repeat(512))] {
            put_resource(mint, uri, &[]).await.assert_problem(400);
        }
        let lost = json!({ "scope": "lost", "resource": "https://unknown.example.com", "limit": { "count": 1, "period": 1 } });
        mint.admin(Method::PUT, "/admin/v1/scopes/lost", Some(lost)).await.assert_problem(400);
        let moved = json!({ "scope": "orders:read", "resource": "https://b.example.com", "limit": { "count": 1, "period": 1 } });
        put_resource(mint, "https://b.example.com", &[]).await.assert_status(201);
        let path = format!("/admin/v1/scopes/{}", segment("orders:read"));
        mint.admin_with(Method::PUT, &path, Some(moved), &[("if-match", "\"v1\"")]).await.assert_problem(400);
    })
    .await;
}

#[tokio::test]
async fn a_write_to_what_exists_says_which_version_it_means() {
    with_mint(async |mint| {
        let created = put_resource(mint, ORDERS, &[]).await;
        assert_eq!(created.assert_status(201).header("etag"), "\"v1\"");
        put_resource(mint, ORDERS, &[]).await.assert_problem(428);
        for stale in ["\"v2\"", "\"v0\"", "v1", "\"1\"", "W/\"v1\"", "**", "", "\"v1\" ,\"v2\"", "\"v-1\""] {
            put_resource(mint, ORDERS, &[("if-match", stale)]).await.assert_problem(412);
        }
        let changed = put_resource(mint, ORDERS, &[("if-match", "\"v1\"")]).await;
        assert_eq!(changed.assert_status(200).header("etag"), "\"v2\"");
        put_resource(mint, ORDERS, &[("if-match", "\"v1\"")]).await.assert_problem(412);
        assert_eq!(mint.admin_get(&resource_path(ORDERS)).await.header("etag"), "\"v2\"");
        let whatever = put_resource(mint, ORDERS, &[("if-match", "*")]).await;
        assert_eq!(whatever.assert_status(200).header("etag"), "\"v3\"", "any version that there is");
        // What does not exist has no version to match.
        for version in ["\"v1\"", "*"] {
            put_resource(mint, "https://new.example.com", &[("if-match", version)]).await.assert_problem(412);
        }

        mint.scope("orders:read", ORDERS, "600/1m").await;
        let path = format!("/admin/v1/scopes/{}", segment("orders:read"));
        let body = mint.admin_get(&path).await.json();
        mint.admin(Method::PUT, &path, Some(body.clone())).await.assert_problem(428);
        let fields = [("if-match", "\"v1\"")];
        assert_eq!(
            mint.admin_with(Method::PUT, &path, Some(body), &fields).await.assert_status(200).header("etag"),
            "\"v2\""
        );
        mint.restart().await;
        assert_eq!(mint.admin_get(&path).await.header("etag"), "\"v2\"");
    })
    .await;
}

#[tokio::test]
async fn of_two_writers_who_saw_the_same_version_one_is_refused() {
    with_mint(async |mint| {
        mint.resource(ORDERS, "ES256").await;
        let write = || put_resource(mint, ORDERS, &[("if-match", "\"v1\"")]);
        let (one, two) = tokio::join!(write(), write());
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412]);

        let new = || create(mint, json!({ "client_id": "twin", "scope": "orders:read" }));
        mint.scope("orders:read", ORDERS, "600/1m").await;
        let (one, two) = tokio::join!(new(), new());
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409]);
    })
    .await;
}

#[tokio::test]
async fn the_object_in_the_body_is_the_one_in_the_path() {
    with_mint(async |mint| {
        mint.resource(ORDERS, "ES256").await;
        let body = json!({ "resource": "https://b.example.com", "signing_alg": "ES256" });
        mint.admin(Method::PUT, &resource_path("https://c.example.com"), Some(body))
            .await
            .assert_problem(400);
        let body = json!({ "scope": "a", "resource": ORDERS, "limit": { "count": 1, "period": 1 } });
        mint.admin(Method::PUT, "/admin/v1/scopes/b", Some(body)).await.assert_problem(400);
        assert_eq!(mint.admin_get("/admin/v1/scopes").await.json(), json!({ "items": [] }));
    })
    .await;
}

#[tokio::test]
async fn lists_come_by_name_page_by_page() {
    with_mint(async |mint| {
        mint.resource(ORDERS, "ES256").await;
        let mut names: Vec<_> =
            ["b", "a:2", "A", "a:10", "~", "a", "z/y?x=1&limit=9", "a:1", "0"].map(str::to_owned).into();
        for name in &names {
            mint.scope(name, ORDERS, "1/1m").await;
        }
        names.sort();
        for limit in [1, 2, 4, 8, 9, 10, 1_000] {
            let (mut seen, mut pages) = (Vec::new(), 0);
            let mut next = Some(format!("/admin/v1/scopes?limit={limit}"));
            while let Some(path) = next {
                let page = mint.admin_get(&path).await;
                let items = page.assert_status(200).json()["items"].as_array().unwrap().clone();
                assert!(items.len() <= limit && !items.is_empty());
                seen.extend(items.iter().map(|item| item["scope"].as_str().unwrap().to_owned()));
                pages += 1;
                let link = page.header("link").to_owned();
                assert!(link.is_empty() || link.ends_with("; rel=\"next\""), "{link}");
                next = link.strip_prefix('<').map(|link| link.split_once('>').unwrap().0.to_owned());
            }
            assert_eq!(seen, names, "{limit}");
            assert_eq!(pages, names.len().div_ceil(limit), "{limit}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_query_that_cannot_be_read_is_refused() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        for path in [CLIENTS, "/admin/v1/scopes", "/admin/v1/resources", "/admin/v1/audit/entries"] {
            for query in [
                "limit=0",
                "limit=-1",
                "limit=2147483648",
                "limit=1001",
                "limit=abc",
                "limit=1&limit=2",
                "limit=1.5",
                "page=2",
                "cursor=!!!",
                "cursor=%ff",
                "cursor=_w",
                "cursor=YQ==",
                "cursor=a&cursor=a",
                "%zz",
            ] {
                let answer = mint.admin_get(&format!("{path}?{query}")).await;
                assert_eq!(answer.status, 400, "{path}?{query}: {}", answer.text());
                assert!(
                    !answer.assert_problem(400).text().to_lowercase().contains("select"),
                    "{path}?{query}"
                );
            }
        }
        for query in ["kid=short", "event=token.stolen", "from=yesterday", "to=-1", "cursor=YWJj", "first=1"]
        {
            mint.admin_get(&format!("/admin/v1/audit/entries?{query}")).await.assert_problem(400);
        }
    })
    .await;
}

#[tokio::test]
async fn a_search_finds_by_every_filter() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let other = mint.client("other", json!({ "scope": "orders:write" })).await;
        let (header, claims) = mint.token(&reader, "").await.assert_token();
        mint.later("1h").await;
        mint.token(&other, "scope=orders:write").await.assert_token();
        let (then, jti, kid) =
            (START.seconds(), claims["jti"].as_str().unwrap(), header["kid"].as_str().unwrap());
        for (query, found) in [
            ("event=token.issued".to_owned(), 2),
            (format!("event=token.issued&to={}", then + 1), 1),
            (format!("event=token.issued&from={}", then + 1), 1),
            ("client_id=reader".to_owned(), 2),
            ("client_id=read".to_owned(), 0),
            ("client_id=other&scope=orders:write".to_owned(), 1),
            ("scope=orders:read".to_owned(), 2),
            (format!("jti={jti}"), 1),
            (format!("jti={jti}&client_id=other"), 0),
            ("jti=unknown".to_owned(), 0),
            (format!("event=token.issued&kid={kid}"), 2),
            ("event=client.created".to_owned(), 2),
            ("event=key.revoked".to_owned(), 0),
        ] {
            let answer = mint.admin_get(&format!("/admin/v1/audit/entries?{query}")).await;
            let items = answer.assert_status(200).json()["items"].as_array().unwrap().clone();
            assert_eq!(items.len(), found, "{query}");
            let indices: Vec<_> = items.iter().map(|item| item["index"].as_u64().unwrap()).collect();
            assert!(indices.is_sorted_by(|newer, older| newer > older), "newest first: {indices:?}");
        }
        let by_jti = mint.admin_get(&format!("/admin/v1/audit/entries?jti={jti}")).await.json();
        let entry = &by_jti["items"][0];
        assert_eq!(
            (&entry["leaf"]["t"], &entry["body"]["client_id"]),
            (&json!("token.issued"), &json!("reader"))
        );
        assert_eq!(entry["salt"].as_str().unwrap().len(), 43);
        let one = mint.admin_get(&format!("/admin/v1/audit/entries/{}", entry["index"])).await;
        assert_eq!(&one.assert_status(200).json(), entry);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        for path in [
            "/admin/v1/clients/nobody",
            "/admin/v1/clients/READER",
            "/admin/v1/scopes/unknown",
            &resource_path("https://unknown.example.com"),
            "/admin/v1/audit/entries/999999",
            "/admin/v1/audit/entries/18446744073709551615",
            "/admin/v1/audit/entries/abc",
            "/admin/v1/audit/entries/-1",
            "/admin/v1/nothing",
            "/admin/v2/clients",
            "/oauth2/token",
            "/",
        ] {
            let answer = mint.admin_get(path).await;
            assert_eq!(answer.status, 404, "{path}");
            answer.assert_problem(404);
        }
        for path in ["/admin/v1/clients/nobody/disable", "/admin/v1/clients/nobody/enable"] {
            mint.admin(Method::POST, path, None).await.assert_problem(404);
        }
    })
    .await;
}

#[tokio::test]
async fn the_public_listener_has_no_administration() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        for path in [
            CLIENTS,
            "/admin/v1/keys",
            "/admin/v1/audit/entries",
            "/admin/v1/audit/export",
            "/metrics",
            "/admin",
        ] {
            mint.get(path).await.assert_status(404);
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_is_disabled_and_enabled_and_its_name_is_never_given_again() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let path = "/admin/v1/clients/reader";
        mint.later("5s").await;
        let off = mint.admin(Method::POST, &format!("{path}/disable"), None).await;
        assert_eq!(
            (off.assert_status(200).json()["disabled"].clone(), off.header("etag")),
            (json!(true), "\"v2\"")
        );
        assert_eq!(off.json()["updated_at"], START.seconds() + 5);
        assert_eq!(off.json()["created_at"], START.seconds());
        let again = mint.admin(Method::POST, &format!("{path}/disable"), None).await;
        assert_eq!(again.assert_status(200).header("etag"), "\"v2\"", "as asked already");
        mint.token(&reader, "").await.assert_refused(401, "invalid_client");
        create(mint, json!({ "client_id": "reader", "scope": "orders:read" })).await.assert_problem(409);
        let on = mint.admin(Method::POST, &format!("{path}/enable"), None).await;
        assert_eq!(on.assert_status(200).header("etag"), "\"v3\"");
        mint.token(&reader, "").await.assert_token();
    })
    .await;
}

#[tokio::test]
async fn whatever_stands_in_a_name_is_kept_as_it_is() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let names = [
            "'; DROP TABLE clients; --",
            "\" OR \"\"=\"",
            "<script>alert(1)</script>",
            "${jndi:ldap://x}",
            "%s%n%x",
            "../../etc/passwd",
            "\u{202e}gnp.exe",
            "\u{2028}\u{2029}",
            "Z\u{300}\u{301}\u{302}",
            "👩‍👩‍👧‍👦",
            "\\u0000",
            "NULL",
            "",
        ];
        for (n, name) in names.iter().enumerate() {
            let body = json!({ "client_id": format!("c{n}"), "scope": "orders:read", "client_name": name });
            create(mint, body).await.assert_status(201);
        }
        mint.restart().await;
        for (n, name) in names.iter().enumerate() {
            assert_eq!(mint.admin_get(&format!("/admin/v1/clients/c{n}")).await.json()["client_name"], *name);
        }
        let found = mint.admin_get("/admin/v1/audit/entries?client_id=%27%20OR%201%3D1--").await;
        assert_eq!(found.assert_status(200).json()["items"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn an_algorithm_is_kept_by_its_name() {
    with_settings(&[("MINTMARK_KEYS__ALGORITHMS", "ES256,EdDSA")], async |mint| {
        for alg in ["ES256", "EdDSA"] {
            let uri = format!("https://{}.example.com", alg.to_lowercase());
            mint.resource(&uri, alg).await;
            let shown = mint.admin_get(&resource_path(&uri)).await.json();
            assert_eq!(shown, json!({ "resource": uri, "signing_alg": alg, "token_lifetime": null }));
        }
    })
    .await;
}
