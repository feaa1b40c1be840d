//! A change of a JSON document, told as the members that are to be others. RFC 7396.
//!
//! Pure. It knows nothing of what the document means: whoever reads the outcome checks it.

use serde_json::{Map, Value};

/// Merges `patch` into the members of `target`: `null` takes a member away, an object is merged into the member of
/// its name, anything else replaces it. Goes as deep as the patch does.
pub fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                target.remove(&name);
            }
            Value::Object(inner) => {
                let member = target.entry(name).or_insert_with(|| Value::Object(Map::new()));
                if !member.is_object() {
                    *member = Value::Object(Map::new());
                }
                if let Some(member) = member.as_object_mut() {
                    merge(member, inner);
                }
            }
            other => {
                target.insert(name, other);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The examples of RFC 7396, appendix A, as far as document and patch are objects.
    #[test]
    fn merges_as_the_specification_shows() {
        for (before, patch, after) in [
            (json!({ "a": "b" }), json!({ "a": "c" }), json!({ "a": "c" })),
            (json!({ "a": "b" }), json!({ "b": "c" }), json!({ "a": "b", "b": "c" })),
            (json!({ "a": "b" }), json!({ "a": null }), json!({})),
            (json!({ "a": "b", "b": "c" }), json!({ "a": null }), json!({ "b": "c" })),
            (json!({ "a": ["b"] }), json!({ "a": "c" }), json!({ "a": "c" })),
            (json!({ "a": "c" }), json!({ "a": ["b"] }), json!({ "a": ["b"] })),
            (
                json!({ "a": { "b": "c" } }),
                json!({ "a": { "b": "d", "c": null } }),
                json!({ "a": { "b": "d" } }),
            ),
            (json!({ "a": [{ "b": "c" }] }), json!({ "a": [1] }), json!({ "a": [1] })),
            (json!({ "e": null }), json!({ "a": 1 }), json!({ "e": null, "a": 1 })),
            (json!({}), json!({ "a": { "bb": { "ccc": null } } }), json!({ "a": { "bb": {} } })),
            (json!({ "a": "b" }), json!({ "a": { "c": 1 } }), json!({ "a": { "c": 1 } })),
        ] {
            let (Value::Object(mut target), Value::Object(members)) = (before, patch.clone()) else {
                panic!("an object")
            };
            merge(&mut target, members);
            assert_eq!(Value::Object(target), after, "{patch}");
        }
    }
}
