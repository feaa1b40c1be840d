//! The operations of the admin listener.

mod audit;
mod keys;
mod policy;

use axum::http::Method;
use utoipa::openapi::HttpMethod;
use utoipa::openapi::security::SecurityRequirement;

use super::operation::{JSON, Operation, administrative, get};
use super::public::log;
use super::words::{Form, any_text, named, number};
use crate::http::admin::roles;

pub(super) const BEARER: &str = "admin_token";

/// A list, page by page.
fn listed(operation: Operation, body: &str) -> Operation {
    let link = r#"rel="next": where it goes on"#;
    operation
        .query("limit", number(1, 1_000), "items of a page, 100 unless it is said")
        .query("cursor", any_text(), "where the page before said that it goes on")
        .answer("200", "a page", JSON, named(body))
        .with("200", "Link", any_text(), link)
        .problem("400", "malformed, or a cursor that was given to nobody here")
}

/// A JSON body that is read strictly: nothing unknown, nothing twice.
fn reads(operation: Operation, form: &Form) -> Operation {
    operation
        .body(&[JSON], form)
        .problem("400", "malformed, or a value breaks a rule")
        .problem("415", "the body is not application/json")
}

fn missing(operation: Operation) -> Operation {
    operation.problem("404", "there is no such object")
}

/// Every operation.
pub(super) fn operations() -> Vec<Operation> {
    let mut all = policy::operations();
    all.extend(keys::operations());
    all.extend(audit::operations());
    all.push(get("/admin/openapi.json", "openapi", "This document").part("documents").answer(
        "200",
        "it",
        JSON,
        named("OpenApi"),
    ));
    let metrics = get("/metrics", "metrics", "Every number of this process").part("documents");
    let metrics = metrics.told("OpenMetrics 1.0.0; docs/metrics.md has the meaning of each number.");
    all.push(metrics.answer("200", "the page", "application/openmetrics-text", any_text()));
    all.extend(log());
    all.into_iter().map(administrative).map(secured).collect()
}

/// By the table of roles; by the socket, who can open it needs none.
fn secured(operation: Operation) -> Operation {
    let method = match operation.method {
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Delete => Method::DELETE,
        _ => Method::GET,
    };
    let needed = roles::of_path(&method, operation.path).map(|scopes| scopes.to_string()).unwrap_or_default();
    let scopes: Vec<_> = needed.split(' ').map(str::to_owned).collect();
    operation.lets_in(SecurityRequirement::new(BEARER, scopes)).lets_in(SecurityRequirement::default())
}
