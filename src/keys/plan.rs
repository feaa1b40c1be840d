//! A step in the life of the rings: what it changes, why, and its making.
//!
//! A plan is made from one version of the ring and applied to the same version
//! inside the store's compare-and-swap; anything else is refused as stale, so
//! two rotators, or one that slept between thinking and writing, do no harm.
//! Pure: it makes no key and records nothing. Fresh keys come from the caller.

use std::collections::BTreeSet;
use std::iter;
use std::time::Duration;

use super::{BrokenRing, KeyFacts, KeyRing, KeyState};
use crate::jose::{Algorithm, Kid};
use crate::time::Timestamp;

/// Which key a transition moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One that is in the ring.
    Kid(Kid),
    /// One that the caller makes for this plan.
    New(Algorithm),
}

/// One key's way from one state to another. A new key starts as staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Which key.
    pub subject: Subject,
    /// The state that it must be in.
    pub from: KeyState,
    /// The state that it gets.
    pub to: KeyState,
}

/// A change of a key that leaves its state alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The schedule shall activate the successor as soon as every verifier knows it.
    RequestRotation(Kid),
    /// Hold the key in the JWKS.
    Retain(Kid),
    /// Let the timers have it again.
    Release(Kid),
    /// Its tokens may live longer than those before: [`Plan::retain_for`] holds for it from now on.
    Lengthen(Kid),
}

impl Mark {
    /// Which key.
    pub const fn kid(self) -> Kid {
        match self {
            Self::RequestRotation(kid) | Self::Retain(kid) | Self::Release(kid) | Self::Lengthen(kid) => kid,
        }
    }
}

/// Why a plan was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No JWKS was ever served: the first keys sign at once.
    FirstStart,
    /// An algorithm without a ring: its first key is published.
    RingAdded,
    /// The first key of a ring that was added has been published long enough.
    RingStarted,
    /// A ring has no standby.
    StandbyMissing,
    /// The active key has signed for its time.
    Age,
    /// An operator asked for it earlier, and now every verifier knows the successor.
    Requested,
    /// No valid token needs the key any more.
    Retention,
    /// The settings let the tokens of a key live longer than those before.
    Lengthened,
    /// A key's private half is gone, or gave a wrong signature, or its whole row is damaged.
    Lost,
    /// An operator rotates.
    ByHand,
    /// An operator brings a key.
    Imported,
    /// An operator holds a key.
    Retained,
    /// An operator lets a key go.
    Released,
    /// An operator revokes a key; the text is the operator's.
    Revoked(String),
}

impl Reason {
    /// The reason as the log records it; for a revocation the operator's own text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::FirstStart => "first start",
            Self::RingAdded => "algorithm added",
            Self::RingStarted => "published long enough",
            Self::StandbyMissing => "standby missing",
            Self::Age => "age",
            Self::Requested => "rotation requested",
            Self::Retention => "retention over",
            Self::Lengthened => "settings changed",
            Self::Lost => "private half lost or unsound",
            Self::ByHand => "by hand",
            Self::Imported => "imported",
            Self::Retained => "retained",
            Self::Released => "released",
            Self::Revoked(text) => text,
        }
    }
}

/// One step from a version of the ring to the next: all of it or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The version that it was made from.
    pub expected_version: u64,
    /// Why.
    pub reason: Reason,
    /// The earliest time at which it may be applied; the epoch when it is due whatever the time.
    pub due: Timestamp,
    /// State changes, oldest key first.
    pub transitions: Vec<Transition>,
    /// Other changes.
    pub marks: Vec<Mark>,
    /// R as configured: how long a key that it activates will stay in the JWKS after it came to rest.
    pub retain_for: Duration,
    /// How long verifiers may still misjudge tokens because of it; zero for each step of the schedule.
    pub exposure: Duration,
}

/// The plan no longer fits; nothing was changed. Make a new one from the current ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StalePlan {
    /// The ring moved on.
    #[error("the key ring has version {found}, the plan was made from {expected}")]
    Version {
        /// What the plan was made from.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// The clock says that the step is not due, so it ran back since the plan was made.
    #[error("the plan is due at {0}, later than now")]
    Early(Timestamp),
    /// A key is not in the state that the plan expects.
    #[error("the key {0} is not in the state that the plan expects")]
    Moved(Kid),
    /// Not exactly the fresh staged keys that [`Plan::needs_new`] asks for.
    #[error("the fresh keys are not those that the plan asks for")]
    FreshKeys,
    /// The outcome would be no sound ring.
    #[error(transparent)]
    Broken(#[from] BrokenRing),
}

impl Plan {
    pub(super) fn new(ring: &KeyRing, reason: Reason, due: Timestamp, retain_for: Duration) -> Self {
        Self {
            expected_version: ring.version,
            reason,
            due,
            transitions: Vec::new(),
            marks: Vec::new(),
            retain_for,
            exposure: Duration::ZERO,
        }
    }

    pub(super) fn with(mut self, transitions: impl IntoIterator<Item = Transition>) -> Self {
        self.transitions.extend(transitions);
        self
    }

    /// Whether it changes nothing at all.
    pub fn is_idle(&self) -> bool {
        self.transitions.is_empty() && self.marks.is_empty()
    }

    /// Whether a key that kept its private half does so no more.
    pub fn destroys_private_halves(&self) -> bool {
        let ends = |transition: &Transition| {
            transition.from.keeps_private_half() && !transition.to.keeps_private_half()
        };
        self.transitions.iter().any(ends)
    }

    /// The keys that the caller has to make before it applies the plan, one per entry.
    pub fn needs_new(&self) -> Vec<Algorithm> {
        let new = |transition: &Transition| match transition.subject {
            Subject::New(algorithm) => Some(algorithm),
            Subject::Kid(_) => None,
        };
        self.transitions.iter().filter_map(new).collect()
    }

    /// The next ring, with `now` as the time of every change.
    ///
    /// `fresh` holds staged keys as [`Self::needs_new`] asks. The time is that of the
    /// commit, not of the plan: a key must not look published for longer than it was.
    pub fn apply(
        &self,
        ring: &KeyRing,
        mut fresh: Vec<KeyFacts>,
        now: Timestamp,
    ) -> Result<KeyRing, StalePlan> {
        if ring.version != self.expected_version {
            return Err(StalePlan::Version { expected: self.expected_version, found: ring.version });
        }
        if now < self.due {
            return Err(StalePlan::Early(self.due));
        }
        let mut next = ring.clone();
        next.version = next.version.saturating_add(1);
        let mut touched = BTreeSet::new();
        for transition in &self.transitions {
            let kid = match transition.subject {
                Subject::Kid(kid) => kid,
                Subject::New(algorithm) => enter(&mut next, &mut fresh, algorithm)?,
            };
            let key = find(&mut next, kid)?;
            if key.state != transition.from {
                return Err(StalePlan::Moved(kid));
            }
            self.advance(key, transition.to, now);
            touched.insert(key.algorithm);
        }
        if !fresh.is_empty() {
            return Err(StalePlan::FreshKeys);
        }
        for mark in &self.marks {
            let key = find(&mut next, mark.kid())?;
            match mark {
                Mark::RequestRotation(_) => key.rotation_requested_at = Some(now),
                Mark::Retain(_) => key.retain = true,
                Mark::Release(_) => key.retain = false,
                Mark::Lengthen(_) => key.retain_for = key.retain_for.max(Some(self.retain_for)),
            }
            touched.insert(key.algorithm);
        }
        // What was broken before holds up nothing: not another ring, and no revocation in its own.
        let mut sound = touched.into_iter().filter(|algorithm| ring.check_ring(*algorithm).is_ok());
        sound.try_for_each(|algorithm| next.check_ring(algorithm))?;
        Ok(next)
    }

    fn advance(&self, key: &mut KeyFacts, to: KeyState, now: Timestamp) {
        key.state = to;
        if to > KeyState::Active {
            key.rotation_requested_at = None;
        }
        match to {
            KeyState::Staged => {}
            KeyState::Published => key.published_at = Some(now),
            KeyState::Active => {
                key.published_at.get_or_insert(now);
                key.activated_at = Some(now);
                key.retain_for = Some(self.retain_for);
            }
            KeyState::Passive => {
                key.passive_at = Some(now);
                key.retain_for = key.retain_for.max(Some(self.retain_for));
            }
            KeyState::Removed => key.removed_at = Some(now),
            KeyState::Revoked => {
                key.revoked_at = Some(now);
                // A revocation beats retention: the key must be out of the JWKS at once.
                key.retain = false;
                key.reason = Some(self.reason.as_str().to_owned());
            }
        }
    }
}

fn enter(ring: &mut KeyRing, fresh: &mut Vec<KeyFacts>, algorithm: Algorithm) -> Result<Kid, StalePlan> {
    let fits = |key: &KeyFacts| key.algorithm == algorithm && key.state == KeyState::Staged;
    let position = fresh.iter().position(fits).ok_or(StalePlan::FreshKeys)?;
    let key = fresh.remove(position);
    let kid = key.kid;
    // `find` would meet the older of two keys with one name, so a repeated name ends here.
    if ring.key(kid).is_some() {
        return Err(BrokenRing::RepeatedKid(kid).into());
    }
    ring.keys.push(key);
    Ok(kid)
}

fn find(ring: &mut KeyRing, kid: Kid) -> Result<&mut KeyFacts, StalePlan> {
    ring.keys.iter_mut().find(|key| key.kid == kid).ok_or(StalePlan::Moved(kid))
}

/// Keys that are not public yet: those staged in the ring first, then new ones without end.
pub(super) fn spares(ring: &KeyRing, algorithm: Algorithm) -> impl Iterator<Item = Subject> {
    ring.of(algorithm)
        .filter(|key| key.state == KeyState::Staged)
        .map(|key| Subject::Kid(key.kid))
        .chain(iter::repeat(Subject::New(algorithm)))
}

/// The first spare key becomes the standby.
pub(super) fn publish(ring: &KeyRing, algorithm: Algorithm) -> impl Iterator<Item = Transition> {
    spares(ring, algorithm).take(1).map(|subject| Transition {
        subject,
        from: KeyState::Staged,
        to: KeyState::Published,
    })
}

/// The standby signs from now on, and a spare key becomes the next standby in the same act.
/// Without a standby the first spare signs and the second is the standby.
pub(super) fn succeed(ring: &KeyRing, algorithm: Algorithm) -> impl Iterator<Item = Transition> {
    let heirs: Vec<_> = ring.standby(algorithm).map(|key| Subject::Kid(key.kid)).into_iter().collect();
    let from = if heirs.is_empty() { KeyState::Staged } else { KeyState::Published };
    heirs
        .into_iter()
        .chain(spares(ring, algorithm))
        .zip([(from, KeyState::Active), (KeyState::Staged, KeyState::Published)])
        .map(|(subject, (from, to))| Transition { subject, from, to })
}

/// [`succeed`] with keys that are made for it: a staged one may have been stolen together with the one that goes.
pub(super) fn succeed_unseen(ring: &KeyRing, algorithm: Algorithm) -> impl Iterator<Item = Transition> {
    let standby = ring.standby(algorithm).map(|key| Subject::Kid(key.kid));
    let from = if standby.is_some() { KeyState::Published } else { KeyState::Staged };
    let heirs = standby.into_iter().chain(iter::repeat(Subject::New(algorithm)));
    heirs
        .zip([(from, KeyState::Active), (KeyState::Staged, KeyState::Published)])
        .map(|(subject, (from, to))| Transition { subject, from, to })
}

/// A key that is made for it becomes the standby.
pub(super) fn publish_unseen(algorithm: Algorithm) -> Transition {
    Transition { subject: Subject::New(algorithm), from: KeyState::Staged, to: KeyState::Published }
}

/// [`succeed`], with the active key, if any, at rest from then on.
pub(super) fn rotate(ring: &KeyRing, algorithm: Algorithm) -> impl Iterator<Item = Transition> {
    let rest = ring.active(algorithm).map(|key| Transition {
        subject: Subject::Kid(key.kid),
        from: KeyState::Active,
        to: KeyState::Passive,
    });
    rest.into_iter().chain(succeed(ring, algorithm))
}
