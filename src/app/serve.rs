//! Opens the doors, runs until told to stop, drains.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;

use super::{App, CannotStart, loops};
use crate::config::Settings;
use crate::http::accept;
use crate::http::admin::MAX_POLICY;
use crate::http::bounds::Caps;
use crate::http::traffic::counted;

/// How long requests under way may take once the process was told to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// How long a reader of an export may pause.
const PATIENCE_WITH_ADMINS: Duration = Duration::from_mins(5);

/// The open doors.
#[derive(Debug)]
pub struct Listeners {
    /// For clients and verifiers.
    pub public: TcpListener,
    /// For admins.
    pub admin: UnixListener,
    /// For admins with tokens, if wanted.
    pub admin_over_tcp: Option<TcpListener>,
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
    /// Opens them. Done first: a start that fails for one of them has recorded nothing.
    pub async fn bind(settings: &Settings) -> Result<Self, CannotStart> {
        let public = bind("public.listen", settings.public.listen).await?;
        let admin = match settings.admin.listen {
            Some(address) => Some(bind("admin.listen", address).await?),
            None => None,
        };
        Ok(Self { public, admin })
    }
}

async fn bind(option: &'static str, address: SocketAddr) -> Result<TcpListener, CannotStart> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|cause| CannotStart::Listen { option, address: address.to_string(), cause })
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
        let Ports { public, admin: admin_over_tcp } = ports;
        Ok(Self { public, admin, admin_over_tcp })
    }
}

/// Serves until `stop` resolves; then readiness goes first, requests under way
/// finish, and the log is closed in order.
pub async fn serve(app: App, settings: &Settings, listeners: Listeners, stop: impl Future<Output = ()>) {
    let background = loops::start(&app, settings);
    let (stopping, stopped) = watch::channel(false);
    let told = |mut stopped: watch::Receiver<bool>| async move {
        // An error means that the sender is gone, which is also an end.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let caps = Caps::default();
    let admin_caps =
        Caps { connections: 64, write_timeout: PATIENCE_WITH_ADMINS, body_bytes: MAX_POLICY, ..caps };
    // Bodies are read before anybody is asked who they are: 64 MiB of them at most.
    let caps_over_tcp = Caps { connections: 16, h2_streams: 4, ..admin_caps };
    let public = counted(&app.public, &app.counted.public);
    let public = accept::serve(listeners.public, public, caps, told(stopped.clone()), DRAIN);
    let admin = counted(&app.admin_side, &app.counted.admin);
    let admin = accept::serve(listeners.admin, admin, admin_caps, told(stopped.clone()), DRAIN);
    let admin_over_tcp = async {
        if let Some(door) = listeners.admin_over_tcp {
            let side = counted(&app.admin_over_tcp, &app.counted.admin_over_tcp);
            accept::serve(door, side, caps_over_tcp, told(stopped), DRAIN).await;
        }
    };
    let health = app.health.clone();
    let stop = async {
        stop.await;
        tracing::info!("stopping: finishing what is under way");
        health.stopping();
        stopping.send_replace(true);
    };
    tokio::join!(public, admin, admin_over_tcp, stop);
    drop(background);
    // The door is shut; its file would only mislead. It goes while the data
    // directory is still held, so that it is nobody else's.
    let _ = std::fs::remove_file(&settings.admin.socket);
    if tokio::time::timeout(DRAIN, app.close()).await.is_err() {
        tracing::error!("the store does not answer; the next start tells what became of the last records");
    }
}
