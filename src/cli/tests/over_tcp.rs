use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::fake::{Asked, Fake, json_answer};
use super::{Ran, mintmark, problem, rule};

const SECRET: &str = "mms_canary+7f3a";

/// A folder with the secret in a file that nobody else can read.
fn secret_file(folder: &Path) -> String {
    let path = super::file(folder, "secret", &format!("{SECRET}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// An issuer and its admin API in one: tokens are `t1`, `t2` and so on; `answers` sees the other requests.
async fn server(answers: impl Fn(&Asked) -> super::fake::Answer + Send + Sync + 'static) -> Fake {
    let issued = Arc::new(AtomicUsize::new(0));
    Fake::on_loopback(move |asked: &Asked| {
        if asked.line == "POST /oauth2/token" {
            let token = format!("t{}", issued.fetch_add(1, Ordering::Relaxed) + 1);
            return json_answer(200, &json!({ "access_token": token, "token_type": "Bearer" }));
        }
        answers(asked)
    })
    .await
}

async fn ops(server: &Fake, command: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let secret = secret_file(folder.path());
    let over_tcp = [
        "--admin",
        &server.address,
        "--admin-issuer",
        &server.address,
        "--admin-client",
        "ops",
        "--admin-secret-file",
        &secret,
    ];
    let ran = mintmark(&[command, &over_tcp].concat()).await;
    for text in [&ran.out, &ran.err] {
        assert!(!text.contains("canary") && !text.contains("Bearer"), "{ran:?}");
    }
    ran
}

fn lines(server: &Fake) -> Vec<String> {
    server.asked().iter().map(|asked| asked.line.clone()).collect()
}

#[tokio::test]
async fn each_request_has_a_token_for_what_it_needs_and_no_more() {
    let server = server(|asked: &Asked| match asked.line.split(' ').next().unwrap() {
        "GET" => problem(404, "no such scope"),
        _ => json_answer(201, &asked.json()),
    })
    .await;
    let set = ["scope", "set", "orders:read", "--resource", "https://api.example", "--limit", "600/1m"];
    let ran = ops(&server, &[&set[..], &["--lifetime", "5m"]].concat()).await;
    assert_eq!((ran.code, ran.json()), (0, rule()), "{ran:?}");
    let asked = server.asked();
    let path = "/admin/v1/scopes/orders%3Aread";
    let expected =
        ["POST /oauth2/token", &format!("GET {path}"), "POST /oauth2/token", &format!("PUT {path}")];
    assert_eq!(lines(&server), expected);
    // The Basic form of `ops` and `mms_canary%2B7f3a`.
    assert_eq!(asked[0].header("authorization"), Some("Basic b3BzOm1tc19jYW5hcnklMkI3ZjNh"));
    assert_eq!(asked[0].body, "grant_type=client_credentials&scope=admin%3Aread");
    assert_eq!(asked[1].header("authorization"), Some("Bearer t1"));
    assert_eq!(asked[2].body, "grant_type=client_credentials&scope=admin%3Alimits");
    assert_eq!(asked[3].header("authorization"), Some("Bearer t2"));
}

#[tokio::test]
async fn a_token_is_used_again_and_asked_for_anew_when_its_time_is_over() {
    // Two pages, and between them the first token ends.
    let page = |items: Value, next: Option<&str>| {
        let (status, mut headers, body) = json_answer(200, &json!({ "items": items }));
        headers.extend(next.map(|next| ("link", format!("<{next}>; rel=\"next\""))));
        (status, headers, body)
    };
    let server = server(move |asked: &Asked| match (asked.line.as_str(), asked.header("authorization")) {
        ("GET /admin/v1/clients", Some("Bearer t1")) => page(json!([]), Some("/admin/v1/clients?cursor=2")),
        ("GET /admin/v1/clients?cursor=2", Some("Bearer t1")) => {
            problem(401, "the token is not one, or no longer")
        }
        ("GET /admin/v1/clients?cursor=2", Some("Bearer t2")) => {
            page(json!([]), Some("/admin/v1/clients?cursor=3"))
        }
        ("GET /admin/v1/clients?cursor=3", Some("Bearer t2")) => page(json!([{ "client_id": "web" }]), None),
        _ => problem(500, "not this"),
    })
    .await;
    let ran = ops(&server, &["client", "list"]).await;
    assert_eq!((ran.code, ran.json()), (0, json!({ "items": [{ "client_id": "web" }] })), "{ran:?}");
    assert_eq!(server.asked().iter().filter(|asked| asked.line == "POST /oauth2/token").count(), 2);
}

#[tokio::test]
async fn who_is_refused_is_refused_once() {
    let refusing = server(|_: &Asked| problem(401, "send an access token for the admin API")).await;
    let ran = ops(&refusing, &["client", "list"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (1, "error: send an access token for the admin API\n"));
    assert_eq!(lines(&refusing), ["POST /oauth2/token", "GET /admin/v1/clients"]);

    let forbidding = server(|_: &Asked| problem(403, "the token needs the scope admin:keys")).await;
    let ran = ops(&forbidding, &["key", "rotate"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (1, "error: the token needs the scope admin:keys\n"));
    assert_eq!(forbidding.asked().len(), 2);

    let no_tokens = Fake::on_loopback(|asked: &Asked| {
        assert_eq!(asked.line, "POST /oauth2/token");
        json_answer(
            400,
            &json!({ "error": "invalid_scope", "error_description": "not granted", "request_id": "r" }),
        )
    })
    .await;
    let ran = ops(&no_tokens, &["audit", "export", "--out", "-"]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(
        ran.err,
        "error: no token for admin:audit: invalid_scope: not granted; see what the client may have with `mintmark client get`\n"
    );
}

#[tokio::test]
async fn an_issuer_that_is_away_is_exit_3_and_one_on_the_open_network_exit_2() {
    let server = server(|_: &Asked| problem(500, "not this")).await;
    let folder = tempfile::tempdir().unwrap();
    let secret = secret_file(folder.path());
    let command = [
        "client",
        "list",
        "--admin",
        &server.address,
        "--admin-client",
        "ops",
        "--admin-secret-file",
        &secret,
    ];
    for (issuer, code) in [("http://127.0.0.1:1", 3), ("http://auth.example.com", 2), ("nowhere", 2)] {
        let ran = mintmark(&[&command[..], &["--admin-issuer", issuer]].concat()).await;
        assert_eq!((ran.code, ran.err.lines().count()), (code, 1), "{ran:?}");
        assert!(!ran.err.contains("canary"));
    }
    assert_eq!(server.asked().len(), 0, "and nothing was asked of anybody else");
}

#[tokio::test]
async fn what_is_missing_or_too_much_is_said_before_anything_is_sent() {
    let server = server(|_: &Asked| problem(500, "not this")).await;
    let folder = tempfile::tempdir().unwrap();
    let secret = secret_file(folder.path());
    let empty = super::file(folder.path(), "empty", "\n");
    std::fs::set_permissions(&empty, std::fs::Permissions::from_mode(0o600)).unwrap();
    let open = super::file(folder.path(), "open", SECRET);
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    let tcp = server.address.as_str();
    let missing = folder.path().join("missing").display().to_string();
    let table: [(&[&str], &str); 8] = [
        (&["--admin", tcp], "give --admin-client ID and --admin-secret-file FILE"),
        (&["--admin", tcp, "--admin-client", "ops"], "give --admin-client ID and --admin-secret-file FILE"),
        (&["--admin", tcp, "--admin-secret-file", &secret], "give --admin-client ID"),
        (&["--admin", tcp, "--admin-client", "ops", "--admin-secret-file", &open], "has mode 0644"),
        (&["--admin", tcp, "--admin-client", "ops", "--admin-secret-file", &missing], "does not exist"),
        (&["--admin", tcp, "--admin-client", "ops", "--admin-secret-file", &empty], "holds no secret"),
        (
            &["--admin", "unix:/x", "--admin-client", "ops", "--admin-secret-file", &secret],
            "asks for no credential",
        ),
        (&["--admin-issuer", tcp], "asks for no credential"),
    ];
    for (options, told) in table {
        let ran = mintmark(&[&["client", "list"], options].concat()).await;
        assert_eq!((ran.code, ran.err.lines().count()), (2, 1), "{ran:?}");
        assert!(ran.err.contains(told) && !ran.err.contains("canary"), "{told}: {}", ran.err);
    }
    assert_eq!(server.asked().len(), 0);
}
