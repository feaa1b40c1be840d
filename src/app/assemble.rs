//! Puts the parts together, from the ground up.

mod doorkeeper;
mod measured;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::task::JoinHandle;

use self::doorkeeper::{Doorkeeper, doorkeeper};
use self::measured::{Measured, metrics};
use super::data_dir::DataLock;
use super::{Ambient, App, CannotStart, Purpose, data_dir, settings_record};
use crate::admin::{Admin, AdminParts};
use crate::audit::checkpoint::Origin;
use crate::audit::denials::Denials;
use crate::audit::open::{Opened, Opener};
use crate::audit::publisher::Publisher;
use crate::audit::recorder::{Recorder, WriterParts};
use crate::audit::retention::Retention;
use crate::audit::served::Served;
use crate::audit::standing::Standings;
use crate::clients::forgetting::Forgetting;
use crate::clients::{Authenticator, LastUses};
use crate::config::{Kek, Settings};
use crate::http::admin::{AdminSide, Cursors, Gate, admin_router, admin_router_over_tcp};
use crate::http::traffic::Counted;
use crate::http::{Public, RequestIds, Rooms, public_router};
use crate::introspect::{Introspector, IntrospectorParts, Revocations};
use crate::issue::{Mint, MintParts, SettledClock, WallClock};
use crate::jose::provider;
use crate::keys::rotator::{Rotator, RotatorParts};
use crate::keys::seal::Sealer;
use crate::keys::signer::Signer;
use crate::limits::{Limiter, Turns};
use crate::policy::snapshot::Lifetimes;
use crate::policy::{Builtin, Policy};
use crate::store::Store;
use crate::telemetry::Health;
use crate::workers::Workers;

/// What everything else stands on: an open store, a log that is written, keys that sign.
struct Ground {
    ambient: Ambient,
    wall_clock: Arc<WallClock>,
    store: Arc<dyn Store>,
    policy: Arc<ArcSwap<Policy>>,
    lock: DataLock,
    recorder: Recorder,
    writer: JoinHandle<()>,
    signer: Arc<Signer>,
    rotator: Arc<Rotator>,
    publisher: Arc<Publisher>,
    health: Arc<Health>,
    revocations: Arc<Revocations>,
}

/// Opens the service: verifies what it finds, records its start, brings keys
/// and the first checkpoint into being. Nothing listens yet.
pub(super) async fn open(
    settings: &Settings,
    kek: &Kek,
    ambient: Ambient,
    purpose: Purpose,
) -> Result<App, CannotStart> {
    let wall_clock = Arc::new(WallClock::start(ambient.clock.clone())?);
    provider::install()?;
    provider::self_test(&*ambient.entropy)?;
    let lock = data_dir::lock(&settings.data_dir)?;
    let store = data_dir::open_store(settings, purpose).await?;
    let policy = data_dir::load_policy(&*store, settings).await?;
    let sealer = Sealer::new(kek.expose());
    let origin = Origin::parse(&settings.audit.origin)
        .map_err(|cause| CannotStart::Setting(format!("audit.origin: {cause}")))?;
    let opened = Opener {
        store: store.clone(),
        sealer: &sealer,
        entropy: &*ambient.entropy,
        origin: &origin,
        data_dir: &settings.data_dir,
        build: ambient.build,
    };
    let opened = opened.open().await?;
    let ground = lay(settings, (ambient, wall_clock), (store, policy, lock), sealer, opened).await?;
    furnish(settings, ground)
}

async fn lay(
    settings: &Settings,
    (ambient, wall_clock): (Ambient, Arc<WallClock>),
    (store, policy, lock): (Arc<dyn Store>, Arc<ArcSwap<Policy>>, DataLock),
    sealer: Sealer,
    opened: Opened,
) -> Result<Ground, CannotStart> {
    let Ambient { clock, entropy, .. } = ambient.clone();
    let node = settings.node.as_str().to_owned();
    let parts = WriterParts { store: store.clone(), clock: clock.clone(), entropy: entropy.clone(), node };
    let (recorder, writer) = Recorder::start(opened.opening, parts, settings.audit.deadline);
    let (mut records, mut changes) = opened.first;
    let (record, in_force) = settings_record::compared(&*store, settings).await?;
    records.extend(record);
    changes.extend(in_force);
    recorder.act(records, changes).await?;

    let signer = Arc::new(Signer::default());
    let parts = RotatorParts {
        store: store.clone(),
        recorder: recorder.clone(),
        signer: signer.clone(),
        clock: clock.clone(),
        entropy,
        quantities: settings.keys.quantities(settings.tokens.max_lifetime),
        algorithms: settings.keys.algorithms.clone(),
    };
    let rotator = Arc::new(Rotator::open(parts, sealer).await?);
    if let Err(fault) = rotator.tick().await {
        // One ring that cannot do its step keeps no other from signing.
        if !rotator.signs() {
            return Err(fault.into());
        }
        tracing::error!(%fault, "not every step of the keys could be made; it is tried again");
    }

    let last_signed = opened.last_signed;
    let publisher =
        Publisher::new(opened.key, recorder.clone(), &settings.data_dir, last_signed, clock.clone());
    publisher.tick().await?;
    let publisher = Arc::new(publisher);
    let revocations = Revocations::open(settings.issuer.as_str(), store.clone(), recorder.clone()).await?;
    let health = Health::new(clock);
    Ok(Ground {
        ambient,
        wall_clock,
        store,
        policy,
        lock,
        recorder,
        writer,
        signer,
        rotator,
        publisher,
        health,
        revocations: Arc::new(revocations),
    })
}

fn furnish(settings: &Settings, ground: Ground) -> Result<App, CannotStart> {
    let Ground { ambient: Ambient { clock, entropy, .. }, store, recorder, publisher, .. } = &ground;
    let served = Served::new(store.clone(), publisher.published());
    let bounds = bounds(settings, &ground)?;
    let hashing = Workers::on_every_core(2);
    let last_uses = Arc::new(LastUses::default());
    let Doorkeeper { authenticator, attempts, remembered } =
        doorkeeper(settings, &ground, (&hashing, &last_uses))?;
    let mint = mint(settings, &ground, &bounds, authenticator);
    let standings = Arc::new(Standings::new(store.clone(), recorder.clone(), clock.clone()));
    let for_admins = Arc::new(introspector(settings, &ground, (&standings, &bounds.denials)));
    let introspector = Arc::new(introspector(settings, &ground, (&standings, &bounds.denials)));
    let builtin = data_dir::builtin(settings)?;
    let audience = builtin.resource().clone();
    let by_hand = (builtin, &served, standings.clone(), (last_uses, hashing.clone()));
    let admin = administration(settings, &ground, by_hand);
    let counted = Counted::new(clock);
    let measured =
        Measured { bounds: &bounds, attempts: &attempts, standings, hashing, remembered, counted: &counted };
    let metrics = metrics(&ground, &admin, measured);
    let public = public(settings, &ground, (mint, introspector.clone(), served.clone()), &bounds);
    let Bounds { denials, limiter, turns, request_ids, rooms } = bounds;
    let (cursors, vkey) = (Cursors::new(entropy.clone()), publisher.vkey());
    let side = Arc::new(AdminSide { admin: admin.clone(), request_ids, served, vkey, cursors, metrics });
    let (side_of, denials_of, rooms_of) = (side.clone(), denials.clone(), rooms.clone());
    let gate =
        Gate { side: side_of, audience, introspector: for_admins, denials: denials_of, rooms: rooms_of };
    let retention = Retention::new(ground.recorder.clone(), ground.store.clone(), body_retention(settings));
    let forgetting = Forgetting::new(ground.recorder.clone(), ground.store.clone());
    let settled = SettledClock::new(ground.wall_clock, ground.ambient.clock.clone());
    Ok(App {
        public: public_router(&Arc::new(public)),
        admin_side: admin_router(side),
        admin_over_tcp: admin_router_over_tcp(gate),
        counted,
        admin,
        denials,
        turns,
        rooms,
        limiter,
        attempts,
        introspector,
        revocations: ground.revocations,
        health: ground.health,
        signer: ground.signer,
        rotator: ground.rotator,
        publisher: ground.publisher,
        recorder: ground.recorder,
        store: ground.store,
        retention: Arc::new(retention),
        forgetting: Arc::new(forgetting),
        settled: Arc::new(settled),
        ambient: ground.ambient,
        writer: ground.writer,
        _lock: ground.lock,
    })
}

/// What holds callers back, and names them.
struct Bounds {
    denials: Arc<Denials>,
    limiter: Arc<Limiter>,
    turns: Turns,
    request_ids: Arc<RequestIds>,
    rooms: Arc<Rooms>,
}

fn bounds(settings: &Settings, ground: &Ground) -> Result<Bounds, CannotStart> {
    let Ambient { clock, entropy, .. } = &ground.ambient;
    let turns = Turns::default();
    let request_ids = Arc::new(RequestIds::new(&**entropy)?);
    Ok(Bounds {
        denials: Arc::new(Denials::new(ground.recorder.clone(), clock.clone())),
        limiter: Arc::new(Limiter::shared_by(settings.limits.nodes)),
        rooms: Arc::new(Rooms::new(turns.clone(), request_ids.clone())),
        turns,
        request_ids,
    })
}

/// What the public listener works with.
fn public(
    settings: &Settings,
    ground: &Ground,
    (mint, introspector, served): (Mint, Arc<Introspector>, Served),
    bounds: &Bounds,
) -> Public {
    Public {
        issuer: settings.issuer.as_str().to_owned(),
        mint,
        introspector,
        rotator: ground.rotator.clone(),
        policy: ground.policy.clone(),
        served,
        vkey: ground.publisher.vkey(),
        log_is_public: settings.audit.public,
        health: ground.health.clone(),
        wall_clock: ground.wall_clock.clone(),
        trusted_proxies: settings.public.trusted_proxies.clone(),
        request_ids: bounds.request_ids.clone(),
        rooms: bounds.rooms.clone(),
    }
}

/// The acts of people.
fn administration(
    settings: &Settings,
    ground: &Ground,
    (builtin, served, standings, (last_uses, hashing)): (
        Builtin,
        &Served,
        Arc<Standings>,
        (Arc<LastUses>, Workers),
    ),
) -> Arc<Admin> {
    Arc::new(Admin::new(AdminParts {
        issuer: settings.issuer.as_str().to_owned(),
        store: ground.store.clone(),
        recorder: ground.recorder.clone(),
        policy: ground.policy.clone(),
        builtin,
        rotator: ground.rotator.clone(),
        signer: ground.signer.clone(),
        served: served.clone(),
        standings,
        revocations: ground.revocations.clone(),
        wall_clock: ground.wall_clock.clone(),
        last_uses,
        hashing,
        clock: ground.ambient.clock.clone(),
        entropy: ground.ambient.entropy.clone(),
        lifetimes: lifetimes(settings),
        algorithms: settings.keys.algorithms.clone(),
    }))
}

/// What issues, over what stands already.
fn mint(settings: &Settings, ground: &Ground, bounds: &Bounds, authenticator: Authenticator) -> Mint {
    let Ambient { clock, entropy, build } = &ground.ambient;
    Mint::new(MintParts {
        issuer: settings.issuer.as_str().to_owned(),
        lifetimes: lifetimes(settings),
        policy: ground.policy.clone(),
        authenticator,
        turns: bounds.turns.clone(),
        limiter: bounds.limiter.clone(),
        recorder: ground.recorder.clone(),
        denials: bounds.denials.clone(),
        signer: ground.signer.clone(),
        clock: clock.clone(),
        wall_clock: ground.wall_clock.clone(),
        entropy: entropy.clone(),
        build,
    })
}

/// What tells good tokens from others.
fn introspector(
    settings: &Settings,
    ground: &Ground,
    (standings, denials): (&Arc<Standings>, &Arc<Denials>),
) -> Introspector {
    Introspector::new(IntrospectorParts {
        issuer: settings.issuer.as_str().to_owned(),
        rotator: ground.rotator.clone(),
        policy: ground.policy.clone(),
        standings: standings.clone(),
        revocations: ground.revocations.clone(),
        denials: denials.clone(),
        wall_clock: ground.wall_clock.clone(),
        leeway: settings.keys.leeway,
        deadline: settings.audit.deadline,
    })
}

/// Never shorter than a receipt may be asked for: a day beyond the longest `exp`.
fn body_retention(settings: &Settings) -> Duration {
    let receipts = settings.tokens.max_lifetime.saturating_add(Duration::from_hours(24));
    settings.audit.body_retention.max(receipts)
}

fn lifetimes(settings: &Settings) -> Lifetimes {
    Lifetimes { default: settings.tokens.lifetime, max: settings.tokens.max_lifetime }
}
