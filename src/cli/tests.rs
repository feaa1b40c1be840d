use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::time::Timestamp;

mod clients;
pub(super) mod fake;
mod help;
mod keys;
mod mistakes;
mod over_tcp;
mod tail;
mod tokens;
mod widths;

use fake::{Asked, Fake, json_answer};

/// It is always the same time.
pub(super) struct Stopped(pub(super) u64);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// How a command ended and what it wrote.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: u8,
    pub(super) out: String,
    pub(super) err: String,
}

impl Ran {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

pub(super) async fn type_in(arguments: &[&str], stdin: &str, is_terminal: bool) -> Ran {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut stdin = stdin.as_bytes();
    let zone = Zone::utc();
    let mut terminal = Terminal { stdin: &mut stdin, stdout: &mut out, stderr: &mut err, is_terminal, zone };
    let argv = std::iter::once("mintmark").chain(arguments.iter().copied()).map(OsString::from);
    let code = run(argv, Vec::new(), &Stopped(1_800_000_000), &mut terminal).await;
    Ran { code, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

async fn mintmark(arguments: &[&str]) -> Ran {
    type_in(arguments, "", false).await
}

async fn on_a_terminal(arguments: &[&str]) -> Ran {
    type_in(arguments, "", true).await
}

fn problem(status: u16, detail: &str) -> fake::Answer {
    json_answer(
        status,
        &json!({ "type": "about:blank", "title": "T", "status": status, "detail": detail, "request_id": "r" }),
    )
}

fn rule() -> Value {
    json!({
        "scope": "orders:read", "resource": "https://api.example",
        "limit": { "count": 600, "period": 60, "burst": 600 },
        "total": null, "enforce": "refuse", "token_lifetime": 300
    })
}

#[tokio::test]
async fn a_new_scope_is_put_without_a_condition() {
    let server = Fake::on_a_socket(|asked: &Asked| match asked.line.split(' ').next().unwrap() {
        "GET" => problem(404, "no such scope"),
        _ => json_answer(201, &asked.json()),
    });
    let set = ["scope", "set", "orders:read", "--resource", "https://api.example", "--limit", "600/1m"];
    let ran = mintmark(&[&set[..], &["--lifetime", "5m", "--admin", &server.address]].concat()).await;
    assert_eq!((ran.code, ran.json()), (0, rule()), "{ran:?}");
    let asked = server.asked();
    assert_eq!(asked[0].line, "GET /admin/v1/scopes/orders%3Aread");
    assert_eq!(asked[1].line, "PUT /admin/v1/scopes/orders%3Aread");
    assert_eq!(asked[1].header("if-match"), None);
    assert_eq!(asked[1].header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_change_keeps_what_is_not_given_and_names_what_it_saw() {
    let server = Fake::on_a_socket(|asked: &Asked| match asked.line.split(' ').next().unwrap() {
        "GET" => {
            let (status, mut headers, body) = json_answer(200, &rule());
            headers.push(("etag", "\"7\"".to_owned()));
            (status, headers, body)
        }
        _ => json_answer(200, &asked.json()),
    });
    let ran = mintmark(&["scope", "set", "orders:read", "--monitor", "--admin", &server.address]).await;
    let mut expected = rule();
    expected["enforce"] = json!("monitor");
    assert_eq!((ran.code, ran.json()), (0, expected));
    assert_eq!(server.asked()[1].header("if-match"), Some("\"7\""));

    let ran = mintmark(&["scope", "set", "orders:read", "--monitor=false", "--admin", &server.address]).await;
    assert_eq!(ran.json(), rule());
}

#[tokio::test]
async fn a_new_resource_signs_with_the_usual_algorithm() {
    let server = Fake::on_a_socket(|asked: &Asked| match asked.line.split(' ').next().unwrap() {
        "GET" => problem(404, "no such resource"),
        _ => json_answer(201, &asked.json()),
    });
    let ran = mintmark(&["resource", "set", "https://api.example/a", "--admin", &server.address]).await;
    let made = json!({ "resource": "https://api.example/a", "signing_alg": "ES256", "token_lifetime": null });
    assert_eq!((ran.code, ran.json()), (0, made));
    assert_eq!(server.asked()[1].line, "PUT /admin/v1/resources/https%3A%2F%2Fapi.example%2Fa");
}

#[tokio::test]
async fn a_list_is_all_of_its_pages() {
    let server = Fake::on_a_socket(|asked: &Asked| {
        let page = |id: &str| json_answer(200, &json!({ "items": [{ "client_id": id, "scope": "a b" }] }));
        if asked.line.contains("cursor=2") {
            return page("b");
        }
        let (status, mut headers, body) = page("a");
        headers.push(("link", "</admin/v1/clients?cursor=2>; rel=\"next\"".to_owned()));
        (status, headers, body)
    });
    let ran = mintmark(&["client", "list", "--admin", &server.address]).await;
    let both = json!({ "items": [
        { "client_id": "a", "scope": "a b" }, { "client_id": "b", "scope": "a b" }
    ] });
    assert_eq!((ran.code, ran.json()), (0, both));

    let ran = on_a_terminal(&["client", "list", "--admin", &server.address]).await;
    assert_eq!(
        ran.out,
        "CLIENT  STATE    SCOPE  NAME\na       enabled  a b    -\nb       enabled  a b    -\n"
    );
}

#[tokio::test]
async fn a_search_asks_for_what_was_given_and_ends_where_it_was_told() {
    let server = Fake::on_a_socket(|_: &Asked| {
        let (status, mut headers, body) = json_answer(200, &json!({ "items": [{ "index": 2 }] }));
        headers.push(("link", "</admin/v1/audit/entries?cursor=x>; rel=\"next\"".to_owned()));
        (status, headers, body)
    });
    let from = "1970-01-01T00:01:00Z";
    let search = ["audit", "search", "--client", "web", "--event", "token.issued", "--from", from];
    let ran = mintmark(&[&search[..], &["--limit", "2", "--admin", &server.address]].concat()).await;
    assert_eq!(ran.json()["items"].as_array().unwrap().len(), 2);
    let asked: Vec<_> = server.asked().into_iter().map(|asked| asked.line).collect();
    let first = "GET /admin/v1/audit/entries?client_id=web&event=token.issued&from=60&limit=2";
    assert_eq!(asked, [first, "GET /admin/v1/audit/entries?cursor=x"]);
}

#[tokio::test]
async fn a_search_for_live_tokens_of_a_key_takes_the_beginning_of_its_name() {
    let kid = "-PrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
    let server = Fake::on_a_socket(move |asked: &Asked| {
        let items = if asked.line.contains("/keys") { json!([{ "kid": kid }]) } else { json!([]) };
        json_answer(200, &json!({ "items": items }))
    });
    let search = ["audit", "search", "--unexpired", "--from", "2h", "--to", "1799999999", "--kid"];
    for written in [kid, "-PrK_q"] {
        let ran = mintmark(&[&search[..], &[written, "--admin", &server.address]].concat()).await;
        assert_eq!((ran.code, ran.json()), (0, json!({ "items": [] })), "{ran:?}");
    }
    let asked: Vec<_> = server.asked().into_iter().map(|asked| asked.line).collect();
    let question =
        format!("GET /admin/v1/audit/entries?kid={kid}&from=1799992800&to=1799999999&unexpired=true");
    assert_eq!(asked, [question.as_str(), "GET /admin/v1/keys", &question]);
}

#[tokio::test]
async fn a_client_with_keys_is_made_and_no_private_key_is_sent() {
    let server = Fake::on_a_socket(|asked: &Asked| json_answer(201, &asked.json()));
    let folder = tempfile::tempdir().unwrap();
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let create = async |keys: &Value| {
        let file = folder.path().join("web.jwks");
        std::fs::write(&file, keys.to_string()).unwrap();
        let words = ["client", "create", "web", "--scope", "a", "--auth", "private_key_jwt", "--jwks"];
        on_a_terminal(&[&words[..], &[file.to_str().unwrap(), "--admin", &server.address]].concat()).await
    };
    let set = json!({ "keys": [jwk] });
    for file in [&set, &jwk] {
        let ran = create(file).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(!ran.out.contains("shown only now"), "{}", ran.out);
    }
    let expected = json!({
        "client_id": "web", "scope": "a", "token_endpoint_auth_method": "private_key_jwt", "jwks": set,
    });
    assert_eq!(server.asked().iter().map(Asked::json).collect::<Vec<_>>(), [expected.clone(), expected]);
    let mut private = jwk.clone();
    private["d"] = json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    for (wrong, told) in [(private, "public keys only"), (json!({ "keys": [] }), "no key")] {
        let ran = create(&wrong).await;
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(told) && !ran.err.contains("nWGx"), "{ran:?}");
    }
    assert_eq!(server.asked().len(), 2, "nothing was sent");
}

#[tokio::test]
async fn a_client_is_made_and_its_secret_shown_once() {
    let server = Fake::on_a_socket(|asked: &Asked| {
        let mut made = asked.json();
        made["secret_id"] = json!("s-1");
        made["client_secret"] = json!("mms_x");
        json_answer(201, &made)
    });
    let create = ["client", "create", "web", "--scope", "a b", "--lifetime", "5m", "--claim", "team=billing"];
    let more = ["--claim", "level=3", "--limit", "a=60/1m", "--admin", &server.address];
    let ran = on_a_terminal(&[&create[..], &more[..]].concat()).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.out.matches("mms_x").count(), 1);
    assert!(ran.out.contains("shown only now"), "{}", ran.out);
    let expected = json!({
        "client_id": "web", "scope": "a b", "access_token_lifetime": 300,
        "claims": { "team": "billing", "level": 3 },
        "limits": { "a": { "count": 60, "period": 60, "burst": 60 } }
    });
    let asked = server.asked();
    assert_eq!((asked[0].line.as_str(), asked[0].json()), ("POST /admin/v1/clients", expected));

    let ran = mintmark(&["client", "rotate-secret", "web", "--admin", &server.address]).await;
    assert_eq!(ran.json()["client_secret"], "mms_x");
    assert_eq!(server.asked()[1].json(), json!({ "overlap": 86_400 }));
}

#[tokio::test]
async fn an_act_without_a_body_has_none() {
    let server = Fake::on_a_socket(|_: &Asked| json_answer(200, &json!({ "client_id": "web" })));
    let ran = mintmark(&["client", "disable", "web", "--admin", &server.address]).await;
    assert_eq!(ran.code, 0);
    let asked = &server.asked()[0];
    assert_eq!((asked.line.as_str(), asked.body.as_str()), ("POST /admin/v1/clients/web/disable", ""));
}

#[tokio::test]
async fn an_export_is_whole_or_not_there() {
    let text = "{\"format\":\"mintmark-export/v1\"}\n{\"index\":0}\n";
    let server = Fake::on_a_socket(move |asked: &Asked| {
        let broken = asked.line.contains("end=9");
        let length = if broken { 100 } else { text.len() };
        (200, vec![("content-length", length.to_string())], text.as_bytes().to_vec())
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log.ndjson");
    let out = file.to_str().unwrap();
    let ran = mintmark(&["audit", "export", "--end", "9", "--out", out, "--admin", &server.address]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left of a broken export");

    let ran = mintmark(&["audit", "export", "--end", "1", "--out", out, "--admin", &server.address]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{ran:?}");
    assert!(ran.err.starts_with("1 entries written"), "{}", ran.err);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(server.asked()[1].line, "GET /admin/v1/audit/export?first=0&end=1");

    let ran = mintmark(&["audit", "export", "--admin", &server.address]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, text));
}

/// A file of the given content, gone with its folder.
pub(super) fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}
