//! `mintmark`: the command line as a process.

use std::process::ExitCode;

fn main() -> ExitCode {
    mintmark::cli::run_process()
}
