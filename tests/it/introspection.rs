//! Is this token good? What makes one inactive, and that nothing else does.

use mintmark::audit::event::EventType;
use mintmark::digest::base64url;
use mintmark::introspect::{Good, NotGood};
use mintmark::jose::{Algorithm, KeyPair};
use mintmark::oauth::claims::encoded_header;
use serde_json::{Value, json};

use crate::harness::{ISSUER, ORDERS, START, SeededEntropy, TestMint, with_mint};

/// Asks as the admin API does: in process, of a token for anybody's audience.
async fn judge(mint: &TestMint, token: &str) -> Result<Good, NotGood> {
    mint.app().introspector.verify(token, None, "admin", "r-1").await
}

#[track_caller]
fn assert_inactive(judged: &Result<Good, NotGood>) {
    assert!(matches!(judged, Err(NotGood::Inactive)), "{judged:?}");
}

/// A token of these claims by a key that lies outside the issuer.
pub fn signed_by(pair: &KeyPair, claims: &Value) -> String {
    let header = encoded_header(Algorithm::Es256, &pair.kid());
    let input = format!("{header}.{}", base64url(claims.to_string().as_bytes()));
    format!("{input}.{}", base64url(&pair.sign(input.as_bytes()).unwrap()))
}

/// A key pair whose private half somebody else has, and which the issuer was given.
pub async fn stolen_key(mint: &TestMint) -> KeyPair {
    let (stolen, pkcs8) = KeyPair::generate(Algorithm::Es256, &SeededEntropy::new(b"thief")).unwrap();
    crate::imported::bring_in(mint, pkcs8.as_bytes()).await;
    stolen
}

#[tokio::test]
async fn a_token_is_good_until_the_second_it_ends_at() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let token = mint.token(&reader, "").await.access_token().unwrap();
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
        assert!(judge(mint, &token).await.is_ok());
        mint.later("1s").await;
        assert_inactive(&judge(mint, &token).await);
    })
    .await;
}

#[tokio::test]
async fn a_token_is_as_good_as_its_client() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let token = mint.token(&reader, "").await.access_token().unwrap();
        let post = async |path| mint.admin(axum::http::Method::POST, path, None).await;
        post("/admin/v1/clients/reader/disable").await.assert_status(200);
        assert_inactive(&judge(mint, &token).await);
        post("/admin/v1/clients/reader/enable").await.assert_status(200);
        assert!(judge(mint, &token).await.is_ok());
    })
    .await;
}

/// Who has a key can sign what he likes; what was issued here is in the log.
#[tokio::test]
async fn a_token_without_a_record_is_inactive_and_raises_the_alarm() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let stolen = stolen_key(mint).await;
        let (_, claims) = mint.token(&reader, "").await.assert_token();
        let with = |name: &str, value: Value| {
            let mut claims = claims.clone();
            claims[name] = value;
            claims
        };
        let forgeries = [
            claims.clone(),
            with("scope", json!("orders:write")),
            with("jti", json!("never-issued")),
            with("exp", json!(START.seconds() + 10 * 365 * 86_400)),
            with("iss", json!("https://other.example.com")),
            with("aud", json!([ORDERS])),
            json!({ "admin": true }),
        ];
        for claims in &forgeries {
            assert_inactive(&judge(mint, &signed_by(&stolen, claims)).await);
        }
        mint.tick().await;
        let alarms = mint.logged(EventType::TokenUnrecorded).await;
        assert_eq!(alarms.len(), forgeries.len());
        assert!(alarms.iter().all(|alarm| alarm.leaf.kid == Some(stolen.kid())));
        assert_eq!(alarms[0].body, json!({ "via": "admin", "request_id": "r-1" }));
    })
    .await;
}
