//! `GET /admin/v1/audit/tail`: the log as it grows, oldest first. A page without news comes after a moment.

use axum::extract::{RawQuery, State};
use axum::response::Response;

use super::super::listing::{Listing, Route, read_count};
use super::super::{Caller, Shared, answer, to_its_end};
use super::entries::{EntryBody, FILTERS, read_filters};
use crate::http::error::{self, Malformed};

const TAIL: Route = Route { path: "/admin/v1/audit/tail", filters: FILTERS, first: &["last"] };

pub(super) async fn tail(State(side): Shared, caller: Caller, RawQuery(query): RawQuery) -> Response {
    let listing = match Listing::read(TAIL, query.as_deref(), &caller, &side.cursors) {
        Ok(listing) => listing,
        Err(refused) => return *refused,
    };
    let malformed = |detail| error::malformed(Malformed::Query, detail, &caller.0.request_id);
    let filters = match read_filters(&listing.form) {
        Ok((filters, true)) => side.admin.unexpired(filters),
        Ok((filters, false)) => filters,
        Err(detail) => return malformed(detail),
    };
    let Some(last) = read_count(&listing.form, "last", 0) else { return malformed("last is 1 to 1000") };
    let (admin, actor, limit) = (side.admin.clone(), caller.0.clone(), listing.limit);
    let done = match listing.after_index() {
        None => to_its_end(async move { admin.begin_tail(&actor, &filters, last).await }).await,
        // Nothing is done here that must come to its end: whoever leaves ends the wait.
        Some(first) => admin.tail_log(&filters, first, limit).await,
    };
    answer(done, &caller.0.request_id, |page| {
        let entries = page.entries.into_iter().map(EntryBody::from).collect::<Vec<_>>();
        listing.entries(entries, page.next, &side.cursors)
    })
}
