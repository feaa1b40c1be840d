//! Every operation of the public listener by its own document, and every kind of table over the keys.

use mintmark::http::openapi::Document;
use serde_json::Value;

use super::{assert_shown, text_of};

/// Each operation of an OpenAPI document, as it looks where a story asks for it.
fn operations(document: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(document).unwrap();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().filter(|name| *name != "parameters") {
            operations.push(format!("{} {path}", method.to_ascii_uppercase()));
        }
    }
    operations
}

/// Whether a line asks for this operation, its parameters filled in.
fn asks(line: &str, operation: &str) -> bool {
    let asked = line.strip_prefix("> ").unwrap_or(line);
    let Some((method, target)) = asked.split_once(" /") else { return false };
    let target = format!("/{target}");
    let path = target.split(['?', ' ']).next().unwrap_or_default();
    let (wanted, template) = operation.split_once(' ').unwrap();
    // A tile's path has several parts.
    let rest = template.strip_suffix("{path}").and_then(|start| path.strip_prefix(start));
    let fits = |(part, wanted): (&str, &str)| wanted.starts_with('{') || part == wanted;
    method == wanted
        && (rest.is_some_and(|rest| !rest.is_empty())
            || path.split('/').count() == template.split('/').count()
                && path.split('/').zip(template.split('/')).all(fits))
}

/// Whether some golden asks for it.
fn is_shown(text: &str, operation: &str) -> bool {
    text.lines().any(|line| asks(line, operation))
}

#[test]
fn every_operation_of_the_public_listener_is_shown() {
    let rows = operations(&Document::Public { log: true }.compose());
    let text = ["documents", "audit", "token"].map(text_of).concat();
    let exceptions = [("GET /openapi.json".to_owned(), "`mintmark openapi` prints the same bytes")];
    assert_shown("operations", rows, |row| is_shown(&text, row), &exceptions);
}

#[test]
fn every_operation_of_the_admin_api_is_shown() {
    let rows = operations(&Document::Admin.compose());
    let text = ["documents", "audit", "errors", "rotation", "token", "limits"].map(text_of).concat();
    let exceptions = [
        ("GET /admin/openapi.json", "`mintmark openapi admin` prints the same bytes"),
        (
            "POST /admin/v1/keys/rewrap",
            "its body names a file of this machine; audit/events_keys has the command",
        ),
    ];
    let exceptions = exceptions.map(|(row, reason)| (row.to_owned(), reason));
    assert_shown("operations", rows, |row| is_shown(&text, row), &exceptions);
}

#[test]
fn every_kind_of_golden_that_the_readme_promises_is_there() {
    let rotation = text_of("rotation");
    let tables = [
        "The transitions of 120d, one a row:",
        "The schedule alone (keys::schedule, no service) over 120d:",
        "JWKS 0s old",
        "JWKS 5m old",
        "JWKS 1h old",
    ];
    assert_shown("tables over the keys", tables, |table| rotation.contains(table), &[]);
}
