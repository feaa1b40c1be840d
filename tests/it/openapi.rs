//! The OpenAPI documents: whole, true, and the same bytes wherever they are read. That each answer is one that they
//! tell of is asserted with every request of every test, by `harness::described`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use axum::http::Method;
use mintmark::http::admin::roles::ROLES;
use mintmark::http::openapi::Document;
use serde_json::{Value, json};

use crate::harness::{described, with_mint, with_settings};

const BOTH: [Document; 2] = [Document::Public { log: true }, Document::Admin];

fn read(document: Document) -> Value {
    serde_json::from_str(&document.compose()).unwrap()
}

/// Method and path of each operation.
fn operations(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect()
}

/// A route as the router has it, and as a document has it.
fn as_told(route: &str) -> String {
    route.replace("{*", "{")
}

#[test]
fn every_route_is_in_its_document_and_nothing_else() {
    // That the roles are the routes of the admin router is shown beside them.
    let roles = ROLES.iter().map(|role| (role.method.to_owned(), as_told(role.route))).collect();
    assert_eq!(operations(&read(Document::Admin)), roles);

    let http = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    let mut routes = BTreeSet::new();
    for file in ["mod.rs", "documents.rs", "log.rs"] {
        let text = fs::read_to_string(http.join(file)).unwrap();
        for call in text.split(".route(\"").skip(1) {
            let (route, rest) = call.split_once('"').unwrap();
            let method = if rest.starts_with(", post(") { "POST" } else { "GET" };
            routes.insert((method.to_owned(), as_told(route)));
        }
    }
    assert!(routes.len() >= 15, "{routes:?}");
    assert_eq!(operations(&read(Document::Public { log: true })), routes);
}

#[tokio::test]
async fn every_operation_is_there_and_no_other_method_of_its_path() {
    with_mint(async |mint| {
        let path_of = |template: &str| template.replace("{kid}", &"k".repeat(43)).replace(['{', '}'], "");
        for document in BOTH {
            let told = read(document);
            for (path, item) in told["paths"].as_object().unwrap() {
                for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                    let request = axum::http::Request::builder().method(method.clone()).uri(path_of(path));
                    let request = request.body(axum::body::Body::empty()).unwrap();
                    let answer = match document {
                        Document::Admin => mint.admin_send(request).await,
                        Document::Public { .. } => mint.send(request).await,
                    };
                    let is_told = item.get(method.as_str().to_lowercase()).is_some();
                    assert_eq!(answer.status != 405, is_told, "{method} {path}: {}", answer.status);
                }
            }
        }
    })
    .await;
}

#[test]
fn they_refer_to_nothing_that_is_not_there_and_name_nothing_twice() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    for document in BOTH {
        let told = read(document);
        assert_eq!(told["openapi"], "3.1.0");
        let mut found = BTreeSet::new();
        references(&told, &mut found);
        for name in &found {
            assert!(told.pointer(&name[1..]).is_some(), "{name}");
        }
        for name in told["components"]["schemas"].as_object().unwrap().keys() {
            assert!(found.contains(&format!("#/components/schemas/{name}")), "nothing refers to {name}");
        }
        let items = told["paths"].as_object().unwrap().values();
        let operations: Vec<_> = items.flat_map(|item| item.as_object().unwrap().values()).collect();
        let ids: BTreeSet<_> =
            operations.iter().map(|operation| operation["operationId"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), operations.len());
        for operation in operations {
            assert!(!operation["summary"].as_str().unwrap().is_empty());
        }
    }
}

#[test]
fn security_follows_from_the_table_of_roles() {
    let told = read(Document::Admin);
    for role in ROLES {
        let security = &told["paths"][as_told(role.route)][role.method.to_lowercase()]["security"];
        let scopes = role.scopes.to_string();
        let scopes: Vec<_> = scopes.split(' ').collect();
        assert_eq!(*security, json!([{ "admin_token": scopes }, {}]), "{role:?}");
    }
}

#[tokio::test]
async fn listeners_and_command_give_the_same_bytes() {
    with_mint(async |mint| {
        let answers = [
            (mint.get("/openapi.json").await, &[][..]),
            (mint.admin_get("/admin/openapi.json").await, &["admin"]),
        ];
        for (document, (answer, flags)) in BOTH.into_iter().zip(answers) {
            answer.assert_status(200);
            assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
            assert_eq!(answer.text(), document.compose());
            let command =
                Command::new(env!("CARGO_BIN_EXE_mintmark")).arg("openapi").args(flags).output().unwrap();
            assert!(command.status.success());
            assert_eq!(String::from_utf8(command.stdout).unwrap(), document.compose());
        }
    })
    .await;
    with_settings(&[("MINTMARK_AUDIT__PUBLIC", "false")], async |mint| {
        let told = mint.get("/openapi.json").await.json();
        assert_eq!(told, read(Document::Public { log: false }));
        assert!(told["paths"].as_object().unwrap().keys().all(|path| !path.starts_with("/log/")));
    })
    .await;
}

#[test]
fn what_does_not_fit_is_seen() {
    let told = read(Document::Admin);
    let quota = &told["components"]["schemas"]["Quota"];
    let fits = |value: &Value| described::check(&told, quota, value, "").is_ok();
    assert!(
        fits(&json!({ "count": 1, "period": 60 })) && fits(&json!({ "count": 1, "period": 60, "burst": 2 }))
    );
    for wrong in [
        json!({ "count": 0, "period": 60 }),
        json!({ "count": "1", "period": 60 }),
        json!({ "count": 1 }),
        json!({ "count": 1, "period": 60, "other": 1 }),
        json!([1, 60]),
        json!({ "count": 1, "period": 60, "burst": null }),
    ] {
        assert!(!fits(&wrong), "{wrong}");
    }
}
