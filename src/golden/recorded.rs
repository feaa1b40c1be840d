//! What a folder of goldens holds, read. Pure: whoever opens the files gives their contents.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::manifest::{Counts, Manifest};

/// The answers to the requests of one client, by what the requests are called.
pub type Answers = Map<String, Value>;

/// One golden run.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// What it is.
    pub manifest: Manifest,
    /// `{"issuer":...,"keys":{...}}`: the options that decide.
    pub settings: Value,
    /// `{"resources":{<uri>:{...}},"scopes":{...},"clients":{...}}`.
    pub policy: Value,
    /// By client.
    pub tokens: BTreeMap<String, Answers>,
    /// The lines of `rotation.txt`, see [`Recorded::lines`].
    pub rotation: Vec<String>,
}

/// What is told of a client's file that is none.
const FOREIGN: &str = "is not what `mintmark golden record` writes";

impl Recorded {
    /// The file of a client's tokens, within the folder.
    pub fn file_of(client_id: &str) -> String {
        format!("tokens/{client_id}.json")
    }

    /// Reads the file of a client's tokens.
    pub fn answers(client_id: &str, text: &str) -> Result<Answers, String> {
        let document: Value = serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
        let Value::Object(mut members) = document else { return Err(FOREIGN.to_owned()) };
        if members.get("client_id").and_then(Value::as_str) != Some(client_id) {
            return Err("does not name the client whose file it is".to_owned());
        }
        match members.remove("tokens") {
            Some(Value::Object(tokens)) if members.len() == 1 && tokens.values().all(Value::is_object) => {
                Ok(tokens)
            }
            _ => Err(FOREIGN.to_owned()),
        }
    }

    /// The lines of a table: the blanks between its columns follow from the widest cell, so many of them are one.
    pub fn lines(text: &str) -> impl Iterator<Item = String> {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// A policy in the admin API's form with its objects by name, so that one more object is one difference.
    pub fn by_name(policy: &Value) -> Value {
        let named = [("resources", "resource"), ("scopes", "scope"), ("clients", "client_id")];
        let lists = named.map(|(list, name)| {
            let items = policy.get(list).and_then(Value::as_array).into_iter().flatten();
            let named = items.map(|item| {
                let key = item.get(name).and_then(Value::as_str).unwrap_or_default();
                (key.to_owned(), item.clone())
            });
            (list.to_owned(), Value::Object(named.collect()))
        });
        Value::Object(lists.into_iter().collect())
    }

    /// Whether everything is there that the manifest tells of; the error says what is not.
    pub fn check(&self) -> Result<(), String> {
        let Counts { clients, requests, tokens, .. } = self.counts();
        let counted = [
            ("clients", clients, self.manifest.clients),
            ("requests", requests, self.manifest.requests),
            ("tokens", tokens, self.manifest.tokens),
        ];
        match counted.into_iter().find(|(_, found, told)| found != told) {
            None => Ok(()),
            Some((what, found, told)) => Err(format!(
                "manifest.json tells of {told} {what} and tokens/ has {found}: something was added, changed or is missing"
            )),
        }
    }

    fn counts(&self) -> Counts {
        let all = self.tokens.values().flat_map(Map::values);
        let granted = all.filter(|answer| answer.get("refused").is_none());
        Counts {
            clients: self.tokens.len(),
            requests: self.tokens.values().map(Map::len).sum(),
            tokens: granted.count(),
            transitions: self.manifest.transitions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_file_is_what_it_is_called() {
        let text = r#"{"client_id":"web","tokens":{"a":{"refused":{}}}}"#;
        assert_eq!(Recorded::answers("web", text).unwrap().len(), 1);
        for bad in [
            "",
            "[]",
            r#"{"client_id":"web"}"#,
            r#"{"client_id":"web","tokens":[]}"#,
            r#"{"client_id":"web","tokens":{"a":1}}"#,
            r#"{"client_id":"web","tokens":{},"more":1}"#,
        ] {
            assert!(Recorded::answers("web", bad).is_err(), "{bad}");
        }
        let other = Recorded::answers("other", text).unwrap_err();
        assert!(other.contains("does not name"), "{other}");
    }
}
