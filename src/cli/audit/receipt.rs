//! `mintmark audit verify --receipt`: one entry, and the token that it is of. C2SP tlog-proof.
//!
//! On the files alone. What an older checkpoint had would take a proof that no
//! receipt holds, so none is compared here.

use std::path::Path;

use serde::Serialize;
use serde_json::json;

use crate::audit::checkpoint::Vkey;
use crate::audit::proof::{BadReceipt, Proven, Receipt, signing_input};
use crate::cli::failure::{Exit, Failure};
use crate::cli::session::Session;
use crate::digest::base64url_decode;

/// What a receipt proved, and what the leaf that it holds says. Nothing is told of what is not proved.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Verdict {
    ok: bool,
    index: Option<u64>,
    size: Option<u64>,
    root_hash: Option<String>,
    event: Option<&'static str>,
    ts: Option<String>,
    kid: Option<String>,
    iat: Option<u64>,
    exp: Option<u64>,
    reason: Option<String>,
}

/// Judges the receipt and prints the verdict.
pub(super) fn check(
    receipt: &Path,
    token: Option<&Path>,
    vkey: &Vkey,
    session: &mut Session<'_, '_>,
) -> Result<Exit, Failure> {
    let text = session.read_text(receipt)?;
    let token = token.map(|path| read_token(path, session)).transpose()?;
    let proven = Receipt::parse(&text).and_then(|receipt| Ok((receipt.index, receipt.verify(vkey)?)));
    let verdict = match proven {
        Err(bad) => Verdict { reason: Some(bad.to_string()), ..Verdict::default() },
        Ok((index, proven)) => Verdict::of(index, &proven, compared(&proven, token.as_deref())?),
    };
    session.print_in_utc(&json!(verdict))?;
    Ok(if verdict.ok { Exit::Done } else { Exit::Refused })
}

fn read_token(path: &Path, session: &mut Session<'_, '_>) -> Result<String, Failure> {
    let text = session.read_text(path)?;
    let token = text.trim();
    let is_encoded = token.split('.').all(|part| base64url_decode(part).is_some());
    if !is_encoded || signing_input(token).is_none() {
        return Err(Failure::usage(format!(
            "{}: not a token of the form header.payload.signature",
            path.display()
        )));
    }
    Ok(token.to_owned())
}

/// Without its token a receipt of one would prove less than it seems to.
fn compared(proven: &Proven, token: Option<&str>) -> Result<Result<(), BadReceipt>, Failure> {
    match token {
        Some(token) => Ok(proven.is_of(token)),
        None if proven.leaf.th.is_some() => {
            Err(Failure::usage("the receipt is of a token: give it, with --token FILE"))
        }
        None => Ok(Ok(())),
    }
}

impl Verdict {
    fn of(index: u64, proven: &Proven, compared: Result<(), BadReceipt>) -> Self {
        let Proven { leaf, checkpoint } = proven;
        Self {
            ok: compared.is_ok(),
            index: Some(index),
            size: Some(checkpoint.size),
            root_hash: Some(checkpoint.root.to_string()),
            event: Some(leaf.event.as_str()),
            ts: Some(leaf.ts.to_string()),
            kid: leaf.kid.map(|kid| kid.to_string()),
            iat: leaf.iat,
            exp: leaf.exp,
            reason: compared.err().map(|bad| bad.to_string()),
        }
    }
}
