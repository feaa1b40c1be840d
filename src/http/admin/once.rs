//! `Idempotency-Key` before every POST of the admin API: an act is done once, and told as often as it is asked for.
//!
//! It never looks into a body; what is asked for is known by its target and its
//! exact bytes. A route that only reads makes nothing of the key, so it may be asked again.

use std::sync::Arc;

use axum::body::{self, Body};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, Method};
use axum::middleware::Next;
use axum::response::Response;

use super::{AdminSide, Caller, told};
use crate::admin::{Keyed, Turn};
use crate::http::error::{self, Malformed};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Answers what was asked before, and lets everything else pass.
pub(super) async fn once(
    State(side): State<Arc<AdminSide>>,
    mut caller: Caller,
    request: Request,
    next: Next,
) -> Response {
    if request.method() != Method::POST || !request.headers().contains_key(KEY) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let refuse = |what, detail| error::malformed(what, detail, &caller.0.request_id);
    // The listener has read it whole, and capped it.
    let Ok(body) = body::to_bytes(body, usize::MAX).await else {
        return refuse(Malformed::Body, "the body cannot be read");
    };
    let Some(keyed) = keyed(&parts, &caller, &body) else {
        return refuse(Malformed::Key, "Idempotency-Key is 1 to 255 printable ASCII characters, given once");
    };
    match side.admin.turn(keyed).await {
        Ok(Turn::Told(answer)) => told(answer),
        Ok(Turn::First(once)) => {
            caller.0.once = Some(once);
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, Body::from(body))).await
        }
        Err(refusal) => error::not_done(&refusal, &caller.0.request_id),
    }
}

fn keyed(parts: &Parts, caller: &Caller, body: &[u8]) -> Option<Keyed> {
    let mut keys = parts.headers.get_all(KEY).iter();
    let (Some(key), None) = (keys.next(), keys.next()) else { return None };
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    Keyed::new(&caller.0.name, key.to_str().ok()?, target, body)
}
