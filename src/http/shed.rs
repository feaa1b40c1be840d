//! Room for the requests that are less important than tokens: so many of each class at once, and few of them
//! while tokens have to wait.
//!
//! What finds no room is told so at once, in the form of its endpoint; nothing
//! waits here. Documents never come by, nor does the admin socket, nor tokens,
//! whose turns are in [`limits::turns`](crate::limits::turns).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::class::Class;
use super::{RequestIds, error};
use crate::limits::Turns;
use crate::telemetry::ClassReading;

/// Questions about tokens at once, and while tokens wait: behind them stand a few connections to the store.
const INTROSPECTION: (usize, usize) = (256, 64);
/// Tiles and proofs at once, and while tokens wait.
const LOG: (usize, usize) = (128, 16);
/// What admins do over TCP at once, and while tokens wait: some of it ends an emergency.
const ADMIN: (usize, usize) = (64, 8);

/// Room for the lower classes of all listeners.
#[derive(Debug)]
pub struct Rooms {
    turns: Turns,
    request_ids: Arc<RequestIds>,
    introspection: Room,
    log: Room,
    admin: Room,
}

#[derive(Debug)]
struct Room {
    most: usize,
    /// So many while tokens wait.
    least: usize,
    taken: AtomicUsize,
    shed: AtomicU64,
}

/// A request's place; free again when dropped.
struct Place<'a>(&'a Room);

impl Rooms {
    /// Empty rooms, which become small while somebody waits for one of these `turns`.
    pub fn new(turns: Turns, request_ids: Arc<RequestIds>) -> Self {
        let [introspection, log, admin] = [INTROSPECTION, LOG, ADMIN].map(Room::new);
        Self { turns, request_ids, introspection, log, admin }
    }

    /// What there is to tell of each.
    pub fn readings(&self) -> [ClassReading; 3] {
        let rooms = [
            (Class::Introspection, &self.introspection),
            (Class::Log, &self.log),
            (Class::Admin, &self.admin),
        ];
        rooms.map(|(class, room)| ClassReading {
            class: class.as_str(),
            limit: room.most,
            in_use: room.taken.load(Ordering::Relaxed),
            turned_away: room.shed.load(Ordering::Relaxed),
        })
    }

    fn of(&self, class: Class) -> Option<&Room> {
        match class {
            Class::Document | Class::Issuance => None,
            Class::Introspection => Some(&self.introspection),
            Class::Log => Some(&self.log),
            Class::Admin => Some(&self.admin),
        }
    }
}

impl Room {
    fn new((most, least): (usize, usize)) -> Self {
        Self { most, least, taken: AtomicUsize::new(0), shed: AtomicU64::new(0) }
    }

    fn enter(&self, tokens_wait: bool) -> Option<Place<'_>> {
        let limit = if tokens_wait { self.least } else { self.most };
        let place = Place(self);
        if self.taken.fetch_add(1, Ordering::Relaxed) < limit {
            return Some(place);
        }
        self.shed.fetch_add(1, Ordering::Relaxed);
        None
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets a request in if there is room for its class.
pub(super) async fn shed(State(rooms): State<Arc<Rooms>>, request: Request, next: Next) -> Response {
    let class = Class::of(request.uri().path());
    let Some(room) = rooms.of(class) else { return next.run(request).await };
    match room.enter(rooms.turns.are_short()) {
        Some(_place) => next.run(request).await,
        None => error::no_room(class, &rooms.request_ids.next()),
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::header;
    use axum::middleware::from_fn_with_state;
    use axum::routing::any;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;
    use crate::ambient::SystemEntropy;

    /// Status, media type, body and seconds of `Retry-After` of the answer to a request that finds every room full.
    async fn answer(path: &str) -> (u16, String, String, Option<u32>) {
        let request_ids = Arc::new(RequestIds::new(&SystemEntropy::new()).unwrap());
        let mut rooms = Rooms::new(Turns::default(), request_ids);
        for room in [&mut rooms.introspection, &mut rooms.log, &mut rooms.admin] {
            *room = Room::new((0, 0));
        }
        let shed = from_fn_with_state(Arc::new(rooms), shed);
        let router = Router::new().fallback(any(|| async { "served" })).layer(shed);
        let request = Request::get(path).body(Body::empty()).unwrap();
        let (head, body) = router.oneshot(request).await.unwrap().into_parts();
        let field = |name| head.headers.get(name).map_or("", |value| value.to_str().unwrap());
        let body = body.collect().await.unwrap().to_bytes();
        (
            head.status.as_u16(),
            field(header::CONTENT_TYPE).to_owned(),
            String::from_utf8(body.to_vec()).unwrap(),
            field(header::RETRY_AFTER).parse().ok(),
        )
    }

    #[tokio::test]
    async fn what_finds_no_room_is_told_so_in_the_form_of_its_endpoint() {
        let told = [
            ("/oauth2/introspect", "application/json; charset=utf-8", "\"temporarily_unavailable\""),
            ("/oauth2/revoke", "application/json; charset=utf-8", "\"temporarily_unavailable\""),
            ("/log/tile/0/000", "", ""),
            ("/log/proof?jti=a", "", ""),
            ("/admin/v1/keys", "application/problem+json", "\"status\":503"),
        ];
        for (path, kind, part) in told {
            let (status, media_type, body, retry_after) = answer(path).await;
            assert_eq!((status, media_type.as_str()), (503, kind), "{path}");
            assert!(body.contains(part) && part.is_empty() == body.is_empty(), "{path}: {body}");
            assert!((1..=5).contains(&retry_after.unwrap()), "{path}: {retry_after:?}");
        }
        for path in ["/oauth2/token", "/livez", "/.well-known/jwks.json", "/log/checkpoint"] {
            assert_eq!(answer(path).await.2, "served", "{path}");
        }
    }

    #[test]
    fn a_room_is_small_while_tokens_wait_and_free_again_when_they_do_not() {
        let room = Room::new((4, 1));
        let first = room.enter(true).unwrap();
        assert!(room.enter(true).is_none());
        let others: Vec<_> = (0..3).map(|_| room.enter(false).unwrap()).collect();
        assert!(room.enter(false).is_none());
        drop(others);
        assert!(room.enter(true).is_none());
        drop(first);
        assert!(room.enter(true).is_some());
        assert_eq!((room.taken.into_inner(), room.shed.into_inner()), (0, 3));
    }
}
