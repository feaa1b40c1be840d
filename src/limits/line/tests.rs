use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// What may happen to a line. Numbers choose among what is there.
#[derive(Clone, Copy, Debug)]
enum Step {
    Arrive { client: u32 },
    Free,
    Leave { which: usize },
    Pass { millis: u64 },
}

const FRESH: Duration = Duration::from_millis(20);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0..6_u32).prop_map(|client| Step::Arrive { client }),
        3 => Just(Step::Free),
        1 => any::<usize>().prop_map(|which| Step::Leave { which }),
        2 => (0..12_u64).prop_map(|millis| Step::Pass { millis }),
    ];
    prop::collection::vec(step, 0..300)
}

/// A line beside the little that must be true of it. A waiter is known by its client and a number of its own.
struct Model {
    line: Line<(u32, usize)>,
    limit: usize,
    room: usize,
    out: usize,
    now: Duration,
    waiting: Vec<(Place, (u32, usize))>,
    /// When each arrived, by its number.
    arrivals: Vec<Duration>,
    outcomes: usize,
    /// Of each client that waits: who was served since.
    served_since: BTreeMap<u32, BTreeSet<u32>>,
}

impl Model {
    fn new(limit: usize, room: usize) -> Self {
        Self {
            line: Line::new(limit, room, FRESH),
            limit,
            room,
            out: 0,
            now: Duration::ZERO,
            waiting: Vec::new(),
            arrivals: Vec::new(),
            outcomes: 0,
            served_since: BTreeMap::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Arrive { client } => self.arrive(client),
            Step::Free if self.out > 0 => self.free(),
            Step::Leave { which } if !self.waiting.is_empty() => {
                let (place, waiter) = self.waiting[which % self.waiting.len()];
                assert_eq!(self.line.leave(place), Some(waiter));
                assert_eq!(self.line.leave(place), None, "nobody leaves twice");
                self.gone(waiter);
            }
            Step::Pass { millis } => self.now += Duration::from_millis(millis),
            Step::Free | Step::Leave { .. } => {}
        }
        assert_eq!((self.line.out(), self.line.waiting()), (self.out, self.waiting.len()));
        assert!(self.out <= self.limit, "never more turns than there are");
        assert!(self.waiting.len() <= self.room, "never more waiters than there is room for");
        assert!(self.out == self.limit || self.waiting.is_empty(), "nobody waits beside a free turn");
    }

    fn arrive(&mut self, client: u32) {
        let waiter = (client, self.arrivals.len());
        self.arrivals.push(self.now);
        if self.line.try_take() {
            self.out += 1;
            self.outcomes += 1;
            return;
        }
        let (place, displaced) = self.line.wait(client, waiter, self.now);
        self.waiting.push((place, waiter));
        self.served_since.entry(client).or_default();
        if let Some(displaced) = displaced {
            let length = |client| self.waiting.iter().filter(|(_, waiter)| waiter.0 == client).count();
            let longest = (0..6).map(length).max().unwrap();
            assert_eq!(length(displaced.0), longest, "who goes is of the longest line");
            let oldest = self.waiting.iter().find(|(_, waiter)| waiter.0 == displaced.0).unwrap().1;
            assert_eq!(displaced, oldest, "and its oldest");
            self.gone(displaced);
        }
    }

    fn free(&mut self) {
        let Some(next) = self.line.free(self.now) else {
            assert!(self.waiting.is_empty());
            self.out -= 1;
            return;
        };
        let line: Vec<_> = self.waiting.iter().filter(|(_, waiter)| waiter.0 == next.0).collect();
        let (oldest, newest) = (line.first().unwrap().1, line.last().unwrap().1);
        let is_fresh = self.now.saturating_sub(self.arrivals[oldest.1]) <= FRESH;
        assert_eq!(
            next,
            if is_fresh { oldest } else { newest },
            "the oldest while it is fresh, else the newest"
        );
        self.gone(next);
        self.served_since.remove(&next.0);
        for (client, served) in &mut self.served_since {
            assert!(served.insert(next.0), "{} had two turns while {client} waited", next.0);
        }
        if self.waiting.iter().any(|(_, waiter)| waiter.0 == next.0) {
            self.served_since.insert(next.0, BTreeSet::new());
        }
    }

    fn gone(&mut self, waiter: (u32, usize)) {
        let before = self.waiting.len();
        self.waiting.retain(|(_, other)| *other != waiter);
        assert_eq!(self.waiting.len() + 1, before, "one outcome for each waiter");
        self.outcomes += 1;
        if !self.waiting.iter().any(|(_, other)| other.0 == waiter.0) {
            self.served_since.remove(&waiter.0);
        }
    }
}

proptest! {
    #[test]
    fn turns_are_never_too_many_nobody_is_forgotten_and_clients_take_turns(
        limit in 1..5_usize, room in 1..20_usize, steps in steps(),
    ) {
        let mut model = Model::new(limit, room);
        for step in steps {
            model.step(step);
        }
        while model.out > 0 {
            model.step(Step::Free);
        }
        prop_assert_eq!(model.outcomes, model.arrivals.len(), "each has had its turn or its refusal");
        prop_assert!(model.line.lengths.is_empty() && model.line.by_length.is_empty());
    }
}

#[test]
fn a_thousand_requests_of_one_client_cost_another_one_turn_at_most() {
    let (late, mut line) = (FRESH * 2, Line::new(2, 2_000, FRESH));
    assert!(line.try_take() && line.try_take() && !line.try_take());
    for number in 0..1_000 {
        assert_eq!(line.wait(7, number, Duration::ZERO).1, None);
    }
    assert_eq!(line.free(FRESH), Some(0));
    assert_eq!(line.free(late), Some(999));
    line.wait(3, 5_000, late);
    let next: Vec<_> = (0..3).map(|_| line.free(late).unwrap()).collect();
    assert_eq!(next, [5_000, 998, 997], "one of 7 had its turn already");
}

#[test]
fn a_room_for_nobody_turns_the_newcomer_away() {
    let mut line = Line::new(0, 0, FRESH);
    assert!(line.try_take(), "there is always one turn");
    assert_eq!(line.wait(1, 'a', FRESH).1, Some('a'));
    assert_eq!((line.free(FRESH), line.out(), line.waiting()), (None, 0, 0));
}
