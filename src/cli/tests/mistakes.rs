//! What a newcomer gets wrong: one line that says what to do next, and an exit code.

use serde_json::json;

use super::fake::{Asked, Fake, json_answer};
use super::{mintmark, problem};

#[tokio::test]
async fn a_refusal_is_one_line_and_exit_1() {
    let server = Fake::on_a_socket(|_: &Asked| problem(409, "web is taken:\nchoose another client_id"));
    let ran = mintmark(&["client", "create", "web", "--scope", "a", "--admin", &server.address]).await;
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert_eq!(ran.err, "error: web is taken:\\nchoose another client_id\n");
}

#[tokio::test]
async fn a_server_that_is_not_there_or_not_ready_is_exit_3() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("admin.sock").display());
    let ran = mintmark(&["client", "list", "--admin", &socket]).await;
    assert_eq!((ran.code, ran.err.lines().count()), (3, 1), "{ran:?}");
    assert!(ran.err.contains("is `mintmark serve` running?"), "{}", ran.err);

    let server = Fake::on_a_socket(|_: &Asked| problem(503, "the log cannot be written"));
    assert_eq!(mintmark(&["key", "list", "--admin", &server.address]).await.code, 3);

    let server = Fake::on_loopback(|asked: &Asked| {
        assert_eq!(asked.line, "GET /readyz");
        (503, Vec::new(), Vec::new())
    })
    .await;
    let ran = mintmark(&["healthcheck", "--url", &server.address]).await;
    assert!(ran.code == 3 && ran.err.contains("not ready"), "{ran:?}");
    let server = Fake::on_loopback(|_: &Asked| (200, Vec::new(), Vec::new())).await;
    assert_eq!(mintmark(&["healthcheck", "--url", &server.address]).await.code, 0);
}

#[tokio::test]
async fn mistakes_are_one_line_and_exit_2() {
    for arguments in [
        &["client", "creat", "web"][..],
        &["client", "create", "web"],
        &["client", "create", "web", "--scope", "a", "--lifetime", "5"],
        &["client", "list", "-o", "xml"],
        &["client", "list", "--admin", "http://auth.example.com"],
        &["client", "list", "--config", "/nowhere/mintmark.toml"],
        &["scope", "set", "a", "--limit", "600"],
        &["audit", "verify", "--vkey", "x"],
        &["audit", "search", "--from", "yesterday"],
        &["audit", "search", "--kid", "short"],
        &["key", "revoke", "kPrK_qmx"],
        &["key", "revoke", "kPrK_", "--reason", "leaked"],
        &["key", "retain"],
        &["key", "rewrap"],
        &["token", "request", "--client", "web", "--secret-file", "/nowhere/secret"],
    ] {
        let ran = mintmark(arguments).await;
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}: {ran:?}");
        assert!(ran.err.lines().count() == 1 && ran.err.starts_with("error: "), "{arguments:?}: {ran:?}");
    }
}

/// What is no limit goes nowhere: no server is asked.
#[tokio::test]
async fn a_limit_that_is_none_is_a_mistake() {
    for bad in [
        "",
        " ",
        "0/1m",
        "-1/1m",
        "NaN/1m",
        "1e309/1m",
        "1.5/1m",
        "5/0s",
        "5/-1m",
        "5/",
        "18446744073709551616/1m",
    ] {
        let set = ["scope", "set", "a", "--resource", "https://api.example"];
        for option in [format!("--limit={bad}"), format!("--total={bad}")] {
            let ran = mintmark(&[&set[..], &["--limit=5/1m", &option]].concat()).await;
            assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{option}: {ran:?}");
            let ran = mintmark(&[&set[..], &[&option]].concat()).await;
            assert_eq!(ran.code, 2, "{option}: {ran:?}");
        }
        let own = format!("--limit=a={bad}");
        let ran = mintmark(&["client", "create", "web", "--scope", "a", &own]).await;
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{own}: {ran:?}");
    }
    for bad in ["", "0", "-1", "NaN", "1e309", "4294967296"] {
        let burst = format!("--burst={bad}");
        let set = ["scope", "set", "a", "--resource", "https://api.example", "--limit=5/1m", &burst];
        assert_eq!(mintmark(&set).await.code, 2, "{burst}");
    }
}

/// Knows some names, and of everything else that it is not there.
fn server_with(list: &'static str, member: &'static str, names: &'static [&'static str]) -> Fake {
    Fake::on_a_socket(move |asked: &Asked| {
        if asked.line == format!("GET /admin/v1/{list}") {
            let items: Vec<_> = names.iter().map(|name| json!({ member: name })).collect();
            return json_answer(200, &json!({ "items": items }));
        }
        problem(404, "there is no such thing")
    })
}

#[tokio::test]
async fn a_name_that_is_not_there_is_answered_with_those_that_are_like_it() {
    let server = server_with("clients", "client_id", &["billing", "web-app", "web-api", "ledger"]);
    for (verb, id, advice) in [
        ("get", "web-ap", "did you mean `web-app` or `web-api`?"),
        ("get", "Billing", "did you mean `billing`?"),
        ("disable", "legder", "did you mean `ledger`?"),
        ("rotate-secret", "nobody", "`mintmark client list` lists all"),
    ] {
        let ran = mintmark(&["client", verb, id, "--admin", &server.address]).await;
        let expected = format!("error: there is no such thing; {advice}\n");
        assert_eq!((ran.code, ran.err), (1, expected), "{id}");
    }
}

#[tokio::test]
async fn without_a_list_a_refusal_is_still_what_it_was() {
    let server = Fake::on_a_socket(|asked: &Asked| match asked.line.as_str() {
        "GET /admin/v1/clients" => problem(503, "busy"),
        _ => problem(404, "there is no such client"),
    });
    let ran = mintmark(&["client", "get", "web", "--admin", &server.address]).await;
    assert_eq!((ran.code, ran.err.lines().count()), (1, 1), "{ran:?}");
    assert!(ran.err.starts_with("error: there is no such client; `mintmark client list`"), "{}", ran.err);
}

#[tokio::test]
async fn a_scope_that_nobody_made_is_answered_with_those_that_are_like_it() {
    let server = Fake::on_a_socket(|asked: &Asked| {
        if asked.line == "GET /admin/v1/scopes" {
            return json_answer(200, &json!({ "items": [{ "scope": "orders:read" }, { "scope": "stock" }] }));
        }
        problem(400, "scope: orders:reed is not registered; `mintmark scope set` it first")
    });
    let create = ["client", "create", "web", "--scope", "orders:reed", "--admin", &server.address];
    let ran = mintmark(&create).await;
    let expected = "error: scope: orders:reed is not registered; `mintmark scope set` it first; \
                    did you mean `orders:read`?\n";
    assert_eq!((ran.code, ran.err.as_str()), (1, expected));
}

#[tokio::test]
async fn whoever_came_second_is_told_to_repeat() {
    for status in [412, 428] {
        let server = Fake::on_a_socket(move |asked: &Asked| match asked.line.split(' ').next().unwrap() {
            "GET" => problem(404, "there is no such resource"),
            _ => problem(status, "the object is another"),
        });
        let set = ["resource", "set", "https://api.example", "--admin", &server.address];
        let ran = mintmark(&set).await;
        assert_eq!(ran.code, 1);
        assert!(
            ran.err.ends_with("somebody changed it at the same time: repeat the command\n"),
            "{}",
            ran.err
        );
    }
}

#[tokio::test]
async fn a_socket_without_a_server_is_told_from_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let address = format!("unix:{}", path.display());
    let ran = mintmark(&["client", "list", "--admin", &address]).await;
    assert!(ran.err.contains("no such socket; --config or --admin names another"), "{}", ran.err);
    drop(tokio::net::UnixListener::bind(&path).unwrap());
    let ran = mintmark(&["client", "list", "--admin", &address]).await;
    assert!(ran.code == 3 && ran.err.contains("nobody listens at this socket"), "{ran:?}");
}

#[tokio::test]
async fn a_mistake_names_the_help_of_its_own_command() {
    for (arguments, help) in [
        (&["frobnicate"][..], "see `mintmark --help`"),
        (&["client", "creat", "web"], "see `mintmark client --help`"),
        (&["client", "create", "web"], "see `mintmark client create --help`"),
        (&["-o", "json", "key", "rotate", "--alg", "HS256"], "see `mintmark key rotate --help`"),
    ] {
        let ran = mintmark(arguments).await;
        assert!(ran.err.ends_with(&format!("; {help}\n")), "{arguments:?}: {}", ran.err);
    }
    let ran = mintmark(&["audit", "search", "--event", "token.isued"]).await;
    assert!(ran.code == 2 && ran.err.contains("a similar value exists: 'token.issued'"), "{ran:?}");
    let ran = mintmark(&["token", "inspect", "/nowhere/token"]).await;
    assert!(!ran.err.contains("os error") && ran.err.contains("give the path"), "{}", ran.err);
}
