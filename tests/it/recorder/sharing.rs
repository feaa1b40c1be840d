//! Small changes share a batch with records and each other; of those in conflict only the culprits fail.

use futures_util::future::join_all;
use mintmark::audit::event::EventType;
use mintmark::audit::leaf::Record;
use mintmark::audit::recorder::RecordFault;
use mintmark::digest::Digest;
use mintmark::store::{Change, Store as _, StoreFault};
use mintmark::time::Timestamp;

use super::{Fault, Faulty, PATIENCE};
use crate::harness::foreign_connection;

const CONFLICT: RecordFault = RecordFault::Store(StoreFault::Conflict);

/// What comes to the recorder at the same moment.
#[derive(Clone, Copy)]
enum Job {
    Records(usize),
    Uses(&'static str),
}

impl Faulty {
    async fn submit(&self, job: Job) -> Result<u64, RecordFault> {
        match job {
            Job::Records(count) => self.act(count).await,
            Job::Uses(name) => {
                let id = Digest::of(&[name.as_bytes()]);
                let change = Change::UseAssertion { id, until: Timestamp::from_seconds(9) };
                self.recorder.act(Vec::new(), vec![change]).await
            }
        }
    }

    /// All of these are queued before the writer takes the first.
    async fn together(&self, jobs: &[Job]) -> Vec<Result<u64, RecordFault>> {
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
    assert_eq!(faulty.together(&jobs).await, [Ok(0), Ok(1), Ok(1), Ok(3)]);
    faulty.assert_whole(3).await;
}

#[tokio::test]
async fn of_a_batch_in_conflict_only_the_culprits_fail() {
    use Job::{Records, Uses};
    let faulty = Faulty::start(PATIENCE).await;
    assert_eq!(faulty.submit(Uses("old")).await, Ok(0));
    let jobs = [Records(2), Uses("new"), Uses("old"), Records(1), Uses("new"), Uses("newer"), Records(3)];
    let answers = faulty.together(&jobs).await;
    let expected = [Ok(0), Ok(2), Err(CONFLICT), Ok(2), Err(CONFLICT), Ok(3), Ok(3)];
    assert_eq!(answers, expected);
    faulty.assert_whole(6).await;
}

#[tokio::test]
async fn what_nobody_waits_for_comes_through_a_conflict_once() {
    let faulty = Faulty::start(PATIENCE).await;
    assert_eq!(faulty.submit(Job::Uses("old")).await, Ok(0));
    assert!(faulty.recorder.note(Record::of(EventType::TokenDenied, b"noted".to_vec())));
    assert_eq!(faulty.submit(Job::Uses("old")).await, Err(CONFLICT));
    assert!(faulty.recorder.note(Record::of(EventType::TokenDenied, b"noted too".to_vec())));
    let answers = faulty.together(&[Job::Uses("old"), Job::Records(1)]).await;
    assert_eq!(answers[0], Err(CONFLICT));
    assert!(answers[1].is_ok());
    let entries = faulty.store.entries(0..99).await.unwrap();
    let bodies: Vec<_> = entries.into_iter().filter_map(|entry| entry.body).map(|(_, body)| body).collect();
    for noted in [b"noted".as_slice(), b"noted too"] {
        assert_eq!(bodies.iter().filter(|body| *body == noted).count(), 1);
    }
    assert_eq!((bodies.len(), faulty.recorder.dropped()), (3, 0));
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
