//! What a request for a token looks like, and everything that is no such request.

use axum::body::Body;
use axum::http::{Request, header};
use mintmark::audit::event::EventType;
use serde_json::json;

use crate::harness::{TestClient, TestMint, contains, form_request, form_to, with_mint};

const GRANT: &str = "grant_type=client_credentials";

/// The same request with an authenticated caller.
fn signed(client: &TestClient, mut request: Request<Body>) -> Request<Body> {
    request.headers_mut().insert(header::AUTHORIZATION, client.basic().parse().unwrap());
    request
}

async fn assert_refused(mint: &TestMint, client: &TestClient, form: &str, error: &str) {
    let answer = mint.send(signed(client, form_request(form))).await;
    assert_eq!(answer.status, 400, "{form}: {}", answer.text());
    answer.assert_refused(400, error);
}

#[tokio::test]
async fn a_client_may_send_only_a_form() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let bodies = [
            (Some("application/json"), r#"{"grant_type":"client_credentials"}"#),
            (Some("multipart/form-data; boundary=x"), "--x--"),
            (Some("text/plain"), GRANT),
            (Some("application/x-www-form-urlencoded-too"), GRANT),
            (Some(""), GRANT),
            (None, GRANT),
        ];
        for (kind, body) in bodies {
            let mut request = Request::post("/oauth2/token").body(Body::from(body)).unwrap();
            if let Some(kind) = kind {
                request.headers_mut().insert(header::CONTENT_TYPE, kind.parse().unwrap());
            }
            mint.send(signed(&reader, request)).await.assert_refused(400, "invalid_request");
        }
        let mut twice = form_request(GRANT);
        twice.headers_mut().append(header::CONTENT_TYPE, "text/plain".parse().unwrap());
        mint.send(signed(&reader, twice)).await.assert_refused(400, "invalid_request");

        for kind in ["application/x-www-form-urlencoded; charset=UTF-8", "Application/X-WWW-Form-URLencoded"]
        {
            let mut request = form_request(GRANT);
            request.headers_mut().insert(header::CONTENT_TYPE, kind.parse().unwrap());
            mint.send(signed(&reader, request)).await.assert_token();
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_writes_its_credentials_into_the_url_is_refused_and_they_are_kept_nowhere() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let canary = "canary-7f3a9b";
        for query in [
            format!("client_id={}&client_secret={canary}", reader.id),
            format!("client_secret={canary}"),
            format!("client_assertion={canary}"),
            GRANT.to_owned(),
            "scope=orders:read".to_owned(),
            "resource=https://orders.example.com".to_owned(),
        ] {
            let request = Request::post(format!("/oauth2/token?{query}"))
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Body::from(GRANT));
            mint.send(signed(&reader, request.unwrap())).await.assert_refused(400, "invalid_request");
        }
        mint.later("2m").await;
        assert!(!contains(&mint.store_bytes(), canary.as_bytes()));
    })
    .await;
}

#[tokio::test]
async fn a_repeated_parameter_is_refused_even_when_both_say_the_same() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        for form in [
            format!("{GRANT}&scope=orders:read&scope=orders:write"),
            format!("{GRANT}&scope=orders:read&scope=orders:read"),
            format!("{GRANT}&{GRANT}"),
            format!("{GRANT}&scope=&scope=orders:read"),
            format!("{GRANT}&client_id=reader&client_id=reader"),
            format!("{GRANT}&%73cope=orders:read&scope=orders:read"),
            format!("{GRANT}&unknown=1&unknown=2"),
        ] {
            assert_refused(mint, &reader, &form, "invalid_request").await;
        }
        // Once in the URL and once in the body is twice, too.
        let request = Request::post("/oauth2/token?unknown=1")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(format!("{GRANT}&unknown=2")));
        mint.send(signed(&reader, request.unwrap())).await.assert_refused(400, "invalid_request");
    })
    .await;
}

#[tokio::test]
async fn unknown_parameters_change_nothing() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let plain = mint.token(&reader, "scope=orders:read").await;
        let odd = mint
            .token(&reader, "scope=orders:read&foo=bar&audience=evil&sub=admin&exp=9&claims=%7B%7D")
            .await;
        let (header, mut claims) = plain.assert_token();
        let (odd_header, mut odd_claims) = odd.assert_token();
        assert_ne!(claims["jti"].take(), odd_claims["jti"].take());
        assert_eq!((header, claims), (odd_header, odd_claims));
        assert_eq!(plain.json()["expires_in"], odd.json()["expires_in"]);
    })
    .await;
}

#[tokio::test]
async fn an_empty_value_is_an_omitted_one() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let answer = mint.token(&reader, "scope=&resource=&client_id=").await;
        assert_eq!(answer.assert_token().1["scope"], "orders:read", "the default scope");
        assert_refused(mint, &reader, "grant_type=", "invalid_request").await;
        assert_refused(mint, &reader, "grant_type", "invalid_request").await;
        assert_refused(mint, &reader, "", "invalid_request").await;
        assert_refused(mint, &reader, "scope=orders:read", "invalid_request").await;
    })
    .await;
}

#[tokio::test]
async fn there_is_one_grant_and_it_is_spelled_in_one_way() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        for grant in [
            "foo",
            "Client_Credentials",
            "client_credentials%20",
            "client%2Dcredentials",
            "password&username=a&password=b",
            "authorization_code&code=x",
            "refresh_token&refresh_token=x",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ] {
            assert_refused(mint, &reader, &format!("grant_type={grant}"), "unsupported_grant_type").await;
        }
        assert_eq!(mint.issued().await, 0);
    })
    .await;
}

#[tokio::test]
async fn broken_encodings_are_the_clients_fault() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        for broken in [
            "%zz",
            "%",
            "%4",
            "%C3",
            "%C3%28",
            "%C0%AF",
            "%ED%A0%80",
            "%F5%80%80%80",
            "%00",
            "%0D%0A",
            "%0D",
            "a%0Ab",
            "%C2%85",
            "%7F",
        ] {
            for form in [
                format!("{GRANT}&x={broken}"),
                format!("{GRANT}&{broken}=x"),
                format!("{GRANT}&resource={broken}"),
            ] {
                assert_refused(mint, &reader, &form, "invalid_request").await;
            }
        }
        let mut raw = form_request(GRANT);
        *raw.body_mut() = Body::from(vec![b'x', b'=', 0xFF, 0xFE]);
        mint.send(signed(&reader, raw)).await.assert_refused(400, "invalid_request");
        assert_eq!(mint.issued().await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_broken_encoding_is_nobodys_fault_at_no_endpoint_and_leaves_one_line() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let broken = ["%zz", "%", "%C3", "%C0%AF", "%00", "%0D%0A", "%C2%9B"];
        for encoded in broken {
            for (path, form) in [
                ("/oauth2/token", format!("{GRANT}&client_id={encoded}&client_secret=x")),
                ("/oauth2/token", format!("{GRANT}&client_id=reader&client_secret={encoded}")),
                ("/oauth2/introspect", format!("token={encoded}")),
                ("/oauth2/revoke", format!("token={encoded}")),
            ] {
                let mut request = form_to(path, &form);
                if path != "/oauth2/token" {
                    request.headers_mut().insert(header::AUTHORIZATION, reader.basic().parse().unwrap());
                }
                let answer = mint.send(request).await;
                assert_eq!(answer.status, 400, "{path} {form}: {}", answer.text());
                answer.assert_refused(400, "invalid_request");
            }
        }
        let before = mint.logged(EventType::TokenDenied).await.len();
        mint.later("1m").await;
        let lines = mint.logged(EventType::TokenDenied).await;
        assert_eq!(lines.len() - before, 1, "all of a minute are one line");
        let line = &lines.last().unwrap().body;
        assert_eq!((&line["reason"], &line["count"]), (&json!("invalid_request"), &json!(4 * broken.len())));
    })
    .await;
}

#[tokio::test]
async fn parameters_are_bounded_in_number_and_in_the_length_of_their_names() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let many = |count: usize| (0..count).map(|n| format!("&p{n}=x")).collect::<String>();
        assert_refused(mint, &reader, &format!("{GRANT}{}", many(64)), "invalid_request").await;
        assert_refused(mint, &reader, &format!("{GRANT}&{}=x", "n".repeat(129)), "invalid_request").await;
        mint.token(&reader, &format!("{}=x{}", "n".repeat(128), many(62))).await.assert_token();
    })
    .await;
}
