//! The order of events: a token is issued by a key that signs at that point of the log.
//!
//! Pure. Order is the index, never a clock; the one time rule is that records
//! which were on their way when a key went to rest may come up to a minute later.

use std::collections::HashMap;

use crate::audit::event::EventType;
use crate::audit::leaf::Leaf;
use crate::audit::verify::Faults;
use crate::jose::Kid;

/// How long after `key.passive` a record by that key may say it was issued, in seconds.
const IN_FLIGHT: u64 = 60;

#[derive(Clone, Copy)]
enum State {
    /// Made, imported or published.
    Waiting,
    Active,
    /// No more signatures for tokens issued after this, in seconds since the epoch.
    Resting {
        last_iat: u64,
    },
    Revoked,
}

pub(super) struct Order {
    /// The export begins at index 0, so it holds the life of every key.
    whole_log: bool,
    keys: HashMap<Kid, State>,
    activated_before: u64,
    intents: u64,
    first_intent: Option<u64>,
}

impl Order {
    pub(super) fn new(whole_log: bool) -> Self {
        Self { whole_log, keys: HashMap::new(), activated_before: 0, intents: 0, first_intent: None }
    }

    pub(super) fn record(&mut self, index: u64, leaf: &Leaf, faults: &mut Faults) {
        if leaf.event == EventType::TokenIssued {
            self.issued(index, leaf, faults);
        } else if let Some(kid) = leaf.kid {
            self.transition(index, kid, leaf, faults);
        }
    }

    fn transition(&mut self, index: u64, kid: Kid, leaf: &Leaf, faults: &mut Faults) {
        let before = self.keys.get(&kid).copied();
        let resting = State::Resting { last_iat: leaf.ts.seconds().saturating_add(IN_FLIGHT) };
        let after = match (leaf.event, before) {
            (
                EventType::KeyStaged
                | EventType::KeyImported
                | EventType::KeyPublished
                | EventType::KeyActivated
                | EventType::KeyPassive,
                Some(State::Revoked),
            ) => {
                faults.at(index, "a revoked key came back");
                return;
            }
            (EventType::KeyStaged | EventType::KeyPublished | EventType::KeyImported, None) => State::Waiting,
            (EventType::KeyActivated, _) => State::Active,
            (EventType::KeyPassive | EventType::KeyRemoved, Some(State::Active)) => resting,
            // Whether it was active is not in the range. In a whole log a key that never was comes to no rest.
            (EventType::KeyPassive | EventType::KeyRemoved, None) if !self.whole_log => resting,
            (EventType::KeyRevoked, _) => State::Revoked,
            _ => return,
        };
        self.keys.insert(kid, after);
    }

    fn issued(&mut self, index: u64, leaf: &Leaf, faults: &mut Faults) {
        let Leaf { kid: Some(kid), th: Some(_), lk: Some(_), iat: Some(iat), exp: Some(exp), .. } = *leaf
        else {
            // What it lacks is told where its members are looked at.
            return;
        };
        if exp <= iat {
            faults.at(index, "the token ends before it begins");
        }
        match self.keys.get(&kid) {
            Some(State::Active) => {}
            Some(State::Resting { last_iat }) if iat <= *last_iat => {}
            Some(State::Resting { .. }) => faults.at(index, "the token's key was at rest"),
            Some(State::Revoked) => {
                self.intents += 1;
                self.first_intent.get_or_insert(index);
            }
            Some(State::Waiting) => faults.at(index, "the token's key was not active yet"),
            None if self.whole_log => faults.at(index, "the token's key was never active"),
            None => self.activated_before += 1,
        }
    }

    pub(super) fn tell(&self, not_checked: &mut Vec<String>) {
        if self.activated_before > 0 {
            let count = self.activated_before;
            not_checked.push(format!("tokens whose key was activated before the range: {count}"));
        }
        if let Some(first) = self.first_intent {
            let count = self.intents;
            not_checked.push(format!(
                "tokens recorded after key.revoked, unsigned intents: {count}, the first at index {first}"
            ));
        }
    }
}
