//! Opens the doors, runs until told to stop, says farewell, drains.

use std::future::{pending, ready};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio::sync::watch;
use tokio::time::{interval, timeout};

use super::certificates::{Certificates, certificates, look_at_files};
use super::{App, CannotStart, loops};
use crate::config::Settings;
use crate::http::accept::{self, Door, Stage};
use crate::http::admin::MAX_POLICY;
use crate::http::bounds::Caps;
use crate::http::tls::Tls;
use crate::http::traffic::counted;
use crate::telemetry::Health;

/// How long the doors stay open after the process was told to stop, so that balancers and clients hear of it:
/// readiness is false, everything is served, every answer is the last on its connection.
const PARTING: Duration = Duration::from_secs(1);
/// How long requests under way may take from then on. With what follows the process ends within ten seconds.
const DRAIN: Duration = Duration::from_secs(7);
/// How long the store may take to close.
const CLOSE: Duration = Duration::from_secs(5);
/// How long a reader of an export may pause.
const PATIENCE_WITH_ADMINS: Duration = Duration::from_mins(5);
/// How many may stand before a door that has not come to them yet; the kernel may allow fewer (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;
/// How soon the manager hears that the service is ready.
const LOOK: Duration = Duration::from_millis(100);

/// What the process is told while it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// To read the certificates anew.
    Reload,
    /// To stop in peace. The second time it is [`Order::StopNow`].
    Stop,
    /// To stop without waiting until others have heard of it.
    StopNow,
}

/// What the process tells whoever started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The doors are open and tokens can be issued; after a reload, that it is done.
    Ready,
    /// The certificates are being read.
    Reloading,
    /// It was told to stop.
    Stopping,
    /// It lives.
    Alive,
}

/// Whoever started this process and wants to hear of it.
pub trait Manager: Send + Sync {
    /// Something has happened. It must not block for long.
    fn tell(&self, news: News);
    /// How often it wants to hear that the process lives.
    fn pulse(&self) -> Option<Duration>;
}

/// Nobody wants to hear anything.
impl Manager for () {
    fn tell(&self, _: News) {}

    fn pulse(&self) -> Option<Duration> {
        None
    }
}

/// The open doors.
#[derive(Debug)]
pub struct Listeners {
    /// For clients and verifiers.
    pub public: TcpListener,
    /// For admins.
    pub admin: UnixListener,
    /// For admins with tokens, if wanted.
    pub admin_over_tcp: Option<TcpListener>,
    /// With what the ports speak TLS, where they do.
    pub certificates: Certificates,
}

/// The doors that have a port.
#[derive(Debug)]
pub struct Ports {
    /// For clients and verifiers.
    pub public: TcpListener,
    /// For admins with tokens, if wanted.
    pub admin: Option<TcpListener>,
}

impl Ports {
    /// Opens them, within a tokio runtime. Done first: a start that fails for one of them has recorded nothing.
    pub fn bind(settings: &Settings) -> Result<Self, CannotStart> {
        let public = bind("public.listen", settings.public.listen)?;
        let admin = match settings.admin.listen {
            Some(address) => Some(bind("admin.listen", address)?),
            None => None,
        };
        Ok(Self { public, admin })
    }
}

fn bind(option: &'static str, address: SocketAddr) -> Result<TcpListener, CannotStart> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // The port of a process that has just ended is free.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|cause| CannotStart::Listen { option, address: address.to_string(), cause })
}

impl Listeners {
    /// Opens the admin door. The open `app` holds the data directory, so a socket file that is there is nobody's.
    pub fn complete(_app: &App, settings: &Settings, ports: Ports) -> Result<Self, CannotStart> {
        let socket = &settings.admin.socket;
        let admin = accept::bind_admin_socket(socket).map_err(|cause| CannotStart::Listen {
            option: "admin.socket",
            address: socket.display().to_string(),
            cause,
        })?;
        let certificates = certificates(settings).map_err(|complaints| {
            CannotStart::Setting(complaints.first().map(ToString::to_string).unwrap_or_default())
        })?;
        let Ports { public, admin: admin_over_tcp } = ports;
        Ok(Self { public, admin, admin_over_tcp, certificates })
    }
}

/// Serves until `orders` says stop, or ends. Then readiness goes first, the doors stay open for a moment in which
/// everybody is asked to come back elsewhere, requests under way finish, and the log is closed in order.
pub async fn serve(
    app: App,
    settings: &Settings,
    listeners: Listeners,
    orders: impl Stream<Item = Order>,
    manager: &dyn Manager,
) {
    let background = loops::start(&app, settings, &listeners.certificates.all());
    let (stages, told) = watch::channel(Stage::Open);
    let certificates = listeners.certificates.all();
    let serving = open_doors(&app, listeners, &told);
    let mut orders = pin!(orders);
    let stop = async {
        let order = until_stopped(orders.as_mut(), &certificates, manager).await;
        tracing::info!("stopping: finishing what is under way");
        app.health.stopping();
        manager.tell(News::Stopping);
        if order == Order::Stop {
            stages.send_replace(Stage::Parting);
            // Whoever says it twice does not want to wait.
            let mut again = orders.filter(|order| ready(*order != Order::Reload));
            let again = async {
                if again.next().await.is_none() {
                    pending::<()>().await;
                }
            };
            let _ = timeout(PARTING, again).await;
        }
        stages.send_replace(Stage::Shut);
    };
    let alive = tell_of_life(&app.health, manager);
    tokio::select! {
        _ = async { tokio::join!(serving, stop) } => {}
        // It goes on while the doors are shut, too.
        () = alive => {}
    }
    drop(background);
    // The door is shut; its file would only mislead. It goes while the data
    // directory is still held, so that it is nobody else's.
    let _ = std::fs::remove_file(&settings.admin.socket);
    if timeout(CLOSE, app.close()).await.is_err() {
        tracing::error!("the store does not answer; the next start tells what became of the last records");
    }
}

/// Reads the certificates anew as often as it is told to, until it is told to stop. Nobody to tell it is the same.
async fn until_stopped(
    mut orders: Pin<&mut impl Stream<Item = Order>>,
    certificates: &[Arc<Tls>],
    manager: &dyn Manager,
) -> Order {
    loop {
        match orders.next().await {
            Some(Order::Reload) => {
                manager.tell(News::Reloading);
                look_at_files(certificates.to_vec(), true).await;
                manager.tell(News::Ready);
            }
            Some(order) => return order,
            None => return Order::StopNow,
        }
    }
}

/// Tells the manager once that the service is ready, then again and again that it lives, as long as it does.
async fn tell_of_life(health: &Health, manager: &dyn Manager) {
    let mut look = interval(LOOK);
    while !health.readiness().ready {
        look.tick().await;
    }
    manager.tell(News::Ready);
    let Some(pulse) = manager.pulse() else { return pending().await };
    let mut beat = interval(pulse);
    loop {
        beat.tick().await;
        if health.lives() {
            manager.tell(News::Alive);
        }
    }
}

/// Serves at every door until `told` says that they are shut, and nobody is there any more.
fn open_doors<'a>(
    app: &App,
    listeners: Listeners,
    told: &watch::Receiver<Stage>,
) -> impl Future<Output = ()> + use<'a> {
    let caps = Caps::default();
    // Admins are few: no seats are kept for the documents beside them.
    let admin_caps = Caps {
        connections: 64,
        spare: 0,
        write_timeout: PATIENCE_WITH_ADMINS,
        body_bytes: MAX_POLICY,
        ..caps
    };
    // Bodies are read before anybody is asked who they are: 64 MiB of them at most.
    let caps_over_tcp = Caps { connections: 16, h2_streams: 4, ..admin_caps };
    let Listeners { public, admin, admin_over_tcp, certificates } = listeners;
    let public = Door::at(public, certificates.public);
    let side = counted(&app.public, &app.counted.public);
    let public = Box::pin(accept::serve(public, side, caps, told.clone(), DRAIN));
    let side = counted(&app.admin_side, &app.counted.admin);
    let admin = Box::pin(accept::serve(admin, side, admin_caps, told.clone(), DRAIN));
    let over_tcp = admin_over_tcp.map(|listener| {
        let door = Door::at(listener, certificates.admin);
        let side = counted(&app.admin_over_tcp, &app.counted.admin_over_tcp);
        Box::pin(accept::serve(door, side, caps_over_tcp, told.clone(), DRAIN))
    });
    async move {
        let over_tcp = async {
            if let Some(serving) = over_tcp {
                serving.await;
            }
        };
        tokio::join!(public, admin, over_tcp);
    }
}
