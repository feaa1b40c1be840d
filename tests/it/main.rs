//! The integration tests: one binary, a file per capability. This is its table of contents.

#![expect(unreachable_pub, reason = "nothing in a test binary can be reached from outside")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]
#![expect(clippy::too_many_lines, reason = "a table is as long as it has rows")]
#![expect(clippy::format_collect, reason = "few and short strings, where being readable is all")]

// What the tests stand on.
mod harness;
mod made_log;

// What a client meets: the request, who it is, what it gets, how often.
mod form;
mod token_endpoint;

mod client_assertions;
mod client_authentication;
mod guessing;
mod introspection;
mod issued_tokens;
mod revocation;
mod scopes_and_limits;

// What a verifier, an auditor and an operator meet.
mod admin_api;
mod admin_over_tcp;
mod aging;
mod auditing;
mod clients;
mod clock;
mod cursors;
mod database;
mod deleting;
mod documents;
mod foreign_logs;
mod idempotency;
mod imported;
mod keys;
mod keys_by_hand;
mod limits;
mod log;
mod lost_keys;
mod metrics;
mod openapi;
mod operator_goldens;
mod overload;
mod policy_files;
mod preview;
mod process;
mod readiness;
mod receipts;
mod recorder;
mod recording;
mod report;
mod retention;
mod rollback;
mod rotators;
mod searching;
mod secrets;
mod signing;
mod starting;
mod strict_bodies;
mod tail;
mod unexpired;

// What a database driver must do.
mod store_conformance;

// What a reader of the code may rely on.
mod tidy;

// What every version answers, byte for byte.
mod golden;
