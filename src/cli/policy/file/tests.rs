use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::json;

use super::*;

/// A public key of Ed25519.
const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

const FILE: &str = r#"
[[resource]]
uri = "https://api.example"
lifetime = "10m"

[[scope]]
name = "read"
resource = "https://api.example"
limit = "600/1m"
burst = 50
total = "10000/1m"
enforce = "monitor"

[[client]]
id = "web"
name = "Web"
auth = "client_secret_post"
scope = "read"
default_scope = "read"
lifetime = "5m"
disabled = true
introspects = ["https://api.example"]
rotate_every = "90d"

[client.claims]
roles = ["a", "b"]
tier = { name = "gold", level = 2 }

[client.limits]
read = { limit = "60/1m", burst = 5 }
"#;

fn read_here(text: &str) -> Result<Value, String> {
    read(text, Some(Path::new("")))
}

#[test]
fn a_file_says_what_the_admin_api_takes() {
    let expected = json!({
        "resources": [{ "resource": "https://api.example", "signing_alg": "ES256", "token_lifetime": 600 }],
        "scopes": [{
            "scope": "read", "resource": "https://api.example",
            "limit": { "count": 600, "period": 60, "burst": 50 },
            "total": { "count": 10_000, "period": 60, "burst": 10_000 }, "enforce": "monitor",
        }],
        "clients": [{
            "client_id": "web", "scope": "read", "client_name": "Web",
            "token_endpoint_auth_method": "client_secret_post", "default_scope": "read",
            "access_token_lifetime": 300, "disabled": true, "introspects": ["https://api.example"],
            "rotate_every": 7_776_000,
            "claims": { "roles": ["a", "b"], "tier": { "name": "gold", "level": 2 } },
            "limits": { "read": { "count": 60, "period": 60, "burst": 5 } },
        }],
    });
    assert_eq!(read_here(FILE), Ok(expected));
    assert_eq!(read_here(""), Ok(json!({ "resources": [], "scopes": [], "clients": [] })));
}

#[test]
fn what_is_left_out_is_not_sent() {
    let read = read_here("[[client]]\nid = \"web\"\nscope = \"read\"\n").unwrap();
    assert_eq!(read["clients"][0], json!({ "client_id": "web", "scope": "read" }));
}

#[test]
fn a_mistake_is_told_with_its_line() {
    for (text, line, told) in [
        ("[[client]]\nid = \"web\"\nscopes = \"read\"\n", "line 3: ", "scopes"),
        ("[[scope]]\nname = \"a\"\nresource = \"b:c\"\nlimit = \"0/1m\"\n", "line 4: ", "whole numbers"),
        ("[[resource]]\nuri = \"a:b\"\nlifetime = 600\n", "line 3: ", "expected a string"),
        ("[[resource]]\nuri = \"a:b\"\nlifetime = \"5ms\"\n", "line 3: ", "whole seconds"),
        ("[[client]\n", "line 1: ", ""),
        ("[[user]]\nid = \"x\"\n", "line 1: ", "user"),
    ] {
        let problem = read_here(text).unwrap_err();
        assert!(problem.starts_with(line) && problem.contains(told), "{text}: {problem}");
        assert_eq!(problem.lines().count(), 1, "{problem}");
    }
}

#[test]
fn a_limit_that_is_none_is_told_with_its_line() {
    let scope = |members: &str| format!("[[scope]]\nname = \"a\"\nresource = \"b:c\"\n{members}\n");
    for bad in [
        "\"\"",
        "\" \"",
        "\"-1/1m\"",
        "\"nan/1m\"",
        "\"1e309/1m\"",
        "\"5/0s\"",
        "0",
        "-1",
        "nan",
        "1e309",
        "true",
    ] {
        for member in ["limit", "total"] {
            let problem = read_here(&scope(&format!("{member} = {bad}"))).unwrap_err();
            assert!(
                problem.starts_with("line 4: ") && problem.lines().count() == 1,
                "{member} = {bad}: {problem}"
            );
        }
    }
    for bad in ["0", "-1", "nan", "\"\"", "1.5", "4294967296"] {
        let problem = read_here(&scope(&format!("limit = \"5/1m\"\nburst = {bad}"))).unwrap_err();
        assert!(problem.starts_with("line ") && problem.lines().count() == 1, "burst = {bad}: {problem}");
    }
}

#[test]
fn what_json_cannot_say_is_refused() {
    let client =
        |claim: &str| format!("[[client]]\nid = \"web\"\nscope = \"a\"\nclaims = {{ c = {claim} }}\n");
    for (claim, told) in [("2026-11-22", "in quotes"), ("inf", "no number"), ("[[nan]]", "no number")] {
        let problem = read_here(&client(claim)).unwrap_err();
        assert!(problem.starts_with("client web: claims: ") && problem.contains(told), "{problem}");
    }
}

#[test]
fn a_key_set_stands_in_the_file_or_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let keys = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": X }] });
    std::fs::write(folder.path().join("web.jwks"), keys.to_string()).unwrap();
    let beside = "[[client]]\nid = \"web\"\nscope = \"a\"\njwks = \"web.jwks\"\n";
    assert_eq!(read(beside, Some(folder.path())).unwrap()["clients"][0]["jwks"], keys);
    let within = "[[client]]\nid = \"web\"\nscope = \"a\"\n\
                  jwks = { keys = [{ kty = \"OKP\", crv = \"Ed25519\", x = \"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\" }] }\n";
    assert_eq!(read(within, Some(folder.path())).unwrap()["clients"][0]["jwks"], keys);
    let problem = read(&beside.replace("web.jwks", "none.jwks"), Some(folder.path())).unwrap_err();
    assert!(problem.contains("none.jwks"), "{problem}");
    // A private key is not sent anywhere.
    let private = json!({ "kty": "OKP", "crv": "Ed25519", "x": X, "d": X });
    std::fs::write(folder.path().join("web.jwks"), private.to_string()).unwrap();
    assert!(read(beside, Some(folder.path())).unwrap_err().contains("private"));
}

/// Whatever a file names as its keys, reading ends: pipes and devices are not opened, and no file is read without end.
#[test]
fn a_key_set_is_read_from_a_file_of_bounded_length_only() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    mknodat(CWD, at("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    std::os::unix::fs::symlink("/dev/zero", at("link")).unwrap();
    std::fs::write(at("long"), " ".repeat(5 * MAX_BYTES + 1)).unwrap();
    std::fs::File::create(at("endless")).unwrap().set_len(1 << 40).unwrap();
    for (name, told) in [
        ("/dev/zero", "/dev/zero: is no file"),
        ("pipe", "pipe: is no file"),
        ("link", "link: is no file"),
        (".", ": is no file"),
        ("none", "none: cannot read it: No such file"),
        ("long", "long: is larger than 163840 bytes"),
        ("endless", "endless: is larger than 163840 bytes"),
    ] {
        let file = format!("[[client]]\nid = \"web\"\nscope = \"a\"\njwks = \"{name}\"\n");
        let problem = read(&file, Some(folder.path())).unwrap_err();
        assert!(problem.starts_with("client web: jwks: ") && problem.contains(told), "{name}: {problem}");
        // A file that has to be whole names none, not even one that is there.
        let problem = read(&file, None).unwrap_err();
        assert!(problem.starts_with("client web: jwks: names a file"), "{name}: {problem}");
    }
    let blanks = " ".repeat(4 * MAX_BYTES);
    let keys = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": X }] });
    std::fs::write(at("wide"), format!("{keys}{blanks}")).unwrap();
    let wide = "[[client]]\nid = \"web\"\nscope = \"a\"\njwks = \"wide\"\n";
    assert_eq!(read(wide, Some(folder.path())).unwrap()["clients"][0]["jwks"], keys);
}

/// An answer of `GET /admin/v1/policy`, with what people can set of each object.
fn export() -> Value {
    json!({
        "policy_version": 7,
        "resources": [{ "resource": "https://api.example", "signing_alg": "EdDSA", "token_lifetime": null }],
        "scopes": [{
            "scope": "read", "resource": "https://api.example",
            "limit": { "count": 600, "period": 60, "burst": 50 },
            "total": { "count": 10, "period": 1, "burst": 99 }, "enforce": "refuse", "token_lifetime": 90,
        }],
        "clients": [
            {
                "client_id": "web", "client_name": null, "token_endpoint_auth_method": "client_secret_basic",
                "scope": "read", "default_scope": null, "access_token_lifetime": 60, "claims": { "n": 1.5 },
                "limits": { "read": { "count": 6, "period": 3600, "burst": 6 } }, "disabled": false,
                "created_at": 1, "updated_at": 2,
            },
        ],
    })
}

#[test]
fn an_export_reads_back_in_both_forms() {
    let as_toml = write(export()).unwrap();
    let read = read_here(&as_toml).unwrap();
    assert_eq!(read["scopes"][0]["limit"], export()["scopes"][0]["limit"], "{as_toml}");
    assert_eq!(read["scopes"][0]["total"], export()["scopes"][0]["total"], "{as_toml}");
    let client = json!({
        "client_id": "web", "scope": "read", "token_endpoint_auth_method": "client_secret_basic",
        "access_token_lifetime": 60, "claims": { "n": 1.5 },
        "limits": { "read": { "count": 6, "period": 3600, "burst": 6 } },
    });
    assert_eq!(read["clients"][0], client, "{as_toml}");
    let as_json = read_here(&export().to_string()).unwrap();
    assert_eq!(as_json["scopes"], export()["scopes"]);
    assert!(as_json.get("policy_version").is_none() && as_json["clients"][0].get("created_at").is_none());
}

#[test]
fn a_null_claim_is_exported_as_json_only() {
    let mut export = export();
    export["clients"][0]["claims"] = json!({ "a": [null] });
    let problem = write(export).unwrap_err();
    assert!(problem.starts_with("client web: claims: ") && problem.contains("-o json"), "{problem}");
}
