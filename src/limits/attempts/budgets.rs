//! Budgets of one kind that anybody may open: as many as there is room for, and no more.
//!
//! Never grows beyond its room: where a budget is new and the room is full, the one with the
//! least debt is forgotten, which is the one that has the least to tell. Keys are hashes under a
//! key of this process, so nobody chooses where a budget lies and nothing that was sent is kept.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::limits::Quota;
use crate::limits::gcra::{bounded, take};

/// Locks that the budgets are spread over.
const SHARDS: usize = 32;
/// Budgets behind one lock. A hash table of 4096 places holds these and never grows, however they come and go.
const PER_SHARD: usize = 1_792;

/// Which budget.
pub(super) type Key = [u8; 16];

/// What is remembered of a budget that is not full.
#[derive(Clone, Copy)]
struct Budget {
    /// When it will be full: the theoretical arrival time, in nanoseconds of the caller's clock.
    arrival: u64,
    /// Whether something failed since it was full last; what is still tried may turn out to be right.
    has_failed: bool,
}

#[derive(Default)]
struct Shard {
    budgets: HashMap<Key, Budget>,
    /// The latest time seen, so that time never steps back for a budget.
    latest: u64,
}

impl Shard {
    /// Forgets the budget with the least debt.
    fn forget_one(&mut self) {
        let least = self.budgets.iter().min_by_key(|(_, budget)| budget.arrival).map(|(key, _)| *key);
        if let Some(key) = least {
            self.budgets.remove(&key);
        }
    }
}

/// Budgets of one kind, all with the same limit.
pub(super) struct Budgets {
    quota: Quota,
    shards: [Mutex<Shard>; SHARDS],
}

/// A budget, and nobody else changes it meanwhile.
pub(super) struct Locked<'a> {
    shard: MutexGuard<'a, Shard>,
    key: Key,
    quota: Quota,
}

/// How a budget stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// The debt after one permit more, or the time until there is one.
    pub(super) next: Result<u64, Duration>,
    /// Whether nothing is taken.
    pub(super) is_full: bool,
    /// Whether something failed since it was full.
    pub(super) has_failed: bool,
}

/// A permit that was taken, to be given back or held against its budget.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    key: Key,
    /// When it will have grown back.
    until: u64,
}

impl Locked<'_> {
    pub(super) fn standing(&self) -> Standing {
        let now = self.shard.latest;
        let owing = self.shard.budgets.get(&self.key).filter(|budget| budget.arrival > now);
        let debt = owing.map_or(0, |budget| budget.arrival - now);
        Standing {
            next: take(&self.quota, debt),
            is_full: debt == 0,
            has_failed: owing.is_some_and(|budget| budget.has_failed),
        }
    }

    /// Whether this budget can be remembered without forgetting another.
    pub(super) fn has_room(&self) -> bool {
        self.shard.budgets.len() < PER_SHARD || self.shard.budgets.contains_key(&self.key)
    }

    /// Puts the debt of [`Standing::next`] in force.
    pub(super) fn take(&mut self, debt: u64, standing: Standing) -> Taken {
        let shard = &mut *self.shard;
        if !shard.budgets.contains_key(&self.key) && shard.budgets.len() >= PER_SHARD {
            shard.forget_one();
        }
        let arrival = shard.latest.saturating_add(debt);
        shard.budgets.insert(self.key, Budget { arrival, has_failed: standing.has_failed });
        Taken { key: self.key, until: arrival }
    }
}

impl Budgets {
    /// All full.
    pub(super) fn new(quota: Quota) -> Self {
        Self { quota, shards: std::array::from_fn(|_| Mutex::default()) }
    }

    pub(super) fn lock(&self, key: Key, now: Duration) -> Locked<'_> {
        let mut shard = lock(self.shard(key));
        shard.latest = shard.latest.max(bounded(now));
        Locked { shard, key, quota: self.quota }
    }

    /// Gives back what has not grown back by itself: not more, or the budget would gain by it.
    pub(super) fn give_back(&self, taken: Taken, now: Duration) {
        let mut locked = self.lock(taken.key, now);
        let latest = locked.shard.latest;
        let Some(budget) = locked.shard.budgets.get_mut(&taken.key) else { return };
        let left = taken.until.saturating_sub(latest).min(self.quota.interval());
        budget.arrival = budget.arrival.saturating_sub(left);
        if budget.arrival <= latest {
            locked.shard.budgets.remove(&taken.key);
        }
    }

    /// What the permit was taken for has failed.
    pub(super) fn failed(&self, taken: Taken) {
        if let Some(budget) = lock(self.shard(taken.key)).budgets.get_mut(&taken.key) {
            budget.has_failed = true;
        }
    }

    /// Forgets what has grown back in full. Changes no decision.
    pub(super) fn sweep(&self, now: Duration) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            shard.latest = shard.latest.max(bounded(now));
            let now = shard.latest;
            shard.budgets.retain(|_, budget| budget.arrival > now);
            if shard.budgets.capacity() > 64 + 4 * shard.budgets.len() {
                let most = 2 * shard.budgets.len();
                shard.budgets.shrink_to(most);
            }
        }
    }

    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).budgets.len()).sum()
    }

    fn shard(&self, key: Key) -> &Mutex<Shard> {
        let [first, ..] = key;
        let [shard, ..] = &self.shards;
        self.shards.get(usize::from(first) % SHARDS).unwrap_or(shard)
    }
}

/// Every budget is whole at all times, so a panic elsewhere under the lock leaves nothing to be afraid of.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);

    fn take_one(budgets: &Budgets, key: Key, now: Duration) -> Option<Taken> {
        let mut locked = budgets.lock(key, now);
        let standing = locked.standing();
        standing.next.ok().map(|debt| locked.take(debt, standing))
    }

    /// Keys of one shard, so that it is full soon.
    fn key(number: u32) -> Key {
        let mut key = [0; 16];
        key[4..8].copy_from_slice(&number.to_be_bytes());
        key
    }

    fn debts(budgets: &Budgets, key: Key) -> bool {
        !budgets.lock(key, NOW).standing().is_full
    }

    #[test]
    fn where_there_is_no_room_the_least_debt_is_forgotten() {
        let budgets = Budgets::new(Quota::parse("10/1m").unwrap());
        for (number, permits) in [(0, 10), (1, 5), (2, 2)] {
            for _ in 0..permits {
                take_one(&budgets, key(number), NOW).unwrap();
            }
        }
        for number in 3..50_000 {
            take_one(&budgets, key(number), NOW).unwrap();
        }
        assert_eq!(budgets.len(), PER_SHARD);
        assert!([0, 1, 2].iter().all(|number| debts(&budgets, key(*number))), "who owes more is remembered");
        assert!(debts(&budgets, key(49_999)), "the newest always finds room");
        assert!(take_one(&budgets, key(0), NOW).is_none(), "and is still exhausted");
    }

    #[test]
    fn however_they_come_and_go_the_tables_stay_as_small_as_they_were() {
        let budgets = Budgets::new(Quota::parse("10/1m").unwrap());
        for number in 0..200_000_u32 {
            let mut key = [0; 16];
            key[..4].copy_from_slice(&number.to_le_bytes());
            take_one(&budgets, key, NOW + Duration::from_millis(number.into())).unwrap();
        }
        assert!(budgets.len() <= PER_SHARD * SHARDS);
        let places: usize = budgets.shards.iter().map(|shard| lock(shard).budgets.capacity()).sum();
        assert!(places <= 3_584 * SHARDS, "{places}");
        budgets.sweep(NOW + Duration::from_hours(1));
        assert_eq!(budgets.len(), 0);
    }

    #[test]
    fn what_is_given_back_is_what_has_not_grown_back() {
        let budgets = Budgets::new(Quota::parse("2/20s").unwrap());
        let first = take_one(&budgets, key(0), NOW).unwrap();
        budgets.give_back(first, NOW);
        assert_eq!(budgets.len(), 0);
        let first = take_one(&budgets, key(0), NOW).unwrap();
        // By now it has grown back, so that it has nothing to give.
        let later = NOW + Duration::from_secs(10);
        for _ in 0..2 {
            take_one(&budgets, key(0), later).unwrap();
        }
        budgets.give_back(first, later);
        assert!(take_one(&budgets, key(0), later).is_none());
    }
}
