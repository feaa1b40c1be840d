//! A key's life as text: what happened to it and what the schedule has in mind.
//!
//! Pure, for `key list`. It never decides anything: the plans of `schedule` do.

use std::fmt;

use super::schedule::{Quantities, planned_activation, remove_at};
use super::{KeyFacts, KeyRing, KeyState};
use crate::jose::{Algorithm, Kid};
use crate::time::Timestamp;

/// One moment in a key's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// The state that the key enters then.
    pub enters: KeyState,
    /// Whether this is yet to come, as things stand.
    pub planned: bool,
}

impl Moment {
    /// The moment as a person would say it.
    pub const fn what(&self) -> &'static str {
        match self.enters {
            KeyState::Staged => "made",
            KeyState::Published => "published",
            KeyState::Active => "signs",
            KeyState::Passive => "rests",
            KeyState::Removed => "goes",
            KeyState::Revoked => "revoked",
        }
    }
}

/// The life of one key. `Display` is a heading and one line per moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyTimeline {
    /// Which key.
    pub kid: Kid,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Where it stands.
    pub state: KeyState,
    /// Whether it is held in the JWKS.
    pub retain: bool,
    /// In the order of its life.
    pub moments: Vec<Moment>,
}

/// The lives of all keys, oldest first. What is planned holds for algorithms that are configured.
pub fn timelines(ring: &KeyRing, quantities: &Quantities) -> Vec<KeyTimeline> {
    ring.keys.iter().map(|key| timeline(ring, key, quantities)).collect()
}

fn timeline(ring: &KeyRing, key: &KeyFacts, quantities: &Quantities) -> KeyTimeline {
    let past = KeyState::ALL
        .into_iter()
        .filter_map(|enters| key.entered(enters).map(|at| Moment { at, enters, planned: false }));
    let planned = ahead(ring, key, quantities)
        .into_iter()
        .filter_map(|(enters, at)| at.map(|at| Moment { at, enters, planned: true }));
    KeyTimeline {
        kid: key.kid,
        algorithm: key.algorithm,
        state: key.state,
        retain: key.retain,
        moments: past.chain(planned).collect(),
    }
}

fn ahead(ring: &KeyRing, key: &KeyFacts, quantities: &Quantities) -> Vec<(KeyState, Option<Timestamp>)> {
    let succession = planned_activation(ring, key.algorithm, quantities);
    match key.state {
        KeyState::Published => vec![(KeyState::Active, succession)],
        KeyState::Active => {
            let gone = succession.map(|at| at.plus(quantities.retain_for)).filter(|_| !key.retain);
            vec![(KeyState::Passive, succession), (KeyState::Removed, gone)]
        }
        KeyState::Passive => vec![(KeyState::Removed, remove_at(key, quantities))],
        KeyState::Staged | KeyState::Removed | KeyState::Revoked => Vec::new(),
    }
}

impl fmt::Display for KeyTimeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = if self.retain { " (retained)" } else { "" };
        write!(f, "{} {} {}{held}", self.kid, self.algorithm, self.state.as_str())?;
        for moment in &self.moments {
            let planned = if moment.planned { " (planned)" } else { "" };
            write!(f, "\n  {}  {}{planned}", moment.at, moment.what())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::{DEFAULTS, at, days, run};

    #[test]
    fn draws_the_past_and_the_plan() {
        let first = run(&KeyRing::default(), &[Algorithm::Es256], &DEFAULTS, at(0));
        let ring = run(&first, &[Algorithm::Es256], &DEFAULTS, at(0).plus(days(14)));
        let drawn: Vec<_> = timelines(&ring, &DEFAULTS).iter().map(ToString::to_string).collect();
        let [passive, active, standby] = [ring.keys[0].kid, ring.keys[1].kid, ring.keys[2].kid];
        assert_eq!(
            drawn,
            [
                format!(
                    "{passive} ES256 passive\n  2026-01-01T00:00:00.000000Z  made\n  \
                     2026-01-01T00:00:00.000000Z  published\n  2026-01-01T00:00:00.000000Z  signs\n  \
                     2026-01-15T00:00:00.000000Z  rests\n  2026-01-15T01:02:30.000000Z  goes (planned)"
                ),
                format!(
                    "{active} ES256 active\n  2026-01-01T00:00:00.000000Z  made\n  \
                     2026-01-01T00:00:00.000000Z  published\n  2026-01-15T00:00:00.000000Z  signs\n  \
                     2026-01-29T00:00:00.000000Z  rests (planned)\n  \
                     2026-01-29T01:02:30.000000Z  goes (planned)"
                ),
                format!(
                    "{standby} ES256 published\n  2026-01-15T00:00:00.000000Z  made\n  \
                     2026-01-15T00:00:00.000000Z  published\n  2026-01-29T00:00:00.000000Z  signs (planned)"
                ),
            ]
        );
    }

    #[test]
    fn a_retained_key_has_no_planned_end() {
        let mut ring = run(&KeyRing::default(), &[Algorithm::Es256], &DEFAULTS, at(0));
        ring.keys[0].retain = true;
        let drawn = timelines(&ring, &DEFAULTS)[0].to_string();
        assert!(drawn.contains("active (retained)") && !drawn.contains("goes"), "{drawn}");
    }
}
