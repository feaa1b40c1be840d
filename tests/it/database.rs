//! The store as its keeper meets it: `mintmark db status`, `migrate` and `backup`.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use mintmark::app::CannotStart;
use mintmark::audit::open::{CannotOpen, LAST_SIGNED};
use mintmark::audit::verify::verify;
use mintmark::cli::{self, Terminal, Zone};
use mintmark::store::Store as _;
use mintmark::store::sqlite::SqliteStore;
use serde_json::{Value, json};

use crate::harness::{KEK, TestMint, contains, foreign_connection, with_mint};
use crate::log::{busy_client, issue, published_size, vkey};

/// Types `mintmark db ...` on the machine of this service; gives the exit code and what it printed.
async fn db(mint: &TestMint, arguments: &[&str]) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut terminal = Terminal {
        stdin: &mut std::io::empty(),
        stdout: &mut out,
        stderr: &mut err,
        is_terminal: false,
        zone: Zone::utc(),
    };
    let argv = ["mintmark", "db"].into_iter().chain(arguments.iter().copied()).map(OsString::from);
    let environment = vec![("MINTMARK_DATA_DIR".to_owned(), mint.data_dir().display().to_string())];
    let code = cli::run(argv, environment, mint.clock(), &mut terminal).await;
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

async fn status(mint: &TestMint) -> Value {
    let (code, out, err) = db(mint, &["status"]).await;
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    serde_json::from_str(&out).unwrap()
}

fn database(mint: &TestMint) -> std::path::PathBuf {
    mint.data_dir().join("mintmark.db")
}

async fn execute(mint: &TestMint, sql: &'static str) {
    sqlx::raw_sql(sql).execute(&mut foreign_connection(&database(mint)).await).await.unwrap();
}

/// The service's database becomes the file `copy`, as a person would do it.
fn put_in_place(mint: &TestMint, copy: &Path) {
    for tail in ["", "-wal", "-shm"] {
        let file = format!("{}{tail}", database(mint).display());
        // The other two are there after a crash only.
        let _ = std::fs::remove_file(file);
    }
    std::fs::copy(copy, database(mint)).unwrap();
}

#[tokio::test]
async fn status_tells_what_there_is_beside_a_running_server_and_after_it() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.token(&reader, "").await.assert_token();
        mint.tick().await;
        let size = published_size(mint).await;
        mint.token(&reader, "").await.assert_token();

        let head = mint.app().store.head().await.unwrap().unwrap();
        let told = status(mint).await;
        assert_eq!(
            told["log"],
            json!({
                "origin": "auth.example.com/log", "size": head.size, "root_hash": head.root.to_string(),
                "checkpoint_size": size, "last_signed_size": size
            })
        );
        assert_eq!((head.size, &told["in_use"], &told["made_by"]), (size + 1, &json!(true), &json!("init")));
        assert_eq!(told["schema"], json!({ "version": 4, "missing": [], "unknown": [] }));
        assert_eq!((&told["body_months"], &told["backup_made"]), (&json!(["2026-11"]), &Value::Null));
        let file = database(mint);
        assert_eq!(told["bytes"]["file"], file.metadata().unwrap().len());
        assert_eq!(told["bytes"]["wal"], file.with_extension("db-wal").metadata().unwrap().len());
        assert!(told["bytes"]["wal"].as_u64() > Some(0), "{told}");
        assert!(told["bytes"]["per_entry"].as_u64() > Some(0), "{told}");

        mint.stop().await;
        let after = status(mint).await;
        assert_eq!((&after["in_use"], &after["bytes"]["wal"]), (&json!(false), &json!(0)));
        assert_eq!(after["log"]["size"], head.size + 1, "its end is recorded");
        assert_eq!(status(mint).await, after, "looking changes nothing");
        mint.reopen().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_is_no_store_is_not_made_one() {
    with_mint(async |mint| {
        mint.stop().await;
        let kept = mint.data_dir().join("kept");
        std::fs::rename(database(mint), &kept).unwrap();
        let copy = mint.data_dir().join("copy.db");
        let copy = copy.to_str().unwrap();
        for verb in [&["status"][..], &["migrate"], &["backup", copy]] {
            let (code, out, err) = db(mint, verb).await;
            assert_eq!((code, out.as_str(), err.lines().count()), (2, "", 1), "{verb:?}: {err}");
            assert!(err.contains("there is no database"), "{verb:?}: {err}");
            assert!(!database(mint).exists() && !Path::new(copy).exists(), "{verb:?}");
        }
        std::fs::write(database(mint), "no database at all, but long enough to be taken for one").unwrap();
        let (code, _, err) = db(mint, &["status"]).await;
        assert_eq!((code, err.lines().count()), (2, 1), "{err}");
        std::fs::rename(&kept, database(mint)).unwrap();
        mint.reopen().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn migrations_are_applied_by_hand_only_while_no_server_runs() {
    with_mint(async |mint| {
        let (code, out, err) = db(mint, &["migrate"]).await;
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert!(err.contains("in use by another mintmark"), "{err}");

        mint.stop().await;
        execute(mint, "DELETE FROM _sqlx_migrations WHERE version >= 2").await;
        execute(mint, "DROP TABLE log_directory").await;
        execute(mint, "ALTER TABLE signing_keys DROP COLUMN retain_for").await;
        for sql in [
            "DROP TABLE deleted_clients",
            "DROP TABLE used_assertions",
            "DROP TABLE forgotten_assertions",
            "DROP TABLE revoked_tokens",
            "DROP TABLE token_floors",
            "DROP TABLE answered_clients",
            "DROP TABLE forgotten_revocations",
            "DROP TABLE idempotent_answers",
            "ALTER TABLE client_secrets DROP COLUMN last_used_at",
            "ALTER TABLE client_secrets DROP COLUMN reminded_at",
        ] {
            execute(mint, sql).await;
        }
        let names = json!(["0002_key_retention", "0003_directory", "0004_clients"]);
        let missing = json!({ "version": 1, "missing": names, "unknown": [] });
        assert_eq!(status(mint).await["schema"], missing);
        let (code, out, _) = db(mint, &["migrate"]).await;
        assert_eq!((code, out), (0, format!("{}\n", json!({ "applied": names }))));
        assert_eq!(db(mint, &["migrate"]).await.1, "{\"applied\":[]}\n");
        assert_eq!(status(mint).await["schema"]["version"], 4);

        execute(mint, "INSERT INTO _sqlx_migrations VALUES (99, 'later', 0, 1, x'00', 0)").await;
        assert_eq!(status(mint).await["schema"]["unknown"], json!(["0099_later"]));
        let (code, _, err) = db(mint, &["migrate"]).await;
        assert!(code == 2 && err.contains("newer version"), "{err}");
        execute(mint, "DELETE FROM _sqlx_migrations WHERE version = 99").await;
        mint.reopen().await.unwrap();
    })
    .await;
}

/// Copies the store while clients go on asking for tokens.
async fn back_up_under_load(mint: &TestMint, copy: &Path) -> Value {
    let client = busy_client(mint).await;
    issue(mint, &client, 200).await;
    let backup = ["backup", copy.to_str().unwrap()];
    let ((), (code, out, err)) = tokio::join!(issue(mint, &client, 300), db(mint, &backup));
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    serde_json::from_str(&out).unwrap()
}

async fn exported(mint: &TestMint, end: &Value) -> Vec<u8> {
    mint.admin_get(&format!("/admin/v1/audit/export?end={end}")).await.assert_status(200).body.clone()
}

#[tokio::test]
async fn a_backup_under_load_is_one_moment_of_the_log() {
    with_mint(async |mint| {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("backup.db");
        let told = back_up_under_load(mint, &copy).await;
        assert_eq!(told["file"], copy.to_str().unwrap());
        let found = copy.metadata().unwrap();
        assert_eq!((told["bytes"].as_u64(), found.permissions().mode() & 0o777), (Some(found.len()), 0o600));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left there");
        assert!(!contains(&std::fs::read(&copy).unwrap(), &KEK));

        // The reading has ended: nothing keeps the write-ahead log from being carried home.
        mint.app().store.flush().await.unwrap();
        assert_eq!(database(mint).with_extension("db-wal").metadata().unwrap().len(), 0);

        let entries = told["entries"].as_u64().unwrap();
        let covered = told["checkpoint_size"].as_u64().unwrap();
        assert!(covered > 200 && covered <= entries, "{told}");
        let now = mint.app().store.entries(0..entries).await.unwrap();
        let original = exported(mint, &told["entries"]).await;
        let kept = SqliteStore::open(&copy, folder.path(), false).await.unwrap();
        assert_eq!(kept.entries(0..u64::MAX >> 1).await.unwrap(), now);
        let log = kept.log().await.unwrap().unwrap();
        assert_eq!(told["root_hash"], log.head.root.to_string());
        kept.close().await;

        // A service that was started from it, in spite of all, gives the same export.
        mint.stop().await;
        put_in_place(mint, &copy);
        execute(mint, "DELETE FROM facts WHERE name = 'backup'").await;
        std::fs::remove_file(mint.data_dir().join(LAST_SIGNED)).unwrap();
        mint.ledger.lock().unwrap().clear();
        mint.reopen().await.unwrap();
        let again = exported(mint, &told["entries"]).await;
        let verdict =
            verify(&again[..], &vkey(mint).await, Some(log.checkpoint.as_deref().unwrap())).unwrap();
        assert!(verdict.ok, "{verdict:?}");
        assert_eq!(verdict.entries, entries);
        let lines = |file: &[u8]| -> Vec<Vec<u8>> {
            file.split(|&b| b == b'\n').skip(1).map(<[u8]>::to_vec).collect()
        };
        assert_eq!(lines(&again), lines(&original));
    })
    .await;
}

#[tokio::test]
async fn no_server_starts_on_a_backup_in_silence() {
    with_mint(async |mint| {
        let folder = tempfile::tempdir().unwrap();
        let (copy, second) = (folder.path().join("backup.db"), folder.path().join("second.db"));
        let (code, ..) = db(mint, &["backup", copy.to_str().unwrap()]).await;
        assert_eq!(code, 0);
        mint.usual_policy().await;
        mint.later("1h").await;
        mint.stop().await;
        let newer = std::fs::read(database(mint)).unwrap();
        put_in_place(mint, &copy);
        let copied = std::fs::read(&copy).unwrap();

        let made_at = "2026-11-22T12:00:00.000000Z";
        let refused = mint.reopen().await.unwrap_err();
        assert!(matches!(&refused, CannotStart::Backup(at) if at == made_at), "{refused}");
        let line = refused.to_string();
        assert!(line.lines().count() == 1 && line.contains(made_at), "{line}");
        assert_eq!(std::fs::read(database(mint)).unwrap(), copied, "a refusal changes nothing");
        assert_eq!(status(mint).await["backup_made"], made_at);

        // A copy of the copy is as old as the first.
        let (code, ..) = db(mint, &["backup", second.to_str().unwrap()]).await;
        assert_eq!(code, 0);
        put_in_place(mint, &second);
        assert_eq!(status(mint).await["backup_made"], made_at);

        // Whoever takes the mark away meets what this node has signed since.
        execute(mint, "UPDATE facts SET value = '' WHERE name = 'backup'").await;
        assert_eq!(status(mint).await["backup_made"], Value::Null);
        let refused = mint.reopen().await.unwrap_err();
        assert!(matches!(refused, CannotStart::Log(CannotOpen::Older { .. })), "{refused}");
        std::fs::write(database(mint), newer).unwrap();
        mint.reopen().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_backup_overwrites_nothing_and_leaves_nothing_of_a_failure() {
    with_mint(async |mint| {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(file("kept"), "kept").unwrap();
        std::os::unix::fs::symlink(folder.path().join("nowhere"), file("link")).unwrap();
        let own = database(mint).display().to_string();
        for (to, why) in [
            (file("kept"), "exists; a backup overwrites nothing"),
            (file("link"), "exists; a backup overwrites nothing"),
            (own, "exists; a backup overwrites nothing"),
            (file("no/such/folder.db"), "cannot be written"),
            (format!("{}/", file("new")), "cannot be written"),
        ] {
            let (code, out, err) = db(mint, &["backup", &to]).await;
            assert_eq!((code, out.as_str(), err.lines().count()), (1, "", 1), "{to}: {err}");
            assert!(err.contains(why), "{to}: {err}");
        }
        let mut left: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["kept", "link"]);
        assert_eq!(std::fs::read_to_string(file("kept")).unwrap(), "kept");
    })
    .await;
}
