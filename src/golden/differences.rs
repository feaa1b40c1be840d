//! Where two golden runs differ: file, request and place, old and new. Pure.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use super::compare::{Change, changes};
use super::recorded::Recorded;

/// One place at which two golden runs differ: at least one side is there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The file within the folder.
    pub file: String,
    /// The request whose answer it is, in a file of tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// A JSON Pointer (RFC 6901) from the top of the file. `settings.toml` counts as an object of its sections, in
    /// `policy.toml` objects are found by name (`/clients/web`), `rotation.txt` is an array of its lines.
    pub pointer: String,
    /// What was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What is there now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

/// Every difference, tokens first: by client, then by request. The manifest is none of it.
pub fn differences(old: &Recorded, new: &Recorded) -> Vec<Difference> {
    let clients: BTreeSet<_> = old.tokens.keys().chain(new.tokens.keys()).collect();
    let mut found: Vec<_> = clients.into_iter().flat_map(|client| of_client(client, old, new)).collect();
    found.extend(within("rotation.txt", &json!(old.rotation), &json!(new.rotation)));
    found.extend(within("settings.toml", &old.settings, &new.settings));
    found.extend(within("policy.toml", &old.policy, &new.policy));
    found
}

fn within(file: &str, old: &Value, new: &Value) -> impl Iterator<Item = Difference> {
    let told =
        |Change { pointer, old, new }| Difference { file: file.to_owned(), request: None, pointer, old, new };
    changes(old, new).into_iter().map(told)
}

fn of_client(client: &str, old: &Recorded, new: &Recorded) -> Vec<Difference> {
    let (before, after) = (old.tokens.get(client), new.tokens.get(client));
    let file = Recorded::file_of(client);
    let (Some(before), Some(after)) = (before, after) else {
        let [old, new] =
            [before, after].map(|tokens| Some(json!({ "client_id": client, "tokens": tokens? })));
        return vec![Difference { file, request: None, pointer: String::new(), old, new }];
    };
    // One request is one member of both; what its name is in a pointer is the comparison's to say.
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    let of_request = |name: &String| {
        let side = |tokens: &super::recorded::Answers| json!({ "tokens": tokens.get(name).map_or_else(|| json!({}), |answer| json!({ name: answer })) });
        let told = |difference| Difference { request: Some(name.clone()), ..difference };
        within(&file, &side(before), &side(after)).map(told).collect::<Vec<_>>()
    };
    names.flat_map(of_request).collect()
}
