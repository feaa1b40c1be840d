//! What to do next, where the server says only what is not there.
//!
//! It asks for a list to find what was meant, and never does more than look: a
//! refusal stays the refusal that it was, with or without advice.

use hyper::StatusCode;
use serde_json::Value;

use super::escape::unescaped;
use super::output::member;

/// What can be looked for: in which list, by which member, by which command.
struct Kind {
    list: &'static str,
    member: &'static str,
    command: &'static str,
}

const KINDS: [Kind; 3] = [
    Kind { list: "/admin/v1/clients", member: "client_id", command: "mintmark client list" },
    Kind { list: "/admin/v1/scopes", member: "scope", command: "mintmark scope list" },
    Kind { list: "/admin/v1/resources", member: "resource", command: "mintmark resource list" },
];
const ENTRIES: &str = "/admin/v1/audit/entries/";
/// Among so many names it is looked for one that is alike.
pub(super) const MOST: usize = 1_000;
/// So many are told.
const TOLD: usize = 3;
/// How alike two names are that may be meant for each other, of 1.
const ALIKE: f64 = 0.85;

/// What may help whoever got `status` with `detail` for the request to `path`.
/// `list` gives up to [`MOST`] items of a list, an empty document where it cannot be had.
pub(super) async fn after(
    list: impl AsyncFn(&'static str) -> Value,
    path: &str,
    (status, detail): (StatusCode, &str),
) -> Option<String> {
    match status {
        StatusCode::NOT_FOUND if path.starts_with(ENTRIES) => {
            Some("`mintmark audit search --limit 1` shows the newest".to_owned())
        }
        StatusCode::NOT_FOUND => {
            let (kind, segment) = KINDS.iter().find_map(|kind| Some((kind, segment(path, kind.list)?)))?;
            let alike = alike(&list(kind.list).await, kind, &unescaped(segment));
            Some(told(&alike, &format!("`{}` lists all", kind.command)))
        }
        StatusCode::BAD_REQUEST => {
            // As the policy says it: `scope: orders:reed is not registered; ...`.
            let (named, _) = detail.split_once(" is not registered")?;
            let (kind, name) = named.split_once(": ")?;
            let kind = KINDS.iter().find(|known| known.member == kind)?;
            let alike = alike(&list(kind.list).await, kind, name);
            (!alike.is_empty()).then(|| told(&alike, ""))
        }
        StatusCode::PRECONDITION_FAILED | StatusCode::PRECONDITION_REQUIRED => {
            Some("somebody changed it at the same time: repeat the command".to_owned())
        }
        _ => None,
    }
}

/// The first segment of the path below the list.
fn segment<'a>(path: &'a str, list: &str) -> Option<&'a str> {
    let below = path.strip_prefix(list)?.strip_prefix('/')?;
    below.split(['/', '?']).next().filter(|segment| !segment.is_empty())
}

fn told(alike: &[String], otherwise: &str) -> String {
    let quoted: Vec<_> = alike.iter().map(|name| format!("`{name}`")).collect();
    if quoted.is_empty() { otherwise.to_owned() } else { format!("did you mean {}?", quoted.join(" or ")) }
}

/// The names that are most like `name`; none where the list cannot be read.
fn alike(list: &Value, kind: &Kind, name: &str) -> Vec<String> {
    let items = list.get("items").and_then(Value::as_array);
    let mut names: Vec<(f64, String)> = items
        .into_iter()
        .flatten()
        .map(|item| member(item, kind.member))
        .map(|known| (likeness(name, &known), known))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .collect();
    names.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    names.into_iter().take(TOLD).map(|(_, name)| name).collect()
}

fn likeness(one: &str, other: &str) -> f64 {
    strsim::jaro_winkler(&one.to_lowercase(), &other.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_its_path() {
        assert_eq!(segment("/admin/v1/clients/web/secrets", KINDS[0].list), Some("web"));
        assert_eq!(segment("/admin/v1/clients", KINDS[0].list), None);
        assert_eq!(segment("/admin/v1/clients?limit=1", KINDS[0].list), None);
        assert_eq!(segment("/admin/v1/clientsx/web", KINDS[0].list), None);
    }

    #[test]
    fn names_that_are_alike_are_near_misses() {
        for (typed, meant) in [("dmeo", "demo"), ("orders:reed", "orders:read"), ("Web", "web")] {
            assert!(likeness(typed, meant) > ALIKE, "{typed} {meant}");
        }
        assert!(likeness("web", "billing") < ALIKE);
    }
}
