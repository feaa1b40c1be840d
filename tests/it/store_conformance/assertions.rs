//! Used assertions: each once, for as long as any clock takes it, and after that in no case again.

use mintmark::digest::Digest;
use mintmark::store::Change;
use mintmark::time::Timestamp;

use super::{DRIVERS, Written};

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn used(name: &str, until: u64) -> Change {
    Change::UseAssertion { id: Digest::of(&[name.as_bytes()]), until: at(until) }
}

fn forget(until: u64, at_most: u32) -> Change {
    Change::ForgetAssertions { until: at(until), at_most }
}

impl Written {
    /// Changes without any entry, as the recorder writes them.
    async fn silently(&mut self, changes: Vec<Change>) {
        self.write(0, Vec::new(), changes).await.unwrap();
    }
}

#[tokio::test]
async fn an_assertion_is_used_once_whatever_it_says_of_its_end() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        assert_eq!(written.store.first_used_assertion().await.unwrap(), None, "{driver}");
        written.silently(vec![used("a", 50), used("b", 40)]).await;
        for until in [50, 49, 999] {
            written.assert_conflict(used("a", until)).await;
        }
        written.reopen().await;
        written.assert_conflict(used("b", 40)).await;
        written.silently(vec![used("c", 40)]).await;
        assert_eq!(written.store.first_used_assertion().await.unwrap(), Some(at(40)), "{driver}");
    }
}

#[tokio::test]
async fn two_of_one_batch_are_a_conflict() {
    for (_, open) in DRIVERS {
        let mut written = Written::start(open).await;
        assert!(written.write(0, Vec::new(), vec![used("a", 50), used("a", 50)]).await.is_err());
        written.silently(vec![used("a", 50)]).await;
    }
}

#[tokio::test]
async fn what_ends_first_is_forgotten_first_and_never_good_again() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        written.silently(vec![used("d", 40), used("a", 10), used("c", 30), used("b", 20)]).await;
        let first = async |written: &Written| written.store.first_used_assertion().await.unwrap();
        written.silently(vec![forget(9, 100)]).await;
        assert_eq!(first(&written).await, Some(at(10)), "{driver}");
        written.silently(vec![forget(35, 2)]).await;
        assert_eq!(first(&written).await, Some(at(30)), "{driver}: two at most");
        written.silently(vec![forget(35, 2)]).await;
        assert_eq!(first(&written).await, Some(at(40)), "{driver}");
        written.reopen().await;
        for (name, until) in [("a", 10), ("b", 20), ("c", 30), ("new", 30), ("new", 0)] {
            written.assert_conflict(used(name, until)).await;
        }
        // No further than that went the forgetting, whatever it was asked for.
        written.silently(vec![used("new", 31), forget(39, 1), used("newer", 32)]).await;
        written.assert_conflict(used("d", 40)).await;
    }
}
