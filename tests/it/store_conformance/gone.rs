//! What is taken away: objects of one version, clients with their secrets, secrets long after their end.

use std::time::Duration;

use mintmark::oauth::ScopeToken;
use mintmark::policy::{ResourceUri, SecretHash};
use mintmark::store::Change;

use super::{DRIVERS, Written, client, database, id, resource, scope, secret};
use crate::harness::{ORDERS, START, contains};

fn token(name: &str) -> ScopeToken {
    ScopeToken::parse(name).unwrap()
}

fn orders() -> ResourceUri {
    ResourceUri::parse(ORDERS).unwrap()
}

async fn furnished(open: super::Open) -> Written {
    let mut written = Written::start(open).await;
    let changes = vec![
        Change::PutResource(resource(1)),
        Change::PutScope(scope("a", 1)),
        Change::PutScope(scope("b", 1)),
        Change::PutClient(client("x", 1)),
        Change::PutClient(client("y", 1)),
        Change::AddSecret(id("x"), secret("x1", 1)),
        Change::AddSecret(id("x"), secret("x2", 2)),
        Change::AddSecret(id("y"), secret("y1", 3)),
    ];
    written.change(changes).await.unwrap();
    written
}

#[tokio::test]
async fn what_is_deleted_is_gone_and_the_others_stay() {
    for (driver, open) in DRIVERS {
        let mut written = furnished(open).await;
        written.change(vec![Change::DeleteClient(id("x"), 1)]).await.unwrap();
        written.change(vec![Change::DeleteScope(token("a"), 1)]).await.unwrap();
        let policy = written.policy().await;
        assert_eq!(policy.version, 3, "{driver}: each is a change of the policy");
        assert!(policy.client("x").is_none(), "{driver}");
        assert_eq!(policy.client("y").unwrap().secrets, [secret("y1", 3)], "{driver}");
        assert_eq!(policy.scopes.keys().map(ScopeToken::as_str).collect::<Vec<_>>(), ["b"], "{driver}");
        written.change(vec![Change::DeleteScope(token("b"), 1)]).await.unwrap();
        written.change(vec![Change::DeleteResource(orders(), 1)]).await.unwrap();
        written.reopen().await;
        let policy = written.policy().await;
        assert!(
            policy.resources.is_empty() && policy.scopes.is_empty() && policy.clients.len() == 1,
            "{driver}"
        );
    }
}

#[tokio::test]
async fn a_deletion_of_another_version_is_a_conflict_that_leaves_nothing() {
    for (_, open) in DRIVERS {
        let mut written = furnished(open).await;
        for version in [0, 2] {
            written.assert_conflict(Change::DeleteClient(id("x"), version)).await;
            written.assert_conflict(Change::DeleteScope(token("a"), version)).await;
            written.assert_conflict(Change::DeleteResource(orders(), version)).await;
        }
        written.assert_conflict(Change::DeleteClient(id("nobody"), 1)).await;
        written.assert_conflict(Change::DeleteScope(token("nothing"), 1)).await;
        assert_eq!(written.policy().await.client("x").unwrap().secrets.len(), 2);
    }
}

#[tokio::test]
async fn a_deleted_id_is_never_given_again_and_named_nowhere() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        written
            .change(vec![Change::PutClient(client("gone-4711", 1)), Change::PutClient(client("y", 1))])
            .await
            .unwrap();
        written.change(vec![Change::DeleteClient(id("gone-4711"), 1)]).await.unwrap();
        for _ in 0..2 {
            for version in [1, 2] {
                written.assert_conflict(Change::PutClient(client("gone-4711", version))).await;
            }
            written.store.flush().await.unwrap();
            let bytes = std::fs::read(database(written.folder.path())).unwrap();
            assert!(!contains(&bytes, b"gone-4711"), "{driver}");
            written.reopen().await;
        }
        written.change(vec![Change::PutClient(client("Gone-4711", 1))]).await.unwrap();
        written.change(vec![Change::PutClient(client("y", 2))]).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_made_again_gets_another_number() {
    for (driver, open) in DRIVERS {
        let mut written = furnished(open).await;
        // The greatest number there is: it is not given again either.
        let number = |policy: &mintmark::policy::Policy| policy.scopes.get("b").unwrap().key;
        let before = number(&written.policy().await);
        written.change(vec![Change::DeleteScope(token("b"), 1)]).await.unwrap();
        written.change(vec![Change::PutScope(scope("b", 1))]).await.unwrap();
        assert!(number(&written.policy().await) > before, "{driver}");
        let y = written.policy().await.client("y").unwrap().key;
        written.change(vec![Change::DeleteClient(id("y"), 1)]).await.unwrap();
        written.change(vec![Change::PutClient(client("z", 1))]).await.unwrap();
        assert!(written.policy().await.client("z").unwrap().key > y, "{driver}");
    }
}

/// Also more of them than one message of a database usually takes parameters.
#[tokio::test]
async fn uses_of_secrets_are_noted_without_changing_the_policy() {
    for (driver, open) in DRIVERS {
        let mut written = furnished(open).await;
        let later = START.plus(Duration::from_secs(5));
        let by_a_wrong_clock = vec![("x1".to_owned(), START.plus(Duration::from_hours(25)))];
        written.write(0, Vec::new(), vec![Change::SecretsUsed(by_a_wrong_clock)]).await.unwrap();
        let mut uses = vec![("x1".to_owned(), later), ("y1".to_owned(), START), ("gone".to_owned(), later)];
        uses.extend((0..5_000).map(|n| (format!("unknown {n}"), later)));
        written.write(0, Vec::new(), vec![Change::SecretsUsed(uses)]).await.unwrap();
        written.write(0, Vec::new(), vec![Change::SecretsUsed(Vec::new())]).await.unwrap();
        written.write(0, Vec::new(), vec![Change::SecretReminded("x2".to_owned(), later)]).await.unwrap();
        written.reopen().await;
        let policy = written.policy().await;
        assert_eq!(policy.version, 1, "{driver}");
        let x1 = SecretHash { last_used_at: Some(later), ..secret("x1", 1) };
        let x2 = SecretHash { reminded_at: Some(later), ..secret("x2", 2) };
        assert_eq!(policy.client("x").unwrap().secrets, [x1, x2], "{driver}");
        assert_eq!(policy.client("y").unwrap().secrets[0].last_used_at, Some(START), "{driver}");
        written.assert_conflict(Change::SecretReminded("unknown".to_owned(), later)).await;
    }
}

#[tokio::test]
async fn secrets_are_swept_after_their_end_and_no_others() {
    for (driver, open) in DRIVERS {
        let mut written = furnished(open).await;
        let end = START.plus(Duration::from_mins(1));
        written.change(vec![Change::EndSecret("x1".to_owned(), end)]).await.unwrap();
        let left = async |written: &Written| {
            let policy = written.policy().await;
            let secrets = policy.clients.values().flat_map(|found| &found.secrets);
            let mut ids: Vec<_> = secrets.map(|secret| secret.secret_id.clone()).collect();
            ids.sort();
            ids
        };
        written.write(0, Vec::new(), vec![Change::SweepSecrets(end)]).await.unwrap();
        assert_eq!(left(&written).await, ["x1", "x2", "y1"], "{driver}");
        let after = end.plus(Duration::from_micros(1));
        written.write(0, Vec::new(), vec![Change::SweepSecrets(after)]).await.unwrap();
        assert_eq!(left(&written).await, ["x2", "y1"], "{driver}");
        assert_eq!(written.policy().await.version, 2, "{driver}: no change of the policy");
    }
}
