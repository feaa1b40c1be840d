//! What was done to a key, in sentences: the lines below an act.
//!
//! Pure over the server's answer. A line is at most 80 columns wide, but for
//! commands, which are there to be copied whole.

use serde_json::Value;

use super::life::short;
use crate::cli::failure::one_line;
use crate::cli::output::member;
use crate::cli::when::{Times, span};

/// The rings that were rotated, and those that wait.
pub(super) fn rotated(answer: &Value, times: &Times) -> Vec<String> {
    let array = |name: &str| answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let algorithms: Vec<_> =
        array("rotated").iter().map(|alg| one_line(alg.as_str().unwrap_or("-"))).collect();
    let mut lines = Vec::new();
    if !algorithms.is_empty() {
        let (sign, their) = if algorithms.len() == 1 { ("key signs", "its") } else { ("keys sign", "their") };
        lines.push(format!("{}: the next {sign} from now on.", algorithms.join(", ")));
        if let Some(exposure) = seconds(answer, "exposure").filter(|seconds| *seconds > 0) {
            lines.push(format!("Verifiers may refuse {their} tokens for up to {}.", span(exposure)));
        }
    }
    for ring in array("waiting") {
        let alg = one_line(&member(&ring, "alg"));
        match seconds(&ring, "activates_at") {
            Some(at) => {
                let (from, wait) = (times.point(at), times.distance(at));
                lines.push(format!("{alg}: not yet. Verifiers know the next key from {from} on."));
                lines.push(format!("It signs by itself then, {wait}; --now does not wait."));
            }
            None => lines.push(format!("{alg}: not yet; --now does not wait.")),
        }
    }
    if lines.is_empty() {
        lines.push("There was nothing to rotate.".to_owned());
    }
    lines
}

/// A key that the timers leave alone.
pub(super) fn retained(key: &Value) -> Vec<String> {
    vec![format!("{} stays in the JWKS until it is released.", named(key))]
}

/// A key that the timers rule again.
pub(super) fn released(key: &Value, times: &Times) -> Vec<String> {
    let planned = key.get("planned").and_then(|planned| seconds(planned, "remove_at"));
    let mut lines = vec![format!("{} follows the timers again.", named(key))];
    lines.extend(planned.map(|at| format!("It leaves the JWKS at {}.", times.full(at))));
    lines
}

/// A key from elsewhere.
pub(super) fn imported(key: &Value) -> Vec<String> {
    let alg = one_line(&member(key, "alg"));
    vec![
        format!("{} is imported. Nobody sees it yet:", named(key)),
        format!("the next rotation of {alg} publishes it as the standby, the one after lets it sign."),
        "Destroy the file and every other copy.".to_owned(),
    ]
}

/// Keys under another KEK, which lies in `file`.
pub(super) fn rewrapped(answer: &Value, file: &str) -> Vec<String> {
    let keys = seconds(answer, "keys").unwrap_or_default();
    let keys = if keys == 1 { "1 private key is".to_owned() } else { format!("{keys} private keys are") };
    vec![
        format!("{keys} sealed under the KEK {} of", one_line(&member(answer, "kek_id"))),
        format!("  {}", one_line(file)),
        "Next: set keys.kek_file to this file before the next start, which fails otherwise.".to_owned(),
        "Keep the old file until then, and as long as you keep older backups of the store.".to_owned(),
    ]
}

/// A revocation, or what it would be.
pub(super) fn revoked(answer: &Value, times: &Times) -> Vec<String> {
    let dry_run = answer.get("dry_run").and_then(Value::as_bool).unwrap_or_default();
    let say = |is: &str, would: &str| if dry_run { would.to_owned() } else { is.to_owned() };
    let mut lines = vec![match seconds(answer, "revoked_at").filter(|_| !dry_run) {
        Some(at) => format!("{} is revoked: out of the JWKS since {}.", named(answer), times.point(at)),
        None => {
            format!("{} {}", named(answer), say("is revoked.", "would leave the JWKS at once, for ever."))
        }
    }];
    let signed = member(answer, "state") == "active";
    lines.push(match answer.get("successor").and_then(Value::as_str) {
        Some(kid) => format!("{} {}", one_line(&short(kid)), say("signs now.", "would sign in its stead.")),
        None if dry_run && signed => "A new key would be made and sign in its stead.".to_owned(),
        None => say("It did not sign.", "It does not sign."),
    });
    if let Some(since) = seconds(answer, "since") {
        let are = say("are", "would be");
        lines.push(format!("In doubt since {}; older tokens {are} refused as well.", times.point(since)));
    }
    if let Some(exposure) = seconds(answer, "exposure") {
        let may = say("may accept it", "might accept it");
        lines.push(format!("Verifiers that cached the JWKS {may} for up to {} more.", span(exposure)));
    }
    lines.extend(unexpired(answer, times));
    if dry_run {
        lines.push("This was a dry run: nothing has changed.".to_owned());
    }
    lines
}

/// The tokens that verifiers may still accept, and the command that lists them.
fn unexpired(answer: &Value, times: &Times) -> Vec<String> {
    let tokens = answer.get("unexpired");
    let counted = match tokens.and_then(|tokens| seconds(tokens, "count")) {
        Some(0) => return vec!["None of its tokens is unexpired.".to_owned()],
        Some(1) => "It signed 1 unexpired token".to_owned(),
        Some(count) => format!("It signed {count} unexpired tokens"),
        // The log is long, and the answer did not wait.
        None => "Its unexpired tokens were not counted".to_owned(),
    };
    let last = tokens.and_then(|tokens| seconds(tokens, "latest_exp"));
    let kid = one_line(&member(answer, "kid"));
    let mut lines = vec![format!("{counted}.")];
    lines.extend(last.map(|last| format!("The last of them expires at {}.", times.full(last))));
    lines.push("To list them:".to_owned());
    lines.push(format!("  mintmark audit search --kid {kid} --event token.issued --unexpired"));
    lines
}

/// A key by the beginning of its identifier and its algorithm.
fn named(key: &Value) -> String {
    format!("{} ({})", one_line(&short(&member(key, "kid"))), one_line(&member(key, "alg")))
}

fn seconds(object: &Value, name: &str) -> Option<u64> {
    object.get(name).and_then(Value::as_u64)
}
