//! Requests and connections, by listener and route. A route's times are told once it had a request.

use std::fmt;
use std::sync::Arc;

use super::Group;
use super::sheet::Sheet;
use crate::telemetry::{ENDS, Traffic, TrafficReading};

pub(super) struct Requests {
    pub(super) traffic: Vec<Arc<Traffic>>,
}

impl Group for Requests {
    fn write(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let all: Vec<_> = self.traffic.iter().map(|traffic| traffic.reading()).collect();
        let routes = || {
            all.iter().flat_map(|listener| {
                listener
                    .routes
                    .iter()
                    .map(move |route| (vec![("listener", listener.listener), ("route", route.route)], route))
            })
        };
        let ends = routes().flat_map(|(labels, route)| {
            let of = move |(end, count)| {
                let mut labels = labels.clone();
                labels.push(("status", end));
                (labels, count)
            };
            ENDS.into_iter().zip(route.ends).map(of)
        });
        sheet.counters("http_requests", "Requests by listener, route and what became of them", ends)?;
        let used = routes().filter(|(_, route)| route.time.count() > 0);
        let times = used.map(|(labels, route)| (labels, &route.time));
        sheet.spans("http_request_duration_seconds", "From the head of a request to its answer", times)?;
        connections(sheet, &all)
    }
}

fn connections(sheet: &mut Sheet<'_>, all: &[TrafficReading]) -> fmt::Result {
    let each = |count: fn(&TrafficReading) -> u64| {
        all.iter().map(move |listener| (vec![("listener", listener.listener)], count(listener)))
    };
    sheet.gauges("connections", "Connections that are open", each(|listener| listener.connections))?;
    let most = each(|listener| listener.most_connections);
    sheet.gauges("connections_limit", "Connections that may be open at once", most)?;
    let refused = each(|listener| listener.turned_away);
    sheet.counters("connections_refused", "Connections that found no room", refused)
}
