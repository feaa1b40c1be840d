//! The command line as a process: real streams, real arguments, an exit code.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Terminal, Zone, run};
use crate::ambient::SystemClock;

/// Whether whoever read this process's standard output has gone, which a write would only tell with the next line.
pub(super) fn nobody_reads() -> bool {
    let stdout = std::io::stdout();
    let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
    let at_once = Timespec::default();
    // What cannot be told is met by the next write.
    let told = poll(&mut asked, Some(&at_once)).is_ok();
    told && asked.iter().any(|told| told.revents().intersects(PollFlags::ERR))
}

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
        zone: Zone::of_the_machine(),
    };
    let clock = SystemClock::new();
    ExitCode::from(runtime.block_on(run(std::env::args_os(), environment, &clock, &mut terminal)))
}
