//! A client's registration under a merge patch: what may be changed of it, and by which words. RFC 7396.
//!
//! The outcome is read like a new registration, so that both know the same members and the same defaults.

use serde_json::{Map, Value};

use crate::jose::unread;
use crate::oauth::credential::AuthMethod;
use crate::policy::merge_patch::merge;
use crate::policy::{Client, Registration, Violation};
use crate::time::Timestamp;

/// Members that a patch does not set, and what to say to whoever tries.
const READ_ONLY: [(&str, &str); 4] = [
    ("client_id", "is never changed; create another client"),
    ("disabled", "is not changed by a patch; POST to /disable or /enable"),
    ("created_at", "is set by the server alone"),
    ("updated_at", "is set by the server alone"),
];

/// The client with `patch` merged into its registration, at its next version.
pub(super) fn patched(
    before: &Client,
    patch: Map<String, Value>,
    now: Timestamp,
) -> Result<Client, Violation> {
    let wrong = |problem: String| Violation::new("patch", problem);
    let Ok(Value::Object(mut members)) = serde_json::to_value(before) else {
        return Err(wrong("the registration cannot be changed".to_owned()));
    };
    for name in patch.keys() {
        if let Some((_, why)) = READ_ONLY.iter().find(|(read_only, _)| read_only == name) {
            return Err(wrong(format!("{name} {why}")));
        }
        // Also where it is null: a misspelt member is not taken for one that is reset.
        if !members.contains_key(name) {
            return Err(wrong(format!("a client has no member of the name {:?}", cut(name))));
        }
    }
    let (names_keys, resets_keys) =
        (patch.contains_key("jwks"), patch.get("jwks").is_some_and(Value::is_null));
    members.retain(|name, _| name == "client_id" || READ_ONLY.iter().all(|(read_only, _)| read_only != name));
    let mut merged = merged(&members, patch.clone()).map_err(|cause| {
        // What cannot be read alone is what the caller is to look at.
        let alone = |(name, value): (String, Value)| {
            let only = Map::from_iter([(name.clone(), value)]);
            merged(&members, only).err().map(|cause| format!("{name}: {}", unread::reason(&cause)))
        };
        wrong(patch.into_iter().find_map(alone).unwrap_or_else(|| unread::reason(&cause)))
    })?;
    // Who resets the method means that of a new client.
    merged.token_endpoint_auth_method.get_or_insert(AuthMethod::ClientSecretBasic);
    if !names_keys {
        // They stay or go with the method.
        merged.jwks = None;
    }
    let client = merged.over(Some(before), now)?;
    if resets_keys && client.jwks.is_some() {
        return Err(Violation::new(
            "jwks",
            "private_key_jwt needs keys; send others, or change the method too",
        ));
    }
    Ok(client)
}

fn merged(
    members: &Map<String, Value>,
    patch: Map<String, Value>,
) -> Result<Registration, serde_json::Error> {
    let mut members = members.clone();
    merge(&mut members, patch);
    serde_json::from_value(Value::Object(members))
}

/// As much of a name as a person needs to see which it was.
fn cut(name: &str) -> &str {
    name.char_indices().nth(64).and_then(|(end, _)| name.get(..end)).unwrap_or(name)
}
