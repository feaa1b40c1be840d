//! What the steps of an issuance cost, each alone: `cargo bench`. What they cost together is `load/run`'s.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use mintmark::ambient::{Clock as _, SystemClock, SystemEntropy};
use mintmark::app::{self, Ambient, App, Purpose};
use mintmark::config::{Kek, Settings};
use mintmark::issue::Unsigned;
use mintmark::issue::compose::{Circumstances, compose};
use mintmark::jose::{Algorithm, KeyPair};
use mintmark::keys::ActiveKey;
use mintmark::keys::signer::Signer;
use mintmark::limits::Turns;
use mintmark::oauth::Scope;
use mintmark::oauth::claims::{Grant, Jti};
use mintmark::oauth::request::GrantType;
use mintmark::policy::{ClientId, ResourceUri};
use tokio::runtime::Runtime;

const ISSUER: &str = "https://auth.example.com";

struct Bench {
    clock: SystemClock,
    key: ActiveKey,
    grant: Grant,
}

impl Bench {
    fn new() -> Option<Self> {
        let (pair, _) = KeyPair::generate(Algorithm::Es256, &SystemEntropy::new()).ok()?;
        let grant = Grant {
            client_id: ClientId::parse("reader").ok()?,
            grant_type: GrantType::ClientCredentials,
            scope: Scope::parse("orders:read orders:write").ok()??,
            audience: ResourceUri::parse("https://orders.example.com").ok()?,
            lifetime: Duration::from_mins(10),
            algorithm: Algorithm::Es256,
            claims: Arc::default(),
        };
        Some(Self { clock: SystemClock::new(), key: Signer::default().hold(pair), grant })
    }

    fn unsigned(&self, number: u128) -> Option<Unsigned> {
        let now = self.clock.now();
        let jti = Jti::compose(now, number.to_be_bytes());
        let circumstances = Circumstances {
            auth_method: "client_secret_basic",
            secret_id: "VZGthKIOG-DTO2Cn",
            source_ip: Some("192.0.2.1".to_owned()),
            request_id: "Qt7WvyPV-1",
            trace_id: None,
            policy_version: 6,
            build: mintmark::VERSION,
        };
        compose(ISSUER, &self.grant, self.key.clone().reserve().ok()?, (now, &jti), &circumstances).ok()
    }
}

fn steps(criterion: &mut Criterion) {
    let Some(bench) = Bench::new() else { return };
    let mut number = 0;
    criterion.bench_function("compose", |bencher| {
        bencher.iter(|| {
            number += 1;
            bench.unsigned(number)
        });
    });
    for algorithm in Algorithm::ALL {
        let Some(pair) = some_pair(algorithm) else { return };
        let (public, input) = (pair.public(), vec![b'x'; 480]);
        criterion.bench_function(&format!("sign {algorithm}"), |bencher| bencher.iter(|| pair.sign(&input)));
        criterion.bench_function(&format!("sign and check {algorithm}"), |bencher| {
            bencher.iter(|| pair.sign(&input).is_ok_and(|signature| public.verify(&input, &signature)));
        });
    }
}

/// An RSA key is one of the public test keys, so that a build without the feature `rsa` has one too.
/// A turn that is free, taken and given back.
fn turns(criterion: &mut Criterion) {
    let Ok(runtime) = Runtime::new() else { return };
    let turns = Turns::default();
    criterion.bench_function("a turn", |bencher| bencher.to_async(&runtime).iter(|| turns.take(1)));
}

fn some_pair(algorithm: Algorithm) -> Option<KeyPair> {
    if !algorithm.is_rsa() {
        return Some(KeyPair::generate(algorithm, &SystemEntropy::new()).ok()?.0);
    }
    let line = include_str!("../keys/golden/rsa.txt").lines().next()?;
    KeyPair::from_pkcs8(algorithm, &STANDARD.decode(line).ok()?).ok()
}

/// One record alone waits for one flush; of 64 at once each costs its share of a flush.
fn recording(criterion: &mut Criterion) {
    let (Some(bench), Ok(runtime), Ok(folder)) = (Bench::new(), Runtime::new(), tempfile::tempdir()) else {
        return;
    };
    let Some(app) = runtime.block_on(open(folder.path())) else { return };
    let mut number = 0;
    let mut batch = |size: u128| -> Vec<Unsigned> {
        number += size;
        (number..number + size).filter_map(|number| bench.unsigned(number)).collect()
    };
    for size in [1, 64] {
        criterion.bench_function(&format!("record {size} at once"), |bencher| {
            bencher.to_async(&runtime).iter_batched(
                || batch(size),
                |batch| {
                    futures_util::future::join_all(
                        batch.into_iter().map(|unsigned| app.recorder.record(unsigned)),
                    )
                },
                BatchSize::SmallInput,
            );
        });
    }
    runtime.block_on(app.close());
}

async fn open(folder: &std::path::Path) -> Option<App> {
    let environment = [
        ("MINTMARK_ISSUER".to_owned(), ISSUER.to_owned()),
        ("MINTMARK_DATA_DIR".to_owned(), folder.display().to_string()),
    ];
    let settings = Settings::load(None, &environment).ok()?;
    app::make_store(&settings, Purpose::Service).await.ok()?;
    let ambient = Ambient {
        clock: Arc::new(SystemClock::new()),
        entropy: Arc::new(SystemEntropy::new()),
        build: mintmark::VERSION,
    };
    App::open(&settings, &Kek::new([7; 32]), ambient, Purpose::Service).await.ok()
}

criterion_group!(benches, steps, turns, recording);
criterion_main!(benches);
