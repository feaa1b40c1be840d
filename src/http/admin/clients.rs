//! `/admin/v1/clients`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::listing::{Listing, Route};
use super::{AdminSide, Caller, Shared, answer, object, read_body, to_its_end};
use crate::admin::{Created, NewClient, NewSecret, Refusal};
use crate::http::error;
use crate::policy::Client;

/// The one answer that shows a secret. A client with keys has none, so its answer lacks both members.
#[derive(Serialize)]
struct CreatedBody<'a> {
    #[serde(flatten)]
    client: &'a Client,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
}

#[derive(Serialize)]
struct SecretBody<'a> {
    secret_id: &'a str,
    client_secret: &'a str,
    expires_at: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RotateSecret {
    /// Seconds that the secret before works on.
    overlap: u64,
}

pub(super) fn router() -> Router<Arc<AdminSide>> {
    Router::new()
        .route("/admin/v1/clients", get(list).post(create))
        .route("/admin/v1/clients/{id}", get(show))
        .route("/admin/v1/clients/{id}/disable", post(disable))
        .route("/admin/v1/clients/{id}/enable", post(enable))
        .route("/admin/v1/clients/{id}/secrets", post(rotate_secret))
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
    let new: NewClient = match read_body(&headers, &body, &caller) {
        Ok(new) => new,
        Err(refused) => return *refused,
    };
    let actor = caller.0.clone();
    let done = to_its_end(async move { side.admin.create_client(&actor, new).await }).await;
    answer(done, &caller.0.request_id, |Created { client, secret }| {
        let body = CreatedBody {
            client: &client,
            secret_id: secret.as_ref().map(|made| made.secret_id.as_str()),
            client_secret: secret.as_ref().map(|made| made.secret.expose_secret()),
        };
        object(client.version, &body, true)
    })
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
    answer(done, &caller.0.request_id, |client| object(client.version, &client, false))
}

async fn rotate_secret(
    State(side): Shared,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let RotateSecret { overlap } = match read_body(&headers, &body, &caller) {
        Ok(read) => read,
        Err(refused) => return *refused,
    };
    let actor = caller.0.clone();
    let overlap = Duration::from_secs(overlap);
    let done = to_its_end(async move { side.admin.rotate_secret(&actor, &id, overlap).await }).await;
    answer(done, &caller.0.request_id, |NewSecret { secret_id, secret }| {
        let body =
            SecretBody { secret_id: &secret_id, client_secret: secret.expose_secret(), expires_at: None };
        (error::CREATED, error::json(&body)).into_response()
    })
}
