//! Single events that a report lists: who, what, when.
//!
//! Pure. Lists are bounded, texts are cut; the entry itself, which the index
//! names, tells all.

use serde::Serialize;
use serde_json::Value;

use super::names::cut;
use crate::audit::event::EventType;
use crate::audit::leaf::Leaf;
use crate::time::Timestamp;

/// Events that one list holds; later ones are only counted.
const LISTED: usize = 1_000;

/// Which list an event is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum List {
    Acts,
    Keys,
    Readings,
    Runs,
    Incidents,
}

impl List {
    /// `None` for events that are only counted, because there are so many of them.
    pub(super) fn of(event: EventType) -> Option<Self> {
        match event {
            EventType::TokenIssued | EventType::TokenDenied | EventType::NodeAlive => None,
            EventType::TokenRevoked
            | EventType::ClientCreated
            | EventType::ClientUpdated
            | EventType::ClientDisabled
            | EventType::ClientEnabled
            | EventType::ClientDeleted
            | EventType::ClientSecretAdded
            | EventType::ClientSecretRevoked
            | EventType::ClientSecretDue
            | EventType::ScopeSet
            | EventType::ScopeDeleted
            | EventType::ResourceSet
            | EventType::ResourceDeleted
            | EventType::PolicyApplied
            | EventType::ConfigChanged => Some(Self::Acts),
            EventType::KeyStaged
            | EventType::KeyPublished
            | EventType::KeyActivated
            | EventType::KeyPassive
            | EventType::KeyRemoved
            | EventType::KeyRevoked
            | EventType::KeyRotationRequested
            | EventType::KeyRetained
            | EventType::KeyReleased
            | EventType::KeyRewrapped
            | EventType::KeyImported => Some(Self::Keys),
            EventType::AuditRead | EventType::AuditExported | EventType::AuditErased => Some(Self::Readings),
            EventType::NodeStarted | EventType::NodeStopped | EventType::LogOpened | EventType::LogClosed => {
                Some(Self::Runs)
            }
            EventType::TokenUnrecorded | EventType::AuditGap | EventType::ClockSkew => Some(Self::Incidents),
        }
    }
}

/// One event. What its body does not tell, or told once, is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Act {
    /// Its place in the log.
    pub index: u64,
    /// When, Unix seconds by the node's clock.
    pub at: u64,
    /// What.
    pub event: &'static str,
    /// The node that recorded it.
    pub node: String,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// To what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Of which key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when a revoked key may have been in other hands, Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// What it was before, where that is one value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What it is now, where that is one value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The body was erased or is past its retention, so the rest is untold.
    #[serde(skip_serializing_if = "is_false")]
    pub without_body: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl Act {
    /// What leaf and body tell.
    pub(super) fn read(index: u64, leaf: &Leaf, body: Option<&Value>) -> Self {
        let member = |name: &str| body.and_then(|body| single(body.get(name)?));
        Self {
            index,
            at: leaf.ts.seconds(),
            event: leaf.event.as_str(),
            node: cut(&leaf.node).to_owned(),
            actor: member("actor"),
            object: member("object"),
            kid: leaf.kid.map(|kid| kid.to_string()),
            reason: member("reason"),
            since: member("since").and_then(|since| Timestamp::parse(&since)).map(Timestamp::seconds),
            before: member("before"),
            after: member("after"),
            without_body: leaf.bc.is_some() && body.is_none(),
        }
    }
}

/// A value that is one, as text.
fn single(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(cut(text).to_owned()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Events in the order of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Acts {
    /// At most 1000, the first ones.
    pub items: Vec<Act>,
    /// How many more there are.
    pub more: u64,
}

impl Acts {
    pub(super) fn add(&mut self, act: Act) {
        if self.items.len() < LISTED {
            self.items.push(act);
        } else {
            self.more += 1;
        }
    }
}
