//! Used assertions share a batch with records and each other; one that was used before fails nobody else.

use futures_util::future::join_all;
use mintmark::audit::event::EventType;
use mintmark::audit::leaf::Record;
use mintmark::audit::recorder::RecordFault;
use mintmark::digest::Digest;
use mintmark::store::{Store as _, StoreFault, UsedAssertion};
use mintmark::time::Timestamp;

use super::{Fault, Faulty, PATIENCE};
use crate::harness::foreign_connection;

/// What comes to the recorder at the same moment.
#[derive(Clone, Copy)]
enum Job {
    Records(usize),
    Uses(&'static str),
}

/// What the recorder says to it.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    At(u64),
    Fresh(bool),
}

use Told::{At, Fresh};

impl Faulty {
    async fn submit(&self, job: Job) -> Result<Told, RecordFault> {
        match job {
            Job::Records(count) => self.act(count).await.map(Told::At),
            Job::Uses(name) => self.use_up(name).await.map(Told::Fresh),
        }
    }

    async fn use_up(&self, name: &str) -> Result<bool, RecordFault> {
        let id = Digest::of(&[name.as_bytes()]);
        self.recorder.use_up(UsedAssertion { id, until: Timestamp::from_seconds(9) }).await
    }

    /// All of these are queued before the writer takes the first.
    async fn together(&self, jobs: &[Job]) -> Vec<Result<Told, RecordFault>> {
        join_all(jobs.iter().map(|job| self.submit(*job))).await
    }
}

#[tokio::test]
async fn they_go_as_one_batch() {
    use Job::{Records, Uses};
    let faulty = Faulty::start(PATIENCE).await;
    // One failure fails all of them: they were one.
    faulty.store.fail(Fault::Lost);
    let jobs = [Records(1), Uses("a"), Records(2), Uses("b")];
    let answers = faulty.together(&jobs).await;
    assert!(
        answers.iter().all(|answer| matches!(answer, Err(RecordFault::Store(StoreFault::Unavailable(_)))))
    );
    assert_eq!(faulty.together(&jobs).await, [At(0), Fresh(true), At(1), Fresh(true)].map(Ok));
    assert_eq!(faulty.store.writes(), 2);
    faulty.assert_whole(3).await;
}

/// Replays in any number cost one write with everything else, and nobody a second one.
#[tokio::test]
async fn replays_cost_no_write_of_their_own() {
    use Job::{Records, Uses};
    let faulty = Faulty::start(PATIENCE).await;
    assert!(faulty.use_up("old").await.unwrap());
    let jobs = [Records(2), Uses("new"), Uses("old"), Records(1), Uses("new"), Uses("newer"), Records(3)];
    let mut expected: Vec<_> =
        [At(0), Fresh(true), Fresh(false), At(2), Fresh(false), Fresh(true), At(3)].map(Ok).into();
    let replays = 300;
    let jobs: Vec<_> = jobs.into_iter().chain(std::iter::repeat_n(Uses("old"), replays)).collect();
    expected.extend((0..replays).map(|_| Ok(Fresh(false))));
    assert_eq!(faulty.store.writes(), 1);
    assert_eq!(faulty.together(&jobs).await, expected);
    assert_eq!(faulty.store.writes(), 1);
    faulty.assert_whole(6).await;
}

/// The refusals of a minute are in the log, once each, whatever is replayed beside them.
#[tokio::test]
async fn what_nobody_waits_for_is_not_lost_by_a_replay() {
    let faulty = Faulty::start(PATIENCE).await;
    assert!(faulty.use_up("old").await.unwrap());
    for number in 0..400 {
        let body = format!("noted {number}").into_bytes();
        assert!(faulty.recorder.note(Record::of(EventType::TokenDenied, body)));
    }
    let answers = faulty.together(&[Job::Uses("old"), Job::Records(1)]).await;
    assert_eq!(answers, [Ok(Fresh(false)), Ok(At(400))]);
    let entries = faulty.store.entries(0..999).await.unwrap();
    let mut bodies: Vec<_> =
        entries.into_iter().filter_map(|entry| entry.body).map(|(_, body)| body).collect();
    bodies.sort();
    bodies.dedup();
    assert_eq!((bodies.len(), faulty.recorder.dropped()), (401, 0));
    faulty.assert_whole(401).await;
}

/// Nobody is let in by an assertion of which it is unknown whether it was written, and it is used once for all that.
#[tokio::test]
async fn an_unknown_outcome_lets_nobody_in() {
    for (fault, fresh_later) in [(Fault::Lost, true), (Fault::Persisted, false)] {
        let faulty = Faulty::start(PATIENCE).await;
        faulty.store.fail(fault);
        let told = faulty.use_up("new").await;
        assert!(matches!(told, Err(RecordFault::Store(StoreFault::Unavailable(_)))), "{fault:?}: {told:?}");
        assert_eq!(faulty.use_up("new").await, Ok(fresh_later), "{fault:?}");
        assert_eq!(faulty.use_up("new").await, Ok(false), "{fault:?}");
        assert_eq!(faulty.act(1).await, Ok(0), "{fault:?}");
        faulty.assert_whole(1).await;
    }
}

/// A log that another hand wrote is not taken for an assertion that was used.
#[tokio::test]
async fn a_foreign_log_is_no_replay() {
    let faulty = Faulty::start(PATIENCE).await;
    assert_eq!(faulty.act(2).await, Ok(0));
    let mut other = foreign_connection(&faulty.folder.path().join("mintmark.db")).await;
    sqlx::query("UPDATE log SET size = 99").execute(&mut other).await.unwrap();
    for _ in 0..2 {
        assert_eq!(faulty.submit(Job::Uses("new")).await, Err(RecordFault::Foreign));
    }
}
