//! Who gets the next turn: a bounded number of turns, and a line for each client that waits for one.
//!
//! A turn that is freed goes to the next client in the circle of those that
//! wait, so that a client with a thousand requests gets no more than one with a
//! single one. Within a client the oldest request goes first, as long as it is
//! fresh; where it is not, there is more than can be done, and the newest goes
//! first: those that are served at all are served quickly then, and the others
//! hear soon that they are not. Pure: the time is a parameter, and what a
//! waiter is, is not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A waiter's place in the line. Places are never given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    client: u32,
    number: u64,
}

/// The turns and the lines. `W` is whatever the caller knows a waiter by.
#[derive(Debug)]
pub struct Line<W> {
    /// So many turns are out at most.
    limit: usize,
    out: usize,
    /// So many wait at most, of all clients together.
    room: usize,
    /// So long the oldest of a client goes first.
    fresh: Duration,
    /// Since when each waits.
    waiting: BTreeMap<Place, (Duration, W)>,
    /// Of each client that waits: how many it has in the line.
    lengths: BTreeMap<u32, usize>,
    /// The same by length, to find the longest.
    by_length: BTreeSet<(usize, u32)>,
    next: u64,
    /// The client that got the last freed turn: the circle goes on behind it.
    last: u32,
}

impl<W> Line<W> {
    /// Nobody waits, and no turn is out. A `limit` of 0 counts as 1.
    pub fn new(limit: usize, room: usize, fresh: Duration) -> Self {
        Self {
            limit: limit.max(1),
            out: 0,
            room,
            fresh,
            waiting: BTreeMap::new(),
            lengths: BTreeMap::new(),
            by_length: BTreeSet::new(),
            next: 0,
            last: u32::MAX,
        }
    }

    /// How many turns there are.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many of them are out.
    pub fn out(&self) -> usize {
        self.out
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Takes a turn if one is free, which it never is while somebody waits.
    pub fn try_take(&mut self) -> bool {
        let free = self.out < self.limit;
        self.out += usize::from(free);
        free
    }

    /// Puts a waiter at the end of its client's line. In a full room the oldest of the longest line
    /// has to go: it is given back, and may be this one.
    pub fn wait(&mut self, client: u32, waiter: W, now: Duration) -> (Place, Option<W>) {
        let place = Place { client, number: self.next };
        self.next += 1;
        self.waiting.insert(place, (now, waiter));
        self.lengthen(client);
        let displaced = if self.waiting.len() > self.room { self.displace() } else { None };
        (place, displaced)
    }

    /// Frees a turn. Who is given back has it now; `None` where nobody waits.
    pub fn free(&mut self, now: Duration) -> Option<W> {
        let Some(place) = self.next_place(now) else {
            self.out = self.out.saturating_sub(1);
            return None;
        };
        self.last = place.client;
        self.leave(place)
    }

    /// Takes a waiter out of the line, if it is still in it.
    pub fn leave(&mut self, place: Place) -> Option<W> {
        let (_, waiter) = self.waiting.remove(&place)?;
        self.shorten(place.client);
        Some(waiter)
    }

    fn next_place(&self, now: Duration) -> Option<Place> {
        let behind = self.last.checked_add(1).map(Self::first_of);
        let further = behind.and_then(|from| self.waiting.range(from..).next());
        let (&oldest, &(since, _)) = further.or_else(|| self.waiting.first_key_value())?;
        if now.saturating_sub(since) <= self.fresh {
            return Some(oldest);
        }
        let line = Self::first_of(oldest.client)..=Place { client: oldest.client, number: u64::MAX };
        self.waiting.range(line).next_back().map(|(place, _)| *place)
    }

    fn displace(&mut self) -> Option<W> {
        let &(_, longest) = self.by_length.last()?;
        let (&oldest, _) = self.waiting.range(Self::first_of(longest)..).next()?;
        self.leave(oldest)
    }

    fn first_of(client: u32) -> Place {
        Place { client, number: 0 }
    }

    fn lengthen(&mut self, client: u32) {
        let length = self.lengths.entry(client).or_insert(0);
        self.by_length.remove(&(*length, client));
        *length += 1;
        self.by_length.insert((*length, client));
    }

    fn shorten(&mut self, client: u32) {
        let Some(length) = self.lengths.get_mut(&client) else { return };
        self.by_length.remove(&(*length, client));
        *length -= 1;
        if *length == 0 {
            self.lengths.remove(&client);
        } else {
            self.by_length.insert((*length, client));
        }
    }
}

#[cfg(test)]
mod tests;
