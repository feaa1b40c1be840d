//! What an auditor and whoever must erase may ask of the log: whether a token was issued here, and that nothing is
//! left of somebody but the proofs.

use axum::http::Method;
use mintmark::admin::{Actor, Erased, Found, Verdict, Whose};
use mintmark::audit::event::EventType;
use mintmark::audit::verify::verify;
use mintmark::digest::base64url;
use mintmark::jose::{Algorithm, KeyPair};
use mintmark::oauth::claims::encoded_header;
use mintmark::policy::AdminScopes;
use mintmark::store::Change;
use serde_json::{Value, json};

use crate::harness::{SeededEntropy, TestMint, contains, with_mint, with_settings};
use crate::log::{busy_client, issue, published_size, vkey};

fn auditor() -> Actor {
    let (name, request_id) = ("unix:7".to_owned(), "r-1".to_owned());
    Actor { name, via: "socket", request_id, once: None, held: AdminScopes::all() }
}

async fn find(mint: &TestMint, token: &str) -> Found {
    mint.app().admin.find_token(&auditor(), token).await.unwrap()
}

fn verdict(verdict: Verdict) -> Found {
    Found { verdict, index: None }
}

/// A token of these claims by a key that lies outside the issuer.
pub fn signed_outside(pair: &KeyPair, claims: &Value) -> String {
    let input = format!(
        "{}.{}",
        encoded_header(Algorithm::Es256, &pair.kid()),
        base64url(claims.to_string().as_bytes())
    );
    let signature = pair.sign(input.as_bytes()).unwrap();
    format!("{input}.{}", base64url(&signature))
}

/// The private key was stolen before it was brought in: who has it can sign whatever he likes.
#[tokio::test]
async fn a_token_signed_outside_with_the_real_key_is_forged() {
    with_mint(async |mint| {
        let (stolen, pkcs8) = KeyPair::generate(Algorithm::Es256, &SeededEntropy::new(b"thief")).unwrap();
        let reader = mint.usual_policy().await;
        crate::imported::bring_in(mint, pkcs8.as_bytes()).await;
        let genuine = mint.token(&reader, "").await.access_token().unwrap();
        let (_, claims) = mint.token(&reader, "").await.assert_token();
        assert_eq!(find(mint, &genuine).await.verdict, Verdict::Issued);

        // A copy of a real token's claims, even with its jti, is not that token.
        let copy = signed_outside(&stolen, &claims);
        assert_eq!(find(mint, &copy).await, verdict(Verdict::Forged));
        let fresh = signed_outside(&stolen, &json!({ "sub": "boss", "iat": 1 }));
        assert_eq!(find(mint, &fresh).await, verdict(Verdict::Forged));
        let odd = signed_outside(&stolen, &json!([1, 2]));
        assert_eq!(find(mint, &odd).await, verdict(Verdict::Forged));
        // The same again within the minute raises no further alarm.
        assert_eq!(find(mint, &copy).await, verdict(Verdict::Forged), "the alarm is no record of it");
        let alarms = mint.logged(EventType::TokenUnrecorded).await;
        assert_eq!(alarms.len(), 3);
        for alarm in &alarms {
            assert_eq!((alarm.leaf.kid, alarm.leaf.th.is_some()), (Some(stolen.kid()), true));
            assert_eq!(alarm.body, json!({ "via": "socket", "request_id": "r-1" }));
        }
        assert_eq!(mint.app().admin.unrecorded_tokens(), 4);
    })
    .await;
}

#[tokio::test]
async fn tokens_of_others_and_changed_tokens_are_foreign() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let genuine = mint.token(&reader, "").await.access_token().unwrap();
        let other = KeyPair::generate(Algorithm::Es256, &SeededEntropy::new(b"other")).unwrap().0;
        let (input, signature) = genuine.rsplit_once('.').unwrap();
        let changed = format!("{input}A.{signature}");
        for token in [signed_outside(&other, &json!({})), changed, String::new(), "a.b.c".into(), "..".into()]
        {
            assert_eq!(find(mint, &token).await, verdict(Verdict::Foreign), "{token}");
        }
        assert_eq!(mint.logged(EventType::TokenUnrecorded).await.len(), 0);
        let reads = mint.logged(EventType::AuditRead).await;
        assert_eq!(reads.len(), 5, "each search is recorded");
        assert!(!reads.iter().any(|read| read.body.to_string().contains(&genuine)));
    })
    .await;
}

/// While a month goes, its look-ups by `jti` go before its last bodies; a token of it is no forgery for that.
#[tokio::test]
async fn a_token_whose_month_is_on_its_way_out_is_still_known() {
    with_mint(async |mint| {
        let busy = busy_client(mint).await;
        let token = mint.token(&busy, "scope=many").await.access_token().unwrap();
        issue(mint, &busy, 100).await;
        mint.later("40d").await;
        issue(mint, &busy, 100).await;
        let months = mint.app().store.months().await.unwrap();
        let slice = Change::DropBodies { month: months[0], at_most: 50 };
        mint.app().recorder.act(Vec::new(), vec![slice]).await.unwrap();
        assert_eq!(mint.app().store.months().await.unwrap(), months, "it is not gone yet");
        assert_eq!(find(mint, &token).await.verdict, Verdict::Issued);
    })
    .await;
}

/// The record stands in the log before there is a checkpoint over it, and long after its body is gone.
#[tokio::test]
async fn a_token_is_known_before_the_next_checkpoint_and_when_its_body_is_gone() {
    with_settings(&[("MINTMARK_AUDIT__BODY_RETENTION", "20d")], async |mint| {
        let busy = busy_client(mint).await;
        let token = mint.token(&busy, "scope=many").await.access_token().unwrap();
        let size = mint.log().await.len() as u64;
        let issued = Found { verdict: Verdict::Issued, index: Some(size - 1) };
        assert_eq!(find(mint, &token).await, issued, "no checkpoint covers it yet");
        issue(mint, &busy, 100).await;
        mint.later("70d").await;
        issue(mint, &busy, 300).await;
        mint.drop_old_bodies().await;
        assert_eq!(find(mint, &token).await, issued, "found by its time and its key");
        let dropped = mint.logged(EventType::AuditErased).await;
        assert_eq!(dropped.len(), 1);
        assert_eq!(
            dropped[0].body,
            json!({ "actor": "mintmark", "via": "retention", "object": "bodies of 2026-11" })
        );
    })
    .await;
}

#[tokio::test]
async fn of_an_erased_subject_nothing_is_left_but_the_proofs() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        mint.scope("many", "https://orders.example.com", "100000/1m").await;
        let person = mint.client("person-4711", json!({ "scope": "many" })).await;
        let other = mint.client("other-4712", json!({ "scope": "many" })).await;
        for _ in 0..3 {
            issue(mint, &person, 100).await;
            issue(mint, &other, 100).await;
        }
        let (_, claims) = mint.token(&person, "scope=many").await.assert_token();
        mint.token(&person, "scope=not-allowed").await.assert_refused(400, "invalid_scope");
        mint.admin_get("/admin/v1/audit/entries?client_id=person-4711").await.assert_status(200);
        mint.tick().await;
        let receipt = mint.get(&format!("/log/proof?jti={}", claims["jti"].as_str().unwrap())).await;
        let before = mint.admin_get("/admin/v1/audit/export").await;
        let size = published_size(mint).await;

        // The registration itself goes when the client is deleted, which is recorded like any act.
        let path = "/admin/v1/clients/person-4711";
        mint.admin_with(Method::DELETE, path, None, &[("if-match", "*")]).await.assert_status(204);
        let whose = Whose::Subject("person-4711".to_owned());
        let erased = mint.app().admin.erase(&auditor(), &whose).await.unwrap();
        // 301 tokens, a refusal, the registration, its end, a question about it.
        assert_eq!(erased, Erased { erased: 305, more: false, registered: false });
        let bytes = mint.store_bytes();
        assert!(!contains(&bytes, b"person-4711"), "the value is in no file of the store");
        assert!(contains(&bytes, b"other-4712"));

        // Every earlier proof holds, the walk too, and the receipt is still given.
        let note = verify(before.body.as_slice(), &vkey(mint).await, None).unwrap();
        assert!(note.ok, "{note:?}");
        mint.tick().await;
        let export = mint.admin_get("/admin/v1/audit/export").await;
        let after = verify(export.body.as_slice(), &vkey(mint).await, None).unwrap();
        assert!(after.ok && after.size > Some(size), "{after:?}");
        assert!(after.not_checked.contains(&"erased bodies: 305".to_owned()), "{after:?}");
        let again = mint.get(&format!("/log/proof?jti={}", claims["jti"].as_str().unwrap())).await;
        assert_eq!(again.assert_status(200).text().lines().nth(1), receipt.text().lines().nth(1));

        // What the log says of the erasure names nobody.
        let told = mint.logged(EventType::AuditErased).await;
        let count: u64 = told.iter().map(|told| told.body["count"].as_u64().unwrap()).sum();
        assert_eq!((count, &told[0].body["object"]), (305, &json!("subject")));
        assert_eq!(told[0].body["actor"], "unix:7");

        // Others are found as before; of the erased one nothing is found, whatever the pages say.
        let found = async |id: &str| {
            let path = format!("/admin/v1/audit/entries?client_id={id}&event=token.issued&limit=1000");
            mint.admin_get(&path).await.json()["items"].as_array().unwrap().len()
        };
        assert_eq!((found("other-4712").await, found("person-4711").await), (300, 0));
        let nothing = mint.app().admin.erase(&auditor(), &Whose::Client("person-4711".to_owned())).await;
        // The question just asked named it once more.
        assert_eq!(nothing.unwrap(), Erased { erased: 1, more: false, registered: false });
    })
    .await;
}

/// The directory after an erasure is the one of a log that never had those bodies.
#[tokio::test]
async fn an_erasure_leaves_no_term_in_the_directory() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        mint.scope("many", "https://orders.example.com", "100000/1m").await;
        let person = mint.client("person-4711", json!({ "scope": "many" })).await;
        let other = mint.client("other-4712", json!({ "scope": "many" })).await;
        for _ in 0..3 {
            issue(mint, &person, 100).await;
            issue(mint, &other, 100).await;
        }
        let store = &mint.app().store;
        let term = mintmark::audit::directory::term::Term::name("person-4711").0.to_be_bytes();
        let pages = async || store.body_pages(0, 0..9).await.unwrap();
        assert!(pages().await.iter().any(|page| contains(&page.bytes, &term)));
        let whose = Whose::Client("person-4711".to_owned());
        mint.app().admin.erase(&auditor(), &whose).await.unwrap();
        assert!(!pages().await.iter().any(|page| contains(&page.bytes, &term)));
        // Also not in the page that was still growing.
        issue(mint, &other, 300).await;
        let pages = pages().await;
        assert!(pages.len() >= 2 && !pages.iter().any(|page| contains(&page.bytes, &term)));
    })
    .await;
}
