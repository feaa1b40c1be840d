//! Every scenario, played: some at a time, in any order, each by itself.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};
use std::thread;

/// What came of a scenario: its story, or why it broke off.
pub(super) type Outcome = Result<String, String>;

/// Every scenario that this build can play, once for all tests of this process.
pub(super) fn all() -> &'static BTreeMap<PathBuf, Outcome> {
    static STORIES: OnceLock<BTreeMap<PathBuf, Outcome>> = OnceLock::new();
    STORIES.get_or_init(|| {
        let at_once = thread::available_parallelism().map_or(1, usize::from);
        play(super::scenarios(), at_once)
    })
}

/// Plays these, so many at once, each begun in the order given.
pub(super) fn play(paths: Vec<PathBuf>, at_once: usize) -> BTreeMap<PathBuf, Outcome> {
    let waiting = Mutex::new(paths.into_iter());
    let played = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let Some(path) = waiting.lock().unwrap().next() else { break };
                    let outcome = catch_unwind(AssertUnwindSafe(|| super::replay(&path)));
                    let outcome = outcome.map_err(|panic| told(&*panic));
                    played.lock().unwrap().insert(path, outcome);
                }
            });
        }
    });
    played.into_inner().unwrap()
}

/// What a panic says.
fn told(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
