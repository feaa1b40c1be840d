//! Asked again after nobody could say whether it was done: the store says it.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use mintmark::admin::{Actor, Admin, AdminParts, Expected, Keyed, Outcome, Refusal, Turn};
use mintmark::audit::checkpoint::Origin;
use mintmark::audit::event::EventType;
use mintmark::audit::open::Opener;
use mintmark::audit::publisher::Publisher;
use mintmark::audit::recorder::{Recorder, WriterParts};
use mintmark::audit::served::Served;
use mintmark::audit::standing::Standings;
use mintmark::config::Settings;
use mintmark::introspect::Revocations;
use mintmark::issue::WallClock;
use mintmark::jose::Algorithm;
use mintmark::keys::rotator::{Rotator, RotatorParts};
use mintmark::keys::seal::Sealer;
use mintmark::keys::signer::Signer;
use mintmark::policy::snapshot::Lifetimes;
use mintmark::policy::{AdminScopes, Builtin, Registration};
use mintmark::store::Store;
use mintmark::store::sqlite::SqliteStore;
use mintmark::workers::Workers;
use serde_json::{Value, json};
use sqlx::Connection as _;

use super::{CLIENTS, a_client, ask, assert_told_again};
use crate::harness::{
    FakeClock, Fault, FaultyStore, ISSUER, KEK, ORDERS, START, SeededEntropy, foreign_connection, with_mint,
    with_settings,
};

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn what_was_committed_after_its_deadline_is_told_and_not_done_again() {
    with_settings(&[("MINTMARK_AUDIT__DEADLINE", "100ms")], async |mint| {
        mint.usual_policy().await;
        let mut other = foreign_connection(&mint.data_dir().join("mintmark.db")).await;
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
        let acts = [
            (CLIENTS.to_owned(), Some(a_client("job"))),
            (format!("{CLIENTS}/reader/disable"), None),
            ("/admin/v1/keys/rotate".to_owned(), Some(json!({ "now": true }))),
        ];
        for (path, body) in &acts {
            ask(mint, path, path, body.as_ref()).await.assert_problem(503);
            ask(mint, path, path, body.as_ref()).await.assert_problem(503);
        }
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        other.close().await.unwrap();

        let mut answers = Vec::new();
        for (path, body) in &acts {
            let asked = async {
                loop {
                    let answer = ask(mint, path, path, body.as_ref()).await;
                    if answer.status.is_success() {
                        break answer;
                    }
                    answer.assert_problem(503);
                }
            };
            answers.push(tokio::time::timeout(PATIENCE, asked).await.expect("the store is back"));
        }
        for ((path, body), answer) in acts.iter().zip(&answers) {
            assert_told_again(&ask(mint, path, path, body.as_ref()).await, answer, path);
        }
        for event in [EventType::ClientDisabled, EventType::KeyPassive] {
            assert_eq!(mint.logged(event).await.len(), 1, "{event:?}");
        }
        assert_eq!(mint.logged(EventType::ClientCreated).await.len(), 2, "reader and job");
        assert_eq!(mint.admin_get(&format!("{CLIENTS}/reader")).await.json()["disabled"], true, "in force");
    })
    .await;
}

#[tokio::test]
async fn what_was_not_written_is_done_when_it_is_asked_again() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let mut other = foreign_connection(&mint.data_dir().join("mintmark.db")).await;
        let full =
            "CREATE TRIGGER full BEFORE INSERT ON log_entries BEGIN SELECT RAISE(ABORT, 'disk full'); END";
        sqlx::query(full).execute(&mut other).await.unwrap();
        ask(mint, CLIENTS, "a", Some(&a_client("job"))).await.assert_problem(503);
        sqlx::query("DROP TRIGGER full").execute(&mut other).await.unwrap();
        other.close().await.unwrap();
        let answer = ask(mint, CLIENTS, "a", Some(&a_client("job"))).await;
        assert!(answer.assert_status(201).json()["client_secret"].is_string(), "nobody has seen it yet");
        mint.admin(Method::POST, CLIENTS, Some(a_client("job"))).await.assert_problem(409);
    })
    .await;
}

/// Administration over a store that fails when it is told to.
struct Faulty {
    _folder: tempfile::TempDir,
    store: Arc<FaultyStore>,
    admin: Admin,
}

async fn over_a_faulty_store() -> Faulty {
    let folder = tempfile::tempdir().unwrap();
    let inner = SqliteStore::open(&folder.path().join("mintmark.db"), folder.path(), true).await.unwrap();
    let store = FaultyStore::new(Arc::new(inner));
    let (entropy, clock) = (Arc::new(SeededEntropy::new(b"doubt")), Arc::new(FakeClock::at(START)));
    let (sealer, origin) = (Sealer::new(&KEK), Origin::parse("example.com/log").unwrap());
    let opener = Opener {
        store: store.clone(),
        sealer: &sealer,
        entropy: &*entropy,
        origin: &origin,
        data_dir: folder.path(),
        build: mintmark::VERSION,
    };
    let log = opener.open().await.unwrap();
    let node = "node-1".to_owned();
    let parts = WriterParts { store: store.clone(), clock: clock.clone(), entropy: entropy.clone(), node };
    let (recorder, _) = Recorder::start(log.opening, parts, PATIENCE);
    let (records, changes) = log.first;
    recorder.act(records, changes).await.unwrap();
    let settings = Settings::load(None, &[("MINTMARK_ISSUER".to_owned(), ISSUER.to_owned())]).unwrap();
    let signer = Arc::new(Signer::default());
    let parts = RotatorParts {
        store: store.clone(),
        recorder: recorder.clone(),
        signer: signer.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
        quantities: settings.keys.quantities(settings.tokens.max_lifetime),
        algorithms: settings.keys.algorithms.clone(),
    };
    let rotator = Rotator::open(parts, sealer).await.unwrap();
    rotator.tick().await.unwrap();
    let publisher = Publisher::new(log.key, recorder.clone(), folder.path(), log.last_signed, clock.clone());
    let revocations = Revocations::open(ISSUER, store.clone(), recorder.clone()).await.unwrap();
    let admin = Admin::new(AdminParts {
        last_uses: Arc::default(),
        revocations: Arc::new(revocations),
        wall_clock: Arc::new(WallClock::start(clock.clone()).unwrap()),
        issuer: ISSUER.to_owned(),
        signer,
        store: store.clone(),
        recorder: recorder.clone(),
        policy: Arc::default(),
        rotator: Arc::new(rotator),
        served: Served::new(store.clone(), publisher.published()),
        standings: Arc::new(Standings::new(store.clone(), recorder, clock.clone())),
        hashing: Workers::on_every_core(2),
        clock,
        entropy,
        lifetimes: Lifetimes { default: settings.tokens.lifetime, max: settings.tokens.max_lifetime },
        algorithms: settings.keys.algorithms,
        builtin: Builtin::of(ISSUER, Algorithm::Es256).unwrap(),
    });
    Faulty { _folder: folder, store, admin }
}

fn parse<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

impl Faulty {
    /// Asks for a client under the key `a`: what was told before, or what comes of it now.
    async fn ask(&self) -> Result<Option<(Outcome, String)>, Refusal> {
        let keyed = Keyed::new("unix:7", "a", CLIENTS, b"{}").unwrap();
        let once = match self.admin.turn(keyed).await? {
            Turn::Told(answer) => return Ok(Some((answer.outcome, answer.body))),
            Turn::First(once) => Some(once),
        };
        let actor = Actor {
            name: "unix:7".to_owned(),
            via: "socket",
            request_id: "r".to_owned(),
            once,
            held: AdminScopes::all(),
        };
        let new: Registration = parse(json!({ "client_id": "job", "scope": "a" }));
        self.admin.create_client(&actor, new).await.map(|_| None)
    }

    async fn clients(&self) -> usize {
        self.store.policy().await.unwrap().0.clients.len()
    }

    async fn set_up(&self) {
        let actor = Actor {
            name: "unix:7".to_owned(),
            via: "socket",
            request_id: "r".to_owned(),
            once: None,
            held: AdminScopes::all(),
        };
        let resource = parse(json!({ "resource": ORDERS, "signing_alg": "ES256" }));
        self.admin.set_resource(&actor, resource, Expected::Unsaid).await.unwrap();
        let limit = json!({ "count": 600, "period": 60, "burst": 5 });
        let rule = parse(json!({ "scope": "a", "resource": ORDERS, "limit": limit }));
        self.admin.set_scope(&actor, rule, Expected::Unsaid).await.unwrap();
    }
}

#[tokio::test]
async fn a_commit_that_failed_and_persisted_is_one_act() {
    for fault in [Fault::Persisted, Fault::PanicsPersisted] {
        let faulty = over_a_faulty_store().await;
        faulty.set_up().await;
        // The turn itself writes nothing and settles first; the act is the second write.
        let keyed = Keyed::new("unix:7", "b", CLIENTS, b"{}").unwrap();
        assert!(matches!(faulty.admin.turn(keyed).await, Ok(Turn::First(_))));
        faulty.store.fail_after(1, fault);
        assert!(matches!(faulty.ask().await, Err(Refusal::Unknown(_))), "{fault:?}");
        assert_eq!(faulty.clients().await, 1, "it was written all the same");
        let (outcome, body) = faulty.ask().await.unwrap().expect("it is told, not done");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((outcome, &body["client_id"]), (Outcome::Made, &json!("job")));
        assert_eq!(body["client_secret"], Value::Null);
        assert!(faulty.admin.policy().client("job").is_some(), "and it is in force");
    }
}

#[tokio::test]
async fn a_commit_that_was_lost_is_no_act() {
    for fault in [Fault::Lost, Fault::Panics] {
        let faulty = over_a_faulty_store().await;
        faulty.set_up().await;
        faulty.store.fail_after(1, fault);
        assert!(matches!(faulty.ask().await, Err(Refusal::Unknown(_))), "{fault:?}");
        assert_eq!(faulty.clients().await, 0, "nothing was written");
        assert!(faulty.ask().await.unwrap().is_none(), "it is done now");
        assert!(faulty.ask().await.unwrap().is_some(), "and told then");
        assert_eq!(faulty.clients().await, 1);
    }
}

#[tokio::test]
async fn while_the_store_cannot_tell_nothing_is_done() {
    let faulty = over_a_faulty_store().await;
    faulty.set_up().await;
    faulty.store.fail_after(1, Fault::Persisted);
    assert!(matches!(faulty.ask().await, Err(Refusal::Unknown(_))));
    faulty.store.fail(Fault::Lost);
    assert!(matches!(faulty.ask().await, Err(Refusal::Unknown(_))), "it cannot be looked up yet");
    assert!(faulty.ask().await.unwrap().is_some(), "now it can");
}
