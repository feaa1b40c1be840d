//! What an issuer refuses to start on, so that no log is ever forked and no store taken for another.

use std::fs;
use std::path::Path;
use std::time::Duration;

use mintmark::app::{self, CannotStart, Purpose};
use mintmark::audit::event::EventType;
use mintmark::audit::open::CannotOpen;
use mintmark::config::Settings;
use serde_json::json;

use crate::harness::{TestMint, with_mint};

/// The store's files but for what the node itself remembers.
pub(crate) fn copy_store(from: &Path, to: &Path) {
    for file in fs::read_dir(from).unwrap().map(|file| file.unwrap()) {
        let name = file.file_name().into_string().unwrap();
        if name.starts_with("mintmark.db") {
            fs::copy(file.path(), to.join(name)).unwrap();
        }
    }
}

pub(crate) fn remove_store(data: &Path) {
    for name in ["mintmark.db", "mintmark.db-wal", "mintmark.db-shm"] {
        // A clean end leaves only the first of them.
        let _ = fs::remove_file(data.join(name));
    }
}

/// Ends the process and waits until SQLite has let go of its files: a connection
/// that closes late would remove the write-ahead log of whatever lies there by then.
pub(crate) async fn stop(mint: &mut TestMint) {
    mint.stop().await;
    let data = mint.data_dir();
    let is_open = || {
        let files = fs::read_dir("/proc/self/fd").unwrap();
        files.filter_map(|file| fs::read_link(file.ok()?.path()).ok()).any(|path| path.starts_with(&data))
    };
    let gone = async {
        while is_open() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("every connection closes");
}

async fn refused(mint: &mut TestMint) -> String {
    mint.reopen().await.expect_err("it must not start").to_string()
}

#[tokio::test]
async fn a_store_that_was_restored_from_a_backup_is_refused_until_the_newer_one_is_back() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let data = mint.data_dir();
        stop(mint).await;
        copy_store(&data, old.path());
        mint.reopen().await.unwrap();
        mint.token(&reader, "").await.assert_token();
        stop(mint).await;
        copy_store(&data, new.path());

        remove_store(&data);
        copy_store(old.path(), &data);
        let fault = mint.reopen().await.unwrap_err();
        assert!(
            matches!(fault, CannotStart::Log(CannotOpen::Older { found, signed }) if found < signed),
            "{fault}"
        );
        // Nothing was changed by the attempt: the old store is still what it was.
        assert_eq!(
            fs::read(data.join("mintmark.db")).unwrap(),
            fs::read(old.path().join("mintmark.db")).unwrap()
        );

        remove_store(&data);
        copy_store(new.path(), &data);
        mint.reopen().await.unwrap();
        mint.token(&reader, "").await.assert_token();
    })
    .await;
}

#[tokio::test]
async fn a_new_store_in_the_place_of_one_that_signed_is_refused() {
    with_mint(async |mint| {
        let data = mint.data_dir();
        stop(mint).await;
        let kept = tempfile::tempdir().unwrap();
        copy_store(&data, kept.path());
        remove_store(&data);
        app::make_store(&mint.settings(), Purpose::Service).await.unwrap();
        let fault = mint.reopen().await.unwrap_err();
        assert!(matches!(fault, CannotStart::Log(CannotOpen::Older { found: 0, .. })), "{fault}");
        remove_store(&data);
        copy_store(kept.path(), &data);
        mint.reopen().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_log_keeps_its_name() {
    with_mint(async |mint| {
        stop(mint).await;
        mint.set("MINTMARK_AUDIT__ORIGIN", "other.example.com/log");
        let told = refused(mint).await;
        assert!(told.contains("other.example.com/log") && told.contains("auth.example.com/log"), "{told}");
        mint.set("MINTMARK_AUDIT__ORIGIN", "auth.example.com/log");
        mint.reopen().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn another_key_encryption_key_opens_nothing() {
    with_mint(async |mint| {
        let size = mint.log().await.len();
        stop(mint).await;
        mint.set_kek([8; 32]);
        let told = refused(mint).await;
        assert!(told.contains("another KEK") && told.contains("keys.kek_file"), "{told}");
        mint.set_kek([7; 32]);
        mint.reopen().await.unwrap();
        assert_eq!(mint.log().await.len(), size + 2, "only node.stopped and node.started came since");
    })
    .await;
}

#[tokio::test]
async fn a_data_directory_serves_one_issuer_at_a_time() {
    with_mint(async |mint| {
        let fault = mint.reopen().await.unwrap_err();
        assert!(matches!(fault, CannotStart::InUse(_)) && fault.is_taken(), "{fault}");
        let fault = app::make_store(&mint.settings(), Purpose::Service).await.unwrap_err();
        assert!(matches!(fault, CannotStart::InUse(_)), "{fault}");
        mint.restart().await;
    })
    .await;
}

#[tokio::test]
async fn a_store_for_trying_things_out_never_becomes_a_real_one() {
    with_mint(async |mint| {
        let folder = tempfile::tempdir().unwrap();
        let environment = [
            ("MINTMARK_ISSUER".to_owned(), "https://auth.example.com".to_owned()),
            ("MINTMARK_DATA_DIR".to_owned(), folder.path().join("data").display().to_string()),
        ];
        let settings = Settings::load(None, &environment).unwrap();
        app::make_store(&settings, Purpose::Dev).await.unwrap();
        let fault = mint.open_elsewhere(&settings).await.unwrap_err();
        assert!(matches!(&fault, CannotStart::OtherPurpose(by) if by == "dev"), "{fault}");
    })
    .await;
}

#[tokio::test]
async fn without_a_store_nothing_is_made_up() {
    with_mint(async |mint| {
        stop(mint).await;
        let (data, kept) = (mint.data_dir(), tempfile::tempdir().unwrap());
        copy_store(&data, kept.path());
        remove_store(&data);
        let fault = mint.reopen().await.unwrap_err();
        assert!(matches!(fault, CannotStart::NoStore(_)), "{fault}");
        assert!(!data.join("mintmark.db").exists());
        copy_store(kept.path(), &data);
        mint.reopen().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_damaged_entry_is_found_at_the_start_after_a_failed_flush() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        for _ in 0..3 {
            mint.token(&reader, "").await.assert_token();
        }
        stop(mint).await;
        let data = mint.data_dir();
        fs::write(data.join("verify-needed"), "").unwrap();
        mint.reopen().await.unwrap();
        assert!(!data.join("verify-needed").exists(), "walked and found whole");
        stop(mint).await;

        let kept = tempfile::tempdir().unwrap();
        copy_store(&data, kept.path());
        let mut foreign = crate::harness::foreign_connection(&data.join("mintmark.db")).await;
        let broken = "UPDATE log_entries SET leaf = CAST(replace(CAST(leaf AS TEXT), 'node-1', 'node-2') AS BLOB) WHERE idx = 3";
        sqlx::query(broken).execute(&mut foreign).await.unwrap();
        sqlx::Connection::close(foreign).await.unwrap();
        fs::write(data.join("verify-needed"), "").unwrap();
        let fault = mint.reopen().await.unwrap_err();
        assert!(matches!(fault, CannotStart::Log(CannotOpen::Damaged(_))), "{fault}");

        remove_store(&data);
        copy_store(kept.path(), &data);
        mint.reopen().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_start_by_other_settings_is_recorded_with_what_differs() {
    with_mint(async |mint| {
        mint.restart().await;
        assert_eq!(
            mint.logged(EventType::ConfigChanged).await.len(),
            0,
            "nothing changed, and nothing did before"
        );
        mint.set("MINTMARK_TOKENS__LIFETIME", "90s");
        mint.set("MINTMARK_AUDIT__CHECKPOINT", "2s");
        mint.restart().await;
        mint.restart().await;
        let told = mint.logged(EventType::ConfigChanged).await;
        assert_eq!(told.len(), 1, "once");
        assert_eq!(told[0].body["before"], json!({ "audit.checkpoint": "1s", "tokens.lifetime": "10m" }));
        assert_eq!(told[0].body["after"], json!({ "audit.checkpoint": "2s", "tokens.lifetime": "90s" }));
        assert_eq!(told[0].body["object"], "settings");
    })
    .await;
}
