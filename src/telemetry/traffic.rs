//! What passes through a listener, counted: requests by route and status, how long they took, its connections.
//!
//! Routes are those of a table, statuses are classes: nothing of a request
//! becomes a name here, so that no caller can make it grow. Counting takes no
//! lock and no memory. It never looks into a request beyond its path.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::histogram::{Histogram, HistogramReading, SPANS};
use crate::ambient::Clock;
use crate::oauth::ErrorCode;

/// The name of every path that is in no table.
pub const OTHER: &str = "other";

/// What became of a request: the class of its status, or that its caller went away before there was one.
pub const ENDS: [&str; 5] = ["2xx", "3xx", "4xx", "5xx", "gone"];
const GONE: usize = 4;

/// One route.
struct Route {
    name: &'static str,
    ends: [AtomicU64; ENDS.len()],
    time: Histogram,
}

impl Route {
    fn new(name: &'static str) -> Self {
        Self { name, ends: Default::default(), time: Histogram::new(SPANS) }
    }
}

/// The counters of one listener.
pub struct Traffic {
    listener: &'static str,
    clock: Arc<dyn Clock>,
    /// By table, and last what is in none.
    routes: Vec<Route>,
    errors: [AtomicU64; ErrorCode::ALL.len()],
    connections: AtomicU64,
    most_connections: AtomicU64,
    turned_away: AtomicU64,
}

/// What was counted at one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficReading {
    /// Its name.
    pub listener: &'static str,
    /// Each route of its table, and [`OTHER`].
    pub routes: Vec<RouteReading>,
    /// OAuth errors that were answered, by code.
    pub errors: Vec<(ErrorCode, u64)>,
    /// Connections that are open.
    pub connections: u64,
    /// The most that may be open at once; 0 before it listens.
    pub most_connections: u64,
    /// Connections that found no room.
    pub turned_away: u64,
}

/// What was counted of one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteReading {
    /// Its name, as in the table.
    pub route: &'static str,
    /// Requests by what became of them, in the order of [`ENDS`].
    pub ends: [u64; ENDS.len()],
    /// From the head of a request to its answer, nanoseconds.
    pub time: HistogramReading,
}

/// What there is to tell of a class of requests that is less important than tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassReading {
    /// `introspection`, `log` or `admin`.
    pub class: &'static str,
    /// So many at once.
    pub limit: usize,
    /// How many there are now.
    pub in_use: usize,
    /// How many were turned away, since the start.
    pub turned_away: u64,
}

impl Traffic {
    /// Nothing counted yet. A route of the table stands for its own path and for everything below it.
    pub fn new(listener: &'static str, routes: &[&'static str], clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            listener,
            clock,
            routes: routes.iter().chain([&OTHER]).map(|name| Route::new(name)).collect(),
            errors: Default::default(),
            connections: AtomicU64::new(0),
            most_connections: AtomicU64::new(0),
            turned_away: AtomicU64::new(0),
        })
    }

    /// A request for `path` has come. Dropped before its end, its caller has gone.
    pub fn begin(&self, path: &str) -> UnderWay<'_> {
        let stands_for = |route: &&Route| {
            path.strip_prefix(route.name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let route = self.routes.iter().find(stands_for).or(self.routes.last());
        UnderWay { traffic: self, route, begun: self.clock.monotonic(), end: GONE }
    }

    /// So many connections may be open at once.
    pub fn allow(&self, connections: u32) {
        self.most_connections.store(connections.into(), Ordering::Relaxed);
    }

    /// A connection was taken.
    pub fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// It has ended.
    pub fn disconnected(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// A connection found no room.
    pub fn turned_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn reading(&self) -> TrafficReading {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let route = |route: &Route| RouteReading {
            route: route.name,
            ends: std::array::from_fn(|end| route.ends.get(end).map_or(0, load)),
            time: route.time.reading(),
        };
        TrafficReading {
            listener: self.listener,
            routes: self.routes.iter().map(route).collect(),
            errors: ErrorCode::ALL.into_iter().zip(self.errors.iter().map(load)).collect(),
            connections: load(&self.connections),
            most_connections: load(&self.most_connections),
            turned_away: load(&self.turned_away),
        }
    }
}

/// A request that has no answer yet.
pub struct UnderWay<'a> {
    traffic: &'a Traffic,
    route: Option<&'a Route>,
    begun: std::time::Duration,
    end: usize,
}

impl UnderWay<'_> {
    /// It is answered with this status, and with this OAuth error if that is one.
    pub fn answered(mut self, status: u16, error: Option<ErrorCode>) {
        self.end = usize::from(status / 100).saturating_sub(2).min(GONE - 1);
        if let Some(count) = error.and_then(|error| self.traffic.errors.get(error as usize)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let Some(route) = self.route else { return };
        if let Some(count) = route.ends.get(self.end) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        route.time.observe_span(self.traffic.clock.monotonic().saturating_sub(self.begun));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambient::SystemClock;

    fn counted(traffic: &Traffic) -> Vec<(&'static str, [u64; 5])> {
        let routes = traffic.reading().routes.into_iter();
        routes.filter(|route| route.time.count() > 0).map(|route| (route.route, route.ends)).collect()
    }

    #[test]
    fn a_path_is_its_route_or_below_it_and_all_others_are_one() {
        let traffic = Traffic::new("public", &["/oauth2/token", "/log/tile"], Arc::new(SystemClock::new()));
        for path in ["/oauth2/token", "/oauth2/tokens", "/oauth2/token/", "/log/tile/0/000", "/log", "", "*"]
        {
            traffic.begin(path).answered(200, None);
        }
        let ends = |count| [count, 0, 0, 0, 0];
        assert_eq!(counted(&traffic), [("/oauth2/token", ends(2)), ("/log/tile", ends(1)), (OTHER, ends(4))]);
    }

    #[test]
    fn each_end_is_counted_and_who_goes_away_too() {
        let traffic = Traffic::new("public", &[], Arc::new(SystemClock::new()));
        for status in [100, 200, 204, 304, 400, 429, 500, 503, 600] {
            traffic.begin("/").answered(status, None);
        }
        drop(traffic.begin("/"));
        traffic.begin("/").answered(429, Some(ErrorCode::RateLimited));
        assert_eq!(counted(&traffic), [(OTHER, [3, 1, 3, 3, 1])]);
        let errors: Vec<_> = traffic.reading().errors.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(errors, [(ErrorCode::RateLimited, 1)]);
    }

    #[test]
    fn codes_count_in_their_own_place() {
        for (place, code) in ErrorCode::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, place);
        }
    }
}
