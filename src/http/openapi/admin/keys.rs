//! The signing keys.

use super::{listed, missing, reads};
use crate::http::openapi::operation::{JSON, Operation, done_once, get, post};
use crate::http::openapi::schemas::kid;
use crate::http::openapi::words::named;

pub(super) fn operations() -> Vec<Operation> {
    let of_key = |operation: Operation| missing(operation.segment("kid", kid(), "the key"));
    let all = |path, id, summary, body: &str| done_once(reads(post(path, id, summary), &named(body)));
    let rotate = all("/admin/v1/keys/rotate", "rotateKeys", "Let the next key sign", "RotateKeys");
    let import =
        all("/admin/v1/keys/import", "importKey", "Take in a key that was made elsewhere", "ImportKey");
    let rewrap = all("/admin/v1/keys/rewrap", "rewrapKeys", "Seal every key under another KEK", "RewrapKeys");
    let revoke = all("/admin/v1/keys/{kid}/revoke", "revokeKey", "Take a key out for ever", "RevokeKey");
    let marked = |path, id, summary| {
        done_once(of_key(post(path, id, summary))).answer("200", "the key", JSON, named("Key"))
    };
    let operations =
        [
            listed(
                get("/admin/v1/keys", "listKeys", "All keys, in the order in which they were made"),
                "KeyPage",
            ),
            rotate.answer("200", "the next keys sign", JSON, named("RotatedKeys")).answer(
                "202",
                "some ring waits until every verifier knows its next key",
                JSON,
                named("RotatedKeys"),
            ),
            import.answer("201", "the key", JSON, named("Key")),
            rewrap.answer("200", "they are", JSON, named("RewrappedKeys")),
            marked("/admin/v1/keys/{kid}/retain", "retainKey", "Hold a key in the JWKS"),
            marked("/admin/v1/keys/{kid}/release", "releaseKey", "Let a held key go"),
            of_key(revoke)
                .told("With `dry_run` nothing is done, and the Idempotency-Key means nothing.")
                .answer("200", "what it did, or would do", JSON, named("RevokedKey")),
        ];
    operations.into_iter().map(|operation| operation.part("keys")).collect()
}
