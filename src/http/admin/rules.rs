//! `/admin/v1/resources` and `/admin/v1/scopes`.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;

use super::listing::{Listing, Route};
use super::{AdminSide, Caller, Shared, answer, gone, if_match, object, read_body, to_its_end};
use crate::admin::Refusal;
use crate::http::error::{self, Malformed};
use crate::policy::{Resource, ScopeRule};

pub(super) fn router() -> Router<Arc<AdminSide>> {
    Router::new()
        .route("/admin/v1/resources", get(list_resources))
        .route("/admin/v1/resources/{uri}", get(show_resource).put(put_resource).delete(delete_resource))
        .route("/admin/v1/scopes", get(list_scopes))
        .route("/admin/v1/scopes/{name}", get(show_scope).put(put_scope).delete(delete_scope))
}

async fn list_resources(State(side): Shared, caller: Caller, RawQuery(query): RawQuery) -> Response {
    let route = Route::whole("/admin/v1/resources");
    match Listing::read(route, query.as_deref(), &caller, &side.cursors) {
        Ok(listing) => {
            let policy = side.admin.policy();
            let sorted = policy.stored_resources().map(|resource| (resource.uri.as_str(), resource));
            listing.by_name(sorted, &side.cursors)
        }
        Err(refused) => *refused,
    }
}

async fn show_resource(State(side): Shared, caller: Caller, Path(uri): Path<String>) -> Response {
    match side.admin.policy().stored_resource(&uri) {
        Some(resource) => object(resource.version, resource, false),
        None => error::not_done(&Refusal::NotFound("resource"), &caller.0.request_id),
    }
}

async fn put_resource(
    State(side): Shared,
    caller: Caller,
    Path(uri): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let resource: Resource = match read_body(&headers, &body, &caller) {
        Ok(resource) => resource,
        Err(refused) => return *refused,
    };
    if resource.uri.as_str() != uri {
        return error::malformed(
            Malformed::OtherObject,
            "resource must be the URI in the path",
            &caller.0.request_id,
        );
    }
    let (actor, expected) = (caller.0.clone(), if_match(&headers));
    let done = to_its_end(async move { side.admin.set_resource(&actor, resource, expected).await }).await;
    answer(done, &caller.0.request_id, |resource| object(resource.version, &resource, resource.version == 1))
}

async fn delete_resource(
    State(side): Shared,
    caller: Caller,
    Path(uri): Path<String>,
    headers: HeaderMap,
) -> Response {
    let (actor, expected) = (caller.0.clone(), if_match(&headers));
    let done = to_its_end(async move { side.admin.delete_resource(&actor, &uri, expected).await }).await;
    answer(done, &caller.0.request_id, gone)
}

async fn list_scopes(State(side): Shared, caller: Caller, RawQuery(query): RawQuery) -> Response {
    let route = Route::whole("/admin/v1/scopes");
    match Listing::read(route, query.as_deref(), &caller, &side.cursors) {
        Ok(listing) => {
            let policy = side.admin.policy();
            let sorted = policy.stored_scopes().map(|rule| (rule.name.as_str(), rule));
            listing.by_name(sorted, &side.cursors)
        }
        Err(refused) => *refused,
    }
}

async fn show_scope(State(side): Shared, caller: Caller, Path(name): Path<String>) -> Response {
    match side.admin.policy().stored_scope(&name) {
        Some(rule) => object(rule.version, rule, false),
        None => error::not_done(&Refusal::NotFound("scope"), &caller.0.request_id),
    }
}

async fn put_scope(
    State(side): Shared,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let rule: ScopeRule = match read_body(&headers, &body, &caller) {
        Ok(rule) => rule,
        Err(refused) => return *refused,
    };
    if rule.name.as_str() != name {
        return error::malformed(
            Malformed::OtherObject,
            "scope must be the name in the path",
            &caller.0.request_id,
        );
    }
    let (actor, expected) = (caller.0.clone(), if_match(&headers));
    let done = to_its_end(async move { side.admin.set_scope(&actor, rule, expected).await }).await;
    answer(done, &caller.0.request_id, |rule| object(rule.version, &rule, rule.version == 1))
}

async fn delete_scope(
    State(side): Shared,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let (actor, expected) = (caller.0.clone(), if_match(&headers));
    let done = to_its_end(async move { side.admin.delete_scope(&actor, &name, expected).await }).await;
    answer(done, &caller.0.request_id, gone)
}
