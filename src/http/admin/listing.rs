//! Lists page by page: `limit`, `cursor`, `Link: rel="next"`. RFC 8288.

use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde::Serialize;

use super::Caller;
use super::cursor::{Cursors, Question};
use crate::admin::Refusal;
use crate::http::error::{self, Malformed};
use crate::oauth::form::Form;

/// Items of a page unless the caller says otherwise.
const DEFAULT: usize = 100;
/// Items of a page at most.
const MOST: usize = 1_000;

#[derive(Serialize)]
struct Items<T> {
    items: Vec<T>,
}

/// A list, and what it may be asked for beside `limit` and `cursor`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route<'a> {
    /// Its path.
    pub(super) path: &'a str,
    /// What every page goes on to be asked for.
    pub(super) filters: &'static [&'static str],
    /// What only the first page is asked for.
    pub(super) first: &'static [&'static str],
}

impl<'a> Route<'a> {
    /// A list of everything.
    pub(super) const fn whole(path: &'a str) -> Self {
        Self { path, filters: &[], first: &[] }
    }
}

/// One page as it was asked for, strictly read.
pub(super) struct Listing {
    /// All parameters.
    pub(super) form: Form,
    /// Items at most.
    pub(super) limit: usize,
    /// Where the page before ended; `None` for the first page.
    after: Option<Vec<u8>>,
    /// The list's own path with its filters, up to and with `?` or `&`.
    path: String,
    actor: String,
    request_id: String,
}

/// Reads a query of the parameters `known`, each at most once.
pub(super) fn read_query<'a>(
    query: Option<&str>,
    known: impl Fn(&str) -> bool + 'a,
    request_id: &str,
) -> Result<Form, Box<Response>> {
    let refuse = |detail: &str| Box::new(error::malformed(Malformed::Query, detail, request_id));
    let form =
        Form::parse(query.unwrap_or_default().as_bytes()).map_err(|_| refuse("the query cannot be read"))?;
    let mut seen = Vec::new();
    for name in form.names() {
        if !known(name) || seen.contains(&name) {
            return Err(refuse("a parameter is unknown or repeated"));
        }
        // Taken as absent, it would widen the question without a word.
        if form.value(name).is_none() {
            return Err(refuse("a parameter is empty: leave it out"));
        }
        seen.push(name);
    }
    Ok(form)
}

/// A number of items, 1 to 1000.
pub(super) fn read_count(form: &Form, name: &str, usual: usize) -> Option<usize> {
    let Some(text) = form.value(name) else { return Some(usual) };
    text.parse().ok().filter(|count| (1..=MOST).contains(count))
}

impl Listing {
    /// Reads which page of `route` is asked for, and by whom.
    pub(super) fn read(
        route: Route<'_>,
        query: Option<&str>,
        caller: &Caller,
        cursors: &Cursors,
    ) -> Result<Self, Box<Response>> {
        let (actor, request_id) = (caller.0.name.clone(), caller.0.request_id.clone());
        let refuse = |detail: &str| Box::new(error::malformed(Malformed::Query, detail, &request_id));
        let known = |name: &str| {
            ["limit", "cursor"].contains(&name)
                || route.filters.contains(&name)
                || route.first.contains(&name)
        };
        let form = read_query(query, known, &request_id)?;
        let limit = read_count(&form, "limit", DEFAULT).ok_or_else(|| refuse("limit is 1 to 1000"))?;
        let path = path_of(route, &form);
        let foreign = "the cursor is not one of ours, or the server was restarted: begin again";
        let position = |cursor| cursors.read(Question { path: &path, actor: &actor }, cursor);
        let after = form.value("cursor").map(|cursor| position(cursor).ok_or_else(|| refuse(foreign)));
        let after = after.transpose()?;
        Ok(Self { form, limit, after, path, actor, request_id })
    }

    /// The name that the page before ended with, in lists by name.
    pub(super) fn after_name(&self) -> Option<&str> {
        std::str::from_utf8(self.after.as_deref()?).ok()
    }

    /// The entry that the page before ended at, in lists of the log.
    pub(super) fn after_index(&self) -> Option<u64> {
        Some(u64::from_be_bytes(self.after.as_deref()?.try_into().ok()?))
    }

    /// One page of items that come sorted by name.
    pub(super) fn by_name<'a, T: Serialize>(
        &self,
        sorted: impl Iterator<Item = (&'a str, T)>,
        cursors: &Cursors,
    ) -> Response {
        let after = self.after_name();
        let mut rest = sorted.skip_while(|(name, _)| after.is_some_and(|after| *name <= after));
        let page: Vec<_> = rest.by_ref().take(self.limit).collect();
        let next = page.last().filter(|_| rest.next().is_some()).map(|(name, _)| (*name).to_owned());
        let items = page.into_iter().map(|(_, item)| item).collect();
        self.linked(items_of(items), next.as_deref().map(str::as_bytes), cursors)
    }

    /// Entries of the log, and the way on from `next`.
    pub(super) fn entries<T: Serialize>(
        &self,
        entries: Vec<T>,
        next: Option<u64>,
        cursors: &Cursors,
    ) -> Response {
        let next = next.map(u64::to_be_bytes);
        self.linked(items_of(entries), next.as_ref().map(<[u8; 8]>::as_slice), cursors)
    }

    /// Adds the way to the page after `next`.
    pub(super) fn linked(&self, mut response: Response, next: Option<&[u8]>, cursors: &Cursors) -> Response {
        let Self { path, actor, limit, .. } = self;
        let Some(next) = next else { return response };
        let Ok(cursor) = cursors.give(Question { path, actor }, next) else {
            // A list that ends early would be taken for a whole one.
            return error::not_done(&Refusal::Internal("no randomness for a cursor"), &self.request_id);
        };
        if let Ok(link) =
            HeaderValue::from_str(&format!("<{path}limit={limit}&cursor={cursor}>; rel=\"next\""))
        {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}

/// The list's own path with the filters that were given, in the list's own order and spelling.
fn path_of(route: Route<'_>, form: &Form) -> String {
    let mut path = format!("{}?", route.path);
    for name in route.filters {
        if let Some(value) = form.value(name) {
            path.push_str(name);
            path.push('=');
            path.extend(value.bytes().map(|byte| format!("%{byte:02X}")));
            path.push('&');
        }
    }
    path
}

fn items_of<T: Serialize>(items: Vec<T>) -> Response {
    error::json(&Items { items })
}
