//! Lists by name, page by page: `limit`, `cursor`, `Link: rel="next"`. RFC 8288.

use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde::Serialize;

use crate::digest::{base64url, base64url_decode};
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

/// The parameters of a list, strictly read.
pub(super) struct Paging {
    pub(super) limit: usize,
    /// The last item of the page before.
    pub(super) after: Option<String>,
}

/// Reads a query of the parameters `known`, `limit` and `cursor`, each at most once.
pub(super) fn read_query(
    query: Option<&str>,
    known: &[&str],
    request_id: &str,
) -> Result<(Form, Paging), Box<Response>> {
    let refuse = |detail: &str| Box::new(error::malformed(Malformed::Query, detail, request_id));
    let form =
        Form::parse(query.unwrap_or_default().as_bytes()).map_err(|_| refuse("the query cannot be read"))?;
    let mut seen = Vec::new();
    for name in form.names() {
        if !(known.contains(&name) || ["limit", "cursor"].contains(&name)) || seen.contains(&name) {
            return Err(refuse("a parameter is unknown or repeated"));
        }
        seen.push(name);
    }
    let limit = match form.value("limit") {
        None => DEFAULT,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=MOST).contains(limit))
            .ok_or_else(|| refuse("limit is 1 to 1000"))?,
    };
    let decoded = |text: &str| String::from_utf8(base64url_decode(text)?).ok();
    let after = match form.value("cursor") {
        None => None,
        Some(text) => Some(decoded(text).ok_or_else(|| refuse("the cursor is not one of ours"))?),
    };
    Ok((form, Paging { limit, after }))
}

/// One page of items that come sorted by name.
pub(super) fn by_name<'a, T: Serialize>(
    sorted: impl Iterator<Item = (&'a str, T)>,
    paging: &Paging,
    path: &str,
) -> Response {
    let mut rest = sorted.skip_while(|(name, _)| paging.after.as_deref().is_some_and(|after| *name <= after));
    let page: Vec<_> = rest.by_ref().take(paging.limit).collect();
    let next = page.last().filter(|_| rest.next().is_some()).map(|(name, _)| (*name).to_owned());
    items(page.into_iter().map(|(_, item)| item).collect(), next.as_deref(), path, paging.limit)
}

/// A page with the way to the next one.
pub(super) fn items<T: Serialize>(items: Vec<T>, next: Option<&str>, path: &str, limit: usize) -> Response {
    linked(error::json(&Items { items }), next, path, limit)
}

/// Adds the way to the next page. `path` may end in a query of its own, up to and with `?` or `&`.
pub(super) fn linked(mut response: Response, next: Option<&str>, path: &str, limit: usize) -> Response {
    if let Some(next) = next {
        let link = format!("<{path}limit={limit}&cursor={}>; rel=\"next\"", base64url(next.as_bytes()));
        if let Ok(link) = HeaderValue::from_str(&link) {
            response.headers_mut().insert(header::LINK, link);
        }
    }
    response
}
