//! `mintmark key`: the signing keys and their next steps.

use clap::Subcommand;
use serde_json::{Map, Value};

use super::failure::Failure;
use super::output::{NOTHING, member, utc};
use super::session::Session;
use crate::time::span_text;

const KEYS: &str = "/admin/v1/keys";
/// As much of a thumbprint as a person compares.
const SHORT_KID: usize = 8;

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// List the keys, each with its times; those ahead are planned
    List,
    /// Let the next key sign from now on
    Rotate {
        /// Only the keys of this algorithm, such as ES256
        #[arg(long, value_name = "ALGORITHM")]
        alg: Option<String>,
        /// Do not wait until every verifier has seen the next key
        #[arg(long)]
        now: bool,
    },
}

/// Does it.
pub(super) async fn run(verb: Key, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let admin = session.admin()?;
    match verb {
        Key::List => {
            let keys = admin.list(KEYS, None).await?;
            let headings = ["KEY", "ALG", "STATE", "PUBLISHED", "SIGNS SINCE", "RESTS SINCE", "GOES"];
            session.print_list(&keys, &headings, row)
        }
        Key::Rotate { alg, now } => {
            let mut body = Map::new();
            if let Some(alg) = alg {
                body.insert("alg".to_owned(), alg.into());
            }
            body.insert("now".to_owned(), now.into());
            let answer = admin.post(&format!("{KEYS}/rotate"), Some(&Value::Object(body))).await?;
            session.print_as(&answer, |out| writeln!(out, "{}", told(&answer)))
        }
    }
}

fn row(key: &Value) -> Vec<String> {
    let retained = key.get("retain").and_then(Value::as_bool).unwrap_or_default();
    vec![
        member(key, "kid").chars().take(SHORT_KID).collect(),
        member(key, "alg"),
        member(key, "state"),
        time(key, "published_at"),
        time(key, "activated_at"),
        time(key, "passive_at"),
        if retained { "retained".to_owned() } else { time(key, "remove_at") },
    ]
}

/// Date and time with a blank between them, where the table may break.
fn time(key: &Value, name: &str) -> String {
    let seconds = key.get(name).and_then(Value::as_u64);
    seconds.map_or_else(|| NOTHING.to_owned(), |seconds| utc(seconds).replace('T', " "))
}

fn told(answer: &Value) -> String {
    let seconds = |name: &str| answer.get(name).and_then(Value::as_u64);
    match (answer.get("rotated").and_then(Value::as_bool), seconds("exposure"), seconds("activates_at")) {
        (Some(true), None | Some(0), _) => "The next key signs from now on.".to_owned(),
        (Some(true), Some(exposure), _) => format!(
            "The next key signs from now on; verifiers may refuse its tokens for up to {}.",
            span_text(std::time::Duration::from_secs(exposure))
        ),
        (_, _, Some(at)) => format!(
            "Not yet: verifiers know the next key from {} on, and it signs by itself then; --now does not wait.",
            utc(at)
        ),
        _ => {
            "Not yet: the next key signs as soon as every verifier knows it; --now does not wait.".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_is_one_row_of_times() {
        let key = json!({
            "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "alg": "EdDSA", "state": "active",
            "published_at": 0, "activated_at": 86_400, "passive_at": null, "remove_at": null,
            "retain": false, "reason": null
        });
        let expected =
            ["kPrK_qmx", "EdDSA", "active", "1970-01-01 00:00:00Z", "1970-01-02 00:00:00Z", "-", "-"];
        assert_eq!(row(&key), expected);
    }

    #[test]
    fn a_rotation_tells_what_it_means() {
        assert_eq!(told(&json!({ "rotated": true, "exposure": 0 })), "The next key signs from now on.");
        assert!(told(&json!({ "rotated": true, "exposure": 330 })).contains("330s"));
        assert!(told(&json!({ "rotated": false, "activates_at": 60 })).contains("1970-01-01T00:01:00Z"));
    }
}
