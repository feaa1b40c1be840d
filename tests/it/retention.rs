//! What is dropped from the log, what is missing from it, and what stays.

use mintmark::audit::verify::verify;

use crate::harness::{TestMint, contains, foreign_connection, with_settings};
use crate::log::{busy_client, issue, published_size, vkey};

/// Bodies go by whole months; what proves them stays.
#[tokio::test]
async fn bodies_are_dropped_after_their_retention_and_every_proof_stays() {
    with_settings(&[("MINTMARK_AUDIT__BODY_RETENTION", "20d")], async |mint| {
        let reader = mint.usual_policy().await;
        let (_, old) = mint.token(&reader, "").await.assert_token();
        let jti = old["jti"].as_str().unwrap();
        mint.tick().await;
        // The tokens of November; bodies of a month are kept until the last of them is 20 days old.
        mint.later("26d").await;
        let (_, new) = mint.token(&reader, "").await.assert_token();
        mint.drop_old_bodies().await;
        mint.get(&format!("/log/proof?jti={jti}")).await.assert_status(200);

        mint.later("3d").await;
        mint.drop_old_bodies().await;
        mint.get(&format!("/log/proof?jti={jti}")).await.assert_status(404);
        let kept = new["jti"].as_str().unwrap();
        mint.get(&format!("/log/proof?jti={kept}")).await.assert_status(200);
        assert!(!contains(&mint.store_bytes(), jti.as_bytes()), "the value is in no file of the store");
        assert!(contains(&mint.store_bytes(), kept.as_bytes()));

        let size = published_size(mint).await;
        let export = mint.admin_get("/admin/v1/audit/export").await;
        let verdict = verify(export.body.as_slice(), &vkey(mint).await, None).unwrap();
        assert!(verdict.ok, "{verdict:?}");
        assert_eq!(verdict.entries, size);
        mint.token(&reader, "").await.assert_token();
    })
    .await;
}

/// Entries that are missing, which only a damaged store has, never hold a search up.
#[tokio::test]
async fn a_search_over_missing_entries_ends() {
    let mut mint = TestMint::start(&[]).await;
    let client = busy_client(&mint).await;
    issue(&mint, &client, 1_200).await;
    let mut other = foreign_connection(&mint.data_dir().join("mintmark.db")).await;
    sqlx::query("DELETE FROM log_entries WHERE idx BETWEEN 5 AND 1150").execute(&mut other).await.unwrap();
    sqlx::Connection::close(other).await.unwrap();
    let found = mint.admin_get("/admin/v1/audit/entries?event=log.opened").await;
    assert_eq!(found.assert_status(200).json()["items"][0]["index"], 0);
    // The oracle would rightly complain of such a store.
    mint.stop().await;
}
