use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use super::fake::{Asked, Fake, json_answer};
use super::{Ran, mintmark, on_a_terminal, problem};

const OLD: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
const ALIKE: &str = "kPrK_qXXVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
const HYPHEN: &str = "-ew_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4kA";
const GONE: &str = "gone_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
/// The moment by the server's clock, an hour before the client's.
const NOW: u64 = 1_799_996_400;
const PEM: &str =
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcH\n-----END PRIVATE KEY-----\n";

fn key(kid: &str, state: &str) -> Value {
    json!({
        "kid": kid, "alg": "ES256", "state": state, "created_at": NOW - 86_400, "published_at": NOW - 86_400,
        "activated_at": NOW - 3_600, "passive_at": null, "remove_at": null, "revoked_at": null, "retain": false,
        "reason": null, "rotation_requested_at": null,
        "planned": { "activated_at": null, "passive_at": NOW + 90_000, "remove_at": NOW + 93_750 },
    })
}

fn keys() -> Value {
    let mut gone = key(GONE, "removed");
    gone["remove_at"] = json!(NOW - 7_200);
    json!({ "items": [key(OLD, "active"), key(ALIKE, "passive"), key(HYPHEN, "published"), gone], "now": NOW })
}

/// A server with these keys that answers every act alike.
fn server(act: Value) -> Fake {
    Fake::on_a_socket(move |asked: &Asked| match asked.line.as_str() {
        "GET /admin/v1/keys" => json_answer(200, &keys()),
        _ => json_answer(200, &act),
    })
}

async fn on(server: &Fake, arguments: &[&str]) -> Ran {
    on_a_terminal(&[arguments, &["--admin", &server.address]].concat()).await
}

fn revocation(dry_run: bool) -> Value {
    json!({
        "kid": OLD, "alg": "ES256", "state": "active", "dry_run": dry_run, "since": null, "exposure": 330,
        "revoked_at": if dry_run { Value::Null } else { json!(NOW) }, "successor": HYPHEN,
        "unexpired": { "count": 412, "latest_exp": NOW + 6_600 },
    })
}

#[tokio::test]
async fn keys_are_drawn_by_the_servers_clock_and_without_those_that_are_gone() {
    let server = server(Value::Null);
    let ran = on(&server, &["key", "list"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.lines().all(|line| line.chars().count() <= 80), "{}", ran.out);
    assert!(ran.out.contains("  kPrK_qmx  "), "{}", ran.out);
    assert!(ran.out.contains("signs for 1d 1h more\n"), "{}", ran.out);
    assert!(!ran.out.contains("gone_qmx"), "{}", ran.out);
    assert!(ran.out.ends_with("\n1 removed key is not shown; --all shows it\n"), "{}", ran.out);
    let ran = on(&server, &["key", "list", "--all"]).await;
    assert!(ran.out.contains("gone_qmx") && ran.out.contains("left 2h ago\n"), "{}", ran.out);
    assert!(!ran.out.contains("not shown"), "{}", ran.out);
    assert_eq!(on(&server, &["key", "list", "-o", "json"]).await.json(), keys());
}

#[tokio::test]
async fn a_rotation_tells_of_each_ring_what_it_means() {
    let answer = json!({
        "rotated": ["ES256", "PS256"], "exposure": 330,
        "waiting": [{ "alg": "EdDSA", "activates_at": NOW + 3_900 }],
    });
    let server = server(answer.clone());
    let ran = on(&server, &["key", "rotate"]).await;
    let expected = "ES256, PS256: the next keys sign from now on.\n\
                    Verifiers may refuse their tokens for up to 5m 30s.\n\
                    EdDSA: not yet. Verifiers know the next key from 2027-01-15 08:05:00Z on.\n\
                    It signs by itself then, in 5m; --now does not wait.\n";
    assert_eq!((ran.code, ran.out.as_str()), (0, expected));
    let ran = on(&server, &["key", "rotate", "--alg", "ES256", "--now", "-o", "json"]).await;
    assert_eq!(ran.json(), answer);
    let asked = server.asked();
    assert_eq!(asked[0].line, "POST /admin/v1/keys/rotate");
    assert_eq!(asked[0].json(), json!({ "alg": null, "now": false }));
    assert_eq!(asked[1].json(), json!({ "alg": "ES256", "now": true }));

    let calm = self::server(json!({ "rotated": ["EdDSA"], "waiting": [], "exposure": 0 }));
    assert_eq!(on(&calm, &["key", "rotate"]).await.out, "EdDSA: the next key signs from now on.\n");
    let idle = self::server(json!({ "rotated": [], "waiting": [], "exposure": 0 }));
    assert_eq!(on(&idle, &["key", "rotate"]).await.out, "There was nothing to rotate.\n");
}

#[tokio::test]
async fn a_key_is_named_by_all_or_the_beginning_of_its_identifier() {
    let server = server(key(OLD, "active"));
    for (written, meant, listed) in [
        (OLD, OLD, false),
        (HYPHEN, HYPHEN, false),
        ("kPrK_qm", OLD, true),
        ("-ew_qm", HYPHEN, true),
        ("gone_qmxVWaY", GONE, true),
    ] {
        let before = server.asked().len();
        let ran = on(&server, &["key", "retain", written]).await;
        assert_eq!(
            ran.out, "kPrK_qmx (ES256) stays in the JWKS until it is released.\n",
            "{written}: {ran:?}"
        );
        let asked = server.asked().split_off(before);
        assert_eq!(asked.len(), 1 + usize::from(listed), "{written}");
        let act = asked.last().unwrap();
        assert_eq!(
            (act.line.as_str(), act.body.as_str()),
            (format!("POST /admin/v1/keys/{meant}/retain").as_str(), "")
        );
    }
    let before = server.asked().len();
    let ran = on(&server, &["key", "retain", "kPrK_q"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert_eq!(ran.err, format!("error: several keys begin with kPrK_q: {OLD}, {ALIKE}; give more of it\n"));
    let ran = on(&server, &["key", "revoke", "nobody", "--reason", "leaked"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.starts_with("error: no key begins with nobody; `mintmark key list --all"), "{}", ran.err);
    assert!(server.asked()[before..].iter().all(|asked| asked.line.starts_with("GET ")), "nothing was done");
}

#[tokio::test]
async fn a_released_key_says_when_it_goes() {
    let mut released = key(OLD, "passive");
    let ran = on(&server(released.clone()), &["key", "release", OLD]).await;
    let expected = "kPrK_qmx (ES256) follows the timers again.\nIt leaves the JWKS at 2027-01-16 09:02:30Z (in 1d 1h).\n";
    assert_eq!((ran.code, ran.out.as_str()), (0, expected));
    released["planned"]["remove_at"] = Value::Null;
    let ran = on(&server(released), &["key", "release", OLD]).await;
    assert_eq!(ran.out, "kPrK_qmx (ES256) follows the timers again.\n");
}

#[tokio::test]
async fn a_revocation_tells_what_an_operator_must_know_next() {
    let server = server(revocation(false));
    let ran = on(&server, &["key", "revoke", "kPrK_qm", "--reason", "found in a public repository"]).await;
    let expected = format!(
        "kPrK_qmx (ES256) is revoked: out of the JWKS since 2027-01-15 07:00:00Z.\n\
         -ew_qmxV signs now.\n\
         Verifiers that cached the JWKS may accept it for up to 5m 30s more.\n\
         It signed 412 unexpired tokens.\n\
         The last of them expires at 2027-01-15 08:50:00Z (in 50m).\n\
         To list them:\n  mintmark audit search --kid {OLD} --event token.issued --unexpired\n"
    );
    assert_eq!((ran.code, ran.out, ran.err.as_str()), (0, expected, ""));
    let asked = server.asked();
    assert_eq!(asked[1].line, format!("POST /admin/v1/keys/{OLD}/revoke"));
    let body = json!({ "reason": "found in a public repository", "since": null, "dry_run": false });
    assert_eq!(asked[1].json(), body);
    let ran = mintmark(&["key", "revoke", OLD, "--reason", "x", "--admin", &server.address]).await;
    assert_eq!((ran.code, ran.json()), (0, revocation(false)));
}

#[tokio::test]
async fn a_dry_run_says_the_same_in_the_conditional() {
    let mut answer = revocation(true);
    answer["since"] = json!(NOW - 7_200);
    answer["successor"] = Value::Null;
    let server = server(answer);
    let revoke = ["key", "revoke", OLD, "--reason", "leaked", "--since", "2h", "--dry-run"];
    let ran = on(&server, &revoke).await;
    let expected = format!(
        "kPrK_qmx (ES256) would leave the JWKS at once, for ever.\n\
         A new key would be made and sign in its stead.\n\
         In doubt since 2027-01-15 05:00:00Z; older tokens would be refused as well.\n\
         Verifiers that cached the JWKS might accept it for up to 5m 30s more.\n\
         It signed 412 unexpired tokens.\n\
         The last of them expires at 2027-01-15 08:50:00Z (in 50m).\n\
         To list them:\n  mintmark audit search --kid {OLD} --event token.issued --unexpired\n\
         This was a dry run: nothing has changed.\n"
    );
    assert_eq!((ran.code, ran.out), (0, expected));
    // A span ago is counted by the clock of whoever typed it.
    let body = json!({ "reason": "leaked", "since": 1_799_992_800, "dry_run": true });
    assert_eq!(server.asked()[0].json(), body);
}

#[tokio::test]
async fn a_key_that_did_not_sign_leaves_nothing_to_do() {
    let mut answer = revocation(false);
    answer["state"] = json!("published");
    answer["successor"] = Value::Null;
    answer["unexpired"] = json!({ "count": 0, "latest_exp": null });
    let ran = on(&server(answer.clone()), &["key", "revoke", OLD, "--reason", "lost"]).await;
    assert!(
        ran.out.contains("\nIt did not sign.\n") && ran.out.ends_with("\nNone of its tokens is unexpired.\n"),
        "{ran:?}"
    );
    answer["dry_run"] = json!(true);
    answer["unexpired"] = json!({ "count": 1, "latest_exp": NOW });
    let ran = on(&server(answer), &["key", "revoke", OLD, "--reason", "lost", "--dry-run"]).await;
    assert!(
        ran.out.contains("\nIt does not sign.\n") && ran.out.contains("signed 1 unexpired token."),
        "{ran:?}"
    );
}

#[tokio::test]
async fn tokens_that_were_not_counted_can_be_listed_all_the_same() {
    let mut answer = revocation(false);
    answer["unexpired"] = Value::Null;
    let ran = on(&server(answer), &["key", "revoke", OLD, "--reason", "lost"]).await;
    let expected =
        "\nIts unexpired tokens were not counted.\nTo list them:\n  mintmark audit search --kid kPrK_qmx";
    assert!(ran.out.contains(expected), "{ran:?}");
}

#[tokio::test]
async fn a_refused_act_is_one_line() {
    let server = Fake::on_a_socket(|_: &Asked| problem(409, "the key is revoked"));
    let ran = on(&server, &["key", "retain", OLD]).await;
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (1, "", "error: the key is revoked\n"));
}

fn write(path: &Path, bytes: &[u8], mode: u32) {
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn a_private_key_is_brought_in_from_a_file_of_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    write(&path, PEM.as_bytes(), 0o600);
    let file = path.to_str().unwrap();
    let server = server(key(OLD, "staged"));
    let ran = on(&server, &["key", "import", file]).await;
    let expected = "kPrK_qmx (ES256) is imported. Nobody sees it yet:\n\
                    the next rotation of ES256 publishes it as the standby, the one after lets it sign.\n\
                    Destroy the file and every other copy.\n";
    assert_eq!((ran.code, ran.out.as_str()), (0, expected), "{ran:?}");
    on(&server, &["key", "import", file, "--alg", "PS256"]).await;
    let asked = server.asked();
    assert_eq!(asked[0].line, "POST /admin/v1/keys/import");
    assert_eq!(asked[0].header("content-type"), Some("application/json"));
    assert_eq!(asked[0].json(), json!({ "pkcs8": PEM, "alg": null }));
    assert_eq!(asked[1].json(), json!({ "pkcs8": PEM, "alg": "PS256" }));
}

#[tokio::test]
async fn a_file_that_no_private_key_may_lie_in_is_never_sent() {
    let (folder, open) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let at = |name: &str| folder.path().join(name);
    for (name, mode) in [("group", 0o660), ("others", 0o604), ("executable", 0o701)] {
        write(&at(name), PEM.as_bytes(), mode);
    }
    std::fs::create_dir(at("folder")).unwrap();
    std::os::unix::fs::symlink(at("others"), at("link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
        .unwrap();
    write(&open.path().join("key"), PEM.as_bytes(), 0o600);
    std::fs::set_permissions(open.path(), Permissions::from_mode(0o777)).unwrap();
    let most = 16 * 1024;
    write(&at("large"), &PEM.as_bytes().repeat(most / PEM.len() + 1), 0o600);
    write(&at("empty"), b"", 0o600);
    write(&at("der"), &[0x30, 0x2e, 0x02, 0x01, 0x00, 0xff], 0o600);
    write(&at("encrypted"), b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n", 0o600);
    write(&at("sec1"), b"-----BEGIN EC PRIVATE KEY-----\nAAAA\n", 0o600);
    write(&at("public"), b"-----BEGIN PUBLIC KEY-----\nAAAA\n", 0o600);
    write(&at("controls"), b"-----BEGIN PRIVATE KEY-----\n\x1b[2J\n", 0o600);

    let server = server(key(OLD, "staged"));
    for (path, told) in [
        (at("group"), "which lets others at it; chmod "),
        (at("others"), "has mode 0604, which lets others at it; chmod 600 "),
        (at("executable"), "has mode 0701"),
        (at("link"), "has mode 0604"),
        (at("folder"), "is not a regular file"),
        (at("fifo"), "is not a regular file"),
        (at("missing"), "does not exist; name the file that holds it"),
        (open.path().join("key"), "is writable by everyone; chmod o-w "),
        (at("large"), "more than 16384"),
        (at("empty"), "is not an unencrypted PKCS#8 key in PEM"),
        (at("der"), "is not an unencrypted PKCS#8 key in PEM"),
        (at("encrypted"), "openssl pkcs8 -topk8 -nocrypt"),
        (at("sec1"), "openssl pkcs8 -topk8 -nocrypt"),
        (at("public"), "is not an unencrypted PKCS#8 key in PEM"),
        (at("controls"), "is not an unencrypted PKCS#8 key in PEM"),
    ] {
        let ran = on(&server, &["key", "import", path.to_str().unwrap()]).await;
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{told}: {ran:?}");
        assert!(ran.err.contains(told) && ran.err.lines().count() == 1, "{told}: {}", ran.err);
        assert!(!ran.err.contains("MC4CAQ"), "{}", ran.err);
    }
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn another_kek_is_named_by_its_whole_path_and_the_next_step_is_told() {
    let server = server(json!({ "kek_id": "kek-2", "keys": 3 }));
    let ran = on(&server, &["key", "rewrap", "--kek-file", "keys/next"]).await;
    let file = std::env::current_dir().unwrap().join("keys/next");
    let file = file.to_str().unwrap();
    let expected = format!(
        "3 private keys are sealed under the KEK kek-2 of\n  {file}\n\
         Next: set keys.kek_file to this file before the next start, which fails otherwise.\n\
         Keep the old file until then, and as long as you keep older backups of the store.\n"
    );
    assert_eq!((ran.code, ran.out), (0, expected));
    assert_eq!(server.asked()[0].json(), json!({ "kek_file": file }));
    on(&server, &["key", "rewrap", "--kek-file", "/run/credentials/kek"]).await;
    assert_eq!(server.asked()[1].json(), json!({ "kek_file": "/run/credentials/kek" }));
}
