//! The command line as a process: real streams, real arguments, an exit code.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use super::{Terminal, run};
use crate::ambient::SystemClock;

/// Runs the command that this process was started with, to its end.
pub fn run_process() -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            // With nowhere left to write, the exit code still tells.
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
    ExitCode::from(runtime.block_on(run(std::env::args_os(), environment, &clock, &mut terminal)))
}
