//! The upper bound that `load/` measures against: the same program with a recorder that keeps nothing.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use mintmark::ambient::SystemClock;
use mintmark::cli::{self, Terminal};

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: the runtime cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    // Variables that are not text are none of ours.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let mut terminal = Terminal {
        stdin: &mut std::io::stdin(),
        stdout: &mut std::io::stdout(),
        stderr: &mut std::io::stderr(),
        is_terminal: std::io::stdout().is_terminal(),
    };
    let clock = SystemClock::new();
    ExitCode::from(runtime.block_on(cli::run(std::env::args_os(), environment, &clock, &mut terminal)))
}
