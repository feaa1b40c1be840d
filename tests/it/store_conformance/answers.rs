//! Answers that are given again: one for each key, kept until their time is over.

use std::time::Duration;

use mintmark::digest::Digest;
use mintmark::store::{Change, Remembered};

use super::{DRIVERS, Written, resource};
use crate::harness::START;

fn answer(key: &str, caller: &str, hours: u64) -> Remembered {
    let of = |text: &str| Digest::of(&[text.as_bytes()]);
    Remembered {
        id: of(key),
        caller: of(caller),
        request: of("request"),
        answer: format!("ä\u{2028}'\" {key}"),
        until: START.plus(Duration::from_hours(hours)),
    }
}

#[tokio::test]
async fn an_answer_is_written_with_its_act_or_not_at_all() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        let one = answer("one", "a", 24);
        written.change(vec![Change::PutResource(resource(1)), Change::Remember(one.clone())]).await.unwrap();
        written
            .assert_conflict(Change::Remember(Remembered { answer: "other".to_owned(), ..one.clone() }))
            .await;
        // The act's own conflict takes the answer with it.
        let two = answer("two", "a", 12);
        written
            .change(vec![Change::Remember(two.clone()), Change::PutResource(resource(1))])
            .await
            .unwrap_err();
        assert_eq!(written.store.recall(&two.id, &two.caller).await.unwrap().answer, None, "{driver}");

        written.change(vec![Change::Remember(two.clone())]).await.unwrap();
        written.change(vec![Change::Remember(answer("three", "b", 1))]).await.unwrap();
        written.reopen().await;
        let recalled = written.store.recall(&one.id, &one.caller).await.unwrap();
        let bytes = one.answer.len() + two.answer.len();
        assert_eq!((recalled.of_caller, recalled.bytes), (2, bytes as u64), "{driver}");
        assert_eq!(recalled.answer, Some(one), "{driver}");
        assert_eq!(recalled.first_end, Some(two.until), "{driver}");
        let nobody = written.store.recall(&Digest::of(&[b"?"]), &Digest::of(&[b"?"])).await.unwrap();
        assert_eq!(
            (nobody.answer, nobody.of_caller, nobody.bytes, nobody.first_end),
            (None, 0, 0, None),
            "{driver}"
        );
    }
}

#[tokio::test]
async fn answers_are_completed_and_forgotten() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        let all = [answer("one", "a", 1), answer("two", "a", 2), answer("three", "a", 3)];
        written.change(all.iter().cloned().map(Change::Remember).collect()).await.unwrap();
        written.change(vec![Change::CompleteAnswer(all[1].id, "fuller".to_owned())]).await.unwrap();
        written.change(vec![Change::CompleteAnswer(Digest::of(&[b"?"]), "gone".to_owned())]).await.unwrap();
        let found = written.store.recall(&all[1].id, &all[1].caller).await.unwrap();
        assert_eq!(
            found.answer,
            Some(Remembered { answer: "fuller".to_owned(), ..all[1].clone() }),
            "{driver}"
        );

        for (now, at_most, left) in [(0, 9, 3), (2, 1, 2), (2, 9, 1), (3, 9, 0)] {
            let now = START.plus(Duration::from_hours(now));
            written.change(vec![Change::ForgetAnswers { now, at_most }]).await.unwrap();
            let recalled = written.store.recall(&all[0].id, &all[0].caller).await.unwrap();
            assert_eq!(recalled.of_caller, left, "{driver}");
            assert_eq!(recalled.answer.is_some(), left == 3, "{driver}: the oldest goes first");
        }
    }
}
