//! Each node's records in their own order: nothing withheld, nothing changed.
//!
//! Pure. A record carries the chain value over all records of its epoch before
//! it, so a changed leaf is seen at the next record of the same node, and the
//! fault is told of the changed one.

use std::collections::HashMap;

use crate::audit::event::EventType;
use crate::audit::leaf::{CHAIN_START, Epoch, Leaf, chain_next};
use crate::audit::verify::Faults;
use crate::digest::Digest;

const CHANGED: &str = "the leaf is not the one that the node's next record follows";

struct Chain {
    /// Node, number and place of the last record, and the chain value after it.
    node: String,
    next: u64,
    value: Digest,
    last_index: u64,
    /// The record before the last one, when the last one does not follow it: one of the
    /// two was changed, and the record that follows the last one tells which.
    suspect: Option<u64>,
}

/// A record with the chain value that the next one must name.
#[derive(Clone, Copy)]
struct Seen<'a> {
    index: u64,
    leaf: &'a Leaf,
    value: Digest,
}

pub(super) struct Chains {
    /// The export begins at index 0, so every epoch begins in it.
    whole_log: bool,
    epochs: HashMap<Epoch, Chain>,
    /// `audit.gap` records that no gap has used up.
    confirmed_gaps: u64,
    begun_before: u64,
    gaps: u64,
}

impl Chains {
    pub(super) fn new(whole_log: bool) -> Self {
        Self { whole_log, epochs: HashMap::new(), confirmed_gaps: 0, begun_before: 0, gaps: 0 }
    }

    pub(super) fn record(&mut self, index: u64, leaf: &Leaf, leaf_hash: Digest, faults: &mut Faults) {
        let value = chain_next(leaf.chain, leaf_hash);
        let next = leaf.sequence.saturating_add(1);
        if let Some(mut chain) = self.epochs.remove(&leaf.epoch) {
            self.follow(&mut chain, Seen { index, leaf, value }, faults);
            (chain.next, chain.value, chain.last_index) = (next, value, index);
            if chain.node != leaf.node {
                chain.node.clone_from(&leaf.node);
            }
            self.epochs.insert(leaf.epoch, chain);
        } else {
            self.begin(index, leaf, faults);
            let chain = Chain { node: leaf.node.clone(), next, value, last_index: index, suspect: None };
            self.epochs.insert(leaf.epoch, chain);
        }
        if leaf.event == EventType::AuditGap {
            self.confirmed_gaps += 1;
        }
    }

    fn begin(&mut self, index: u64, leaf: &Leaf, faults: &mut Faults) {
        if leaf.sequence > 0 && !self.whole_log {
            self.begun_before += 1;
        } else if leaf.sequence > 0 {
            self.gap(index, faults);
        } else if leaf.chain != CHAIN_START {
            faults.at(index, "the first record of an epoch does not begin its chain");
        }
    }

    fn follow(&mut self, chain: &mut Chain, seen: Seen<'_>, faults: &mut Faults) {
        let Seen { index, leaf, value } = seen;
        let names_the_last = leaf.chain == chain.value;
        let follows = names_the_last && leaf.sequence == chain.next && leaf.node == chain.node;
        if let Some(suspect) = chain.suspect.take() {
            // Only what is as it was has a successor.
            faults.at(if follows { suspect } else { chain.last_index }, CHANGED);
        }
        if follows {
            return;
        }
        let again = leaf.sequence.saturating_add(1) == chain.next;
        if leaf.sequence > chain.next {
            self.gap(index, faults);
        } else if names_the_last {
            // The last one is as it was, so what differs is this one's own.
            faults.at(index, "the record's place in its run is not its own");
        } else if leaf.sequence < chain.next && !again || value == chain.value {
            faults.at(index, "the node's sequence number was there before");
        } else {
            // Changed, or brought in before the one that bore its number: this one or the last.
            chain.suspect = Some(chain.last_index);
        }
    }

    /// Records of a node are missing; that is in order once an operator confirmed it in the log.
    fn gap(&mut self, index: u64, faults: &mut Faults) {
        if self.confirmed_gaps > 0 {
            self.confirmed_gaps -= 1;
            self.gaps += 1;
        } else {
            faults.at(index, "records of the node before this one are missing");
        }
    }

    pub(super) fn finish(&self, faults: &mut Faults) {
        for suspect in self.epochs.values().filter_map(|chain| chain.suspect) {
            faults.at(suspect, CHANGED);
        }
    }

    /// The index of the only last record of a chain at or after `from`, if there is but one.
    pub(super) fn only_last_record(&self, from: u64) -> Option<u64> {
        let mut last = self.epochs.values().map(|chain| chain.last_index).filter(|&index| index >= from);
        let only = last.next()?;
        last.next().is_none().then_some(only)
    }

    pub(super) fn tell(&self, not_checked: &mut Vec<String>) {
        if self.begun_before > 0 {
            not_checked.push(format!("node chains that begin before the range: {}", self.begun_before));
        }
        if self.gaps > 0 {
            not_checked.push(format!("confirmed gaps in node chains: {}", self.gaps));
        }
    }
}
