//! Every scenario, played: some at a time, in any order, each by itself.
//!
//! A story whose checks fail, such as a token that does not verify, ends with the reason. It is told as far as it
//! came, so that it can be compared with its golden like any other; it never is one.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::thread;

use super::play::broken_off;
use super::story::BREAKS_OFF;

/// What came of a scenario: its story, or what of it was told before it broke off, and why.
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
                    let outcome = replay(&path);
                    played.lock().unwrap().insert(path, outcome);
                }
            });
        }
    });
    played.into_inner().unwrap()
}

/// Plays one scenario from its beginning, as far as it goes.
pub(super) fn replay(path: &Path) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| super::replay(path)))
        .map_err(|panic| format!("{}\n{BREAKS_OFF}\n{}", broken_off(), told(&*panic)))
}

/// What a panic says.
fn told(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
