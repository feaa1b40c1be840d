//! The upper bound that `load/` measures against: the same program with a recorder that keeps nothing.

use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    mintmark::audit::recorder::keep_nothing();
    mintmark::cli::run_process()
}
