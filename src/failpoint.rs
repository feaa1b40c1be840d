//! Named places at which a test takes the process away, or makes it fail: failpoints.
//!
//! A call site is one line, `failpoint!("audit.before_sync")`. Only the feature
//! `failpoints` makes anything of it, and no shipped program has that feature:
//! without it the line is nothing, the names are not in the program and
//! `FAILPOINTS` is not read. Pure rooms have none; they cannot fail halfway.
//!
//! With it, `FAILPOINTS` says at the first failpoint that is reached what shall
//! happen at which: `name=action;name=action`, in the words of the crate `fail`
//! (`30*off->1*panic`: the thirty-first time, once). Beside its `panic`,
//! `sleep(ms)` and `off` there are
//!
//! - `return(kill)`: the process ends by SIGKILL, on the spot;
//! - `return`: the place fails with the fault that its line names. Where it names none, it goes on.

/// A place that a test can name; with a second argument also the fault that it can fail with there.
macro_rules! failpoint {
    ($name:literal) => {{
        #[cfg(feature = "failpoints")]
        $crate::failpoint::fails($name);
    }};
    ($name:literal, $fault:expr) => {{
        #[cfg(feature = "failpoints")]
        if $crate::failpoint::fails($name) {
            return Err($fault);
        }
    }};
}

pub(crate) use failpoint;

/// Does what `FAILPOINTS` says for this place; whether it shall fail.
#[cfg(feature = "failpoints")]
pub(crate) fn fails(name: &str) -> bool {
    // For the life of the process: a scenario that is dropped disarms every failpoint.
    static ARMED: std::sync::Once = std::sync::Once::new();
    ARMED.call_once(|| std::mem::forget(fail::FailScenario::setup()));
    fail::fail_point!(name, |action: Option<String>| {
        if action.as_deref() == Some("kill") {
            end();
        }
        true
    });
    false
}

/// Ends the process as SIGKILL from outside would: nothing is flushed, nobody is told.
#[cfg(feature = "failpoints")]
fn end() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    loop {
        // The signal is under way; nothing of this thread may come behind it.
        std::thread::park();
    }
}
