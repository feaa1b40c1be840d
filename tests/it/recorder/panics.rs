//! A store that panics in the middle of a commit costs those who waited for it, and nobody else.

use mintmark::audit::recorder::RecordFault;

use super::{Fault, Faulty, PATIENCE};

#[tokio::test]
async fn a_commit_that_panicked_ends_no_later_one() {
    let faulty = Faulty::start(PATIENCE).await;
    assert_eq!(faulty.act(2).await, Ok(0));
    faulty.store.fail(Fault::Panics);
    assert_eq!(faulty.act(3).await, Err(RecordFault::Ended));
    assert_eq!(faulty.act(1).await, Ok(2));
    faulty.assert_whole(3).await;
}

#[tokio::test]
async fn a_commit_that_panicked_after_it_was_written_is_found_and_built_upon() {
    let faulty = Faulty::start(PATIENCE).await;
    assert_eq!(faulty.act(2).await, Ok(0));
    faulty.store.fail(Fault::PanicsPersisted);
    faulty.store.fail(Fault::Panics);
    assert_eq!(faulty.act(3).await, Err(RecordFault::Ended));
    assert_eq!(faulty.act(1).await, Err(RecordFault::Ended));
    assert_eq!(faulty.act(1).await, Ok(5), "after the three that nobody was told of");
    faulty.assert_whole(6).await;
}
