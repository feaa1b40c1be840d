//! `/admin/v1/clients`.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};

use super::listing::{Listing, Route};
use super::{
    AdminSide, Caller, Shared, answer, gone, if_match, object, read_body, read_patch, to_its_end, told,
};
use crate::admin::{Refusal, Secrets};
use crate::http::error;
use crate::policy::Registration;

pub(super) fn router() -> Router<Arc<AdminSide>> {
    Router::new()
        .route("/admin/v1/clients", get(list).post(create))
        .route("/admin/v1/clients/{id}", get(show).patch(update).delete(delete))
        .route("/admin/v1/clients/{id}/disable", post(disable))
        .route("/admin/v1/clients/{id}/enable", post(enable))
}

async fn list(State(side): Shared, caller: Caller, RawQuery(query): RawQuery) -> Response {
    let route = Route::whole("/admin/v1/clients");
    let listing = match Listing::read(route, query.as_deref(), &caller, &side.cursors) {
        Ok(read) => read,
        Err(refused) => return *refused,
    };
    let policy = side.admin.policy();
    let mut clients: Vec<_> =
        policy.clients.values().map(|found| (found.client.id.as_str(), &found.client)).collect();
    clients.sort_by_key(|(id, _)| *id);
    listing.by_name(clients.into_iter(), &side.cursors)
}

async fn show(State(side): Shared, caller: Caller, Path(id): Path<String>) -> Response {
    match side.admin.policy().client(&id) {
        Some(found) => object(found.client.version, &found.client, false),
        None => error::not_done(&Refusal::NotFound("client"), &caller.0.request_id),
    }
}

async fn create(State(side): Shared, caller: Caller, headers: HeaderMap, body: Bytes) -> Response {
    let new: Registration = match read_body(&headers, &body, &caller) {
        Ok(new) => new,
        Err(refused) => return *refused,
    };
    let actor = caller.0.clone();
    let done = to_its_end(async move { side.admin.create_client(&actor, new).await }).await;
    answer(done, &caller.0.request_id, |created| told(created.answer(Secrets::Shown)))
}

async fn disable(side: Shared, caller: Caller, id: Path<String>) -> Response {
    set_disabled(side, caller, id, true).await
}

async fn enable(side: Shared, caller: Caller, id: Path<String>) -> Response {
    set_disabled(side, caller, id, false).await
}

async fn set_disabled(
    State(side): Shared,
    caller: Caller,
    Path(id): Path<String>,
    disabled: bool,
) -> Response {
    let actor = caller.0.clone();
    let done = to_its_end(async move { side.admin.set_disabled(&actor, &id, disabled).await }).await;
    answer(done, &caller.0.request_id, |client| told(client.answer()))
}

async fn update(
    State(side): Shared,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let patch = match read_patch(&headers, &body, &caller) {
        Ok(patch) => patch,
        Err(refused) => return *refused,
    };
    let (actor, expected) = (caller.0.clone(), if_match(&headers));
    let done = to_its_end(async move { side.admin.update_client(&actor, &id, patch, expected).await }).await;
    answer(done, &caller.0.request_id, |client| object(client.version, &client, false))
}

async fn delete(State(side): Shared, caller: Caller, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let (actor, expected) = (caller.0.clone(), if_match(&headers));
    let done = to_its_end(async move { side.admin.delete_client(&actor, &id, expected).await }).await;
    answer(done, &caller.0.request_id, gone)
}
