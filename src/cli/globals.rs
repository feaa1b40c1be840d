//! What holds for every command: which configuration, which server, which output.
//!
//! Reads the configuration file and what the caller took from the
//! environment. It makes no file and opens no store.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use super::bearer::{Bearer, read_secret};
use super::cause::cause;
use super::failure::Failure;
use super::grant::Asker;
use super::output::Format;
use super::wire::Address;
use crate::config::Settings;

/// Read when `--config` is not given and the file exists.
const USUAL_FILE: &str = "mintmark.toml";
const ISSUER_VARIABLE: &str = "MINTMARK_ISSUER";
const ADMIN_HELP: &str = "The admin API [default: the configured socket]: unix:PATH, https://HOST or, \
                          on loopback, http://HOST:PORT";
/// Stands for the issuer where a command needs only an address.
const ANY_ISSUER: &str = "http://localhost";

/// Options that every command has, and the environment.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Options of every command")]
pub struct Globals {
    /// The configuration file [default: mintmark.toml, if it exists]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// The admin API: `unix:PATH`, `https://HOST` or, on loopback, `http://HOST:PORT`.
    #[arg(long, global = true, value_name = "ADDRESS", help = ADMIN_HELP)]
    pub admin: Option<String>,
    /// Over TCP: the client that administers
    #[arg(long, global = true, value_name = "ID")]
    pub admin_client: Option<String>,
    /// Over TCP: a file with that client's secret, which nobody else can read
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub admin_secret_file: Option<PathBuf>,
    /// Over TCP: who issues its tokens [default: the configured issuer]
    #[arg(long, global = true, value_name = "URL")]
    pub admin_issuer: Option<String>,
    /// How to print: table or json [default: table on a terminal, else json]
    #[arg(short = 'o', global = true, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    pub output: Option<Format>,
    /// The variables of the process, those that are text.
    #[arg(skip)]
    pub environment: Vec<(String, String)>,
}

impl Globals {
    /// The configuration file's path and text; `None` when there is none and none was asked for.
    pub fn configuration(&self) -> Result<Option<(PathBuf, String)>, Failure> {
        let path = self.config.clone().unwrap_or_else(|| PathBuf::from(USUAL_FILE));
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some((path, text))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && self.config.is_none() => Ok(None),
            Err(error) => Err(Failure::usage(format!(
                "cannot read the configuration file {0}: {1}; name another by --config, or make it: \
                 mintmark init --config {0}",
                path.display(),
                cause(&error)
            ))),
        }
    }

    /// The same options with another file where `--config` names none.
    #[must_use]
    pub fn over(&self, file: &Path) -> Self {
        Self { config: Some(self.config.clone().unwrap_or_else(|| file.to_owned())), ..self.clone() }
    }

    /// All settings, for commands that need an issuer.
    pub fn settings(&self) -> Result<Settings, Failure> {
        self.load(&self.environment)
    }

    /// The settings for a command that only wants to know where things are: whatever issuer the file names, or none,
    /// will do.
    pub fn places(&self) -> Result<Settings, Failure> {
        let mut environment = self.environment.clone();
        environment.push((ISSUER_VARIABLE.to_owned(), ANY_ISSUER.to_owned()));
        self.load(&environment)
    }

    fn load(&self, environment: &[(String, String)]) -> Result<Settings, Failure> {
        let file = self.configuration()?;
        let file = file.as_ref().map(|(path, text)| (path.as_path() as &Path, text.as_str()));
        Ok(Settings::load(file, environment)?)
    }

    /// Where the admin API is: `--admin`, else the configured socket.
    pub fn admin_address(&self) -> Result<Address, Failure> {
        match &self.admin {
            Some(text) => Ok(Address::parse(text)?),
            None => Ok(Address::Unix(self.places()?.admin.socket)),
        }
    }

    /// Who administers over TCP; nobody in particular on the socket.
    pub fn admin_bearer(&self) -> Result<Option<Bearer>, Failure> {
        let over_tcp = !matches!(self.admin_address()?, Address::Unix(_));
        match (over_tcp, &self.admin_client, &self.admin_secret_file) {
            (true, Some(client), Some(file)) => {
                let issuer = self.admin_issuer.clone().map_or_else(|| self.issuer_url(), Ok)?;
                let issuer = Address::parse(&issuer)?;
                let secret = read_secret(file)?;
                Ok(Some(Bearer::new(Asker { issuer, client: client.clone(), secret })))
            }
            (true, ..) => Err(Failure::usage(
                "over TCP the admin API asks for a token: give --admin-client ID and --admin-secret-file FILE",
            )),
            (false, None, None) if self.admin_issuer.is_none() => Ok(None),
            (false, ..) => Err(Failure::usage(
                "the admin socket asks for no credential: give --admin an address over TCP, or leave out \
                 --admin-client, --admin-secret-file and --admin-issuer",
            )),
        }
    }

    /// The public listener as a process on this machine reaches it, for questions without credentials only.
    pub fn public_address(&self) -> Result<Address, Failure> {
        let public = self.places()?.public;
        let address = Address::parse_allowing_plain_http(&format!("http://{}", reachable(public.listen)))?;
        Ok(match address {
            Address::Http { authority } if public.tls.is_some() => Address::HttpsUnnamed { authority },
            other => other,
        })
    }

    /// The issuer's URL. Without one in file and environment it is the public listener's, as `mintmark dev` has it.
    pub fn issuer_url(&self) -> Result<String, Failure> {
        if self.names_an_issuer()? {
            return Ok(self.settings()?.issuer.to_string());
        }
        let public = self.places()?.public;
        let scheme = if public.tls.is_some() { "https" } else { "http" };
        Ok(format!("{scheme}://{}", reachable(public.listen)))
    }

    fn names_an_issuer(&self) -> Result<bool, Failure> {
        if self.environment.iter().any(|(name, _)| name == ISSUER_VARIABLE) {
            return Ok(true);
        }
        let Some((_, text)) = self.configuration()? else { return Ok(false) };
        // A text that is no TOML is told by the full reading.
        Ok(text.parse::<toml::Table>().map_or(true, |table| table.contains_key("issuer")))
    }
}

/// An address that listens on every interface is reached by loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(environment: &[(&str, &str)], config: Option<&Path>) -> Globals {
        let environment =
            environment.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect();
        Globals { config: config.map(Path::to_owned), environment, ..Globals::default() }
    }

    #[test]
    fn without_a_file_the_socket_is_the_usual_one_or_the_environments() {
        assert_eq!(with(&[], None).admin_address(), Ok(Address::Unix("data/admin.sock".into())));
        let moved = with(&[("MINTMARK_ADMIN__SOCKET", "/run/m.sock")], None);
        assert_eq!(moved.admin_address(), Ok(Address::Unix("/run/m.sock".into())));
        let moved = with(&[("MINTMARK_DATA_DIR", "elsewhere")], None);
        assert_eq!(moved.admin_address(), Ok(Address::Unix("elsewhere/admin.sock".into())));
    }

    #[test]
    fn a_files_socket_is_relative_to_the_file_and_needs_no_issuer() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("m.toml");
        std::fs::write(&file, "[admin]\nsocket = \"a.sock\"\n").unwrap();
        let globals = with(&[], Some(&file));
        assert_eq!(globals.admin_address(), Ok(Address::Unix(folder.path().join("a.sock"))));
        std::fs::write(&file, "[admin]\nsocked = \"a.sock\"\n").unwrap();
        let failure = globals.admin_address().unwrap_err();
        assert_eq!(failure.exit.code(), 2);
        assert!(failure.to_string().contains("admin.socket"), "{failure}");
    }

    #[test]
    fn a_file_that_was_asked_for_must_be_there() {
        let failure = with(&[], Some(Path::new("/nowhere/m.toml"))).admin_address().unwrap_err();
        assert_eq!(failure.exit.code(), 2);
    }

    #[test]
    fn the_issuer_is_the_configured_one_or_the_listener() {
        assert_eq!(with(&[], None).issuer_url().unwrap(), "http://127.0.0.1:8080");
        let listen = [("MINTMARK_PUBLIC__LISTEN", "0.0.0.0:9090")];
        assert_eq!(with(&listen, None).issuer_url().unwrap(), "http://127.0.0.1:9090");
        let own = [("MINTMARK_ISSUER", "https://auth.example.com")];
        assert_eq!(with(&own, None).issuer_url().unwrap(), "https://auth.example.com");
        let wrong = [("MINTMARK_ISSUER", "https://auth.example.com/")];
        assert_eq!(with(&wrong, None).issuer_url().unwrap_err().exit.code(), 2);
    }
}
