//! The life of the signing keys by the schedule alone: no service, no store, no private key.
//!
//! Each step is what a running issuer would do the moment it is due. Keys that are removed leave
//! the simulated ring, where a real one remembers them for ever: they decide nothing any more.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::Duration;

use super::stand_in::stand_in;
use crate::jose::{Algorithm, Kid};
use crate::keys::schedule::{Quantities, next};
use crate::keys::{KeyFacts, KeyRing, KeyState};
use crate::time::Timestamp;

/// Keys from a first start on.
pub struct Simulation<'a> {
    algorithms: &'a [Algorithm],
    quantities: &'a Quantities,
    now: Timestamp,
    ring: KeyRing,
    names: BTreeMap<Kid, Name>,
    made: BTreeMap<Algorithm, u64>,
    lives: Lives,
}

/// How a key is called: its algorithm, and the how many-th of that it is, from 1. Text is `ES256-2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(pub Algorithm, pub u64);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

/// One step: what happened to which keys, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// Why, in the log's own words.
    pub reason: String,
    /// Oldest key first.
    pub moves: Vec<Move>,
}

/// A key's way into another state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Which key.
    pub key: Name,
    /// Where it was; `None` for one that was just made.
    pub from: Option<KeyState>,
    /// Where it is.
    pub to: KeyState,
}

/// What all steps so far come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lives {
    /// How many steps there were.
    pub steps: u64,
    /// How many keys were made.
    pub made: u64,
    /// How many of them were removed again.
    pub removed: u64,
    /// The most keys that were in the JWKS at once.
    pub most_served: usize,
    /// How long keys were in the JWKS before they signed; the first ones, which sign at once, are not counted.
    pub ahead: Spread,
    /// How long they signed.
    pub signed: Spread,
    /// How long they stayed in the JWKS after that.
    pub rested: Spread,
}

/// The least and the greatest of some spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread(Option<(Duration, Duration)>);

impl Spread {
    fn add(&mut self, span: Duration) {
        let (least, greatest) = self.0.unwrap_or((span, span));
        self.0 = Some((least.min(span), greatest.max(span)));
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("longer than this"),
            Some((least, greatest)) if least == greatest => f.write_str(&in_units(least)),
            Some((least, greatest)) => write!(f, "{} to {}", in_units(least), in_units(greatest)),
        }
    }
}

/// A span in all of its units, such as `14d6m`; whole milliseconds.
pub fn in_units(span: Duration) -> String {
    let mut rest = span.as_millis();
    let mut text = String::new();
    for (size, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")] {
        if rest >= size {
            // Writing to a String cannot fail.
            let _ = write!(text, "{}{unit}", rest / size);
            rest %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

impl<'a> Simulation<'a> {
    /// No key yet; the first step is the first start, at `start`.
    pub fn new(algorithms: &'a [Algorithm], quantities: &'a Quantities, start: Timestamp) -> Self {
        Self {
            algorithms,
            quantities,
            now: start,
            ring: KeyRing::default(),
            names: BTreeMap::new(),
            made: BTreeMap::new(),
            lives: Lives::default(),
        }
    }

    /// The keys as they stand, but for those that were removed.
    pub fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// What all steps so far come to.
    pub fn lives(&self) -> &Lives {
        &self.lives
    }

    /// How a key of the ring is called.
    pub fn name(&self, kid: Kid) -> Option<Name> {
        self.names.get(&kid).copied()
    }

    /// Whether a step is due until `end`. After [`Self::step`] gave none, that one could not be made.
    pub fn is_due(&self, end: Timestamp) -> bool {
        next(&self.ring, self.algorithms, self.quantities).is_some_and(|plan| plan.due <= end)
    }

    /// The next step, if it is due until `end`.
    pub fn step(&mut self, end: Timestamp) -> Option<Step> {
        let plan = next(&self.ring, self.algorithms, self.quantities).filter(|plan| plan.due <= end)?;
        self.now = self.now.max(plan.due);
        let fresh = plan.needs_new().into_iter().map(|algorithm| self.make(algorithm));
        let fresh = fresh.collect::<Option<Vec<_>>>()?;
        let after = plan.apply(&self.ring, fresh, self.now).ok()?;
        let before = std::mem::replace(&mut self.ring, after);
        let step = Step {
            at: self.now,
            reason: plan.reason.as_str().to_owned(),
            moves: self.ring.keys.iter().filter_map(|key| self.moved(&before, key)).collect(),
        };
        self.account();
        Some(step)
    }

    fn make(&mut self, algorithm: Algorithm) -> Option<KeyFacts> {
        let count = self.made.entry(algorithm).or_default();
        *count += 1;
        let key = KeyFacts::staged(stand_in(algorithm, *count)?, self.now);
        self.names.insert(key.kid, Name(algorithm, *count));
        self.lives.made += 1;
        Some(key)
    }

    fn moved(&self, before: &KeyRing, key: &KeyFacts) -> Option<Move> {
        let from = before.key(key.kid).map(|key| key.state);
        (from != Some(key.state)).then_some(Move { key: self.name(key.kid)?, from, to: key.state })
    }

    fn account(&mut self) {
        let (now, lives) = (self.now, &mut self.lives);
        lives.steps += 1;
        lives.most_served = lives.most_served.max(self.ring.served().count());
        let since = |then: Option<Timestamp>| then.map(|then| now.since(then));
        for key in self.ring.keys.iter().filter(|key| key.entered(key.state) == Some(now)) {
            let (spread, span) = match key.state {
                KeyState::Active => {
                    (&mut lives.ahead, since(key.published_at).filter(|span| !span.is_zero()))
                }
                KeyState::Passive => (&mut lives.signed, since(key.activated_at)),
                KeyState::Removed => (&mut lives.rested, since(key.passive_at)),
                KeyState::Staged | KeyState::Published | KeyState::Revoked => continue,
            };
            if let Some(span) = span {
                spread.add(span);
            }
        }
        for key in self.ring.keys.extract_if(.., |key| key.state == KeyState::Removed) {
            self.names.remove(&key.kid);
            lives.removed += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::DEFAULTS;

    const BOTH: [Algorithm; 2] = [Algorithm::Es256, Algorithm::EdDsa];
    const START: Timestamp = Timestamp::from_seconds(1_000_000);

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn days(count: u64) -> Duration {
        seconds(count * 86_400)
    }

    /// The same with a ring that forgets nothing, as a real one.
    fn whole_ring(until: Timestamp) -> KeyRing {
        let (mut ring, mut now, mut count) = (KeyRing::default(), START, 0);
        while let Some(plan) = next(&ring, &BOTH, &DEFAULTS).filter(|plan| plan.due <= until) {
            now = now.max(plan.due);
            let fresh = plan.needs_new().into_iter().map(|algorithm| {
                count += 1;
                KeyFacts::staged(stand_in(algorithm, count).unwrap(), now)
            });
            ring = plan.apply(&ring, fresh.collect(), now).unwrap();
        }
        ring
    }

    #[test]
    fn what_it_forgets_decides_nothing() {
        let mut simulation = Simulation::new(&BOTH, &DEFAULTS, START);
        let states = |ring: &KeyRing| -> Vec<_> {
            ring.served().map(|key| (key.algorithm, key.state, key.published_at, key.activated_at)).collect()
        };
        for day in 0..=100 {
            let now = START.plus(days(day));
            while simulation.step(now).is_some() {}
            assert!(!simulation.is_due(now) && simulation.is_due(now.plus(days(30))));
            assert_eq!(states(simulation.ring()), states(&whole_ring(now)), "day {day}");
        }
        assert_eq!(simulation.lives().most_served, 6);
    }

    #[test]
    fn the_lives_of_the_keys_are_those_of_the_settings() {
        let mut simulation = Simulation::new(&BOTH, &DEFAULTS, START);
        let first = simulation.step(START).unwrap();
        let told: Vec<_> = first.moves.iter().map(|made| (made.key.to_string(), made.to)).collect();
        let expected = [
            ("ES256-1", KeyState::Active),
            ("ES256-2", KeyState::Published),
            ("EdDSA-1", KeyState::Active),
            ("EdDSA-2", KeyState::Published),
        ];
        assert_eq!(told, expected.map(|(name, state)| (name.to_owned(), state)));
        assert_eq!((first.at, first.reason.as_str()), (START, "first start"));
        assert!(simulation.step(START).is_none());
        assert_eq!(simulation.lives().signed.to_string(), "longer than this");

        while simulation.step(START.plus(days(90))).is_some() {}
        let Lives { ahead, signed, rested, removed, .. } = simulation.lives();
        assert_eq!([ahead, signed, rested].map(ToString::to_string), ["14d", "14d", "1h2m30s"]);
        assert_eq!(*removed, 12);
    }

    #[test]
    fn a_span_is_told_to_the_millisecond() {
        let told = [seconds(0), days(14) + seconds(3750), Duration::from_millis(1_500)].map(in_units);
        assert_eq!(told, ["0s", "14d1h2m30s", "1s500ms"]);
    }
}
