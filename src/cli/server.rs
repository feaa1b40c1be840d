//! The commands that are a server, or prepare one: `serve`, `dev`, `init`, `check`.

mod demo;
mod systemd;

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::task::Poll;

use futures_util::Stream;
use futures_util::stream::poll_fn;
use tokio::signal::unix::{SignalKind, signal};

use super::cause::cause;
use super::failure::Failure;
use super::globals::Globals;
use super::session::Terminal;
use crate::ambient::{Entropy as _, SystemClock, SystemEntropy};
use crate::app::{self, Ambient, App, CannotStart, Listeners, Order, Ports, Purpose};
use crate::config::{self, Complaint, Kek, Settings, create_kek, read_kek};

pub use demo::dev;
use systemd::Systemd;

/// How `mintmark init` goes about what exists.
#[derive(Debug, clap::Args)]
pub struct Init {
    /// Leave alone what exists, make only what is missing; for containers
    #[arg(long)]
    if_missing: bool,
}

/// `mintmark serve`: runs until SIGTERM or SIGINT; SIGHUP reads the certificates anew.
pub async fn serve(globals: &Globals, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let (settings, kek) = checked(globals, terminal)?;
    start_log(globals);
    app::harden();
    app::raise_open_files();
    let ports = Ports::bind(&settings).map_err(|error| cannot_start(&error))?;
    let app =
        App::open(&settings, &kek, system(), Purpose::Service).await.map_err(|error| cannot_start(&error))?;
    drop(kek);
    let listeners = Listeners::complete(&app, &settings, ports).map_err(|error| cannot_start(&error))?;
    tracing::info!(issuer = %settings.issuer, listen = %settings.public.listen, "serving");
    app::serve(app, &settings, listeners, orders()?, &Systemd::new()).await;
    Ok(())
}

/// `mintmark check`: every complaint about the configuration, without starting.
pub fn check(globals: &Globals, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let (settings, _) = checked(globals, terminal)?;
    writeln!(terminal.stdout, "the configuration of {} is sound", settings.issuer)?;
    Ok(())
}

/// `mintmark init`: a configuration file, a KEK and an empty database. Never overwrites.
pub async fn init(how: &Init, globals: &Globals, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let file = globals.config.clone().unwrap_or_else(|| "mintmark.toml".into());
    let made_file = !file.exists();
    if !how.if_missing && !made_file {
        return Err(Failure::refused(format!("{} exists; init overwrites nothing", file.display())));
    }
    let text = match globals.configuration() {
        Ok(Some((_, text))) => text,
        Ok(None) => config::reference(),
        Err(_) if made_file => config::reference(),
        Err(failure) => return Err(failure),
    };
    let settings = complaints(Settings::load(Some((&file, &text)), &globals.environment), terminal)?;
    let kek = &settings.keys.kek_file;
    let config::StoreUrl::Sqlite(database) = &settings.store;
    let taken = [kek.as_path(), database.as_path()].into_iter().find(|path| path.exists());
    if let Some(path) = taken.filter(|_| !how.if_missing) {
        return Err(Failure::refused(format!("{} exists; init overwrites nothing", path.display())));
    }
    // The key before the database: a database without its key would have to be made anew.
    if !kek.exists() {
        make_kek(kek)?;
    }
    app::make_store(&settings, Purpose::Service).await.map_err(|error| cannot_start(&error))?;
    if made_file && !how.if_missing {
        write_new(&file, &text)?;
    }
    let (file, kek, database) = (file.display(), kek.display(), database.display());
    writeln!(
        terminal.stdout,
        "There are now {file}, {kek} and {database}.\n\
         Next: set `issuer` in {file}, back up {kek} apart from the database,\n\
         then `mintmark check` and `mintmark serve`."
    )?;
    Ok(())
}

fn make_kek(path: &Path) -> Result<(), Failure> {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    SystemEntropy::new().fill(bytes.as_mut()).map_err(|error| Failure::refused(error.to_string()))?;
    create_kek(path, &bytes).map_err(|error| Failure::refused(error.to_string()))
}

fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let written = std::fs::File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written
        .map_err(|error| Failure::refused(format!("{} cannot be written: {}", path.display(), cause(&error))))
}

/// The settings, or every complaint about them, one line each.
pub(super) fn settings(globals: &Globals, terminal: &mut Terminal<'_>) -> Result<Settings, Failure> {
    let file = globals.configuration()?;
    let file = file.as_ref().map(|(path, text)| (path.as_path(), text.as_str()));
    complaints(Settings::load(file, &globals.environment), terminal)
}

/// The settings and the KEK, or every complaint about either, one line each.
pub(super) fn checked(globals: &Globals, terminal: &mut Terminal<'_>) -> Result<(Settings, Kek), Failure> {
    let settings = settings(globals, terminal)?;
    let files = (read_kek(&settings.keys.kek_file), app::certificates(&settings));
    let kek = match files {
        (Ok(kek), Ok(_)) => kek,
        (kek, certificates) => {
            let of_kek = kek.err().map(Complaint::from);
            let all = of_kek.into_iter().chain(certificates.err().unwrap_or_default()).collect();
            return complaints(Err(all), terminal);
        }
    };
    Ok((settings, kek))
}

fn complaints<T>(outcome: Result<T, Vec<Complaint>>, terminal: &mut Terminal<'_>) -> Result<T, Failure> {
    outcome.or_else(|complaints| {
        let count = complaints.len();
        for complaint in complaints {
            writeln!(terminal.stderr, "{complaint}")?;
        }
        let noun = if count == 1 { "complaint" } else { "complaints" };
        Err(Failure::usage(format!("{count} {noun} about the configuration; nothing was started")))
    })
}

pub(super) fn cannot_start(error: &CannotStart) -> Failure {
    if error.is_taken() { Failure::refused(error.to_string()) } else { Failure::usage(error.to_string()) }
}

pub(super) fn system() -> Ambient {
    Ambient {
        clock: Arc::new(SystemClock::new()),
        entropy: Arc::new(SystemEntropy::new()),
        build: crate::VERSION,
    }
}

/// `RUST_LOG` filters the log lines, as it does for other Rust programs.
fn start_log(globals: &Globals) {
    let filter = globals.environment.iter().find(|(name, _)| name == "RUST_LOG");
    let filter = filter.map_or("info", |(_, filter)| filter.as_str());
    crate::telemetry::start_log(filter, std::io::stderr().is_terminal());
}

/// What signals say: SIGTERM to stop in peace, SIGINT to stop, SIGHUP to read the certificates anew.
fn orders() -> Result<impl Stream<Item = Order>, Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(poll_fn(move |cx| {
        let signals =
            [(&mut interrupt, Order::StopNow), (&mut terminate, Order::Stop), (&mut hang_up, Order::Reload)];
        for (signal, order) in signals {
            if signal.poll_recv(cx).is_ready() {
                return Poll::Ready(Some(order));
            }
        }
        Poll::Pending
    }))
}
