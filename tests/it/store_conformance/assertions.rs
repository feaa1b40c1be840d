//! Used assertions: each once, for as long as any clock takes it, and after that in no case again.

use mintmark::digest::Digest;
use mintmark::store::{Change, StoreFault, UsedAssertion};
use mintmark::time::Timestamp;

use super::{DRIVERS, Written, client, numbered};

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn used(name: &str, until: u64) -> UsedAssertion {
    UsedAssertion { id: Digest::of(&[name.as_bytes()]), until: at(until) }
}

impl Written {
    /// Uses assertions up without any entry, as the recorder does; says of each whether it was fresh.
    async fn use_up(&mut self, used: Vec<UsedAssertion>) -> Vec<bool> {
        self.write_with(0, Vec::new(), Vec::new(), used).await.unwrap()
    }

    async fn forget(&mut self, until: u64, at_most: u32) {
        let forget = Change::ForgetAssertions { until: at(until), at_most };
        self.write(0, Vec::new(), vec![forget]).await.unwrap();
    }
}

#[tokio::test]
async fn an_assertion_is_used_once_whatever_it_says_of_its_end() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        assert_eq!(written.store.first_used_assertion().await.unwrap(), None, "{driver}");
        assert_eq!(written.use_up(vec![used("a", 50), used("b", 40)]).await, [true, true], "{driver}");
        for until in [50, 49, 999] {
            assert_eq!(written.use_up(vec![used("a", until)]).await, [false], "{driver} {until}");
        }
        written.reopen().await;
        assert_eq!(written.use_up(vec![used("b", 40), used("c", 40)]).await, [false, true], "{driver}");
        assert_eq!(written.store.first_used_assertion().await.unwrap(), Some(at(40)), "{driver}");
    }
}

/// Whoever replays stops nobody: all else of the batch is written, and each is told of by its place.
#[tokio::test]
async fn one_that_was_used_before_stops_nothing_of_its_batch() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        assert_eq!(written.use_up(vec![used("old", 40)]).await, [true], "{driver}");
        let mixed = vec![used("a", 50), used("old", 40), used("a", 50), used("b", 50), used("old", 60)];
        let changes = vec![Change::SetFact("companion", "here".to_owned())];
        let fresh = written.write_with(202_611, numbered(0..3), changes, mixed).await;
        assert_eq!(fresh, Ok(vec![true, false, false, true, false]), "{driver}");
        assert_eq!(written.store.fact("companion").await.unwrap().as_deref(), Some("here"), "{driver}");
        written.reopen().await;
        assert_eq!(written.store.head().await.unwrap(), Some(written.edge.head()), "{driver}");
        assert_eq!(written.store.leaves(0..9).await.unwrap().len(), 3, "{driver}");
        let again = ["a", "b", "old", "c"].map(|name| used(name, 50)).to_vec();
        assert_eq!(written.use_up(again).await, [false, false, false, true], "{driver}");
    }
}

/// What is refused as a whole uses no assertion up either.
#[tokio::test]
async fn a_batch_in_conflict_uses_nothing_up() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        let stale = vec![Change::PutClient(client("gone", 7))];
        let refused = written.write_with(202_611, numbered(0..1), stale, vec![used("a", 50)]).await;
        assert_eq!(refused, Err(StoreFault::Conflict), "{driver}");
        assert_eq!(written.use_up(vec![used("a", 50)]).await, [true], "{driver}");
    }
}

#[tokio::test]
async fn what_ends_first_is_forgotten_first_and_never_good_again() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        let four = vec![used("d", 40), used("a", 10), used("c", 30), used("b", 20)];
        assert_eq!(written.use_up(four).await, [true; 4], "{driver}");
        let first = async |written: &Written| written.store.first_used_assertion().await.unwrap();
        written.forget(9, 100).await;
        assert_eq!(first(&written).await, Some(at(10)), "{driver}");
        written.forget(35, 2).await;
        assert_eq!(first(&written).await, Some(at(30)), "{driver}: two at most");
        written.forget(35, 2).await;
        assert_eq!(first(&written).await, Some(at(40)), "{driver}");
        written.reopen().await;
        for (name, until) in [("a", 10), ("b", 20), ("c", 30), ("new", 30), ("new", 0)] {
            assert_eq!(written.use_up(vec![used(name, until)]).await, [false], "{driver} {name} {until}");
        }
        // No further than that went the forgetting, whatever it was asked for.
        assert_eq!(written.use_up(vec![used("new", 31)]).await, [true], "{driver}");
        written.forget(39, 1).await;
        let after = vec![used("newer", 32), used("newest", 31), used("d", 40)];
        assert_eq!(written.use_up(after).await, [true, false, false], "{driver}");
    }
}
