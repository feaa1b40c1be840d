//! The upper bound that `load/` measures against: the same program with a recorder that keeps nothing.

use std::process::ExitCode;

fn main() -> ExitCode {
    mintmark::cli::run_process()
}
