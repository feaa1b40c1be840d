//! `POST /oauth2/token`, as a client meets it: methods, sizes, and the shape of every answer.

use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::{Value, json};

use crate::harness::{ISSUER, ORDERS, form_request, with_mint};

#[tokio::test]
async fn a_client_gets_a_token_that_says_what_was_granted() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let answer = mint.token(&reader, "scope=orders:read").await;
        let (header, claims) = answer.assert_token();
        assert_eq!(header["typ"], "at+jwt");
        assert_eq!(claims["aud"], ORDERS);
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 600);

        let body = answer.json();
        let members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["access_token", "token_type", "expires_in", "scope"]);
        assert_eq!(body["token_type"], json!("Bearer"));
        assert_eq!(body["expires_in"], json!(600));
        assert_eq!(body["scope"], json!("orders:read"));
        assert_eq!(answer.header("ratelimit-policy"), r#""orders:read";q=600;w=60"#);
        assert_eq!(answer.header("ratelimit"), r#""orders:read";r=599;t=1"#);
    })
    .await;
}

#[tokio::test]
async fn the_scope_is_told_also_when_nobody_asked_for_one() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        assert_eq!(mint.token(&reader, "").await.json()["scope"], "orders:read");
        assert_eq!(
            mint.token(&reader, "scope=orders:write+orders:read").await.json()["scope"],
            "orders:read orders:write"
        );
    })
    .await;
}

#[tokio::test]
async fn only_post_reaches_the_token_endpoint() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        for method in ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW"] {
            let method: Method = method.parse().unwrap();
            let mut request = reader.request("scope=orders:read");
            *request.method_mut() = method.clone();
            let answer = mint.send(request).await;
            assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST"), "{method}");
            assert!(answer.body.is_empty(), "{method}: {}", answer.text());
            assert_eq!(answer.header("cache-control"), "no-store", "{method}");
        }
        assert_eq!(mint.issued().await, 0);
    })
    .await;
}

#[tokio::test]
async fn over_a_socket_trace_echoes_nothing_and_head_has_no_body() {
    with_mint(async |mint| {
        let socket = mint.serve().await;
        for method in ["TRACE", "HEAD"] {
            let request = format!(
                "{method} /oauth2/token HTTP/1.1\r\nHost: a\r\nX-Canary: c4n4ry\r\nConnection: close\r\n\r\n"
            );
            let answer = socket.exchange(request.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
            assert!(answer.to_lowercase().contains("\r\nallow: post\r\n"), "{answer}");
            assert!(!answer.to_lowercase().contains("canary") && answer.ends_with("\r\n\r\n"), "{answer}");
        }
        socket.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_body_of_64_kib_is_read_and_one_byte_more_is_not() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let padded = |length: usize| {
            let start = "scope=orders:read&x=";
            let so_far = "grant_type=client_credentials&".len() + start.len();
            format!("{start}{}", "x".repeat(length - so_far))
        };
        mint.token(&reader, &padded(64 * 1024)).await.assert_token();
        let answer = mint.token(&reader, &padded(64 * 1024 + 1)).await;
        answer.assert_status(413);
        assert_eq!((answer.header("connection"), answer.header("cache-control")), ("close", "no-store"));
    })
    .await;
}

#[tokio::test]
async fn over_a_socket_an_oversized_body_is_cut_off_however_it_is_framed() {
    with_mint(async |mint| {
        let socket = mint.serve().await;
        let head =
            "POST /oauth2/token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n";
        let long = format!("{head}Content-Length: 65537\r\n\r\n{}", "x".repeat(65_537));
        let answer = socket.exchange(long.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");

        let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
        let answer = socket
            .flood(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes(), chunk.as_bytes())
            .await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.to_lowercase().contains("\r\nconnection: close\r\n"), "{answer}");
        socket.close().await;
    })
    .await;
}

#[tokio::test]
async fn over_a_socket_a_client_gets_its_token_by_a_chunked_form_too() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let socket = mint.serve().await;
        let form = "grant_type=client_credentials&scope=orders:read";
        let request = format!(
            "POST /oauth2/token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nAuthorization: {}\r\n\
             Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{form}\r\n0\r\n\r\n",
            reader.basic(),
            form.len(),
        );
        let answer = socket.exchange(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        let token = body["access_token"].as_str().unwrap();
        mint.judge(token, &mint.jwks().await, ORDERS).unwrap();
        mint.ledger.lock().unwrap().push(token.to_owned());
        socket.close().await;
    })
    .await;
}

#[tokio::test]
async fn no_browser_of_another_site_may_read_an_answer() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let mut requests = vec![reader.request("scope=orders:read"), form_request("grant_type=x")];
        for path in
            ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/log/checkpoint", "/livez"]
        {
            requests.push(Request::get(path).body(Body::empty()).unwrap());
        }
        let preflight = Request::builder().method(Method::OPTIONS).uri("/oauth2/token");
        requests.push(preflight.header("access-control-request-method", "POST").body(Body::empty()).unwrap());
        for mut request in requests {
            request.headers_mut().insert(header::ORIGIN, "https://evil.test".parse().unwrap());
            let path = request.uri().clone();
            let answer = mint.send(request).await;
            let opened = answer.headers.keys().find(|name| name.as_str().starts_with("access-control-"));
            assert_eq!(opened, None, "{path}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_name_that_a_caller_uses_for_the_server_shapes_nothing() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let evil = |mut request: Request<Body>| {
            for (name, value) in [
                ("host", "evil.test"),
                ("x-forwarded-host", "evil.test"),
                ("x-forwarded-proto", "http"),
                ("x-forwarded-prefix", "/evil"),
                ("forwarded", "for=1.2.3.4;host=evil.test;proto=http"),
                ("x-original-url", "/evil"),
            ] {
                request.headers_mut().insert(name, value.parse().unwrap());
            }
            request
        };
        let (_, claims) = mint.send(evil(reader.request(""))).await.assert_token();
        assert_eq!(claims["iss"], ISSUER);
        for path in [
            "/.well-known/jwks.json",
            "/.well-known/oauth-authorization-server",
            "/.well-known/openid-configuration",
        ] {
            let plain = mint.get(path).await;
            let other = mint.send(evil(Request::get(path).body(Body::empty()).unwrap())).await;
            assert_eq!(
                (plain.status, plain.headers, plain.body),
                (other.status, other.headers, other.body),
                "{path}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_token_that_no_header_could_carry_is_not_issued() {
    with_mint(async |mint| {
        mint.resource(ORDERS, "ES256").await;
        let names: Vec<_> = (0..12).map(|n| format!("{n:x}{}", "s".repeat(126))).collect();
        for name in &names {
            mint.scope(name, ORDERS, "600/1m").await;
        }
        let claims = json!({ "padding": "c".repeat(2_000) });
        let wide = mint.client("wide", json!({ "scope": names.join(" "), "claims": claims })).await;
        let answer = mint.token(&wide, &format!("scope={}", names.join("+"))).await;
        answer.assert_refused(400, "invalid_scope");
        assert_eq!(mint.issued().await, 0);

        let answer = mint.token(&wide, &format!("scope={}", names[..2].join("+"))).await;
        answer.assert_token();
        assert!(answer.access_token().unwrap().len() <= 4_096);
    })
    .await;
}
