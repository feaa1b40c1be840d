//! The form of one record by itself: the members that its event has, and a body that everybody reads alike.
//!
//! Pure. That the leaf is in its canonical spelling is known already.

use serde::de::IgnoredAny;

use crate::audit::event::EventType;
use crate::audit::leaf::Leaf;

/// Whether the leaf has the members of its event and no others; `bc` may be there or not.
pub(super) fn has_its_members(leaf: &Leaf) -> bool {
    let has =
        [leaf.kid.is_some(), leaf.th.is_some(), leaf.lk.is_some(), leaf.iat.is_some(), leaf.exp.is_some()];
    // kid, th, lk, iat, exp
    let must = match leaf.event {
        EventType::TokenIssued => [true, true, true, true, true],
        // One token, or all that were issued before some time.
        EventType::TokenRevoked => [false, false, leaf.lk.is_some(), false, leaf.lk.is_some()],
        EventType::TokenUnrecorded => [true, true, false, false, false],
        event => [event.as_str().starts_with("key."), false, false, false, false],
    };
    has == must
}

/// Whether a body is one line of JSON for every reader, whatever the input was that it tells of.
pub(super) fn is_body(body: &str) -> bool {
    body.starts_with('{')
        && body.bytes().all(|byte| (0x20..0x7F).contains(&byte))
        && serde_json::from_str::<IgnoredAny>(body).is_ok()
}
