//! What a transaction may change beside the log. Each change is recorded by an entry of the same batch,
//! but for those that the store keeps for itself: facts about it, and assertions that were used.

use std::collections::BTreeSet;

use crate::audit::directory::StoredPage;
use crate::digest::Digest;
use crate::jose::Kid;
use crate::keys::KeyRing;
use crate::oauth::ScopeToken;
use crate::policy::{Client, ClientId, Resource, ResourceUri, ScopeRule, SecretHash};
use crate::time::Timestamp;

/// A log that is opened: its name and its key.
#[derive(Clone, Debug)]
pub struct NewLog {
    /// Its name.
    pub origin: String,
    /// The text of its public key.
    pub vkey: String,
    /// Its private key, sealed.
    pub sealed_key: Vec<u8>,
}

/// A key's private half as it lies in the store, and whose it is.
pub type SealedHalf = (Kid, Vec<u8>);

/// An answer that is given again to whom asks again with the same `Idempotency-Key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Over caller and key.
    pub id: Digest,
    /// Over the caller alone.
    pub caller: Digest,
    /// Over route and body.
    pub request: Digest,
    /// What was answered, without secrets; `None` once it was erased with a client that it named.
    pub answer: Option<String>,
    /// When it may be forgotten.
    pub until: Timestamp,
}

/// One change. An object's `version` is the one it gets; the row must hold the
/// version before it (none for version 1), else the batch is a conflict.
#[derive(Clone, Debug)]
pub enum Change {
    /// Makes or replaces a resource.
    PutResource(Resource),
    /// Makes or replaces a scope. Its `key` is given by the store.
    PutScope(ScopeRule),
    /// Makes or replaces a client. Its `key` is given by the store. An id that was deleted is a conflict.
    PutClient(Client),
    /// Takes away a resource of this version. That nothing uses it is the caller's matter.
    DeleteResource(ResourceUri, u64),
    /// Takes away a scope of this version, like a resource. Made again it gets another `key`.
    DeleteScope(ScopeToken, u64),
    /// Takes away a client of this version with its secrets and what answers say of it. Its id is kept as [`reserved_id`](crate::policy::reserved_id) alone.
    DeleteClient(ClientId, u64),
    /// Adds a secret to a client.
    AddSecret(ClientId, SecretHash),
    /// Lets a secret end at this time.
    EndSecret(String, Timestamp),
    /// Notes when secrets were used last, in place of what was noted before. Those that are gone are passed over.
    SecretsUsed(Vec<(String, Timestamp)>),
    /// Notes when the owner of a secret was reminded to replace it.
    SecretReminded(String, Timestamp),
    /// Forgets the secrets that ended before this time.
    SweepSecrets(Timestamp),
    /// Replaces the facts of the ring's keys; the stored version must be `expected`. A key
    /// that no longer signs loses its private half.
    SwapRing {
        /// The version that the plan was made for.
        expected: u64,
        /// The ring after it.
        ring: KeyRing,
        /// Private halves of the keys that are new in it. A `kid` that was ever stored is a conflict.
        fresh: Vec<SealedHalf>,
        /// Private halves of keys that were in it, sealed anew.
        resealed: Vec<SealedHalf>,
    },
    /// Opens the log of an empty store.
    OpenLog(NewLog),
    /// Gives the log another name and key, and no checkpoint: an operator closed the one before.
    ReopenLog(NewLog),
    /// Replaces the log's private key by the same one, sealed anew.
    SealLogKey(Vec<u8>),
    /// Remembers the last published checkpoint.
    Publish(String),
    /// Erases the bodies and salts of these entries for good. `pages` are those of the directory that named them.
    Erase {
        /// Which entries; one without a body is passed over.
        entries: Vec<u64>,
        /// As they are without these bodies.
        pages: Vec<StoredPage>,
    },
    /// Takes up to so many bodies of a month (`YYYYMM`), the oldest first. Nobody finds them any more by the
    /// directory or by `jti` once the last of them is gone, and the month with it.
    DropBodies {
        /// Which month.
        month: u32,
        /// How many at most.
        at_most: u32,
    },
    /// Remembers the answer to the act of this transaction, and the clients that it names. An `id` that is there
    /// already is a conflict.
    Remember(Remembered, BTreeSet<ClientId>),
    /// Puts another text in the place of a remembered answer, by its `id`; one that is gone or was erased is passed
    /// over.
    CompleteAnswer(Digest, String),
    /// Erases the remembered answers that name this client, registered or not, as its deletion does. That their acts
    /// were done stays known.
    EraseAnswers(ClientId),
    /// Forgets remembered answers whose time is over at `now`, the oldest first.
    ForgetAnswers {
        /// The time.
        now: Timestamp,
        /// How many at most.
        at_most: u32,
    },
    /// Revokes one token; a conflict if it is revoked already.
    RevokeToken {
        /// Its `jti`.
        jti: String,
        /// When the row may go: no clock takes the token any more.
        until: Timestamp,
    },
    /// Revokes what was issued before a time; a conflict unless the floor rises.
    RaiseFloor {
        /// Whose tokens; `None` for those of all clients.
        client: Option<ClientId>,
        /// The earliest `iat` that is still good.
        not_before: Timestamp,
    },
    /// Forgets revocations that no token depends on any more, and remembers how far that went:
    /// [`Forgotten`](super::Forgotten) tells, whatever clock this was done by.
    ForgetRevoked {
        /// Tokens that were kept until this time or an earlier one.
        ended: Timestamp,
        /// Floors of this time or an earlier one.
        floors: Timestamp,
        /// How many tokens at most, those that ended first.
        at_most: u32,
    },
    /// Writes a fact about this store.
    SetFact(&'static str, String),
    /// Forgets used assertions, those that end first. No assertion that would be remembered for no longer
    /// than one of them is used any more.
    ForgetAssertions {
        /// None that is remembered for longer.
        until: Timestamp,
        /// How many at most.
        at_most: u32,
    },
}

impl Change {
    /// Whether the policy is another one after it.
    pub fn is_policy(&self) -> bool {
        match self {
            Self::PutResource(_)
            | Self::PutScope(_)
            | Self::PutClient(_)
            | Self::DeleteResource(..)
            | Self::DeleteScope(..)
            | Self::DeleteClient(..)
            | Self::AddSecret(..)
            | Self::EndSecret(..) => true,
            Self::SecretsUsed(_)
            | Self::SecretReminded(..)
            | Self::SweepSecrets(_)
            | Self::SwapRing { .. }
            | Self::OpenLog(_)
            | Self::ReopenLog(_)
            | Self::SealLogKey(_)
            | Self::Publish(_)
            | Self::Erase { .. }
            | Self::DropBodies { .. }
            | Self::Remember(..)
            | Self::CompleteAnswer(..)
            | Self::EraseAnswers(_)
            | Self::ForgetAnswers { .. }
            | Self::RevokeToken { .. }
            | Self::RaiseFloor { .. }
            | Self::ForgetRevoked { .. }
            | Self::ForgetAssertions { .. }
            | Self::SetFact(..) => false,
        }
    }
}
