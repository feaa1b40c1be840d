//! `audit tail` against a server that ends in each of the ways that servers end in.

use super::*;

fn entry(index: u64, event: &str, client: &str) -> Value {
    json!({
        "index": index,
        "leaf": { "t": event, "ts": "2026-11-21T22:58:01.123456Z" },
        "body": { "client_id": client, "scope": "orders:read" }, "salt": null
    })
}

/// A page with the way on to `next`.
fn page(entries: &[Value], next: &str) -> fake::Answer {
    let (status, mut headers, body) = json_answer(200, &json!({ "items": entries }));
    headers.push(("link", format!("</admin/v1/audit/tail?cursor={next}>; rel=\"next\"")));
    (status, headers, body)
}

/// Two entries, nothing for a while, another entry, and then `end`.
fn ending_with(end: fake::Answer) -> Fake {
    Fake::on_a_socket(move |asked: &Asked| match asked.line.split_once("cursor=").map_or("", |(_, at)| at) {
        "" => page(&[entry(7, "token.issued", "web"), entry(8, "token.denied", "web")], "a"),
        "a" => page(&[], "b"),
        "b" => page(&[entry(9, "key.rotation_requested", "billing-nightly-export")], "c"),
        _ => end.clone(),
    })
}

#[tokio::test]
async fn entries_are_printed_as_they_come_until_the_server_is_not_ready() {
    let server = ending_with(problem(503, "stopping"));
    let tail = ["audit", "tail", "--event", "token.issued", "--client", "web", "--last", "2"];
    let ran = mintmark(&[&tail[..], &["--admin", &server.address]].concat()).await;
    assert_eq!((ran.code, ran.err.lines().count()), (3, 1), "{ran:?}");
    let lines: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        lines,
        [
            entry(7, "token.issued", "web"),
            entry(8, "token.denied", "web"),
            entry(9, "key.rotation_requested", "billing-nightly-export")
        ]
    );
    let asked: Vec<_> = server.asked().into_iter().map(|asked| asked.line).collect();
    let first = "GET /admin/v1/audit/tail?client_id=web&event=token.issued&last=2&limit=1000";
    let next = ["a", "b", "c"].map(|at| format!("GET /admin/v1/audit/tail?cursor={at}"));
    assert_eq!(asked, [&[first.to_owned()][..], &next].concat());
}

#[tokio::test]
async fn on_a_terminal_the_columns_stay_where_they_are() {
    let server = ending_with(problem(503, "stopping"));
    let ran = on_a_terminal(&["audit", "tail", "--last", "0", "--admin", &server.address]).await;
    let expected = "\
INDEX     TIME                  EVENT                   BY          ABOUT
7         2026-11-21 22:58:01Z  token.issued            web         orders:read
8         2026-11-21 22:58:01Z  token.denied            web         orders:read
9         2026-11-21 22:58:01Z  key.rotation_requested  billing-ni  orders:read
                                                        ghtly-expo
                                                        rt
";
    assert_eq!(ran.out, expected);
    assert!(server.asked()[0].line.ends_with("tail?limit=1000"));
}

#[tokio::test]
async fn a_server_that_goes_away_is_exit_3_and_a_refusal_exit_1() {
    let cut_off = (200, vec![("content-length", "100".to_owned())], b"{\"items\":".to_vec());
    let server = ending_with(cut_off);
    let ran = mintmark(&["audit", "tail", "--admin", &server.address]).await;
    assert_eq!((ran.code, ran.out.lines().count()), (3, 3), "{ran:?}");
    assert_eq!(ran.err, format!("error: the server at {} went away\n", server.address));

    let server = ending_with(problem(400, "the cursor is not one of ours"));
    let ran = mintmark(&["audit", "tail", "--admin", &server.address]).await;
    assert_eq!((ran.code, ran.err.as_str()), (1, "error: the cursor is not one of ours\n"));

    // Another server's answer, which names no way on.
    let server = ending_with(json_answer(200, &json!({ "items": [] })));
    let ran = mintmark(&["audit", "tail", "--admin", &server.address]).await;
    assert!(ran.code == 1 && ran.err.contains("is it Mintmark's admin API?"), "{ran:?}");
}
