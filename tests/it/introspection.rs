//! Is this token good? Who may ask, what makes one inactive, and that nothing else does. RFC 7662.

use axum::http::{Method, Request};
use mintmark::audit::event::EventType;
use mintmark::digest::base64url;
use mintmark::introspect::{Fault, Good, NotGood};
use mintmark::jose::{Algorithm, KeyPair, Kid};
use mintmark::oauth::claims::encoded_header;
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::harness::{
    Answer, ISSUER, ORDERS, START, SeededEntropy, TestClient, TestMint, foreign_connection, form_to,
    with_mint,
};

const INTROSPECT: &str = "/oauth2/introspect";
const INACTIVE: &str = r#"{"active":false}"#;

/// Asks as the admin API does: in process, of a token for anybody's audience.
async fn judge(mint: &TestMint, token: &str) -> Result<Good, NotGood> {
    mint.app().introspector.verify(token, None, "admin", "r-1").await
}

#[track_caller]
pub fn assert_inactive(judged: &Result<Good, NotGood>) {
    assert!(matches!(judged, Err(NotGood::Inactive)), "{judged:?}");
}

impl Answer {
    /// Checks that the answer says that the token is good.
    #[track_caller]
    pub fn assert_active(&self) -> Value {
        self.assert_status(200).assert_json_that_nobody_keeps();
        let told = self.json();
        assert_eq!(told["active"], true, "{told}");
        told
    }

    /// Checks that the answer says that the token is not good, and nothing else.
    #[track_caller]
    pub fn assert_inactive(&self) {
        self.assert_status(200).assert_json_that_nobody_keeps();
        assert_eq!(self.text(), INACTIVE);
    }
}

/// A token of these claims by a key that somebody else has, too.
pub fn signed_by(pair: &KeyPair, claims: &Value) -> String {
    let header = encoded_header(Algorithm::Es256, &pair.kid());
    let input = format!("{header}.{}", base64url(claims.to_string().as_bytes()));
    format!("{input}.{}", base64url(&pair.sign(input.as_bytes()).unwrap()))
}

/// The very key pair that signs a token: tests know the keys, as does who stole one.
pub fn stolen_key(token_header: &Value) -> KeyPair {
    let kid = Kid::parse(token_header["kid"].as_str().unwrap()).unwrap();
    let entropy = SeededEntropy::new(b"thief");
    let mut keys = (0..9).map(|_| KeyPair::generate(Algorithm::Es256, &entropy).unwrap().0);
    keys.find(|pair| pair.kid() == kid).unwrap()
}

/// A client that introspects tokens for [`ORDERS`] and asks for none.
async fn orders_api(mint: &TestMint) -> TestClient {
    mint.client("orders-api", json!({ "scope": "orders:read", "introspects": [ORDERS] })).await
}

async fn token(mint: &TestMint, client: &TestClient) -> String {
    mint.token(client, "scope=orders:read").await.access_token().unwrap()
}

#[tokio::test]
async fn an_api_learns_exactly_what_a_good_token_says() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let api = orders_api(mint).await;
        let issued = mint.token(&reader, "scope=orders:write+orders:read").await;
        let (_, claims) = issued.assert_token();
        let answer = mint.introspect(&api, &issued.access_token().unwrap()).await;
        answer.assert_active();
        let (now, jti) = (START.seconds(), claims["jti"].as_str().unwrap());
        let expected = format!(
            r#"{{"active":true,"iss":"{ISSUER}","sub":"reader","aud":"{ORDERS}","client_id":"reader","scope":"orders:read orders:write","token_type":"Bearer","exp":{},"iat":{now},"jti":"{jti}"}}"#,
            now + 600
        );
        assert_eq!(answer.text(), expected);
        assert!(mint.logged(EventType::TokenUnrecorded).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_token_is_good_until_the_second_it_ends_at() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let token = token(mint, &reader).await;
        let good = judge(mint, &token).await.unwrap();
        assert_eq!(good.claims.client_id, "reader");
        assert_eq!(good.claims.scope.as_deref(), Some("orders:read"));
        assert_eq!(good.claims.expires_at.seconds(), START.seconds() + 600);
        assert_eq!(good.client.client.id.as_str(), "reader");
        let verify =
            async |audience| mint.app().introspector.verify(&token, Some(audience), "admin", "r-1").await;
        assert!(verify(ORDERS).await.is_ok());
        assert_inactive(&verify(&format!("{ISSUER}/admin")).await);
        mint.later("599s").await;
        mint.introspect(&reader, &token).await.assert_active();
        mint.later("1s").await;
        mint.introspect(&reader, &token).await.assert_inactive();
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_is_not_authenticated_learns_nothing() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let token = token(mint, &reader).await;
        let without_id = |answer: Answer| {
            let mut body = answer.assert_refused(401, "invalid_client").json();
            body["request_id"] = Value::Null;
            (body.to_string(), answer.headers.get("www-authenticate").cloned())
        };
        let wrong = reader.with_secret("wrong");
        let usual = without_id(mint.token(&wrong, "").await);
        let nobody = TestClient { id: "nobody".to_owned(), secret: reader.secret.clone() };
        for path in [INTROSPECT, "/oauth2/revoke"] {
            let form = format!("token={token}");
            let in_form = format!("{form}&client_id=reader&client_secret={}", reader.secret);
            for request in [
                form_to(path, &form),
                form_to(path, &format!("{form}&client_id=reader")),
                // The right secret by a method that is not the registered one.
                form_to(path, &in_form),
                wrong.request_to(path, &form),
                nobody.request_to(path, &form),
            ] {
                assert_eq!(without_id(mint.send(request).await), usual, "{path}");
            }
        }
        mint.introspect(&reader, &token).await.assert_active();
        mint.later("1m").await;
        let noted = mint.logged(EventType::TokenDenied).await;
        let count: u64 = noted.iter().map(|note| note.body["count"].as_u64().unwrap()).sum();
        assert_eq!(count, 11, "noted like those of the token endpoint");
        assert!(noted.iter().all(|note| note.body["reason"] == "invalid_client"));
    })
    .await;
}

#[tokio::test]
async fn what_is_no_question_about_one_token_is_refused() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        for path in [INTROSPECT, "/oauth2/revoke"] {
            for form in ["", "token=", "token_type_hint=access_token", "token=a&token=b", "token=%zz"] {
                mint.send(reader.request_to(path, form)).await.assert_refused(400, "invalid_request");
            }
            let in_url = reader.request_to(&format!("{path}?token=a"), "token=a");
            mint.send(in_url).await.assert_refused(400, "invalid_request");
            let json = Request::post(path).header("content-type", "application/json");
            let json = json.header("authorization", reader.basic()).body("{\"token\":\"a\"}".into()).unwrap();
            mint.send(json).await.assert_refused(400, "invalid_request");
            let get = mint.get(path).await;
            assert_eq!((get.status.as_u16(), get.header("allow")), (405, "POST"));
        }
        let token = token(mint, &reader).await;
        for hint in ["token_type_hint=refresh_token", "token_type_hint=nonsense&foo=bar"] {
            let request = reader.request_to(INTROSPECT, &format!("token={token}&{hint}"));
            mint.send(request).await.assert_active();
        }
    })
    .await;
}

/// Whatever is wrong with a token, the answer is the same to the byte.
#[tokio::test]
async fn all_that_is_not_good_looks_the_same() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let issued = mint.token(&reader, "").await;
        let (header, mut claims) = issued.assert_token();
        claims["scope"] = json!("orders:write");
        let good = issued.access_token().unwrap();
        let (input, signature) = good.rsplit_once('.').unwrap();
        let other = KeyPair::generate(Algorithm::Es256, &SeededEntropy::from_key(b"other", 20)).unwrap().0;
        let revoked = token(mint, &reader).await;
        mint.revoke(&reader, &revoked).await.assert_status(200);
        let bad = [
            "garbage".to_owned(),
            "..".to_owned(),
            "%2E%F0%9F%98%80".to_owned(),
            "x".repeat(60_000),
            input.to_owned(),
            format!("{input}."),
            format!("{good}A"),
            format!("{good}="),
            format!("A{input}.{signature}"),
            signed_by(&other, &claims),
            signed_by(&stolen_key(&header), &claims),
            revoked,
        ];
        for token in &bad {
            mint.introspect(&reader, token).await.assert_inactive();
        }
        mint.introspect(&reader, &good).await.assert_active();
    })
    .await;
}

#[tokio::test]
async fn a_client_sees_its_own_tokens_and_those_for_its_audiences() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let api = orders_api(mint).await;
        mint.resource("https://ledger.example.com", "ES256").await;
        mint.scope("ledger:read", "https://ledger.example.com", "600/1m").await;
        let ledger = mint.client("ledger", json!({ "scope": "ledger:read" })).await;
        let of_reader = token(mint, &reader).await;
        let of_ledger = mint.token(&ledger, "scope=ledger:read").await.access_token().unwrap();
        mint.introspect(&reader, &of_reader).await.assert_active();
        mint.introspect(&api, &of_reader).await.assert_active();
        mint.introspect(&ledger, &of_ledger).await.assert_active();
        mint.introspect(&api, &of_ledger).await.assert_inactive();
        mint.introspect(&ledger, &of_reader).await.assert_inactive();
        mint.introspect(&reader, &of_ledger).await.assert_inactive();
    })
    .await;
}

#[tokio::test]
async fn a_client_introspects_for_registered_audiences_only() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let register = async |id: &str, introspects: Value| {
            let body = json!({ "client_id": id, "scope": "orders:read", "introspects": introspects });
            mint.admin(Method::POST, "/admin/v1/clients", Some(body)).await
        };
        let both = json!([ORDERS, format!("{ISSUER}/admin")]);
        let made = register("both", both.clone()).await;
        let mut told = made.assert_status(201).json()["introspects"].as_array().unwrap().clone();
        told.sort_by_key(ToString::to_string);
        let mut expected = both.as_array().unwrap().clone();
        expected.sort_by_key(ToString::to_string);
        assert_eq!(told, expected);
        let many: Vec<_> = (0..65).map(|n| format!("https://api-{n}.example.com")).collect();
        let bad = [
            json!(["https://unknown.example.com"]),
            json!([format!("{ORDERS}/")]),
            json!(["https://other.example.com/admin"]),
            json!(["not a URI"]),
            json!(ORDERS),
            json!(many),
        ];
        for introspects in bad {
            register("evil", introspects).await.assert_problem(400);
        }
        mint.admin_get("/admin/v1/clients/evil").await.assert_problem(404);
    })
    .await;
}

/// A client that was registered before there was introspection.
#[tokio::test]
async fn an_older_registration_introspects_for_nobody() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let mut hand = foreign_connection(&mint.data_dir().join("mintmark.db")).await;
        let older = "UPDATE clients SET document = json_remove(document, '$.introspects')";
        assert_eq!(sqlx::query(older).execute(&mut hand).await.unwrap().rows_affected(), 1);
        hand.close().await.unwrap();
        mint.restart().await;
        let token = token(mint, &reader).await;
        mint.introspect(&reader, &token).await.assert_active();
        assert_eq!(mint.admin_get("/admin/v1/clients/reader").await.json()["introspects"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn a_token_is_as_good_as_its_client() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let api = orders_api(mint).await;
        let token = token(mint, &reader).await;
        let post = async |path| mint.admin(Method::POST, path, None).await;
        post("/admin/v1/clients/reader/disable").await.assert_status(200);
        mint.introspect(&api, &token).await.assert_inactive();
        mint.introspect(&reader, &token).await.assert_refused(401, "invalid_client");
        post("/admin/v1/clients/reader/enable").await.assert_status(200);
        mint.introspect(&api, &token).await.assert_active();
        post("/admin/v1/clients/orders-api/disable").await.assert_status(200);
        mint.introspect(&api, &token).await.assert_refused(401, "invalid_client");
    })
    .await;
}

#[tokio::test]
async fn the_tokens_of_a_revoked_key_are_inactive() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let issued = mint.token(&reader, "").await;
        let (header, _) = issued.assert_token();
        let old = issued.access_token().unwrap();
        let path = format!("/admin/v1/keys/{}/revoke", header["kid"].as_str().unwrap());
        mint.admin(Method::POST, &path, Some(json!({ "reason": "leaked" }))).await.assert_status(200);
        mint.introspect(&reader, &old).await.assert_inactive();
        let new = token(mint, &reader).await;
        mint.introspect(&reader, &new).await.assert_active();
        mint.tick().await;
        assert!(mint.logged(EventType::TokenUnrecorded).await.is_empty(), "it was issued here");
    })
    .await;
}

/// Who has a key can sign what he likes; what was issued here is in the log.
#[tokio::test]
async fn a_token_without_a_record_is_inactive_and_raises_the_alarm() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let (header, claims) = mint.token(&reader, "").await.assert_token();
        let stolen = stolen_key(&header);
        let with = |name: &str, value: Value| {
            let mut claims = claims.clone();
            claims[name] = value;
            claims
        };
        // Each is genuine to whoever looks at the signature alone; the first three have a real `jti`.
        let forgeries = [
            with("scope", json!("orders:write")),
            with("sub", json!("boss")),
            with("exp", json!(START.seconds() + 10 * 365 * 86_400)),
            with("jti", json!("never-issued")),
            with("iss", json!("https://other.example.com")),
            with("aud", json!([ORDERS])),
            with("iat", json!(START.seconds() + 590)),
            json!({ "admin": true }),
        ];
        for claims in &forgeries {
            mint.introspect(&reader, &signed_by(&stolen, claims)).await.assert_inactive();
        }
        mint.introspect(&reader, &signed_by(&stolen, &forgeries[0])).await.assert_inactive();
        mint.tick().await;
        let alarms = mint.logged(EventType::TokenUnrecorded).await;
        assert_eq!(alarms.len(), forgeries.len(), "once a minute for each");
        assert!(alarms.iter().all(|alarm| alarm.leaf.kid == Some(stolen.kid())));
        assert!(alarms.iter().all(|alarm| alarm.body["via"] == "introspect"));
        assert_eq!(mint.app().admin.unrecorded_tokens(), 9);
        // What has expired is no news.
        mint.later("601s").await;
        mint.introspect(&reader, &signed_by(&stolen, &forgeries[1])).await.assert_inactive();
        assert_eq!(mint.logged(EventType::TokenUnrecorded).await.len(), forgeries.len());
    })
    .await;
}

/// Also by a key that is not published: the thief does not wait for it.
#[tokio::test]
async fn a_forgery_by_a_key_out_of_service_raises_the_alarm() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let (_, claims) = mint.token(&reader, "").await.assert_token();
        let (stolen, pkcs8) =
            KeyPair::generate(Algorithm::Es256, &SeededEntropy::from_key(b"thief", 20)).unwrap();
        let forgery = signed_by(&stolen, &claims);
        assert_inactive(&judge(mint, &forgery).await);
        assert!(mint.logged(EventType::TokenUnrecorded).await.is_empty(), "a foreign key");
        crate::imported::bring_in(mint, pkcs8.as_bytes()).await;
        assert_inactive(&judge(mint, &forgery).await);
        let alarms = mint.logged(EventType::TokenUnrecorded).await;
        assert_eq!(alarms.len(), 1);
        assert_eq!(alarms[0].body, json!({ "via": "admin", "request_id": "r-1" }));
    })
    .await;
}

/// A store that cannot be read makes no good token bad.
#[tokio::test]
async fn a_store_that_fails_is_told_and_never_taken_for_an_answer() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let token = token(mint, &reader).await;
        mint.introspect(&reader, &token).await.assert_active();
        let mut hand = foreign_connection(&mint.data_dir().join("mintmark.db")).await;
        for (table, gone) in [("log_jtis_202611", "jtis_gone"), ("log_entries", "entries_gone")] {
            sqlx::raw_sql(sqlx::AssertSqlSafe(format!("ALTER TABLE {table} RENAME TO {gone}")))
                .execute(&mut hand)
                .await
                .unwrap();
            let answer = mint.introspect(&reader, &token).await;
            answer.assert_refused(503, "temporarily_unavailable");
            assert!((1..=5).contains(&answer.retry_after()));
            assert!(!answer.text().contains("table"), "the cause is not the caller's business");
            assert!(matches!(judge(mint, &token).await, Err(NotGood::Unknown(Fault::Store(_)))));
            // What needs no look-up is answered all the same.
            mint.introspect(&reader, "garbage").await.assert_inactive();
            sqlx::raw_sql(sqlx::AssertSqlSafe(format!("ALTER TABLE {gone} RENAME TO {table}")))
                .execute(&mut hand)
                .await
                .unwrap();
            mint.introspect(&reader, &token).await.assert_active();
        }
        hand.close().await.unwrap();
    })
    .await;
}

/// Whether a token has expired only a clock can tell.
#[tokio::test]
async fn a_clock_that_cannot_be_right_answers_nothing() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let token = token(mint, &reader).await;
        mint.clock().set_wall(mintmark::time::Timestamp::from_seconds(1_000_000));
        for _ in 0..2 {
            let answer = mint.introspect(&reader, &token).await;
            answer.assert_refused(503, "temporarily_unavailable");
        }
        mint.clock().set_wall(START);
        mint.introspect(&reader, &token).await.assert_active();
        // From the future, by more than clocks differ.
        mint.clock().set_wall(START.minus(std::time::Duration::from_secs(61)));
        mint.introspect(&reader, &token).await.assert_inactive();
        mint.clock().set_wall(START.minus(std::time::Duration::from_mins(1)));
        mint.introspect(&reader, &token).await.assert_active();
        mint.clock().set_wall(START);
    })
    .await;
}
