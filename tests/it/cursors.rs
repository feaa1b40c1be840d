//! Cursors of the admin API: the way on is given, never made up, so that nobody reads the log unrecorded.

use axum::body::Body;
use axum::http::Request;
use mintmark::audit::event::EventType;
use mintmark::digest::{base64url, base64url_decode};
use mintmark::http::accept::PeerUid;

use crate::harness::{Answer, TestMint, with_mint};

const ISSUED: &str = "/admin/v1/audit/entries?event=token.issued&limit=2";

/// The path of the next page.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.assert_status(200).header("link");
    Some(link.strip_prefix('<')?.split_once(">; rel=\"next\"").unwrap().0.to_owned())
}

/// The same path with another cursor.
fn with_cursor(path: &str, cursor: &str) -> String {
    format!("{}cursor={cursor}", path.split_once("cursor=").unwrap().0)
}

fn cursor_of(path: &str) -> &str {
    path.split_once("cursor=").unwrap().1
}

async fn ask_as(mint: &TestMint, uid: u32, path: &str) -> Answer {
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    request.extensions_mut().insert(PeerUid(uid));
    mint.admin_send(request).await
}

/// Five tokens, and the way on from the newest two of them.
async fn five_tokens(mint: &TestMint) -> String {
    let reader = mint.usual_policy().await;
    for _ in 0..5 {
        mint.token(&reader, "").await.assert_token();
    }
    next(&mint.admin_get(ISSUED).await).unwrap()
}

async fn questions(mint: &TestMint) -> usize {
    mint.logged(EventType::AuditRead).await.len()
}

#[tokio::test]
async fn a_question_is_recorded_once_and_its_pages_are_those_after_the_first() {
    with_mint(async |mint| {
        let second = five_tokens(mint).await;
        let page = mint.admin_get(&second).await;
        let third = next(&page).unwrap();
        let last = mint.admin_get(&third).await;
        let sizes = [&page, &last].map(|page| page.json()["items"].as_array().unwrap().len());
        assert_eq!(sizes, [2, 1]);
        assert_eq!(questions(mint).await, 1);
        // The same page again is still of the same question.
        assert_eq!(mint.admin_get(&second).await.text(), page.text());
        assert_eq!(questions(mint).await, 1);
        mint.admin_get(ISSUED).await.assert_status(200);
        assert_eq!(questions(mint).await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_cursor_that_was_not_given_for_the_question_is_refused() {
    with_mint(async |mint| {
        let second = five_tokens(mint).await;
        let cursor = cursor_of(&second);
        let newest = mint.log().await.len() as u64;
        let made_up = [&newest.to_be_bytes()[..], &[0; 32]].concat();
        let mut altered = base64url_decode(cursor).unwrap();
        // One entry further back, which is what somebody would try.
        altered[7] -= 1;
        for path in [
            with_cursor(&second, &base64url(newest.to_string().as_bytes())),
            with_cursor(&second, &base64url(&made_up)),
            with_cursor(&second, &base64url(&altered)),
            format!("/admin/v1/audit/entries?cursor={cursor}"),
            format!("/admin/v1/audit/entries?event=token.denied&cursor={cursor}"),
            format!("/admin/v1/audit/entries?event=token.issued&client_id=reader&cursor={cursor}"),
            format!("/admin/v1/clients?cursor={cursor}"),
        ] {
            let refused = mint.admin_get(&path).await;
            assert_eq!(
                refused.assert_problem(400).json()["detail"],
                "the cursor is not one of ours, or the server was restarted: begin again",
                "{path}"
            );
        }
        // Nor is it another person's.
        ask_as(mint, 0, &second).await.assert_status(200);
        ask_as(mint, 1_000, &second).await.assert_problem(400);
        assert_eq!(questions(mint).await, 1, "what is refused reads nothing");

        // How the filters were written does not matter, only what they say.
        let spelled = format!("/admin/v1/audit/entries?cursor={cursor}&limit=2&event=token%2Eissued");
        assert_eq!(mint.admin_get(&spelled).await.text(), mint.admin_get(&second).await.text());
    })
    .await;
}

#[tokio::test]
async fn a_restart_forgets_the_cursors() {
    with_mint(async |mint| {
        let second = five_tokens(mint).await;
        mint.restart().await;
        mint.admin_get(&second).await.assert_problem(400);
        next(&mint.admin_get(ISSUED).await).unwrap();
        mint.admin_get(&second).await.assert_problem(400);
    })
    .await;
}
