//! Room for signatures: who finds none is refused before anything is charged or recorded, and all of it comes back.

use std::sync::mpsc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use mintmark::keys::Place;
use mintmark::workers::Workers;
use sqlx::Connection as _;
use tokio::sync::oneshot;

use super::*;
use crate::harness::foreign_connection;

/// A key that signs on workers; its first signatures make them panic.
struct OnWorkers {
    pair: Arc<KeyPair>,
    workers: Workers,
    panics: Semaphore,
    asked: Arc<Notify>,
}

impl OnWorkers {
    fn new(workers: &Workers) -> Self {
        let (pair, workers) = (Arc::new(pair(Algorithm::Es256)), workers.clone());
        Self { pair, workers, panics: Semaphore::new(0), asked: Arc::default() }
    }
}

#[async_trait]
impl SigningKey for OnWorkers {
    fn public(&self) -> PublicJwk {
        self.pair.public()
    }

    fn reserve(&self) -> Result<Place, SignFailed> {
        self.workers.reserve().map(Place::keeping).map_err(|_| SignFailed::Overloaded)
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignFailed> {
        self.asked.notify_one();
        let (pair, message) = (self.pair.clone(), message.to_vec());
        let panics = self.panics.try_acquire().map(tokio::sync::SemaphorePermit::forget).is_ok();
        let work = move || if panics { panic!("a test's panic") } else { pair.sign(&message).unwrap() };
        self.workers.run_reserved(work).await.map_err(|_| SignFailed::Failed)
    }
}

/// Takes one place and the turn that goes with it until it is dropped.
struct Busy(#[expect(dead_code, reason = "its drop ends the work")] mpsc::Sender<()>);

impl Busy {
    async fn on(workers: &Workers) -> Self {
        let (end, ended) = mpsc::channel();
        let (tell, begun) = oneshot::channel();
        let workers = workers.clone();
        let work = move || (tell.send(()).unwrap(), ended.recv().unwrap_err());
        tokio::spawn(async move { workers.run(work).await });
        begun.await.unwrap();
        Self(end)
    }
}

#[tokio::test]
async fn a_request_that_is_dropped_while_it_waits_for_its_signature_frees_its_place() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.token(&reader, "").await.assert_status(200);
        let workers = Workers::new(1, 1);
        let key = OnWorkers::new(&workers);
        let asked = key.asked.clone();
        put_in_force(mint, ActiveKey::new(key), &[]);
        let busy = Busy::on(&workers).await;

        let mut waiting = Box::pin(mint.token(&reader, ""));
        tokio::select! {
            _ = &mut waiting => panic!("there was no turn for it"),
            () = asked.notified() => (),
        }
        mint.token(&reader, "").await.assert_refused(503, "temporarily_unavailable");
        assert_eq!(mint.issued().await, 2, "the one that waits, and not the one that was refused");
        drop(waiting);

        let release = async {
            asked.notified().await;
            drop(busy);
        };
        let (answer, ()) = tokio::join!(mint.token(&reader, ""), release);
        answer.assert_status(200);
        assert_eq!(mint.issued().await, 3);
    })
    .await;
}

#[tokio::test]
async fn requests_that_are_dropped_or_time_out_while_their_commit_hangs_free_their_places() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.token(&reader, "").await.assert_status(200);
        put_in_force(mint, ActiveKey::new(OnWorkers::new(&Workers::new(2, 0))), &[]);
        let mut other = foreign_connection(&mint.data_dir().join("mintmark.db")).await;
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();

        // Dropped, then waiting until `audit.deadline`: each time two have places and the third has none.
        for wait_to_the_end in [false, true] {
            let mut asking: FuturesUnordered<_> = (0..3).map(|_| mint.token(&reader, "")).collect();
            asking.next().await.unwrap().assert_refused(503, "temporarily_unavailable");
            if wait_to_the_end {
                assert_eq!(asking.map(|answer| answer.status.as_u16()).collect::<Vec<_>>().await, [503, 503]);
            }
        }

        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        other.close().await.unwrap();
        let (one, two) = tokio::join!(mint.token(&reader, ""), mint.token(&reader, ""));
        one.assert_status(200);
        two.assert_status(200);
    })
    .await;
}

#[tokio::test]
async fn a_panic_costs_its_own_request_and_no_room() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let key = OnWorkers::new(&Workers::new(1, 0));
        key.panics.add_permits(2);
        put_in_force(mint, ActiveKey::new(key), &[]);
        for _ in 0..2 {
            mint.token(&reader, "").await.assert_refused(503, "temporarily_unavailable");
        }
        mint.token(&reader, "").await.assert_status(200);
        assert_eq!(mint.issued().await, 3);
        assert_eq!(mint.app().signer.quarantined(), BTreeSet::new());
    })
    .await;
}

#[cfg(feature = "rsa")]
mod rsa {
    use mintmark::keys::signer::Signer;

    use super::*;

    const RS256: &[(&str, &str)] = &[("MINTMARK_KEYS__ALGORITHMS", "RS256")];

    /// A commit takes more requests than there is room to sign for: those may never have come so far.
    #[tokio::test]
    async fn of_600_rsa_requests_those_without_room_are_neither_charged_nor_recorded() {
        const ROOM: usize = 64;
        with_settings(RS256, async |mint| {
            mint.resource(ORDERS, "RS256").await;
            mint.scope("orders:read", ORDERS, "1000/1h").await;
            let reader = mint.client("reader", json!({ "scope": "orders:read" })).await;
            let ask = || mint.token(&reader, "scope=orders:read");
            assert!(ask().await.assert_status(200).header("ratelimit").contains(";r=999;"));

            let workers = Workers::new(1, ROOM);
            let pair = pair(Algorithm::Rs256);
            let keys: JwkSet = [pair.public()].into_iter().collect();
            put_in_force(mint, Signer::on(workers.clone()).hold(pair), &[]);
            let busy = Busy::on(&workers).await;
            let mut asking: FuturesUnordered<_> = (0..600).map(|_| ask()).collect();
            for _ in ROOM..600 {
                let refused = asking.next().await.unwrap();
                refused.assert_refused(503, "temporarily_unavailable");
                assert!((1..=5).contains(&refused.retry_after()));
                assert_eq!(refused.header("ratelimit"), "");
            }
            drop(busy);
            let served: Vec<_> = asking.collect().await;
            assert_eq!(served.len(), ROOM);
            for answer in served {
                let token = answer.assert_status(200).access_token().unwrap();
                mint.judge(&token, &keys, ORDERS).unwrap();
            }

            assert_eq!(mint.issued().await, 1 + ROOM, "no intent");
            let left = format!(";r={};", 1_000 - 1 - ROOM - 1);
            assert!(ask().await.assert_status(200).header("ratelimit").contains(&left), "{left}");
        })
        .await;
    }

    /// Those that were recorded together ask for their signatures together: all that may be under way at once.
    #[tokio::test]
    async fn a_burst_of_rsa_tokens_finds_room() {
        with_settings(RS256, async |mint| {
            signed_with(mint, "RS256").await;
            let client = mint.client("many", json!({ "scope": "read:RS256" })).await;
            mint.token(&client, "scope=read:RS256").await.assert_status(200);
            let at_once = mint.app().turns.reading().limit;
            let requests = (0..at_once).map(|_| client.request("scope=read:RS256")).collect();
            for answer in mint.send_all(requests).await {
                answer.assert_status(200);
            }
        })
        .await;
    }
}
