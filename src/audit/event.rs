//! The closed list of what the log can say: the `t` member of a leaf.
//!
//! Pure. A name, once published, never changes its meaning: leaves are for ever.

use std::fmt;

macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// What happened. The text form is `noun.past_participle`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventType {
            $($(#[$doc])* $variant,)+
        }

        impl EventType {
            /// Every event, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The text in a leaf.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// Reads a name, byte-exact.
            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

event_types! {
    /// An access token is about to be signed.
    TokenIssued = "token.issued",
    /// A token was revoked before its end.
    TokenRevoked = "token.revoked",
    /// A request was refused, or many of one kind within a minute.
    TokenDenied = "token.denied",
    /// A token with our signature and no record came to light.
    TokenUnrecorded = "token.unrecorded",
    /// A client was registered.
    ClientCreated = "client.created",
    /// A client's registration changed.
    ClientUpdated = "client.updated",
    /// A client may no longer ask.
    ClientDisabled = "client.disabled",
    /// A client may ask again.
    ClientEnabled = "client.enabled",
    /// A client is gone.
    ClientDeleted = "client.deleted",
    /// A client has one more secret.
    ClientSecretAdded = "client.secret_added",
    /// A client's secret no longer works.
    ClientSecretRevoked = "client.secret_revoked",
    /// A client's secret nears its end.
    ClientSecretDue = "client.secret_due",
    /// A scope was made or changed.
    ScopeSet = "scope.set",
    /// A scope is gone.
    ScopeDeleted = "scope.deleted",
    /// A resource was made or changed.
    ResourceSet = "resource.set",
    /// A resource is gone.
    ResourceDeleted = "resource.deleted",
    /// A policy file was applied as a whole.
    PolicyApplied = "policy.applied",
    /// A signing key was made; nobody sees it.
    KeyStaged = "key.staged",
    /// A key entered the JWKS and never signs yet.
    KeyPublished = "key.published",
    /// A key signs from here on.
    KeyActivated = "key.activated",
    /// A key rests in the JWKS; its private half is destroyed.
    KeyPassive = "key.passive",
    /// A key left the JWKS at its planned end.
    KeyRemoved = "key.removed",
    /// A key left the JWKS at once, for good.
    KeyRevoked = "key.revoked",
    /// An operator asked for a rotation that waits until every verifier knows the next key.
    KeyRotationRequested = "key.rotation_requested",
    /// A key stays in the JWKS whatever the timers say.
    KeyRetained = "key.retained",
    /// A retained key follows the timers again.
    KeyReleased = "key.released",
    /// A key was sealed anew under another key encryption key.
    KeyRewrapped = "key.rewrapped",
    /// A key came from outside.
    KeyImported = "key.imported",
    /// The node started with other settings than before.
    ConfigChanged = "config.changed",
    /// A person read records.
    AuditRead = "audit.read",
    /// A person exported records.
    AuditExported = "audit.exported",
    /// Bodies were erased; their leaves stay.
    AuditErased = "audit.erased",
    /// An operator confirmed that a node's records will never come.
    AuditGap = "audit.gap",
    /// A node began an epoch.
    NodeStarted = "node.started",
    /// A node had nothing else to say.
    NodeAlive = "node.alive",
    /// A node ended its epoch in good order.
    NodeStopped = "node.stopped",
    /// A node's clock stepped, or disagrees with the database's.
    ClockSkew = "clock.skew",
    /// The log begins: index 0.
    LogOpened = "log.opened",
    /// The log ends; another names its size and root.
    LogClosed = "log.closed",
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_distinct_and_read_back() {
        let names: HashSet<_> = EventType::ALL.iter().map(|event| event.as_str()).collect();
        assert_eq!(names.len(), EventType::ALL.len());
        assert_eq!(names.len(), 39);
        for event in EventType::ALL {
            assert_eq!(EventType::parse(event.as_str()), Some(*event));
        }
        for bad in ["", "token", "token.Issued", "token.issued ", "key.lost"] {
            assert_eq!(EventType::parse(bad), None, "{bad}");
        }
    }
}
