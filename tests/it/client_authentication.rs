//! Who asks: client secrets, and how little a failed attempt tells.

use axum::body::Body;
use axum::http::{Method, Request, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::{Answer, TestClient, TestMint, contains, form_request, with_mint, with_settings};

/// For those who are to be looked at, however often they fail.
const MANY_GUESSES: [(&str, &str); 2] =
    [("MINTMARK_LIMITS__ATTEMPTS", "1000000/1m"), ("MINTMARK_LIMITS__SOURCE_ATTEMPTS", "1000000/1m")];

fn with_authorization(value: &str) -> Request<Body> {
    let mut request = form_request("grant_type=client_credentials");
    request.headers_mut().insert(header::AUTHORIZATION, value.parse().unwrap());
    request
}

fn basic(pair: &str) -> Request<Body> {
    with_authorization(&format!("Basic {}", STANDARD.encode(pair)))
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// Status, header fields and body.
type Looks = (u16, Vec<(String, String)>, String);

/// How an answer looks, the request's name taken out.
fn without_request_id(answer: &Answer) -> Looks {
    let id = answer.json()["request_id"].as_str().unwrap().to_owned();
    let fields = answer.headers.iter().filter(|(name, _)| *name != header::CONTENT_LENGTH);
    let fields = fields.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    (answer.status.as_u16(), fields, answer.text().replace(&id, "…"))
}

async fn set_disabled(mint: &TestMint, client: &TestClient, verb: &str) {
    let path = format!("/admin/v1/clients/{}/{verb}", client.id);
    mint.admin(Method::POST, &path, None).await.assert_status(200);
}

async fn rotate_secret(mint: &TestMint, client: &TestClient, overlap: u64) -> Answer {
    let path = format!("/admin/v1/clients/{}/secrets", client.id);
    mint.admin(Method::POST, &path, Some(json!({ "overlap": overlap }))).await
}

#[tokio::test]
async fn every_failure_looks_the_same_byte_for_byte() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let disabled = mint.client("disabled", json!({ "scope": "orders:read" })).await;
        set_disabled(mint, &disabled, "disable").await;
        let post = json!({ "scope": "orders:read", "token_endpoint_auth_method": "client_secret_post" });
        let poster = mint.client("poster", post).await;
        let grant = "grant_type=client_credentials";

        let failures = [
            ("an unknown client", basic(&format!("nobody:{}", reader.secret))),
            ("a wrong secret", basic(&format!("reader:{}", poster.secret))),
            ("no secret", basic("reader:")),
            ("a secret of 300 bytes", basic(&format!("reader:{}", "x".repeat(300)))),
            ("an unknown client with a secret of 300 bytes", basic(&format!("nobody:{}", "x".repeat(300)))),
            ("a disabled client", basic(&format!("disabled:{}", disabled.secret))),
            ("Basic where the form is registered", basic(&format!("poster:{}", poster.secret))),
            (
                "the form where Basic is registered",
                form_request(&format!("{grant}&client_id=reader&client_secret={}", reader.secret)),
            ),
            ("nothing at all", form_request(grant)),
            ("a name alone", form_request(&format!("{grant}&client_id=reader"))),
            ("another scheme", with_authorization("Bearer abc")),
        ];
        let mut seen: Option<Looks> = None;
        for (who, request) in failures {
            let answer = mint.send(request).await;
            answer.assert_refused(401, "invalid_client");
            let looks = without_request_id(&answer);
            assert_eq!(seen.get_or_insert_with(|| looks.clone()), &looks, "{who}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_uses_one_method_at_a_time() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let assertion = "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=a.b.c";
        for form in [format!("client_secret={}", reader.secret), assertion.to_owned()] {
            mint.token(&reader, &form).await.assert_refused(400, "invalid_request");
        }
        let both = format!("grant_type=client_credentials&client_id=reader&client_secret={}&{assertion}", reader.secret);
        mint.post_form(&both).await.assert_refused(400, "invalid_request");
        let mut twice = reader.request("");
        twice.headers_mut().append(header::AUTHORIZATION, reader.basic().parse().unwrap());
        mint.send(twice).await.assert_refused(400, "invalid_request");
    })
    .await;
}

#[tokio::test]
async fn a_client_cannot_ask_in_another_clients_name() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let other = mint.client("other", json!({ "scope": "orders:write" })).await;
        for form in
            ["client_id=other&scope=orders:write", "client_id=other&scope=orders:read", "client_id=READER"]
        {
            mint.token(&reader, form).await.assert_refused(401, "invalid_client");
        }
        assert_eq!(mint.issued().await, 0);
        let (_, claims) = mint.token(&reader, "client_id=reader&scope=orders:read").await.assert_token();
        assert_eq!(claims["client_id"], "reader");
        mint.token(&other, "scope=orders:write").await.assert_token();
    })
    .await;
}

#[tokio::test]
async fn basic_is_a_form_encoded_pair_in_base64_and_nothing_else() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let pair = format!("{}:{}", reader.id, reader.secret);
        mint.send(basic(&format!("{}:{}", escaped(&reader.id), escaped(&reader.secret))))
            .await
            .assert_token();
        mint.send(with_authorization(&format!("bAsIc   {}", STANDARD.encode(&pair)))).await.assert_token();

        let encoded = STANDARD.encode(&pair);
        for wrong in [
            "Basic".to_owned(),
            "Basic ".to_owned(),
            format!("Basic{encoded}"),
            format!("Basic {encoded}!"),
            format!("Basic {}", &encoded[..encoded.len() - 1]),
            format!("Basic {encoded} {encoded}"),
            format!("Basic {}", STANDARD.encode(&reader.id)),
            format!("Basic {}", STANDARD.encode(format!("{pair}%"))),
            format!("Basic {}", STANDARD.encode(format!("{}:%zz", reader.id))),
            format!("Basic {}", STANDARD.encode(format!("{}:%C3", reader.id))),
            format!("Basic {}", STANDARD.encode(format!("{pair}+"))),
            format!("Basic {}", STANDARD.encode(format!("{}::{}", reader.id, reader.secret))),
            format!("Basic {}", STANDARD.encode(format!("{}:ä€", reader.id))),
            reader.secret.clone(),
        ] {
            let answer = mint.send(with_authorization(&wrong)).await;
            assert_eq!(answer.status, 401, "{wrong}");
            answer.assert_refused(401, "invalid_client");
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_registered_for_the_form_uses_the_form() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let members = json!({ "scope": "orders:read", "token_endpoint_auth_method": "client_secret_post" });
        let poster = mint.client("poster", members).await;
        let form = |secret: &str| {
            format!("grant_type=client_credentials&scope=orders:read&client_id=poster&client_secret={secret}")
        };
        mint.post_form(&form(&poster.secret)).await.assert_token();
        mint.post_form(&form("wrong")).await.assert_refused(401, "invalid_client");
        mint.token(&poster, "scope=orders:read").await.assert_refused(401, "invalid_client");
    })
    .await;
}

#[tokio::test]
async fn a_secret_is_made_by_the_server_and_shown_once() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let other = mint.client("other", json!({ "scope": "orders:read" })).await;
        assert_ne!(reader.secret, other.secret);
        for secret in [&reader.secret, &other.secret] {
            let random = secret.strip_prefix("mms_").unwrap();
            assert_eq!(random.len(), 43 + 6, "256 random bits and a checksum");
        }
        mint.token(&reader, "").await.assert_token();
        for path in [
            "/admin/v1/clients/reader",
            "/admin/v1/clients",
            "/admin/v1/audit/entries?event=client.created",
            "/admin/v1/audit/entries",
            "/admin/v1/audit/export",
        ] {
            let answer = mint.admin_get(path).await;
            answer.assert_status(200);
            assert!(!answer.text().contains("mms_") && !answer.text().contains("argon2"), "{path}");
        }
        let taken = mint.admin(
            Method::POST,
            "/admin/v1/clients",
            Some(json!({ "client_id": "reader", "scope": "orders:read" })),
        );
        assert!(!taken.await.assert_problem(409).text().contains("mms_"));
        let own = json!({ "client_id": "x", "scope": "orders:read", "client_secret": "hunter2" });
        mint.admin(Method::POST, "/admin/v1/clients", Some(own)).await.assert_problem(400);
    })
    .await;
}

#[tokio::test]
async fn the_files_hold_no_secret_and_no_private_key() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let newer =
            rotate_secret(mint, &reader, 60).await.json()["client_secret"].as_str().unwrap().to_owned();
        mint.token(&reader, "").await.assert_token();
        let token = mint.token(&reader.with_secret(&newer), "").await.access_token().unwrap();
        mint.token(&reader.with_secret("mms_wrong-but-typed"), "")
            .await
            .assert_refused(401, "invalid_client");
        mint.later("2m").await;

        let look = |mint: &TestMint, when: &str| {
            let bytes = mint.store_bytes();
            assert!(
                contains(&bytes, b"$argon2id$v=19$m=19456,t=2,p=1$"),
                "{when}: these are not the store's files"
            );
            for secret in [&reader.secret[4..36], &newer[4..36], "wrong-but-typed"] {
                assert!(!contains(&bytes, secret.as_bytes()), "{when}");
            }
            assert!(
                !contains(&bytes, token.as_bytes())
                    && !contains(&bytes, token.rsplit('.').next().unwrap().as_bytes())
            );
            // The first of these are the keys in force.
            for line in include_str!("../../keys/golden/p256.txt").lines().take(4) {
                let pkcs8 = STANDARD.decode(line).unwrap();
                let scalar = &pkcs8[36..68];
                assert!(!contains(&bytes, scalar), "{when}: a private key lies open");
            }
            assert!(!contains(&bytes, &[7; 32]), "{when}: the KEK lies open");
        };
        look(mint, "while it runs");
        mint.restart().await;
        look(mint, "after its end");
    })
    .await;
}

#[tokio::test]
async fn only_the_exact_secret_opens() {
    with_settings(&MANY_GUESSES, async |mint| {
        let reader = mint.usual_policy().await;
        let secret = reader.secret.as_str();
        let mut near: Vec<String> = (0..secret.len()).map(|length| secret[..length].to_owned()).collect();
        near.extend(
            ["\0", "\n", "\r\n", " ", "\t", "=", "\u{301}", "\u{200b}"].map(|tail| format!("{secret}{tail}")),
        );
        near.extend([" ", "\u{feff}", "\0"].map(|head| format!("{head}{secret}")));
        near.push(secret.to_uppercase());
        near.push(secret.to_lowercase());
        near.push(secret.replacen('m', "\u{ff4d}", 1));
        near.push(format!("{secret}{secret}"));
        near.push(secret[4..].to_owned());
        near.push(secret.chars().rev().collect());
        for wrong in near {
            let answer = mint.send(basic(&format!("{}:{}", reader.id, escaped(&wrong)))).await;
            assert_eq!(answer.status, 401, "{wrong:?}");
        }
        // The client's name is as exact as its secret.
        for id in ["READER", "reader ", "reader\0", "read", "readers", "\u{ff52}eader"] {
            let answer = mint.send(basic(&format!("{}:{secret}", escaped(id)))).await;
            assert_eq!(answer.status, 401, "{id:?}");
        }
        mint.token(&reader, "").await.assert_token();
    })
    .await;
}

#[tokio::test]
async fn a_flood_of_guesses_is_shed_and_disturbs_nobody_else() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.token(&reader, "").await.assert_token();

        let guesses = (0..60).map(|n| basic(&format!("reader:mms_guess-{n}")));
        let mut requests: Vec<_> = guesses.collect();
        let good = requests.len();
        requests.push(reader.request("scope=orders:read"));
        requests.push(Request::get("/.well-known/jwks.json").body(Body::empty()).unwrap());
        requests.push(Request::get("/livez").body(Body::empty()).unwrap());
        let answers = mint.send_all(requests).await;

        let (guesses, others) = answers.split_at(good);
        let mut shed = 0;
        for answer in guesses {
            if answer.status == 503 {
                answer.assert_refused(503, "temporarily_unavailable");
                assert!((1..=5).contains(&answer.retry_after()));
                shed += 1;
            } else {
                answer.assert_refused(401, "invalid_client");
            }
        }
        assert!(shed > 0 && shed < good, "{shed} of {good} were shed");
        for other in others {
            other.assert_status(200);
        }
    })
    .await;
}

#[tokio::test]
async fn a_disabled_client_is_stopped_at_once_and_an_enabled_one_goes_on() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.token(&reader, "").await.assert_token();
        set_disabled(mint, &reader, "disable").await;
        mint.token(&reader, "").await.assert_refused(401, "invalid_client");
        mint.restart().await;
        mint.token(&reader, "").await.assert_refused(401, "invalid_client");
        set_disabled(mint, &reader, "enable").await;
        mint.token(&reader, "").await.assert_token();
    })
    .await;
}

#[tokio::test]
async fn during_an_overlap_the_old_and_the_new_secret_work_and_then_only_the_new_one() {
    with_mint(async |mint| {
        let old = mint.usual_policy().await;
        mint.token(&old, "").await.assert_token();
        let answer = rotate_secret(mint, &old, 3_600).await;
        let made = answer.assert_status(201).json();
        assert_eq!(made["expires_at"], Value::Null);
        assert!(made["secret_id"].is_string());
        let new = old.with_secret(made["client_secret"].as_str().unwrap());

        for client in [&old, &new, &old, &new] {
            mint.token(client, "").await.assert_token();
        }
        rotate_secret(mint, &old, 60).await.assert_problem(409);

        mint.later("3599s").await;
        mint.token(&old, "").await.assert_token();
        mint.token(&new, "").await.assert_token();
        // The old one was verified a second ago and is remembered; that must not keep it alive.
        mint.later("1s").await;
        mint.token(&old, "").await.assert_refused(401, "invalid_client");
        mint.token(&new, "").await.assert_token();

        // Now there is room for the next one.
        let third = rotate_secret(mint, &old, 0).await.assert_status(201).json();
        mint.token(&new, "").await.assert_refused(401, "invalid_client");
        mint.token(&old.with_secret(third["client_secret"].as_str().unwrap()), "").await.assert_token();
    })
    .await;
}

#[tokio::test]
async fn a_secret_may_not_overlap_for_longer_than_90_days() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        for overlap in [json!(7_776_001), json!(-1), json!(1.5), json!("1h"), Value::Null, json!(u64::MAX)] {
            let path = "/admin/v1/clients/reader/secrets";
            mint.admin(Method::POST, path, Some(json!({ "overlap": overlap }))).await.assert_problem(400);
        }
        mint.admin(Method::POST, "/admin/v1/clients/nobody/secrets", Some(json!({ "overlap": 1 })))
            .await
            .assert_problem(404);
        rotate_secret(mint, &reader, 7_776_000).await.assert_status(201);
    })
    .await;
}
