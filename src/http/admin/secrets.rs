//! `/admin/v1/clients/{id}/secrets`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{delete, get};
use serde::{Deserialize, Serialize};

use super::listing::{Listing, Route};
use super::{AdminSide, Caller, Shared, answer, gone, read_body, to_its_end, told};
use crate::admin::Secrets;
use crate::http::error;
use crate::policy::SecretHash;
use crate::time::Timestamp;

/// What is told of a secret that lives.
#[derive(Serialize)]
struct SecretFacts<'a> {
    secret_id: &'a str,
    created_at: u64,
    /// `null` for one without a successor.
    expires_at: Option<u64>,
    /// When it is to have a successor; `null` for one that has one, or needs none. It works on.
    due_at: Option<u64>,
    /// `null` for one that never opened the door.
    last_used_at: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RotateSecret {
    /// Seconds that the secret before works on.
    overlap: u64,
}

pub(super) fn router() -> Router<Arc<AdminSide>> {
    Router::new()
        .route("/admin/v1/clients/{id}/secrets", get(list).post(rotate))
        .route("/admin/v1/clients/{id}/secrets/{secret_id}", delete(revoke))
}

/// In the order in which they were made.
async fn list(
    State(side): Shared,
    caller: Caller,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let secrets = match side.admin.live_secrets(&id) {
        Ok(secrets) => secrets,
        Err(refusal) => return error::not_done(&refusal, &caller.0.request_id),
    };
    // A client's id needs no escaping in a path.
    let path = format!("/admin/v1/clients/{id}/secrets");
    let listing = match Listing::read(Route::whole(&path), query.as_deref(), &caller, &side.cursors) {
        Ok(listing) => listing,
        Err(refused) => return *refused,
    };
    // No number of microseconds has more digits.
    let place = |secret: &SecretHash| format!("{:020} {}", secret.created_at.micros(), secret.secret_id);
    let places: Vec<_> = secrets.iter().map(|(secret, _)| place(secret)).collect();
    let sorted = places.iter().map(String::as_str).zip(secrets.iter().map(facts));
    listing.by_name(sorted, &side.cursors)
}

fn facts((secret, due_at): &(SecretHash, Option<Timestamp>)) -> SecretFacts<'_> {
    SecretFacts {
        secret_id: &secret.secret_id,
        created_at: secret.created_at.seconds(),
        expires_at: secret.expires_at.map(Timestamp::seconds),
        due_at: due_at.map(Timestamp::seconds),
        last_used_at: secret.last_used_at.map(Timestamp::seconds),
    }
}

async fn rotate(
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
    answer(done, &caller.0.request_id, |secret| told(secret.answer(Secrets::Shown)))
}

async fn revoke(
    State(side): Shared,
    caller: Caller,
    Path((id, secret_id)): Path<(String, String)>,
) -> Response {
    let actor = caller.0.clone();
    let done = to_its_end(async move { side.admin.revoke_secret(&actor, &id, &secret_id).await }).await;
    answer(done, &caller.0.request_id, gone)
}
