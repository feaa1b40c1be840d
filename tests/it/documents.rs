//! Metadata and JWKS as they go over the wire: conditional, without a body, and whatever the store does.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, header};
use serde_json::json;

use crate::harness::{Answer, ORDERS, TestMint, foreign_connection, with_mint};

const JWKS: &str = "/.well-known/jwks.json";
const METADATA: &str = "/.well-known/oauth-authorization-server";
const ALIAS: &str = "/.well-known/openid-configuration";

async fn ask(mint: &TestMint, method: Method, path: &str, tags: &[&[u8]]) -> Answer {
    let mut request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    for tag in tags {
        request.headers_mut().append(header::IF_NONE_MATCH, HeaderValue::from_bytes(tag).unwrap());
    }
    mint.send(request).await
}

/// Everything that is asked of the documents while nothing else may work.
async fn every_answer(mint: &TestMint) -> Vec<Answer> {
    let mut answers = Vec::new();
    for path in [JWKS, METADATA, ALIAS] {
        let full = mint.get(path).await;
        full.assert_status(200);
        let etag = full.header("etag").to_owned();
        let same = ask(mint, Method::GET, path, &[etag.as_bytes()]).await;
        same.assert_status(304);
        let head = ask(mint, Method::HEAD, path, &[]).await;
        head.assert_status(200);
        let same_head = ask(mint, Method::HEAD, path, &[etag.as_bytes()]).await;
        same_head.assert_status(304);
        answers.extend([full, same, head, same_head]);
    }
    let alive = mint.get("/livez").await;
    alive.assert_status(200);
    answers.push(alive);
    answers
}

#[track_caller]
fn assert_same(before: &[Answer], after: &[Answer]) {
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(after) {
        assert_eq!(
            (before.status, &before.headers, &before.body),
            (after.status, &after.headers, &after.body)
        );
    }
}

#[tokio::test]
async fn while_another_program_holds_the_store_the_documents_are_what_they_were() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let before = every_answer(mint).await;
        let mut other = foreign_connection(&mint.data_dir().join("mintmark.db")).await;
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
        mint.token(&reader, "").await.assert_refused(503, "temporarily_unavailable");
        assert_same(&before, &every_answer(mint).await);
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        sqlx::Connection::close(other).await.unwrap();
        mint.token(&reader, "").await.assert_token();
        assert_same(&before, &every_answer(mint).await);
    })
    .await;
}

#[tokio::test]
async fn without_any_store_the_documents_are_what_they_were() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        // What is asked for the first time is made from memory as well.
        mint.app().store.close().await;
        mint.app().recorder.finish();
        let first = every_answer(mint).await;
        mint.token(&reader, "").await.assert_refused(503, "temporarily_unavailable");
        assert_same(&first, &every_answer(mint).await);
        mint.crash().await;
        assert_same(&first, &every_answer(mint).await);
    })
    .await;
}

/// RFC 9110 sections 9.3.2, 15.4.5 and 8.6.
#[tokio::test]
async fn head_has_the_fields_of_get_and_304_those_that_matter_and_no_false_length() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        for path in [JWKS, METADATA, ALIAS] {
            let full = mint.get(path).await;
            let length: usize = full.header("content-length").parse().unwrap();
            assert_eq!(length, full.body.len());
            let head = ask(mint, Method::HEAD, path, &[]).await;
            assert_eq!((&head.headers, head.body.len()), (&full.headers, 0));

            let etag = full.header("etag").to_owned();
            for method in [Method::GET, Method::HEAD] {
                let same = ask(mint, method, path, &[etag.as_bytes()]).await;
                let names: BTreeSet<_> = same.headers.keys().map(axum::http::HeaderName::as_str).collect();
                assert_eq!(names, ["cache-control", "etag", "x-content-type-options"].into());
                for name in names {
                    assert_eq!(same.header(name), full.header(name));
                }
                assert_eq!((same.status.as_u16(), same.body.len()), (304, 0));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn on_the_wire_a_304_ends_with_its_header() {
    with_mint(async |mint| {
        let etag = mint.get(JWKS).await.header("etag").to_owned();
        let server = mint.serve().await;
        for method in ["GET", "HEAD"] {
            let request = format!(
                "{method} {JWKS} HTTP/1.1\r\nhost: a\r\nconnection: close\r\nif-none-match: {etag}\r\n\r\n"
            );
            let answer = server.exchange(request.as_bytes()).await.to_ascii_lowercase();
            assert!(answer.starts_with("http/1.1 304 not modified\r\n"), "{answer}");
            assert!(answer.ends_with("\r\n\r\n"), "{answer}");
            assert!(answer.contains(&format!("etag: {}\r\n", etag.to_ascii_lowercase())), "{answer}");
            assert!(answer.contains("cache-control: public, max-age="), "{answer}");
            for absent in ["\ncontent-length", "\ntransfer-encoding", "\ncontent-type"] {
                assert!(!answer.contains(absent), "{answer}");
            }
        }
        server.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_tag_is_compared_whole_and_weakly() {
    with_mint(async |mint| {
        let etag = mint.get(JWKS).await.header("etag").to_owned();
        let bare = etag.trim_matches('"');
        let weak = format!("W/{etag}");
        let same: Vec<Vec<&[u8]>> = vec![
            vec![b"*"],
            vec![etag.as_bytes()],
            vec![weak.as_bytes()],
            vec![b"\"a\"", etag.as_bytes()],
            vec![b"\xff", weak.as_bytes()],
        ];
        for tags in same {
            ask(mint, Method::GET, JWKS, &tags).await.assert_status(304);
        }
        for list in [format!("\"a\" , {weak},\"b\""), format!(",, {etag} ,"), format!("W/\"a\",{etag}")] {
            ask(mint, Method::GET, JWKS, &[list.as_bytes()]).await.assert_status(304);
        }
        for other in [
            bare.to_owned(),
            format!("\"{bare}"),
            format!("\"{}\"", &bare[1..]),
            format!("\"{bare}x\""),
            format!("w/{etag}"),
            format!("W/W/{etag}"),
            format!("\"{}\"", bare.to_ascii_lowercase()),
            "\"*\"".to_owned(),
            String::new(),
        ] {
            ask(mint, Method::GET, JWKS, &[other.as_bytes()]).await.assert_status(200);
        }
    })
    .await;
}

#[tokio::test]
async fn each_document_changes_with_what_it_tells_and_with_nothing_else() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let (jwks, metadata) = (mint.get(JWKS).await, mint.get(METADATA).await);
        let tags = [metadata.header("etag").as_bytes()];

        // A client is in neither of them.
        mint.client("other", json!({ "scope": "orders:read" })).await;
        assert_eq!(mint.get(JWKS).await.headers, jwks.headers);
        assert_eq!(mint.get(METADATA).await.headers, metadata.headers);

        mint.scope("orders:export", ORDERS, "5/1h").await;
        let changed = ask(mint, Method::GET, METADATA, &tags).await;
        let scopes = changed.assert_status(200).json()["scopes_supported"].clone();
        assert_eq!(scopes, json!(["orders:export", "orders:read", "orders:write"]));
        let alias = ask(mint, Method::GET, ALIAS, &tags).await;
        assert_eq!((&alias.headers, &alias.body), (&changed.headers, &changed.body));
        assert_eq!(mint.get(JWKS).await.headers, jwks.headers);

        mint.later("14d").await;
        let rotated = ask(mint, Method::GET, JWKS, &[jwks.header("etag").as_bytes()]).await;
        assert_ne!(rotated.assert_status(200).body, jwks.body);
        assert_eq!(mint.get(METADATA).await.headers, changed.headers);

        // What is told is the same after a restart, so the tags are good beyond it.
        mint.restart().await;
        for known in [&rotated, &changed] {
            let path = if known.json()["keys"].is_array() { JWKS } else { METADATA };
            ask(mint, Method::GET, path, &[known.header("etag").as_bytes()]).await.assert_status(304);
        }
    })
    .await;
}
