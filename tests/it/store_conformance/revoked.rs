//! Revocations: each is written once, floors only rise, and only what is over is forgotten.

use std::time::Duration;

use mintmark::policy::ClientId;
use mintmark::store::{Change, Forgotten, Revoked};
use mintmark::time::Timestamp;

use super::{DRIVERS, Written};
use crate::harness::START;

fn at(minutes: u64) -> Timestamp {
    START.plus(Duration::from_mins(minutes))
}

fn token(jti: &str, minutes: u64) -> Change {
    Change::RevokeToken { jti: jti.to_owned(), until: at(minutes) }
}

fn floor(client: Option<&str>, minutes: u64) -> Change {
    Change::RaiseFloor { client: client.map(|id| ClientId::parse(id).unwrap()), not_before: at(minutes) }
}

async fn revoked(written: &Written) -> Revoked {
    let mut revoked = written.store.revoked().await.unwrap();
    revoked.tokens.sort();
    revoked.floors.sort();
    revoked
}

#[tokio::test]
async fn what_is_revoked_comes_back_and_is_not_revoked_again() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        assert_eq!(revoked(&written).await, Revoked::default(), "{driver}");
        written
            .change(vec![token("b", 2), token("a", 1), floor(None, 3), floor(Some("web"), 4)])
            .await
            .unwrap();
        for again in [token("a", 9), floor(None, 3), floor(None, 2), floor(Some("web"), 4)] {
            written.assert_conflict(again).await;
        }
        written.change(vec![floor(None, 5)]).await.unwrap();
        written.reopen().await;
        let expected = Revoked {
            tokens: vec![("a".to_owned(), at(1)), ("b".to_owned(), at(2))],
            floors: vec![(None, at(5)), (Some("web".to_owned()), at(4))],
            forgotten: Forgotten::default(),
        };
        assert_eq!(revoked(&written).await, expected, "{driver}");
    }
}

#[tokio::test]
async fn what_is_over_is_forgotten_the_oldest_first() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        let tokens = (0..5).map(|minute| token(&format!("t{minute}"), minute));
        written.change(tokens.chain([floor(None, 1), floor(Some("web"), 2)]).collect()).await.unwrap();
        let forget = |at_most| Change::ForgetRevoked { ended: at(3), floors: at(1), at_most };
        let left = async |written: &Written| {
            let Revoked { tokens, floors, .. } = revoked(written).await;
            let tokens = tokens.into_iter().map(|(jti, _)| jti).collect::<Vec<_>>().join(" ");
            (tokens, floors.len())
        };
        written.change(vec![forget(3)]).await.unwrap();
        assert_eq!(left(&written).await, ("t3 t4".to_owned(), 1), "{driver}");
        let forgotten = revoked(&written).await.forgotten;
        assert_eq!(forgotten, Forgotten { until: at(2), not_before: at(1) }, "{driver}: three at most");
        for _ in 0..2 {
            written.change(vec![forget(3)]).await.unwrap();
            assert_eq!(left(&written).await, ("t4".to_owned(), 1), "{driver}");
        }
        // It went no further than what was there, and an earlier one takes nothing of it back.
        let earlier = Change::ForgetRevoked { ended: at(0), floors: at(0), at_most: 3 };
        written.change(vec![earlier]).await.unwrap();
        written.reopen().await;
        let forgotten = revoked(&written).await.forgotten;
        assert_eq!(forgotten, Forgotten { until: at(3), not_before: at(1) }, "{driver}");
    }
}
