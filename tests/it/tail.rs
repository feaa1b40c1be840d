//! Following the log by `GET /admin/v1/audit/tail` and `mintmark audit tail`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::time::Duration;

use mintmark::audit::event::EventType;
use mintmark::cli::{self, Terminal, Zone};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::harness::{Answer, FakeClock, START, TestMint, with_mint, with_settings};

const TAIL: &str = "/admin/v1/audit/tail";

/// The path of the next page, which there always is.
fn next(answer: &Answer) -> String {
    let link = answer.assert_status(200).header("link");
    link.strip_prefix('<').unwrap().split_once(">; rel=\"next\"").unwrap().0.to_owned()
}

/// Index and event of each entry of a page.
fn shown(answer: &Answer) -> Vec<(u64, String)> {
    let items = answer.assert_status(200).json()["items"].clone();
    let one =
        |item: &Value| (item["index"].as_u64().unwrap(), item["leaf"]["t"].as_str().unwrap().to_owned());
    items.as_array().unwrap().iter().map(one).collect()
}

async fn reads(mint: &TestMint) -> Vec<Value> {
    mint.logged(EventType::AuditRead).await.into_iter().map(|entry| entry.body["object"].clone()).collect()
}

#[tokio::test]
async fn a_run_begins_with_the_last_entries_and_goes_on_with_each_new_one() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        for _ in 0..3 {
            mint.token(&reader, "").await.assert_token();
        }
        let newest = mint.log().await.len() as u64 - 1;
        let first = mint.admin_get(&format!("{TAIL}?event=token.issued&last=2&limit=2")).await;
        let issued = "token.issued".to_owned();
        assert_eq!(shown(&first), [(newest - 1, issued.clone()), (newest, issued.clone())]);

        // Newer ones come in the order of the log, page by page, and none twice.
        for _ in 0..3 {
            mint.token(&reader, "").await.assert_token();
        }
        mint.token(&reader, "scope=unknown").await.assert_refused(400, "invalid_scope");
        let second = mint.admin_get(&next(&first)).await;
        // In between lies the record of this run.
        assert_eq!(shown(&second), [(newest + 2, issued.clone()), (newest + 3, issued.clone())]);
        let third = mint.admin_get(&next(&second)).await;
        assert_eq!(shown(&third), [(newest + 4, issued)]);
        assert_eq!(reads(mint).await, ["tail event=token.issued"], "one record a run");
    })
    .await;
}

#[tokio::test]
async fn a_run_shows_its_own_record_like_every_other_entry() {
    with_mint(async |mint| {
        let end = mint.log().await.len() as u64;
        assert_eq!(shown(&mint.admin_get(&format!("{TAIL}?last=1")).await), [(end, "audit.read".to_owned())]);
        assert!(shown(&mint.admin_get(TAIL).await).is_empty(), "what there is already was not asked for");
        assert_eq!(reads(mint).await, ["tail", "tail"]);
    })
    .await;
}

#[tokio::test]
async fn a_page_waits_for_an_entry_that_fits() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let path = next(&mint.admin_get(&format!("{TAIL}?event=token.issued")).await);
        // Whichever comes first: the page must have waited for, or found, the token, and not what is beside it.
        let act = async {
            mint.scope("other", crate::harness::ORDERS, "60/1m").await;
            mint.token(&reader, "").await.assert_token();
        };
        let (page, ()) = tokio::join!(mint.admin_get(&path), act);
        let newest = mint.log().await.len() as u64 - 1;
        assert_eq!(shown(&page), [(newest, "token.issued".to_owned())]);
    })
    .await;
}

#[tokio::test]
async fn without_news_a_page_is_empty_after_a_moment_and_names_the_way_on() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let path = next(&mint.admin_get(&format!("{TAIL}?event=token.issued")).await);
        // Time stands still but where everybody waits for it.
        tokio::time::pause();
        let began = tokio::time::Instant::now();
        let empty = mint.admin_get(&path).await;
        let waited = began.elapsed();
        tokio::time::resume();
        assert!(waited < Duration::from_secs(3), "{waited:?}");
        assert!(shown(&empty).is_empty());
        mint.token(&reader, "").await.assert_token();
        assert_eq!(shown(&mint.admin_get(&next(&empty)).await).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_token_is_followed_by_its_jti_and_a_wrong_question_is_refused() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let path = next(&mint.admin_get(&format!("{TAIL}?client_id=reader")).await);
        let (_, claims) = mint.token(&reader, "").await.assert_token();
        mint.token(&reader, "").await.assert_token();
        assert_eq!(shown(&mint.admin_get(&path).await).len(), 2);
        let jti = claims["jti"].as_str().unwrap();
        let begun = mint.admin_get(&format!("{TAIL}?jti={jti}&last=5")).await;
        assert_eq!(begun.json()["items"][0]["body"]["jti"], jti);
        assert_eq!(shown(&begun).len(), 1);

        let recorded = reads(mint).await.len();
        let entries = next(&mint.admin_get("/admin/v1/audit/entries?limit=1").await);
        let foreign = format!("{TAIL}?cursor={}", entries.split_once("cursor=").unwrap().1);
        for query in
            ["?last=0", "?last=1001", "?last=a", "?limit=0", "?cursor=MTA", "?after=1", "?last=1&last=1"]
        {
            mint.admin_get(&format!("{TAIL}{query}")).await.assert_problem(400);
        }
        mint.admin_get(&foreign).await.assert_problem(400);
        assert_eq!(reads(mint).await.len(), recorded + 1, "only the search was one");
    })
    .await;
}

/// What a command writes, line by line, as it comes.
struct Lines {
    rest: Vec<u8>,
    lines: mpsc::UnboundedSender<String>,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8(line).unwrap();
            // A reader who has gone is what a broken pipe is.
            self.lines.send(line).map_err(|_| io::ErrorKind::BrokenPipe)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Types `mintmark audit tail`; gives the exit code and what went to standard error.
async fn tail(socket: &str, more: &[&str], lines: mpsc::UnboundedSender<String>) -> (u8, String) {
    let (mut out, mut err) = (Lines { rest: Vec::new(), lines }, Vec::new());
    let mut terminal = Terminal {
        stdin: &mut io::empty(),
        stdout: &mut out,
        stderr: &mut err,
        is_terminal: false,
        zone: Zone::utc(),
    };
    let admin = format!("unix:{socket}");
    let words = [&["mintmark", "audit", "tail", "--admin", &admin], more].concat();
    let argv = words.into_iter().map(OsString::from);
    let code = cli::run(argv, Vec::new(), &FakeClock::at(START), &mut terminal).await;
    (code, String::from_utf8(err).unwrap())
}

async fn index_of(lines: &mut mpsc::UnboundedReceiver<String>) -> u64 {
    let entry: Value = serde_json::from_str(&lines.recv().await.unwrap()).unwrap();
    entry["index"].as_u64().unwrap()
}

#[tokio::test]
async fn the_command_follows_a_server_until_that_ends() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock").display().to_string();
    with_settings(&[("MINTMARK_ADMIN__SOCKET", &socket)], async |mint| {
        let reader = mint.usual_policy().await;
        mint.token(&reader, "").await.assert_token();
        let newest = mint.log().await.len() as u64 - 1;
        let (stop, stopped) = oneshot::channel();
        let served = mint.run(stopped).await;

        let (sender, mut lines) = mpsc::unbounded_channel();
        let follows = tail(&socket, &["--last", "1", "--event", "token.issued"], sender);
        let story = async {
            assert_eq!(index_of(&mut lines).await, newest);
            mint.token(&reader, "").await.assert_token();
            // After the record of this run.
            assert_eq!(index_of(&mut lines).await, newest + 2);
            drop(stop);
            served.await.unwrap();
        };
        let ((code, err), ()) = tokio::join!(follows, story);
        assert_eq!((code, err.lines().count()), (3, 1), "{err}");
        mint.ledger.lock().unwrap().clear();
        mint.reopen().await.unwrap();
        assert_eq!(reads(mint).await, [json!("tail event=token.issued")]);
    })
    .await;
}

#[tokio::test]
async fn the_command_ends_well_when_nobody_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock").display().to_string();
    with_settings(&[("MINTMARK_ADMIN__SOCKET", &socket)], async |mint| {
        let (stop, stopped) = oneshot::channel();
        let served = mint.run(stopped).await;
        let (sender, lines) = mpsc::unbounded_channel();
        drop(lines);
        assert_eq!(tail(&socket, &[], sender).await, (0, String::new()));
        drop(stop);
        served.await.unwrap();
        mint.reopen().await.unwrap();
    })
    .await;
}
