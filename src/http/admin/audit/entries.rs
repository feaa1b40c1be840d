//! `GET /admin/v1/audit/entries`: what was searched for, and single entries.

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use super::super::listing::{Listing, Route};
use super::super::{Caller, Shared, answer, to_its_end};
use crate::admin::Refusal;
use crate::audit::event::EventType;
use crate::audit::search::Query;
use crate::digest::base64url;
use crate::http::error::{self, Malformed};
use crate::jose::Kid;
use crate::oauth::form::Form;
use crate::store::StoredEntry;
use crate::time::Timestamp;

/// What entries are searched by.
pub(super) const FILTERS: &[&str] = &["client_id", "jti", "scope", "kid", "event", "from", "to", "unexpired"];
const ENTRIES: Route = Route { path: "/admin/v1/audit/entries", filters: FILTERS, first: &[] };

/// An entry as objects, for people; an export has the exact bytes.
#[derive(Serialize)]
pub(super) struct EntryBody {
    index: u64,
    leaf: Value,
    body: Option<Value>,
    salt: Option<String>,
}

impl From<StoredEntry> for EntryBody {
    fn from(entry: StoredEntry) -> Self {
        let (salt, body) = entry.body.unzip();
        let parse = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap_or(Value::Null);
        Self {
            index: entry.index,
            leaf: parse(&entry.leaf),
            body: body.map(|body| parse(&body)),
            salt: salt.map(|salt| base64url(&salt)),
        }
    }
}

pub(super) async fn search(State(side): Shared, caller: Caller, RawQuery(query): RawQuery) -> Response {
    let listing = match Listing::read(ENTRIES, query.as_deref(), &caller, &side.cursors) {
        Ok(listing) => listing,
        Err(refused) => return *refused,
    };
    let filters = match read_filters(&listing.form) {
        Ok((filters, true)) => side.admin.unexpired(filters),
        Ok((filters, false)) => filters,
        Err(detail) => return error::malformed(Malformed::Query, detail, &caller.0.request_id),
    };
    let (actor, before, limit) = (caller.0.clone(), listing.after_index(), listing.limit);
    let admin = side.admin.clone();
    let done = to_its_end(async move { admin.search_log(&actor, &filters, before, limit).await }).await;
    answer(done, &caller.0.request_id, |page| {
        let entries = page.entries.into_iter().map(EntryBody::from).collect::<Vec<_>>();
        listing.entries(entries, page.next, &side.cursors)
    })
}

/// The question, and whether it is about unexpired tokens only.
pub(super) fn read_filters(form: &Form) -> Result<(Query, bool), &'static str> {
    fn read<T>(
        form: &Form,
        name: &str,
        complaint: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, &'static str> {
        form.value(name).map(|text| parse(text).ok_or(complaint)).transpose()
    }
    let text = |name| form.value(name).map(str::to_owned);
    let seconds = |text: &str| text.parse().ok().map(Timestamp::from_seconds);
    let query = Query {
        client_id: text("client_id"),
        jti: text("jti"),
        scope: text("scope"),
        kid: read(form, "kid", "kid is 43 characters of base64url", Kid::parse)?,
        event: read(form, "event", "no event has that name", EventType::parse)?,
        from: read(form, "from", "from is in Unix seconds", seconds)?,
        to: read(form, "to", "to is in Unix seconds", seconds)?,
        unexpired_at: None,
    };
    let truth = |text: &str| text.parse::<bool>().ok();
    let unexpired = read(form, "unexpired", "unexpired is true or false", truth)?;
    Ok((query, unexpired.unwrap_or_default()))
}

pub(super) async fn show(State(side): Shared, caller: Caller, Path(index): Path<String>) -> Response {
    let Ok(index) = index.parse() else {
        return error::not_done(&Refusal::NotFound("entry"), &caller.0.request_id);
    };
    let actor = caller.0.clone();
    let done = to_its_end(async move { side.admin.log_entry(&actor, index).await }).await;
    answer(done, &caller.0.request_id, |entry| error::json(&EntryBody::from(entry)))
}
