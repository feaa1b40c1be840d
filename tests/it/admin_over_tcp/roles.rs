//! Each admin scope opens its own routes and no other's, whatever a request looks like.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use axum::http::Method;
use mintmark::http::admin::roles::{ROLES, Role, of_route};
use mintmark::oauth::Scope;
use mintmark::policy::{AdminScope, AdminScopes};

use super::{ALL, admin, assert_not_let_in, get, request, token_for};
use crate::harness::with_mint;

/// A path of this route, of objects that are not there.
fn path_of(route: &str) -> String {
    let segments = route.split('/').map(|segment| match segment {
        "{*path}" => "0/000",
        "{index}" => "999999",
        segment if segment.starts_with('{') => "nobodys",
        segment => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

fn method_of(role: &Role) -> Method {
    role.method.parse().unwrap()
}

#[tokio::test]
async fn every_role_opens_its_routes_and_no_other() {
    with_mint(async |mint| {
        let ops = admin(mint, "ops", ALL).await;
        // Each scope alone, and all but each.
        let alone = AdminScope::ALL.map(|scope| scope.to_string());
        let without = alone.clone().map(|scope| ALL.replace(&scope, ""));
        for scope in alone.into_iter().chain(without) {
            let token = token_for(mint, &ops, scope.trim()).await;
            let held = AdminScopes::among(&Scope::parse(&scope).unwrap().unwrap());
            for role in ROLES {
                let (method, path) = (method_of(role), path_of(role.route));
                let answer = mint.over_tcp(request(&method, &path, &token)).await;
                let told = format!("{scope}: {method} {path} {}", answer.status);
                if held.has(role.scopes) {
                    assert!(![401, 403, 405].contains(&answer.status.as_u16()), "{told}");
                    continue;
                }
                assert_eq!(answer.status, 403, "{told}");
                answer.assert_problem(403);
                let challenge = "Bearer realm=\"mintmark-admin\", error=\"insufficient_scope\"";
                let expected = format!("{challenge}, scope=\"{}\"", role.scopes);
                assert_eq!(answer.header("www-authenticate"), expected);
            }
        }
        for role in ROLES {
            assert_not_let_in(
                &mint.over_tcp(request(&method_of(role), &path_of(role.route), "x")).await,
                "x",
            );
        }
    })
    .await;
}

/// The routes as the source has them: method and path.
fn routes_of_the_source() -> BTreeSet<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    let mut folders = vec![root.join("admin")];
    let mut files = vec![root.join("log.rs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let mut routes = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for call in text.split(".route(").skip(1) {
            let (path, rest) = call.trim_start().split_once(',').unwrap();
            let path = if let Some(path) = path.strip_prefix('"') {
                path.trim_end_matches('"')
            } else {
                // A constant of the same file.
                let constant = text.split_once(&format!("const {path}: &str = \"")).unwrap().1;
                constant.split('"').next().unwrap()
            };
            for method in ["get", "post", "put", "patch", "delete", "any", "options", "head"] {
                let begins = rest.trim_start().starts_with(&format!("{method}("));
                let statement = rest.split(".route(").next().unwrap().split(';').next().unwrap();
                if begins || statement.contains(&format!(".{method}(")) {
                    routes.insert((method.to_uppercase(), path.to_owned()));
                }
            }
        }
    }
    routes
}

#[test]
fn every_route_of_the_router_is_in_the_table() {
    let routes = routes_of_the_source();
    assert!(routes.len() >= 30, "{routes:?}");
    assert!(routes.contains(&("POST".to_owned(), "/admin/v1/keys/rotate".to_owned())), "{routes:?}");
    assert!(routes.contains(&("GET".to_owned(), "/admin/v1/keys".to_owned())), "a path by its constant");
    assert!(routes.contains(&("PUT".to_owned(), "/admin/v1/scopes/{name}".to_owned())), "a second method");
    for (method, route) in &routes {
        assert!(of_route(&method.parse().unwrap(), route).is_some(), "{method} {route} is in no role");
    }
    for role in ROLES {
        let (method, route) = (role.method.to_owned(), role.route.to_owned());
        assert!(routes.contains(&(method, route)), "{role:?} is no route");
    }
}

#[tokio::test]
async fn no_spelling_of_a_path_and_no_method_leads_around_a_role() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let ops = admin(mint, "ops", ALL).await;
        let read = token_for(mint, &ops, "admin:read").await;
        let audit = "/admin/v1/audit/entries";
        let spellings = [
            audit.to_owned(),
            format!("/{audit}"),
            format!("{audit}/"),
            format!("{audit}?x=/admin/v1/clients"),
            "/admin/v1/audit%2Fentries".to_owned(),
            "/admin/v1/%61udit/entries".to_owned(),
            "/admin/v1/clients/../audit/entries".to_owned(),
            "/admin/v1/clients/%2e%2e/audit/entries".to_owned(),
            "/admin/v1/./audit/entries".to_owned(),
            "/admin/v1/audit/entries%00".to_owned(),
            "/admin/v1/audit;x=1/entries".to_owned(),
            "/ADMIN/v1/audit/entries".to_owned(),
            "http://mintmark/admin/v1/audit/entries".to_owned(),
            "/admin/v1/audit/entries/0".to_owned(),
            "/admin/v1/audit/entries/%30".to_owned(),
            "/admin/v1/audit/export#".to_owned(),
        ];
        for path in spellings {
            let answer = get(mint, &path, &read).await;
            assert!(
                [403, 404].contains(&answer.status.as_u16()),
                "{path}: {} {}",
                answer.status,
                answer.text()
            );
            assert_not_let_in(&get(mint, &path, "x").await, &path);
        }
        // A name in one segment is a name, whatever it looks like.
        for path in
            ["/admin/v1/clients/..%2Faudit%2Fentries", "/admin/v1/clients/%2e%2e", "/admin/v1/scopes/%2F%2F"]
        {
            get(mint, path, &read).await.assert_problem(404);
        }
        mint.over_tcp(request(&Method::HEAD, "/admin/v1/clients", &read)).await.assert_status(200);
        mint.over_tcp(request(&Method::HEAD, audit, &read)).await.assert_status(403);
        for method in ["OPTIONS", "TRACE", "PUT", "PATCH", "DELETE", "CONNECT", "PROPFIND", "get"] {
            let method: Method = method.parse().unwrap();
            for path in ["/admin/v1/clients", "/admin/v1/keys"] {
                let all = token_for(mint, &ops, ALL).await;
                let answer = mint.over_tcp(request(&method, path, &all)).await;
                assert!(
                    [403, 404, 405].contains(&answer.status.as_u16()),
                    "{method} {path}: {}",
                    answer.status
                );
            }
        }
        // What overrides a method or a path elsewhere is nothing here.
        let mut tricked = request(&Method::GET, "/admin/v1/clients", &read);
        for (name, value) in [
            ("x-http-method-override", "POST"),
            ("x-original-url", "/admin/v1/audit/entries"),
            ("x-rewrite-url", "/admin/v1/audit/entries"),
            ("x-forwarded-for", "127.0.0.1"),
        ] {
            tricked.headers_mut().insert(name, value.parse().unwrap());
        }
        let answer = mint.over_tcp(tricked).await;
        assert!(answer.assert_status(200).json()["items"][0]["client_id"].is_string());
    })
    .await;
}
