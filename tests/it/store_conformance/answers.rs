//! Answers that are given again: one for each key, kept until their time is over.

use std::collections::BTreeSet;
use std::time::Duration;

use mintmark::digest::Digest;
use mintmark::store::{Change, Remembered};

use super::{DRIVERS, Written, client, database, id, resource};
use crate::harness::{START, contains};

fn answer(key: &str, caller: &str, hours: u64) -> Remembered {
    let of = |text: &str| Digest::of(&[text.as_bytes()]);
    Remembered {
        id: of(key),
        caller: of(caller),
        request: of("request"),
        answer: Some(format!("ä\u{2028}'\" {key}")),
        until: START.plus(Duration::from_hours(hours)),
    }
}

fn remember(answer: &Remembered) -> Change {
    Change::Remember(answer.clone(), BTreeSet::new())
}

/// An answer that names these clients.
fn naming(answer: &Remembered, clients: &[&str]) -> Change {
    Change::Remember(answer.clone(), clients.iter().map(|name| id(name)).collect())
}

fn length(answer: &Remembered) -> usize {
    answer.answer.as_ref().unwrap().len()
}

#[tokio::test]
async fn an_answer_is_written_with_its_act_or_not_at_all() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        let one = answer("one", "a", 24);
        written.change(vec![Change::PutResource(resource(1)), remember(&one)]).await.unwrap();
        written
            .assert_conflict(remember(&Remembered { answer: Some("other".to_owned()), ..one.clone() }))
            .await;
        // The act's own conflict takes the answer with it.
        let two = answer("two", "a", 12);
        written.change(vec![remember(&two), Change::PutResource(resource(1))]).await.unwrap_err();
        assert_eq!(written.store.recall(&two.id, &two.caller).await.unwrap().answer, None, "{driver}");

        written.change(vec![remember(&two)]).await.unwrap();
        written.change(vec![remember(&answer("three", "b", 1))]).await.unwrap();
        written.reopen().await;
        let recalled = written.store.recall(&one.id, &one.caller).await.unwrap();
        let bytes = length(&one) + length(&two);
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
        written.change(all.iter().map(remember).collect()).await.unwrap();
        written.change(vec![Change::CompleteAnswer(all[1].id, "fuller".to_owned())]).await.unwrap();
        written.change(vec![Change::CompleteAnswer(Digest::of(&[b"?"]), "gone".to_owned())]).await.unwrap();
        let found = written.store.recall(&all[1].id, &all[1].caller).await.unwrap();
        assert_eq!(
            found.answer,
            Some(Remembered { answer: Some("fuller".to_owned()), ..all[1].clone() }),
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

/// By what the acts said, not by how their answers read.
#[tokio::test]
async fn what_answers_say_of_a_client_goes_with_it_and_that_they_were_given_stays() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        let [x, y, others] = ["x", "y", "others"].map(|key| answer(key, "a", 1));
        let looks_so = r#"{"body":"{\"client_id\":\"x\",\"name\":\"x\"}"}"#.to_owned();
        let others = Remembered { answer: Some(looks_so), ..others };
        written.change(vec![Change::PutClient(client("x", 1)), naming(&x, &["x", "z"])]).await.unwrap();
        written.change(vec![naming(&y, &["y", "z"]), naming(&others, &["X", "xx", "z"])]).await.unwrap();
        let recalled = async |written: &Written, one: &Remembered| {
            written.store.recall(&one.id, &one.caller).await.unwrap()
        };
        // In the transaction of the deletion too, whoever else is named.
        let last = Remembered { id: Digest::of(&[b"last"]), ..x.clone() };
        written
            .change(vec![naming(&last, &["v", "w", "x"]), Change::DeleteClient(id("x"), 1)])
            .await
            .unwrap();
        // It is not completed any more.
        written.change(vec![Change::CompleteAnswer(x.id, "fuller".to_owned())]).await.unwrap();
        written.reopen().await;
        for erased in [&x, &last] {
            let found = recalled(&written, erased).await;
            assert_eq!(found.answer, Some(Remembered { answer: None, ..erased.clone() }), "{driver}");
            let left = (length(&y) + length(&others)) as u64;
            assert_eq!((found.of_caller, found.bytes), (4, left), "{driver}: it counts still");
        }
        for kept in [&y, &others] {
            assert_eq!(recalled(&written, kept).await.answer.as_ref(), Some(kept), "{driver}");
        }

        // Without a deletion, of one that is registered or not.
        written.change(vec![Change::EraseAnswers(id("nobody"))]).await.unwrap();
        assert_eq!(recalled(&written, &y).await.answer, Some(y.clone()), "{driver}");
        written.change(vec![Change::EraseAnswers(id("y"))]).await.unwrap();
        assert_eq!(recalled(&written, &y).await.answer.unwrap().answer, None, "{driver}");
        written.change(vec![Change::EraseAnswers(id("z"))]).await.unwrap();
        assert_eq!(recalled(&written, &others).await.bytes, 0, "{driver}");
        written.assert_conflict(naming(&y, &["y"])).await;

        // Forgotten, they leave nothing of whom they named.
        let again = Remembered { id: Digest::of(&[b"again"]), ..y.clone() };
        written.change(vec![naming(&again, &["y"])]).await.unwrap();
        let forget = Change::ForgetAnswers { now: y.until, at_most: 9 };
        written.change(vec![forget]).await.unwrap();
        assert_eq!(recalled(&written, &y).await.of_caller, 0, "{driver}");
        written.store.flush().await.unwrap();
        let file = std::fs::read(database(written.folder.path())).unwrap();
        assert!(!contains(&file, mintmark::policy::reserved_id(&id("y")).as_bytes()), "{driver}");
    }
}
