//! A store that lost what was signed: it is refused, and there is one way on, by a person, under another name.

use std::fs;
use std::time::Duration;

use mintmark::admin::{Actor, Found, Verdict};
use mintmark::app::{Reopen, reopen_log};
use mintmark::audit::event::EventType;
use mintmark::audit::open::reopen::Reopened;
use mintmark::audit::verify::verify;
use mintmark::config::Kek;
use mintmark::policy::AdminScopes;
use serde_json::json;

use crate::harness::{KEK, TestMint, foreign_connection, with_mint};
use crate::log::{issue, vkey};
use crate::starting::{copy_store, remove_store, stop};

const NEW: &str = "auth.example.com/log2";

async fn reopen(mint: &TestMint, origin: &str, checkpoint: &str) -> Result<Reopened, String> {
    let ambient = mint.ambient();
    let reopen = Reopen { origin, checkpoint, reason: "the disk was lost", actor: "unix:7" };
    let done = reopen_log(&mint.settings(), &Kek::new(KEK), ambient, &reopen).await;
    done.map_err(|fault| fault.to_string())
}

fn last_signed(mint: &TestMint) -> String {
    fs::read_to_string(mint.data_dir().join("last_signed")).unwrap()
}

async fn find(mint: &TestMint, token: &str) -> Found {
    let actor = Actor {
        name: "unix:7".to_owned(),
        via: "socket",
        request_id: "r".to_owned(),
        once: None,
        held: AdminScopes::all(),
    };
    mint.app().admin.find_token(&actor, token).await.unwrap()
}

#[tokio::test]
async fn after_a_rollback_the_log_goes_on_under_another_name() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.clock().advance(Duration::from_millis(500));
        let kept = mint.token(&reader, "").await.access_token().unwrap();
        let backup = tempfile::tempdir().unwrap();
        let data = mint.data_dir();
        stop(mint).await;
        copy_store(&data, backup.path());
        fs::copy(data.join("last_signed"), backup.path().join("last_signed")).unwrap();
        mint.reopen().await.unwrap();
        // In the same second as the last record that is left: `iat` is in whole seconds.
        mint.clock().advance(Duration::from_millis(100));
        let lost = mint.token(&reader, "").await.access_token().unwrap();
        mint.tick().await;
        let old_vkey = vkey(mint).await;
        mint.later("1m").await;
        stop(mint).await;
        mint.ledger.lock().unwrap().retain(|token| *token != lost);
        remove_store(&data);
        copy_store(backup.path(), &data);
        let refused = mint.reopen().await.unwrap_err().to_string();
        assert!(refused.contains("audit reopen"), "{refused}");

        let outdated = fs::read_to_string(backup.path().join("last_signed")).unwrap();
        let older = reopen(mint, NEW, &outdated).await.unwrap_err();
        assert!(older.starts_with("--checkpoint: ") && older.contains("is known here"), "{older}");
        let checkpoint = last_signed(mint);
        let same = reopen(mint, "auth.example.com/log", &checkpoint).await.unwrap_err();
        assert!(same.starts_with("--origin: "), "{same}");
        let other = reopen(mint, NEW, "nonsense").await.unwrap_err();
        assert!(other.starts_with("--checkpoint: "), "{other}");
        assert!(mint.reopen().await.is_err(), "a refusal changes nothing");

        let reopened = reopen(mint, NEW, &checkpoint).await.unwrap();
        assert_eq!(
            (reopened.origin.as_str(), reopened.closed.origin.as_str()),
            (NEW, "auth.example.com/log")
        );
        assert_eq!(reopened.lost, reopened.closed.size - reopened.kept);
        assert!(reopened.lost > 0 && reopened.vkey.starts_with(NEW));
        let refused = mint.reopen().await.unwrap_err().to_string();
        assert!(refused.contains("audit.origin"), "the configuration must name it too: {refused}");
        mint.set("MINTMARK_AUDIT__ORIGIN", NEW);
        mint.reopen().await.unwrap();

        // What is left is issued, what was lost is pending and no alarm, and new tokens are issued.
        assert_eq!(find(mint, &kept).await.verdict, Verdict::Issued);
        assert_eq!(find(mint, &lost).await, Found { verdict: Verdict::Pending, index: None });
        // Whether it was revoked since is lost too: it is not believed.
        mint.introspect(&reader, &kept).await.assert_active();
        mint.introspect(&reader, &lost).await.assert_inactive();
        assert_eq!(mint.logged(EventType::TokenUnrecorded).await.len(), 0);
        let new = mint.token(&reader, "").await.access_token().unwrap();
        assert_eq!(find(mint, &new).await.verdict, Verdict::Issued);

        // The record says what happened, and verifies as a whole under the new key alone.
        let log = mint.log().await;
        let at = log.iter().position(|entry| entry.leaf.event == EventType::LogClosed).unwrap();
        assert_eq!(at as u64, reopened.kept);
        assert_eq!(log[at].body["checkpoint"], json!(checkpoint));
        assert_eq!(log[at].body["reason"], "the disk was lost");
        assert_eq!(log[at + 1].leaf.event, EventType::LogOpened);
        assert_eq!(log[at + 1].body["follows"]["size"], json!(reopened.closed.size));
        assert_eq!(log[at + 1].body["vkey"], json!(reopened.vkey));
        mint.tick().await;
        let export = mint.admin_get("/admin/v1/audit/export").await;
        let verdict = verify(export.body.as_slice(), &vkey(mint).await, None).unwrap();
        assert!(verdict.ok, "{verdict:?}");
        assert!(
            !verify(export.body.as_slice(), &old_vkey, None).unwrap().ok,
            "the old name is not used again"
        );
        let from_there = mint.admin_get(&format!("/admin/v1/audit/export?first={}", at + 1)).await;
        let verdict = verify(from_there.body.as_slice(), &vkey(mint).await, None).unwrap();
        assert!(
            verdict.ok && verdict.not_checked.iter().any(|rule| rule.contains("log.closed")),
            "{verdict:?}"
        );
        mint.restart().await;
    })
    .await;
}

/// The file that remembers what was signed may be lost; the store's own checkpoint still counts.
#[tokio::test]
async fn what_was_published_counts_where_the_node_has_forgotten_it() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        issue(mint, &reader, 5).await;
        mint.tick().await;
        stop(mint).await;
        let data = mint.data_dir();
        fs::remove_file(data.join("last_signed")).unwrap();
        let mut hand = foreign_connection(&data.join("mintmark.db")).await;
        let cut = "UPDATE log_entries SET leaf = CAST(replace(CAST(leaf AS TEXT), 'node-1', 'node-2') AS BLOB) WHERE idx = 3";
        sqlx::raw_sql(cut).execute(&mut hand).await.unwrap();
        let refused = mint.reopen().await.unwrap_err().to_string();
        assert!(refused.contains("the log is damaged"), "{refused}");
        let back = "UPDATE log_entries SET leaf = CAST(replace(CAST(leaf AS TEXT), 'node-2', 'node-1') AS BLOB) WHERE idx = 3";
        sqlx::raw_sql(back).execute(&mut hand).await.unwrap();
        sqlx::Connection::close(hand).await.unwrap();
        mint.reopen().await.unwrap();
    })
    .await;
}

/// A copy of the store ran elsewhere and published more than this node signed: that this holds proves nothing of the
/// other.
#[tokio::test]
async fn a_store_whose_own_checkpoint_is_later_must_hold_what_this_node_signed_too() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let (elsewhere, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let data = mint.data_dir();
        stop(mint).await;
        copy_store(&data, elsewhere.path());
        mint.reopen().await.unwrap();
        mint.token(&reader, "").await.assert_token();
        mint.tick().await;
        stop(mint).await;
        let signed = last_signed(mint);
        copy_store(&data, here.path());

        remove_store(&data);
        copy_store(elsewhere.path(), &data);
        fs::remove_file(data.join("last_signed")).unwrap();
        mint.ledger.lock().unwrap().clear();
        mint.reopen().await.unwrap();
        mint.later("1m").await;
        for _ in 0..9 {
            mint.token(&reader, "").await.assert_token();
        }
        mint.tick().await;
        stop(mint).await;
        fs::write(data.join("last_signed"), &signed).unwrap();
        let refused = mint.reopen().await.unwrap_err().to_string();
        assert!(refused.contains("not the one that this node has signed"), "{refused}");

        remove_store(&data);
        copy_store(here.path(), &data);
        mint.ledger.lock().unwrap().clear();
        mint.reopen().await.unwrap();
    })
    .await;
}

/// Everything is lost and a log begins under another name; the process ends before its first checkpoint.
#[tokio::test]
async fn a_log_that_begins_under_another_name_is_not_held_to_the_one_before() {
    with_mint(async |mint| {
        let data = mint.data_dir();
        mint.tick().await;
        stop(mint).await;
        let old = last_signed(mint);
        remove_store(&data);
        mintmark::app::make_store(&mint.settings(), mintmark::app::Purpose::Service).await.unwrap();
        mint.set("MINTMARK_AUDIT__ORIGIN", NEW);
        mint.reopen().await.unwrap();
        stop(mint).await;
        fs::write(data.join("last_signed"), &old).unwrap();
        let mut hand = foreign_connection(&data.join("mintmark.db")).await;
        sqlx::raw_sql("UPDATE log SET checkpoint = NULL").execute(&mut hand).await.unwrap();
        sqlx::Connection::close(hand).await.unwrap();
        mint.reopen().await.unwrap();
        assert_eq!(mint.logged(EventType::LogOpened).await.len(), 1);
    })
    .await;
}

/// What was written after the last checkpoint is recomputed at a start, tiles and all.
#[tokio::test]
async fn a_start_recomputes_what_was_written_since_the_last_checkpoint() {
    let mut mint = TestMint::start(&[]).await;
    let client = crate::log::busy_client(&mint).await;
    mint.tick().await;
    issue(&mint, &client, 600).await;
    stop(&mut mint).await;
    // The stop published one more checkpoint; this start is one after a crash before it.
    let data = mint.data_dir();
    let early = data.join("last_signed");
    let mut hand = foreign_connection(&data.join("mintmark.db")).await;
    let tile: Vec<u8> = sqlx::query_scalar("SELECT hashes FROM log_tiles WHERE level = 0 AND n = 1")
        .fetch_one(&mut hand)
        .await
        .unwrap();
    let mut damaged = tile.clone();
    damaged[40] ^= 1;
    let write = "UPDATE log_tiles SET hashes = ? WHERE level = 0 AND n = 1";
    let forget = async |hand: &mut sqlx::SqliteConnection| {
        let _ = fs::remove_file(&early);
        sqlx::raw_sql("UPDATE log SET checkpoint = NULL").execute(hand).await.unwrap();
    };
    forget(&mut hand).await;
    sqlx::query(write).bind(&damaged).execute(&mut hand).await.unwrap();
    let refused = mint.reopen().await.unwrap_err().to_string();
    assert!(refused.contains("tile 0/001 does not fit its entries"), "{refused}");
    sqlx::query(write).bind(&tile).execute(&mut hand).await.unwrap();

    sqlx::raw_sql("UPDATE log_entries SET idx = -idx WHERE idx = 500").execute(&mut hand).await.unwrap();
    let refused = mint.reopen().await.unwrap_err().to_string();
    assert!(refused.contains("the log is damaged"), "{refused}");
    sqlx::raw_sql("UPDATE log_entries SET idx = -idx WHERE idx = -500").execute(&mut hand).await.unwrap();
    sqlx::Connection::close(hand).await.unwrap();
    mint.reopen().await.unwrap();
    mint.finish().await;
}
