//! `/admin/v1/policy`: the whole policy, what a file would change of it, and the change.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::body::read_long_body;
use super::{AdminSide, Caller, Shared, answer, if_match, object, to_its_end};
use crate::admin::Application;
use crate::http::error::{self, Malformed};
use crate::jose::unread;
use crate::policy::plan::Wanted;
use crate::policy::{Client, Resource, ScopeRule};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApplicationBody {
    policy: Map<String, Value>,
    /// Whether what the policy lacks is removed.
    #[serde(default)]
    prune: bool,
}

/// Every object, by name.
#[derive(Serialize)]
struct PolicyBody<'a> {
    policy_version: u64,
    resources: Vec<&'a Resource>,
    scopes: Vec<&'a ScopeRule>,
    clients: Vec<&'a Client>,
}

pub(super) fn router() -> Router<Arc<AdminSide>> {
    Router::new()
        .route("/admin/v1/policy", get(export))
        .route("/admin/v1/policy/plan", post(plan))
        .route("/admin/v1/policy/apply", post(apply))
}

async fn export(State(side): Shared) -> Response {
    let policy = side.admin.policy();
    let mut clients: Vec<_> = policy.clients.values().map(|registered| &registered.client).collect();
    clients.sort_by_key(|client| &client.id);
    let body = PolicyBody {
        policy_version: policy.version,
        resources: policy.stored_resources().map(AsRef::as_ref).collect(),
        scopes: policy.stored_scopes().map(AsRef::as_ref).collect(),
        clients,
    };
    object(policy.version, &body, false)
}

async fn plan(State(side): Shared, caller: Caller, headers: HeaderMap, body: Bytes) -> Response {
    let asked = match read(&headers, &body, &caller) {
        Ok(asked) => asked,
        Err(refused) => return *refused,
    };
    answer(side.admin.plan_policy(asked), &caller.0.request_id, |planned| error::json(&planned))
}

async fn apply(State(side): Shared, caller: Caller, headers: HeaderMap, body: Bytes) -> Response {
    let asked = match read(&headers, &body, &caller) {
        Ok(asked) => asked,
        Err(refused) => return *refused,
    };
    let actor = caller.0.clone();
    let done = to_its_end(async move { side.admin.apply_policy(&actor, asked).await }).await;
    answer(done, &caller.0.request_id, |planned| error::json(&planned))
}

/// The version of the policy that the caller saw may stand in `If-Match`, as the export's `ETag` gave it.
fn read(headers: &HeaderMap, body: &Bytes, caller: &Caller) -> Result<Application, Box<Response>> {
    let ApplicationBody { policy, prune } = read_long_body(headers, body, caller)?;
    let wanted: Wanted = serde_json::from_value(policy.into())
        .map_err(|cause| error::malformed(Malformed::Body, &unread::reason(&cause), &caller.0.request_id))?;
    Ok(Application { wanted, prune, expected: if_match(headers) })
}
