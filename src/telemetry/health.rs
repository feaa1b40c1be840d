//! Whether tokens can be issued now, as the background probes found it last.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Complaints by who makes them. Ready means that nobody complains.
#[derive(Debug, Default)]
pub struct Health(Mutex<BTreeMap<&'static str, String>>);

impl Health {
    /// `who` complains, or no longer does.
    pub fn report(&self, who: &'static str, complaint: Option<String>) {
        match complaint {
            Some(complaint) => self.lock().insert(who, complaint),
            None => self.lock().remove(who),
        };
    }

    /// What is in the way, one line each; empty when ready.
    pub fn complaints(&self) -> Vec<String> {
        self.lock().iter().map(|(who, complaint)| format!("{who}: {complaint}")).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
