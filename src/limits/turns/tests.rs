use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;

use super::*;

const FRESH: Duration = Duration::from_millis(20);
const SOON: Duration = Duration::from_millis(80);

fn turns(limit: usize) -> Turns {
    Turns::new(limit, 1_000, FRESH, SOON)
}

/// in use, waiting, taken at once, waited for, turned away
fn counts(turns: &Turns) -> (usize, usize, u64, u64, u64) {
    let TurnsReading { in_use, waiting, at_once, turned_away, waits, .. } = turns.reading();
    (in_use, waiting, at_once, waits.count(), turned_away)
}

#[tokio::test(start_paused = true)]
async fn a_free_turn_is_taken_at_once_and_is_free_again_when_dropped() {
    let turns = turns(2);
    let first = turns.take(1).now_or_never().unwrap().unwrap();
    let second = turns.take(1).now_or_never().unwrap().unwrap();
    assert!(turns.take(1).now_or_never().is_none());
    assert_eq!(counts(&turns), (2, 0, 2, 0, 0), "who does not wait any more is not in the line");
    drop(first);
    assert_eq!(turns.reading().in_use, 1);
    drop(second);
    assert_eq!(turns.reading().in_use, 0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_gets_the_next_turn_or_is_turned_away_in_time() {
    let turns = turns(1);
    let turn = turns.take(1).await.unwrap();
    let (served, ()) = tokio::join!(turns.take(2), async {
        assert!(turns.are_short());
        tokio::time::advance(Duration::from_millis(15)).await;
        drop(turn);
    });
    let served = served.unwrap();
    assert!(!turns.are_short());
    assert_eq!(turns.reading().waits.counts[5], 1, "between 10 and 25 ms");

    let begun = Instant::now();
    assert_eq!(turns.take(3).await.unwrap_err(), NoTurn);
    assert!((SOON..Duration::from_millis(100)).contains(&begun.elapsed()));
    assert_eq!(counts(&turns), (1, 0, 1, 1, 1));
    drop(served);
    assert_eq!(turns.reading().in_use, 0);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_comes_to_one_who_goes_is_the_next_ones() {
    let turns = turns(1);
    let turn = turns.take(1).await.unwrap();
    let mut goes = Box::pin(turns.take(2));
    let mut stays = Box::pin(turns.take(3));
    assert!(goes.as_mut().now_or_never().is_none() && stays.as_mut().now_or_never().is_none());
    drop(turn);
    // The turn is on its way to the first of them, who never looks.
    drop(goes);
    let turn = stays.await.unwrap();
    assert_eq!(turns.reading().in_use, 1);
    drop(turn);
    assert_eq!((turns.reading().in_use, turns.reading().waiting), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_room_turns_the_oldest_of_the_longest_line_away_at_once() {
    let turns = Turns::new(1, 2, FRESH, SOON);
    let turn = turns.take(1).await.unwrap();
    let mut lines = [7, 7, 8].map(|client| Box::pin(turns.take(client)));
    for waiting in &mut lines {
        assert!(waiting.as_mut().now_or_never().is_none());
    }
    let [oldest, newer, other] = lines;
    assert_eq!(oldest.now_or_never().unwrap().unwrap_err(), NoTurn);
    drop(turn);
    let (newer, other) = tokio::join!(newer.map(drop), other.map(drop));
    assert_eq!((newer, other), ((), ()));
    assert_eq!(counts(&turns), (0, 0, 1, 2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_turn_is_lost_and_none_is_given_twice_whoever_goes_when() {
    const TASKS: u32 = 16;
    let (turns, out) =
        (Turns::new(3, 8, Duration::ZERO, Duration::from_millis(1)), Arc::new(AtomicUsize::new(0)));
    let tasks = (0..TASKS).map(|task| {
        let (turns, out) = (turns.clone(), out.clone());
        tokio::spawn(async move {
            for round in 0..400 {
                let mut taking = Box::pin(turns.take(task % 5));
                let turn = match taking.as_mut().now_or_never() {
                    Some(turn) => turn,
                    // Every third goes away, after it was in the line for a moment.
                    None if (round + task) % 3 == 0 => {
                        tokio::task::yield_now().await;
                        continue;
                    }
                    None => taking.await,
                };
                if turn.is_ok() {
                    assert!(out.fetch_add(1, Ordering::SeqCst) < 3);
                    tokio::task::yield_now().await;
                    out.fetch_sub(1, Ordering::SeqCst);
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let reading = turns.reading();
    assert_eq!((reading.in_use, reading.waiting), (0, 0));
}
