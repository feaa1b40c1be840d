//! Commands that change, delete and look behind a client, as a person types them.

use serde_json::{Value, json};

use super::fake::{self, Asked, Fake, json_answer};
use super::{mintmark, on_a_terminal, problem};

/// A server with one client, whose version is 7.
fn with_a_client(secrets: Value) -> Fake {
    Fake::on_a_socket(move |asked: &Asked| match asked.line.split(' ').next().unwrap() {
        "DELETE" => (204, Vec::new(), Vec::new()),
        "PATCH" => json_answer(200, &asked.json()),
        _ if asked.line.ends_with("/secrets") => json_answer(200, &json!({ "items": secrets })),
        _ => seen(&json!({ "client_id": "web", "claims": { "team": { "a": 1 } } })),
    })
}

fn seen(document: &Value) -> fake::Answer {
    let (status, mut headers, body) = json_answer(200, document);
    headers.push(("etag", "\"v7\"".to_owned()));
    (status, headers, body)
}

#[tokio::test]
async fn an_update_sends_what_is_given_and_names_what_it_saw() {
    let server = with_a_client(json!([]));
    let update = ["client", "update", "web", "--no-name", "--lifetime", "5m", "--claim", "team={\"b\":2}"];
    let more = [
        "--auth",
        "client_secret_post",
        "--no-limit",
        "a",
        "--rotate-every",
        "90d",
        "--introspects",
        "https://a",
        "--admin",
        &server.address,
    ];
    let ran = mintmark(&[&update[..], &more[..]].concat()).await;
    let expected = json!({
        "client_name": null, "access_token_lifetime": 300, "claims": { "team": { "a": null, "b": 2 } },
        "limits": { "a": null }, "rotate_every": 7_776_000, "introspects": ["https://a"], "token_endpoint_auth_method": "client_secret_post",
    });
    assert_eq!((ran.code, ran.json()), (0, expected), "{ran:?}");
    let asked = server.asked();
    assert_eq!((asked.len(), asked[1].line.as_str()), (2, "PATCH /admin/v1/clients/web"));
    assert_eq!(asked[1].header("if-match"), Some("\"v7\""));
    assert_eq!(asked[1].header("content-type"), Some("application/merge-patch+json"));
}

#[tokio::test]
async fn an_update_of_nothing_is_a_mistake_that_changes_nothing() {
    let server = with_a_client(json!([]));
    for arguments in [
        &[][..],
        &["--name", "a", "--no-name"],
        &["--lifetime", "5"],
        &["--claim", "a=null"],
        &["--limit", "a"],
    ] {
        let update = ["client", "update", "web", "--admin", &server.address];
        let ran = mintmark(&[&update[..], arguments].concat()).await;
        assert_eq!((ran.code, ran.out.as_str(), ran.err.lines().count()), (2, "", 1), "{ran:?}");
    }
    assert!(server.asked().iter().all(|asked| asked.line.starts_with("GET ")));
}

#[tokio::test]
async fn what_is_deleted_is_what_was_seen() {
    let server = with_a_client(json!([]));
    for (arguments, path) in [
        (["client", "delete", "web"], "/admin/v1/clients/web"),
        (["scope", "delete", "a:b"], "/admin/v1/scopes/a%3Ab"),
        (["resource", "delete", "https://a.example"], "/admin/v1/resources/https%3A%2F%2Fa.example"),
    ] {
        let before = server.asked().len();
        let ran = mintmark(&[&arguments[..], &["--admin", &server.address]].concat()).await;
        assert_eq!(
            (ran.code, ran.out.as_str(), ran.err.as_str()),
            (0, "", ""),
            "programs have the exit code"
        );
        let asked = server.asked().split_off(before);
        assert_eq!(asked[1].line, format!("DELETE {path}"));
        assert_eq!((asked[1].header("if-match"), asked[1].body.as_str()), (Some("\"v7\""), ""));
        let ran = on_a_terminal(&[&arguments[..], &["--admin", &server.address]].concat()).await;
        assert!(ran.out.starts_with(&format!("{} is deleted", arguments[2])), "{ran:?}");
    }
    let refusing = Fake::on_a_socket(|asked: &Asked| match asked.line.split(' ').next().unwrap() {
        "DELETE" => problem(409, "the scope a is in use by the client web"),
        _ => seen(&json!({})),
    });
    let ran = mintmark(&["scope", "delete", "a", "--admin", &refusing.address]).await;
    assert_eq!((ran.code, ran.err.as_str()), (1, "error: the scope a is in use by the client web\n"));
}

#[tokio::test]
async fn secrets_are_told_by_how_long_ago() {
    let server = with_a_client(json!([
        { "secret_id": "s-1", "created_at": 1_799_000_000, "last_used_at": 1_799_999_400, "due_at": null, "expires_at": 1_800_003_600 },
        { "secret_id": "s-2", "created_at": 1_800_000_000, "last_used_at": null, "due_at": 1_800_086_400, "expires_at": null },
        { "secret_id": "s-3", "created_at": 1_799_000_000, "last_used_at": 1_799_000_000, "due_at": 1_799_990_000, "expires_at": null },
    ]));
    let ran = on_a_terminal(&["client", "secrets", "web", "--admin", &server.address]).await;
    assert_eq!(
        ran.out,
        "SECRET  MADE         USED         DUE         ENDS\n\
         s-1     11d 13h ago  10m ago      -           in 1h\n\
         s-2     now          never        in 1d       -\n\
         s-3     11d 13h ago  11d 13h ago  2h 46m ago  -\n"
    );
    let ran = mintmark(&["client", "secrets", "web", "--admin", &server.address]).await;
    assert_eq!(ran.json()["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn who_revokes_the_last_secret_is_told_what_follows() {
    for (left, is_last) in [(json!([]), true), (json!([{ "secret_id": "s-2" }]), false)] {
        let server = with_a_client(left);
        let ran =
            on_a_terminal(&["client", "revoke-secret", "web", "-s_1", "--admin", &server.address]).await;
        assert_eq!(
            (ran.code, server.asked()[0].line.as_str()),
            (0, "DELETE /admin/v1/clients/web/secrets/-s_1")
        );
        assert_eq!(server.asked()[0].header("if-match"), None, "whatever else was changed");
        assert_eq!(ran.out.contains("mintmark client rotate-secret web"), is_last, "{}", ran.out);
        assert!(ran.out.lines().all(|line| line.len() <= 80), "{}", ran.out);
    }
}
