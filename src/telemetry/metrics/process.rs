//! The process itself, as the kernel tells it. What it does not tell is left out.

use std::fmt;
use std::fs;

use rustix::process::{Resource, getrlimit};

use super::Group;
use super::sheet::{Labels, Sheet};
use crate::time::Timestamp;

pub(super) struct Process {
    pub(super) started: Timestamp,
}

impl Group for Process {
    fn write(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let one = |value: Option<u64>| value.map(|value| (Labels::new(), value));
        sheet.gauges(
            "process_resident_memory_bytes",
            "Memory of the process that is resident",
            one(resident()),
        )?;
        sheet.gauges("process_open_fds", "Files that are open", one(open_files()))?;
        let most = one(getrlimit(Resource::Nofile).current);
        sheet.gauges("process_open_fds_limit", "Files that may be open", most)?;
        let started = self.started.seconds();
        sheet.gauge("process_start_time_seconds", "When the process started, seconds since 1970", started)?;
        let build = vec![("version", crate::VERSION), ("rsa", rsa())];
        sheet.info("build", "Which program this is", &build)
    }
}

/// Whether this program makes RSA keys.
const fn rsa() -> &'static str {
    if cfg!(feature = "rsa") { "yes" } else { "no" }
}

/// Bytes, by proc(5).
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The one that reads the folder is not counted.
fn open_files() -> Option<u64> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    u64::try_from(open).ok()?.checked_sub(1)
}
