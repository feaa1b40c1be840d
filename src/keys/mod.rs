//! The signing keys of access tokens: what is known of each, and the rings they stand in.
//!
//! ```text
//!  Staged ──► Published ──► Active ──► Passive ──► Removed        any ──► Revoked
//!  sealed     in the JWKS,  signs      in the JWKS  gone          out at once, never back
//!             the standby              only
//! ```
//!
//! One ring per algorithm; in each that has started exactly one key is active,
//! and its successor is published long before it signs, so that no verifier
//! meets an unknown `kid`. `schedule` says which step is due, `plan` makes it,
//! `by_hand` holds the operator's acts, `repair` what follows from a damaged
//! store, `steady` tells the time they all go by, `jwks` writes the document and
//! `timeline` foretells a key's life.
//!
//! These rooms are pure and know public halves only: no private key, clock,
//! store or randomness ever enters them. Around them stand the shells: `seal`
//! keeps private halves under the KEK, `in_process` makes and uses them in
//! memory, `opened` holds those that are open, `signer` signs what was recorded,
//! `rotator` carries out what the schedule says. RFC 7517, RFC 7518, RFC 8037, RFC 7638.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::jose::{Algorithm, Kid, PublicJwk};
use crate::time::Timestamp;

pub mod schedule;

pub mod plan;

pub mod by_hand;

pub mod repair;

pub mod steady;

pub mod jwks;

pub mod timeline;

pub mod active;

mod in_process;

pub mod seal;

pub mod signer;

mod opened;

mod records;

pub mod rotator;

pub use active::{ActiveKey, Place, ReservedKey, SAMPLE, Scrutiny, SignFailed, SigningKey};

/// Where a key stands in its life. The order is the order of that life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyState {
    /// Made and sealed, not public.
    Staged,
    /// In the JWKS, never signs: the standby.
    Published,
    /// In the JWKS, signs.
    Active,
    /// In the JWKS only; its private half is destroyed.
    Passive,
    /// Out of the JWKS after its time.
    Removed,
    /// Out of the JWKS at once and for ever; its tokens are inactive.
    Revoked,
}

impl KeyState {
    /// Every state, in the order of a key's life.
    pub const ALL: [Self; 6] =
        [Self::Staged, Self::Published, Self::Active, Self::Passive, Self::Removed, Self::Revoked];

    /// The name in answers and in the store: lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Published => "published",
            Self::Active => "active",
            Self::Passive => "passive",
            Self::Removed => "removed",
            Self::Revoked => "revoked",
        }
    }

    /// Reads a name, byte-exact.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether a key in this state is in the JWKS.
    pub const fn is_served(self) -> bool {
        matches!(self, Self::Published | Self::Active | Self::Passive)
    }

    /// Whether a key in this state signs or may sign one day, so that its private half is kept.
    pub const fn keeps_private_half(self) -> bool {
        matches!(self, Self::Staged | Self::Published | Self::Active)
    }
}

/// All that is known of a signing key but its private half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFacts {
    /// The RFC 7638 thumbprint of `public`, never reused.
    pub kid: Kid,
    /// What the key signs with; one key has one algorithm.
    pub algorithm: Algorithm,
    /// The half that the JWKS shows.
    pub public: PublicJwk,
    /// Where it stands.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it came into the JWKS.
    pub published_at: Option<Timestamp>,
    /// When it began to sign.
    pub activated_at: Option<Timestamp>,
    /// When its successor began to sign.
    pub passive_at: Option<Timestamp>,
    /// When it left the JWKS in its time.
    pub removed_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Since when an operator waits for its successor; a mark on the active key only.
    pub rotation_requested_at: Option<Timestamp>,
    /// How long it stays in the JWKS after it came to rest: the longest retention
    /// that was configured while it signed. `None` before it signs. A token was
    /// bounded by the settings of its own time, not by those of today.
    pub retain_for: Option<Duration>,
    /// Held in the JWKS whatever the timers say.
    pub retain: bool,
    /// Why it was revoked, in the operator's words.
    pub reason: Option<String>,
}

impl KeyFacts {
    /// A key just made: staged, with no history.
    pub fn staged(public: PublicJwk, created_at: Timestamp) -> Self {
        Self {
            kid: public.kid(),
            algorithm: public.algorithm(),
            public,
            state: KeyState::Staged,
            created_at,
            published_at: None,
            activated_at: None,
            passive_at: None,
            removed_at: None,
            revoked_at: None,
            rotation_requested_at: None,
            retain_for: None,
            retain: false,
            reason: None,
        }
    }

    /// When it entered `state`, if it did.
    pub fn entered(&self, state: KeyState) -> Option<Timestamp> {
        match state {
            KeyState::Staged => Some(self.created_at),
            KeyState::Published => self.published_at,
            KeyState::Active => self.activated_at,
            KeyState::Passive => self.passive_at,
            KeyState::Removed => self.removed_at,
            KeyState::Revoked => self.revoked_at,
        }
    }

    /// Whether its dates, marks and algorithm fit its state. A key with the date of a later
    /// state has been there: put back by another hand, it is not believed.
    fn is_sound(&self) -> bool {
        const WAY: [KeyState; 4] =
            [KeyState::Published, KeyState::Active, KeyState::Passive, KeyState::Removed];
        let dates_fit = match self.state {
            KeyState::Revoked => self.revoked_at.is_some(),
            state => {
                self.revoked_at.is_none()
                    && WAY.into_iter().all(|passed| self.entered(passed).is_some() == (state >= passed))
            }
        };
        dates_fit
            && self.public.algorithm() == self.algorithm
            && (!self.retain || self.state.is_served())
            && (self.rotation_requested_at.is_none() || self.state == KeyState::Active)
    }
}

/// A ring that no plan could have made: the store was changed by another hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenRing {
    /// Two keys under one identifier.
    #[error("the key {0} is in the ring twice")]
    RepeatedKid(Kid),
    /// Dates, marks or algorithm do not fit the state.
    #[error("the facts of the key {0} contradict its state")]
    Contradiction(Kid),
    /// A started ring with none or several active keys.
    #[error("the {algorithm} ring has {count} active keys, expected exactly one")]
    ActiveKeys {
        /// Whose ring.
        algorithm: Algorithm,
        /// How many there are.
        count: usize,
    },
    /// More than one standby.
    #[error("the {algorithm} ring has {count} standby keys, expected at most one")]
    StandbyKeys {
        /// Whose ring.
        algorithm: Algorithm,
        /// How many there are.
        count: usize,
    },
}

/// One state that a key entered, as the log records it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which key.
    pub kid: Kid,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// The state that it entered.
    pub to: KeyState,
}

/// The rings of all algorithms, as one committed version.
///
/// Removed and revoked keys stay in it for good: they are the memory of every
/// `kid` ever used and the deny list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRing {
    /// Grows by one with each applied plan; the compare-and-swap compares it.
    pub version: u64,
    /// In the order in which they were made.
    pub keys: Vec<KeyFacts>,
}

impl KeyRing {
    /// The key called `kid`, whatever its state.
    pub fn key(&self, kid: Kid) -> Option<&KeyFacts> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    /// The keys of one algorithm, oldest first.
    pub fn of(&self, algorithm: Algorithm) -> impl Iterator<Item = &KeyFacts> {
        self.keys.iter().filter(move |key| key.algorithm == algorithm)
    }

    /// The key that signs.
    pub fn active(&self, algorithm: Algorithm) -> Option<&KeyFacts> {
        self.of(algorithm).find(|key| key.state == KeyState::Active)
    }

    /// The key that will sign next.
    pub fn standby(&self, algorithm: Algorithm) -> Option<&KeyFacts> {
        self.of(algorithm).find(|key| key.state == KeyState::Published)
    }

    /// The keys in the JWKS: published, active and passive. What is retained is one of these.
    pub fn served(&self) -> impl Iterator<Item = &KeyFacts> {
        self.keys.iter().filter(|key| key.state.is_served())
    }

    /// Whether any JWKS was ever served. Only before that may a key sign at once.
    pub fn ever_served(&self) -> bool {
        self.keys.iter().any(|key| key.published_at.is_some())
    }

    /// Whether this could be the work of plans. A missing standby is no complaint: the schedule mends it.
    pub fn check(&self) -> Result<(), BrokenRing> {
        let mut kids = BTreeSet::new();
        for key in &self.keys {
            if !kids.insert(key.kid) {
                return Err(BrokenRing::RepeatedKid(key.kid));
            }
            if !key.is_sound() {
                return Err(BrokenRing::Contradiction(key.kid));
            }
        }
        Algorithm::ALL.into_iter().try_for_each(|algorithm| self.check_ring(algorithm))
    }

    /// The same for the keys of one algorithm.
    pub(super) fn check_ring(&self, algorithm: Algorithm) -> Result<(), BrokenRing> {
        if let Some(key) = self.of(algorithm).find(|key| !key.is_sound()) {
            return Err(BrokenRing::Contradiction(key.kid));
        }
        let in_state = |state| self.of(algorithm).filter(|key| key.state == state).count();
        let count = in_state(KeyState::Active);
        if count != usize::from(self.has_signed(algorithm)) {
            return Err(BrokenRing::ActiveKeys { algorithm, count });
        }
        let count = in_state(KeyState::Published);
        if count > 1 {
            return Err(BrokenRing::StandbyKeys { algorithm, count });
        }
        Ok(())
    }

    /// The next version of the ring, its live keys in another timeline: what lay so long before `from`
    /// lies so long before `to`. For a clock that was set: no key is older or younger for it.
    #[must_use]
    pub fn moved(&self, from: Timestamp, to: Timestamp) -> Self {
        let moved = |date: Timestamp| {
            if date <= from { to.minus(from.since(date)) } else { to.plus(date.since(from)) }
        };
        let mut next = Self { version: self.version.saturating_add(1), keys: self.keys.clone() };
        let live = |key: &&mut KeyFacts| key.state < KeyState::Removed;
        for key in next.keys.iter_mut().filter(live) {
            key.created_at = moved(key.created_at);
            for date in [
                &mut key.published_at,
                &mut key.activated_at,
                &mut key.passive_at,
                &mut key.rotation_requested_at,
            ] {
                *date = date.map(moved);
            }
        }
        next
    }

    /// Whether a key of this algorithm ever signed.
    pub fn has_signed(&self, algorithm: Algorithm) -> bool {
        self.of(algorithm).any(|key| key.activated_at.is_some())
    }

    /// Leaves out what no plan could have made, and says what that was and of which algorithm: of
    /// several active or standby keys the newest stays. The rows stay where they are;
    /// what is left out neither signs nor is served, and never stops the others.
    pub fn mend(mut self) -> (Self, Vec<(Algorithm, BrokenRing)>) {
        let mut broken = Vec::new();
        let mut kids = BTreeSet::new();
        self.keys.retain(|key| {
            let complaint = if !key.is_sound() {
                BrokenRing::Contradiction(key.kid)
            } else if !kids.insert(key.kid) {
                BrokenRing::RepeatedKid(key.kid)
            } else {
                return true;
            };
            broken.push((key.algorithm, complaint));
            false
        });
        for algorithm in Algorithm::ALL {
            self.keep_newest(algorithm, KeyState::Active, |count| {
                broken.push((algorithm, BrokenRing::ActiveKeys { algorithm, count }));
            });
            self.keep_newest(algorithm, KeyState::Published, |count| {
                broken.push((algorithm, BrokenRing::StandbyKeys { algorithm, count }));
            });
        }
        (self, broken)
    }

    fn keep_newest(&mut self, algorithm: Algorithm, state: KeyState, complain: impl FnOnce(usize)) {
        let rivals = || self.of(algorithm).filter(|key| key.state == state);
        let count = rivals().count();
        let Some(newest) = rivals().max_by_key(|key| key.entered(state)).map(|key| key.kid) else { return };
        if count > 1 {
            complain(count);
            self.keys.retain(|key| key.algorithm != algorithm || key.state != state || key.kid == newest);
        }
    }

    /// The states that keys entered between `earlier` and this ring, in the order of the log:
    /// oldest key first, and a key that passed several states enters each of them.
    pub fn changes_since(&self, earlier: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        for key in &self.keys {
            let before = earlier.key(key.kid).map(|old| old.state);
            for to in KeyState::ALL {
                // A key that is revoked entered that state only: the others are told already.
                let passed = to < key.state && key.state != KeyState::Revoked && key.entered(to).is_some();
                let entered = to == key.state || passed;
                if entered && before.is_none_or(|before| before < to) {
                    changes.push(Change { kid: key.kid, algorithm: key.algorithm, to });
                }
            }
        }
        changes
    }
}

#[cfg(test)]
pub(crate) mod tests;
