//! Keys whose rows or private halves are damaged: the others go on, the ring repairs itself,
//! and nothing that another hand put back is believed.

use axum::http::Method;
use mintmark::audit::event::EventType;
use mintmark::jose::{Algorithm, Kid};
use mintmark::keys::KeyState;
use serde_json::json;

use crate::harness::{ORDERS, TestClient, TestMint, foreign_connection, with_mint, with_settings};

const BOTH_ALGORITHMS: &[(&str, &str)] = &[("MINTMARK_KEYS__ALGORITHMS", "ES256,EdDSA")];

async fn damage(mint: &TestMint, sql: &str) {
    let mut foreign = foreign_connection(&mint.data_dir().join("mintmark.db")).await;
    let done = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut foreign).await.unwrap();
    assert!(done.rows_affected() > 0, "{sql}: it hit nothing");
    sqlx::Connection::close(foreign).await.unwrap();
}

fn in_state(mint: &TestMint, state: KeyState) -> Kid {
    mint.app().rotator.ring().of(Algorithm::Es256).find(|key| key.state == state).unwrap().kid
}

async fn signing_kid(mint: &TestMint, client: &TestClient) -> String {
    mint.token(client, "").await.assert_token().0["kid"].as_str().unwrap().to_owned()
}

/// One key signs and one stands by, both whole, and the other algorithm never noticed.
async fn assert_whole(mint: &TestMint, reader: &TestClient) {
    let ring = mint.app().rotator.ring();
    ring.check().unwrap();
    let stored = mint.app().store.key_ring().await.unwrap();
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        for key in [ring.active(algorithm).unwrap(), ring.standby(algorithm).unwrap()] {
            assert!(stored.sealed.contains_key(&key.kid), "{algorithm}: a key without a private half");
        }
    }
    assert_eq!(signing_kid(mint, reader).await, in_state(mint, KeyState::Active).to_string());
}

#[tokio::test]
async fn an_active_key_without_its_private_half_rests_and_its_tokens_stay_good() {
    for loss in
        ["sealed = NULL", "sealed = x'01'", "sealed = zeroblob(200)", "sealed = substr(sealed, 1, 60)"]
    {
        with_settings(BOTH_ALGORITHMS, async |mint| {
            let reader = mint.usual_policy().await;
            let token = mint.token(&reader, "").await.access_token().unwrap();
            let (lost, standby) = (in_state(mint, KeyState::Active), in_state(mint, KeyState::Published));
            mint.stop().await;
            damage(mint, &format!("UPDATE signing_keys SET {loss} WHERE kid = '{lost}'")).await;
            mint.reopen().await.unwrap();
            assert_eq!(in_state(mint, KeyState::Active), standby, "{loss}");
            assert_eq!(in_state(mint, KeyState::Passive), lost, "{loss}");
            assert_whole(mint, &reader).await;
            mint.judge(&token, &mint.jwks().await, ORDERS).unwrap();
            let told = mint.logged(EventType::KeyPassive).await.pop().unwrap();
            assert_eq!(told.body["reason"], "private half lost or unsound");
        })
        .await;
    }
}

#[tokio::test]
async fn a_standby_without_its_private_half_never_signs() {
    with_settings(BOTH_ALGORITHMS, async |mint| {
        let reader = mint.usual_policy().await;
        let (active, lost) = (in_state(mint, KeyState::Active), in_state(mint, KeyState::Published));
        mint.stop().await;
        damage(mint, &format!("UPDATE signing_keys SET sealed = NULL WHERE kid = '{lost}'")).await;
        mint.reopen().await.unwrap();
        assert_eq!(in_state(mint, KeyState::Active), active);
        assert_eq!(in_state(mint, KeyState::Revoked), lost);
        assert_whole(mint, &reader).await;
        mint.later("14d").await;
        assert_whole(mint, &reader).await;
    })
    .await;
}

#[tokio::test]
async fn a_row_that_cannot_be_read_stops_neither_its_ring_nor_the_others() {
    for (state, row) in [
        ("active", "public = 'null'"),
        ("active", "state = 'shining'"),
        ("published", "public = '{}'"),
        ("published", "alg = 'none'"),
        ("active", "alg = 'none'"),
    ] {
        with_settings(BOTH_ALGORITHMS, async |mint| {
            let reader = mint.usual_policy().await;
            mint.stop().await;
            let sql = format!("UPDATE signing_keys SET {row} WHERE state = '{state}' AND alg = 'ES256'");
            damage(mint, &sql).await;
            mint.reopen().await.unwrap();
            assert_whole(mint, &reader).await;
            for _ in 0..3 {
                mint.later("14d").await;
                assert_whole(mint, &reader).await;
            }
        })
        .await;
    }
}

/// Storm-0558, 2023: a key from 2016, at its end since 2021, still opened doors in 2023. Here an old
/// row that another hand wakes up neither signs nor is served, with true dates or with forged ones.
#[tokio::test]
async fn storm_0558_an_old_key_that_is_put_back_by_hand_neither_signs_nor_is_served() {
    for forged in [
        "state = 'active'",
        "state = 'active', passive_at = NULL, removed_at = NULL",
        "state = 'published', activated_at = NULL, passive_at = NULL, removed_at = NULL",
        "state = 'passive', removed_at = NULL, retain = 1",
    ] {
        with_settings(BOTH_ALGORITHMS, async |mint| {
            let reader = mint.usual_policy().await;
            let old = in_state(mint, KeyState::Active);
            let stolen = mint.app().store.key_ring().await.unwrap().sealed[&old].clone();
            mint.later("14d").await;
            mint.later("1d").await;
            let active = in_state(mint, KeyState::Active);
            mint.stop().await;
            let hex: String = stolen.iter().map(|byte| format!("{byte:02x}")).collect();
            let sql = format!("UPDATE signing_keys SET sealed = x'{hex}', {forged} WHERE kid = '{old}'");
            damage(mint, &sql).await;
            mint.reopen().await.unwrap();
            assert_eq!(in_state(mint, KeyState::Active), active, "{forged}");
            assert_whole(mint, &reader).await;
            let served = mint.jwks().await.find(&old.to_string()).is_some();
            // To be served again is all that a forger of every date gains: nobody signs with it.
            assert_eq!(served, forged.starts_with("state = 'passive'"), "{forged}");
            mint.later("14d").await;
            assert_whole(mint, &reader).await;
            assert_ne!(signing_kid(mint, &reader).await, old.to_string(), "{forged}");
        })
        .await;
    }
}

#[tokio::test]
async fn a_store_whose_keys_are_all_unreadable_is_not_started_over() {
    with_mint(async |mint| {
        mint.stop().await;
        damage(mint, "UPDATE signing_keys SET public = ''").await;
        let refused = mint.reopen().await.unwrap_err().to_string();
        assert_eq!(refused, "keys: store.url: no signing key of this store can be read; restore a backup");
        damage(mint, "DELETE FROM signing_keys").await;
        mint.reopen().await.unwrap_err();
    })
    .await;
}

#[tokio::test]
async fn a_private_half_under_a_strange_kek_is_a_loss_and_a_strange_kek_for_all_a_refusal() {
    with_mint(async |mint| {
        let active = in_state(mint, KeyState::Active);
        mint.stop().await;
        // The name of the KEK stands behind the version byte.
        let other = "sealed = CAST(x'01' || zeroblob(8) || substr(sealed, 10) AS BLOB)";
        damage(mint, &format!("UPDATE signing_keys SET {other} WHERE kid = '{active}'")).await;
        mint.reopen().await.unwrap();
        assert_ne!(in_state(mint, KeyState::Active), active);
        mint.stop().await;
        damage(mint, &format!("UPDATE signing_keys SET {other} WHERE sealed IS NOT NULL")).await;
        let refused = mint.reopen().await.unwrap_err().to_string();
        assert!(
            refused.contains("another key-encryption key") && refused.contains("keys.kek_file"),
            "{refused}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_repair_is_recorded_with_the_step_it_makes() {
    with_mint(async |mint| {
        let lost = in_state(mint, KeyState::Published);
        mint.stop().await;
        damage(mint, &format!("UPDATE signing_keys SET sealed = NULL WHERE kid = '{lost}'")).await;
        mint.reopen().await.unwrap();
        let revoked = mint.logged(EventType::KeyRevoked).await.pop().unwrap();
        assert_eq!(revoked.leaf.kid, Some(lost));
        let told = json!({
            "alg": "ES256", "reason": "private half lost or unsound", "since": null, "actor": "schedule",
        });
        assert_eq!(revoked.body, told);
        let path = format!("/admin/v1/keys/{lost}/retain");
        mint.admin(Method::POST, &path, None).await.assert_problem(409);
    })
    .await;
}
