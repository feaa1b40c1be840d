//! The command line: what a person types, what a person reads.
//!
//! It talks to a server by its API. Only `db` opens a running server's store, to read it; `golden` asks nobody.
//! Everything goes in and out by what [`run`] is handed, so that a test is a
//! user. Exit codes: 0 done, 1 refused or failed, 2 usage or configuration,
//! 3 the server cannot be reached or is not ready.

pub mod admin;
mod advice;
mod audit;
mod bearer;
mod cause;
mod client;
mod db;
pub mod escape;
pub mod failure;
pub mod globals;
mod golden;
mod grant;
mod health;
mod key;
pub mod output;
mod policy;
mod process;
pub mod refusal;
mod resource;
mod scope;
pub mod server;
pub mod session;
mod token;
mod values;
pub mod when;
pub mod wire;

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};
use serde_json::json;

pub use failure::{Exit, Failure};
pub use globals::Globals;
pub use process::run_process;
pub use session::{Session, Terminal};
pub use when::Zone;

use crate::VERSION;
use crate::ambient::Clock;
use crate::http::openapi::Document;

const PROGRAM: &str = "mintmark";

#[derive(Debug, Parser)]
#[command(name = PROGRAM, version, about, term_width = 80, disable_help_subcommand = true)]
struct CommandLine {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve,
    /// Run a server to try things with, on loopback only
    Dev,
    /// Write a configuration, a key file and an empty database
    Init(#[command(flatten)] server::Init),
    /// Tell everything that is wrong with the configuration
    Check,
    /// Machines that ask for tokens
    #[command(subcommand)]
    Client(client::Client),
    /// What may be done at a resource, and how often
    #[command(subcommand)]
    Scope(scope::Scope),
    /// The APIs that tokens are for
    #[command(subcommand)]
    Resource(resource::Resource),
    /// Resources, scopes and clients as one file
    #[command(subcommand)]
    Policy(policy::Policy),
    /// The keys that sign
    #[command(subcommand)]
    Key(key::Key),
    /// Ask for a token, look into one, check one, revoke some
    #[command(subcommand)]
    Token(token::Token),
    /// Read and check the issuance log
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Review a change as a difference of tokens, before it is made
    #[command(subcommand)]
    Golden(golden::Golden),
    /// Look at, migrate and copy the database
    #[command(subcommand)]
    Db(db::Db),
    /// Tell whether the server is ready; exit code 3 if it is not
    Healthcheck(#[command(flatten)] health::Healthcheck),
    /// Tell what the server speaks, as an OpenAPI document
    Openapi {
        /// Which listener
        #[arg(default_value = "public", value_parser = ["public", "admin"])]
        listener: String,
    },
    /// Write a completion script for a shell
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Tell the version
    Version,
    /// Tell what a command does, such as `mintmark help client create`
    Help {
        /// The command
        command: Vec<String>,
    },
}

/// Runs one command and gives the exit code. `argv` begins with the program's
/// name; `environment` are the variables of the process, those that are text.
pub async fn run(
    argv: impl IntoIterator<Item = OsString>,
    environment: Vec<(String, String)>,
    clock: &dyn Clock,
    terminal: &mut Terminal<'_>,
) -> u8 {
    let argv: Vec<OsString> = argv.into_iter().collect();
    let mut line = match CommandLine::try_parse_from(&argv) {
        Ok(line) => line,
        Err(error) => return answer_parser(&error, &argv, terminal).code(),
    };
    line.globals.environment = environment;
    let mut session = Session { globals: &line.globals, clock, terminal };
    let ended = dispatch(line.command, &mut session).await;
    // Buffered data that cannot be written is a failure like any other.
    let ended = ended.and_then(|exit| Ok(terminal.stdout.flush().map(|()| exit)?));
    ended.unwrap_or_else(|failure| complain(&failure, terminal)).code()
}

async fn dispatch(command: Command, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    match command {
        Command::Serve => server::serve(session.globals, session.terminal).await?,
        Command::Dev => server::dev(session.globals, session.terminal).await?,
        Command::Init(how) => server::init(&how, session.globals, session.terminal).await?,
        Command::Check => server::check(session.globals, session.terminal)?,
        Command::Client(verb) => client::run(verb, session).await?,
        Command::Scope(verb) => scope::run(verb, session).await?,
        Command::Resource(verb) => resource::run(verb, session).await?,
        Command::Policy(verb) => return policy::run(verb, session).await,
        Command::Key(verb) => key::run(verb, session).await?,
        Command::Token(verb) => return token::run(verb, session).await,
        Command::Audit(verb) => return audit::run(verb, session).await,
        Command::Golden(verb) => return golden::run(&verb, session),
        Command::Db(verb) => db::run(verb, session).await?,
        Command::Healthcheck(asked) => health::run(&asked, session).await?,
        Command::Openapi { listener } => {
            let is_admin = listener == "admin";
            let document = if is_admin { Document::Admin } else { Document::Public { log: true } };
            session.terminal.stdout.write_all(document.compose().as_bytes())?;
        }
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut CommandLine::command(), PROGRAM, &mut script);
            session.terminal.stdout.write_all(&script)?;
        }
        Command::Help { command } => return Ok(help(&command, session.terminal)),
        Command::Version => {
            let version = json!({ "version": VERSION });
            session.print_as(&version, |out| writeln!(out, "{PROGRAM} {VERSION}"))?;
        }
    }
    Ok(Exit::Done)
}

fn complain(failure: &Failure, terminal: &mut Terminal<'_>) -> Exit {
    // With nowhere left to write, the exit code still tells.
    let _ = writeln!(terminal.stderr, "error: {failure}");
    failure.exit
}

/// What `--help` says of the command.
fn help(command: &[String], terminal: &mut Terminal<'_>) -> Exit {
    let words = std::iter::once(PROGRAM).chain(command.iter().map(String::as_str)).chain(["--help"]);
    let argv: Vec<OsString> = words.map(OsString::from).collect();
    CommandLine::try_parse_from(&argv)
        .map_or_else(|told| answer_parser(&told, &argv, terminal), |_| Exit::Done)
}

/// Help and version are data; a mistake is one line that points at the help.
fn answer_parser(error: &clap::Error, argv: &[OsString], terminal: &mut Terminal<'_>) -> Exit {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            match write!(terminal.stdout, "{}", folded(&text)) {
                Ok(()) => Exit::Done,
                Err(error) => complain(&error.into(), terminal),
            }
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = write!(terminal.stderr, "{}", folded(&text));
            Exit::Usage
        }
        _ => complain(&Failure::usage(mistake(&text, &meant(argv))), terminal),
    }
}

/// The help with a usage that fits the terminal: the parser folds all but that.
fn folded(help: &str) -> String {
    const LEAD: &str = "Usage: ";
    let mut out = String::with_capacity(help.len());
    for line in help.split_inclusive('\n') {
        let mut column = 0;
        // An option stays with its value.
        let words = if line.starts_with(LEAD) { line.split_inclusive(' ').collect() } else { vec![line] };
        for (place, word) in words.iter().enumerate() {
            let value = words.get(place + 1).filter(|next| word.starts_with("--") && next.starts_with('<'));
            let needed = column + word.trim_end().len() + value.map_or(0, |value| 1 + value.trim_end().len());
            if column > 0 && needed > output::COLUMNS {
                out.truncate(out.trim_end().len());
                out.push('\n');
                out.push_str(&" ".repeat(LEAD.len()));
                column = LEAD.len();
            }
            out.push_str(word);
            column += word.len();
        }
    }
    out
}

/// What the parser says is wrong, without the usage that it prints below.
fn mistake(text: &str, command: &str) -> String {
    let before_usage = text.split("\n\nUsage:").next().unwrap_or(text);
    let told = before_usage.split("\n\nFor more information").next().unwrap_or(before_usage);
    let paragraphs: Vec<String> = told
        .split("\n\n")
        .map(|paragraph| paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ").trim().to_owned())
        .collect();
    let line = paragraphs.join("; ");
    format!("{}; see `{command} --help`", line.strip_prefix("error: ").unwrap_or(&line))
}

/// The program, the noun and the verb of the line, as far as they are known.
fn meant(argv: &[OsString]) -> String {
    let program = CommandLine::command();
    let (mut command, mut words) = (&program, vec![PROGRAM]);
    for word in argv.iter().skip(1) {
        if let Some(next) = command.find_subcommand(word) {
            words.push(next.get_name());
            command = next;
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests;
