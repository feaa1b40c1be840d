//! The log as auditors read it, and tokens that are taken back.

use super::{listed, missing, reads};
use crate::audit::event::EventType;
use crate::http::openapi::operation::{JSON, Operation, TEXT, done_once, get, post};
use crate::http::openapi::schemas::{jti, kid};
use crate::http::openapi::words::{any_text, named, number, one_of, truth};

const TIME: &str = "Unix seconds";

fn seconds() -> crate::http::openapi::words::Form {
    number(0, u64::MAX)
}

fn filtered(operation: Operation) -> Operation {
    operation
        .query("client_id", any_text(), "of this client")
        .query("jti", any_text(), "of this token")
        .query("scope", any_text(), "of this scope")
        .query("kid", kid(), "of this key")
        .query("event", one_of(EventType::ALL.iter().map(|event| event.as_str())), "this event")
        .query("from", seconds(), TIME)
        .query("to", seconds(), TIME)
        .query("unexpired", truth(), "only tokens that live still")
}

fn reading() -> Vec<Operation> {
    let index = || number(0, u64::MAX);
    let entry = get("/admin/v1/audit/entries/{index}", "getEntry", "One entry");
    let export = get(
        "/admin/v1/audit/export",
        "exportLog",
        "A range of entries in the form that proves itself complete",
    )
    .told("A failure midway cuts the body.")
    .query("first", index(), "the first entry, 0 unless it is said")
    .query("end", index(), "one past the last, by default the published size")
    .answer("200", "a line for each entry", "application/x-ndjson", any_text())
    .problem("400", "malformed, or beyond what is published");
    let proof = missing(get("/admin/v1/audit/proof", "proveEntry", "The receipt of any entry"))
        .told("One of `index` and `jti`.")
        .query("index", index(), "of this entry")
        .query("jti", jti(), "of this token")
        .answer("200", "a C2SP tlog-proof", TEXT, any_text())
        .problem("400", "malformed");
    let report = get("/admin/v1/audit/report", "report", "A span of time on one page")
        .told("A failure midway cuts the body, and then it is no JSON.")
        .query("from", seconds(), TIME)
        .query("to", seconds(), TIME)
        .answer("200", "the report", JSON, named("Report"))
        .problem("400", "malformed, or a period that ends before it begins")
        .problem("404", "there is no log yet");
    vec![
        listed(
            filtered(get("/admin/v1/audit/entries", "searchLog", "Entries that fit, the newest first")),
            "EntryPage",
        ),
        missing(entry.segment("index", index(), "its place")).answer(
            "200",
            "the entry",
            JSON,
            named("Entry"),
        ),
        export,
        proof,
        report,
        listed(
            filtered(get("/admin/v1/audit/tail", "followLog", "The log as it grows, the oldest first"))
                .query("last", number(1, 1_000), "of those that are there, with the first page alone"),
            "EntryPage",
        ),
    ]
}

pub(super) fn operations() -> Vec<Operation> {
    let find = post("/admin/v1/audit/find", "findToken", "Whether a token was issued here");
    let erase = post("/admin/v1/audit/erase", "erase", "Erase what the log says of somebody");
    let erase = done_once(reads(erase, &named("Erase")));
    let revoke = post(
        "/admin/v1/tokens/revoke",
        "revokeTokens",
        "Revoke a token, or all that were issued before a time",
    );
    let revoke = missing(done_once(reads(revoke, &named("RevokeTokens"))));
    let mut all = reading();
    all.push(reads(find, &named("FindToken")).answer("200", "the verdict", JSON, named("FoundToken")));
    all.push(erase.answer("200", "how many bodies; ask again while there are more", JSON, named("Erased")));
    let mut all: Vec<_> = all.into_iter().map(|operation| operation.part("audit")).collect();
    all.push(revoke.part("tokens").answer("200", "what is in force", JSON, named("RevokedTokens")));
    all
}
