//! Admits a request or not: charges all of its scopes, or none.
//!
//! governor decides (GCRA, ITU-T I.371), but it takes one key a call and can
//! neither peek nor refund. So each decision is written to a stage first, and
//! the stage is committed when every scope passes. All shards of a request are
//! locked for that, in one order, so two requests can neither interleave nor
//! block each other for ever.
//!
//! Never reads a clock: callers pass monotonic time, so that a jump of the wall
//! clock neither opens nor closes a limit. Never waits while it holds a lock.
//! Keeps state for keys in use only; [`Limiter::sweep`] forgets the idle.

mod counts;

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use counts::{LimiterReading, ScopeCounts};

use super::gcra::{bounded, take};
use super::quota::rescaled;
use super::{Charge, Decision, Enforce, Quota, ScopeState};

/// Locks that the keys are spread over; as many as a [`Mask`] has bits.
const SHARDS: usize = 32;

/// A set of shards, one bit each.
type Mask = u32;

/// One budget.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Slot {
    /// The client; none is the total over all clients.
    client: Option<u32>,
    scope: u32,
}

impl Slot {
    /// Where the slot lies. All budgets of a client lie together, so that a
    /// request without totals takes one lock.
    fn shard(self) -> usize {
        self.client.unwrap_or(self.scope) as usize % SHARDS
    }
}

impl Charge {
    /// The budgets to charge, each with its limit.
    fn slots(&self) -> impl Iterator<Item = (Slot, Quota)> + use<> {
        let own = Slot { client: Some(self.key.client), scope: self.key.scope };
        let total = Slot { client: None, scope: self.key.scope };
        std::iter::once((own, self.quota)).chain(self.total.map(|quota| (total, quota)))
    }
}

/// What is remembered of a budget that is not full.
#[derive(Clone, Copy)]
struct State {
    /// The theoretical arrival time, in nanoseconds of the caller's clock.
    arrival: u64,
    /// The interval that `arrival` is measured in, so that a changed quota can rescale it.
    interval: u64,
}

/// A decision about one budget that is not in force yet.
struct Staged {
    slot: Slot,
    interval: u64,
    /// The debt as it stands.
    before: u64,
    /// The debt when this request is charged; as before when it is not.
    after: u64,
    /// How long this budget refuses; none when it passes.
    wait: Option<Duration>,
}

/// The budgets of one shard.
#[derive(Default)]
struct Shard {
    states: HashMap<Slot, State>,
    /// What was decided about each scope, for the clients of this shard.
    counts: HashMap<u32, ScopeCounts>,
    /// Decisions of the request that holds the lock; empty between requests. It
    /// lives here to keep its memory.
    stage: Vec<Staged>,
    /// The latest time seen. A request that took its time earlier but comes
    /// later counts as of then, so time never steps back for a budget.
    latest: u64,
}

impl Shard {
    /// Lets governor decide about one budget and stages the outcome. A budget
    /// that is already staged counts once.
    fn stage(&mut self, slot: Slot, quota: &Quota, now: u64) -> Option<Duration> {
        if let Some(staged) = self.stage.iter().find(|staged| staged.slot == slot) {
            return staged.wait;
        }
        let interval = quota.interval();
        let before = self
            .states
            .get(&slot)
            .map_or(0, |state| rescaled(state.arrival.saturating_sub(now), state.interval, interval));
        let (after, wait) = match take(quota, before) {
            Ok(after) => (after, None),
            Err(wait) => (before, Some(wait)),
        };
        self.stage.push(Staged { slot, interval, before, after, wait });
        wait
    }

    /// Empties the stage into the states: what was charged if the request is
    /// `admitted`. Otherwise only the measure may have changed; that is kept,
    /// or a debt under a changed quota would never shrink at the new rate.
    fn settle(&mut self, admitted: bool, now: u64) {
        for staged in self.stage.drain(..) {
            let debt = if admitted { staged.after } else { staged.before };
            if debt > 0 {
                let state = State { arrival: now.saturating_add(debt), interval: staged.interval };
                self.states.insert(staged.slot, state);
            }
        }
    }
}

/// The shards of one request, locked. The stages are empty when this is made
/// and when it is dropped.
struct Locked<'a> {
    shards: [Option<MutexGuard<'a, Shard>>; SHARDS],
    nodes: NonZeroU32,
    now: u64,
}

impl Locked<'_> {
    fn each(&mut self) -> impl Iterator<Item = &mut Shard> {
        self.shards.iter_mut().flatten().map(|guard| &mut **guard)
    }

    fn shard(&mut self, slot: Slot) -> Option<&mut Shard> {
        self.shards.get_mut(slot.shard())?.as_deref_mut()
    }

    /// Stages every budget of a charge; the longest wait when one of them refuses.
    fn stage(&mut self, charge: &Charge) -> Option<Duration> {
        let (now, nodes) = (self.now, self.nodes);
        charge
            .slots()
            .filter_map(|(slot, quota)| match self.shard(slot) {
                Some(shard) => shard.stage(slot, &quota.divided(nodes), now),
                // Cannot be, as every slot's shard was locked; nothing passes uncounted.
                None => Some(quota.period()),
            })
            .max()
    }

    /// Makes the charge free: none of its budgets changes.
    fn waive(&mut self, charge: &Charge) {
        for (slot, _) in charge.slots() {
            let staged = self.shard(slot).and_then(|shard| shard.stage.iter_mut().find(|s| s.slot == slot));
            if let Some(staged) = staged {
                staged.after = staged.before;
            }
        }
    }

    /// Counts what became of the charge.
    fn count(&mut self, charge: &Charge, count: impl FnOnce(&mut ScopeCounts)) {
        let own = Slot { client: Some(charge.key.client), scope: charge.key.scope };
        if let Some(shard) = self.shard(own) {
            count(shard.counts.entry(charge.key.scope).or_default());
        }
    }

    /// What will be left for the charge's scope: the narrower of its budgets.
    fn state(&mut self, charge: &Charge, admitted: bool) -> Option<ScopeState> {
        let nodes = self.nodes;
        let (remaining, wait) = charge
            .slots()
            .filter_map(|(slot, quota)| {
                let quota = quota.divided(nodes);
                let staged = self.shard(slot)?.stage.iter().find(|staged| staged.slot == slot)?;
                let debt = if admitted { staged.after } else { staged.before };
                Some((quota.remaining(debt), std::cmp::Reverse(quota.reset(debt))))
            })
            .min()?;
        Some(ScopeState { scope: charge.scope.clone(), quota: charge.quota, remaining, reset: wait.0 })
    }
}

/// The budgets of every client and scope, in memory, on this node.
///
/// Where several nodes share the limits, each enforces its part: together they admit at most
/// `burst + nodes - 1` at once, and never more than the rate. An answer names the whole limit, which
/// is the client's to use over all nodes; what is left of it, and the wait, are this node's.
pub struct Limiter {
    nodes: NonZeroU32,
    shards: [Mutex<Shard>; SHARDS],
}

impl Limiter {
    /// All budgets full, and no other node.
    pub fn new() -> Self {
        Self::shared_by(NonZeroU32::MIN)
    }

    /// All budgets full, and divided by as many nodes.
    pub fn shared_by(nodes: NonZeroU32) -> Self {
        Self { nodes, shards: std::array::from_fn(|_| Mutex::default()) }
    }

    /// Charges one permit to every scope in `charges` or, when a limit that is
    /// enforced is exhausted, to none.
    ///
    /// `charges` are those of one request of one client; a repeated key counts
    /// once. `now` is monotonic time since any fixed point, the same for all
    /// calls. A quota that differs from the last one takes effect at once:
    /// permits that were taken stay taken and grow back at the new rate.
    pub fn admit(&self, charges: &[Charge], now: Duration) -> Decision {
        let mut locked = self.lock(charges, now);
        let mut retry_after = None;
        let mut would_have_refused = Vec::new();
        for charge in distinct(charges) {
            let Some(wait) = locked.stage(charge) else { continue };
            match charge.enforce {
                Enforce::Refuse => {
                    retry_after = retry_after.max(Some(wait));
                    locked.count(charge, |counts| counts.refused += 1);
                }
                Enforce::Monitor => {
                    locked.count(charge, |counts| counts.would_have_refused += 1);
                    would_have_refused.push(charge.scope.clone());
                    locked.waive(charge);
                }
            }
        }
        let admitted = retry_after.is_none();
        if admitted {
            for charge in distinct(charges).filter(|charge| !would_have_refused.contains(&charge.scope)) {
                locked.count(charge, |counts| counts.allowed += 1);
            }
        }
        let mut states = Vec::with_capacity(charges.len());
        states.extend(distinct(charges).filter_map(|charge| locked.state(charge, admitted)));
        let now = locked.now;
        locked.each().for_each(|shard| shard.settle(admitted, now));
        drop(locked);
        states.sort_by(|a, b| a.scope.cmp(&b.scope));
        would_have_refused.sort();
        Decision { admitted, charged: states, retry_after, would_have_refused }
    }

    /// Forgets every budget that has grown back in full. Changes no decision:
    /// a budget that is not known is a full one.
    pub fn sweep(&self, now: Duration) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            shard.latest = shard.latest.max(bounded(now));
            let now = shard.latest;
            shard.states.retain(|_, state| state.arrival > now);
            // Memory follows what is in use, but is not given back for every ebb.
            if shard.states.capacity() > 64 + 4 * shard.states.len() {
                let most = 2 * shard.states.len();
                shard.states.shrink_to(most);
            }
        }
    }

    /// What is remembered, and what was decided since the start. Locks one shard after the other.
    pub fn reading(&self) -> LimiterReading {
        let mut reading = LimiterReading::default();
        for shard in &self.shards {
            let shard = lock(shard);
            reading.add(shard.states.len(), &shard.counts);
        }
        reading
    }

    /// Forgets the counts of scopes whose numbers are not among these any more; none is ever given again.
    pub fn forget_scopes(&self, registered: &HashSet<u32>) {
        for shard in &self.shards {
            lock(shard).counts.retain(|scope, _| registered.contains(scope));
        }
    }

    /// How many budgets are remembered: those not known to be full.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).states.len()).sum()
    }

    /// Whether every budget is full, as far as is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Locks the shards of all charges in ascending order: the one order that there is.
    fn lock(&self, charges: &[Charge], now: Duration) -> Locked<'_> {
        let slots = charges.iter().flat_map(Charge::slots);
        let mask = slots.fold(0, |mask: Mask, (slot, _)| mask | 1 << slot.shard());
        let mut bits = (0..SHARDS).map(|shard| mask >> shard & 1 == 1);
        let shards = self.shards.each_ref().map(|shard| bits.next().unwrap_or(false).then(|| lock(shard)));
        let mut locked = Locked { shards, nodes: self.nodes, now: 0 };
        let now = locked.each().map(|shard| shard.latest).fold(bounded(now), u64::max);
        for shard in locked.each() {
            shard.latest = now;
            // Only a panic under the lock can have left something.
            shard.stage.clear();
        }
        locked.now = now;
        locked
    }
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Limiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limiter").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The charges without those whose key came before.
fn distinct(charges: &[Charge]) -> impl Iterator<Item = &Charge> {
    let earlier = |index, key| charges.iter().take(index).any(|charge: &Charge| charge.key == key);
    charges
        .iter()
        .enumerate()
        .filter(move |(index, charge)| !earlier(*index, charge.key))
        .map(|(_, charge)| charge)
}

/// Every value in a shard is a whole decision, so a panic elsewhere under the
/// lock leaves nothing to be afraid of; refusing everybody for ever would be worse.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
