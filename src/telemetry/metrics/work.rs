//! Work beside the reactor, what is remembered of clients, and whose secrets are due.

use std::fmt;
use std::sync::Arc;

use super::sheet::Sheet;
use super::{Count, Group};
use crate::admin::Admin;
use crate::keys::signer::Signer;
use crate::workers::{Workers, WorkersReading};

pub(super) struct Work {
    pub(super) hashing: Workers,
    pub(super) signer: Arc<Signer>,
    pub(super) verified_secrets: Count,
    pub(super) used_assertions: Count,
    pub(super) admin: Arc<Admin>,
}

impl Group for Work {
    fn write(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let rooms = [("hashing", self.hashing.reading()), ("rsa_signing", self.signer.reading().rsa)];
        let each = |count: fn(WorkersReading) -> usize| {
            rooms.map(|(room, reading)| (vec![("room", room)], count(reading)))
        };
        sheet.gauges("work_running", "Work that runs beside the reactor", each(|room| room.running))?;
        sheet.gauges("work_running_limit", "Work that may run at once", each(|room| room.at_once))?;
        sheet.gauges("work_waiting", "Work that has a place and does not run", each(|room| room.waiting))?;
        sheet.gauges("work_waiting_limit", "Work that may wait", each(|room| room.most_waiting))?;
        let refused = rooms.map(|(room, reading)| (vec![("room", room)], reading.refused));
        sheet.counters("work_refused", "Work that found no place", refused)?;
        let (secrets, assertions) = ((self.verified_secrets)(), (self.used_assertions)());
        sheet.gauge("verified_secrets", "Verified secrets that are remembered, about", secrets)?;
        let help = "Used assertions that this process remembers beside the store, about";
        sheet.gauge("used_assertions", help, assertions)?;
        let due = self.admin.due_secrets();
        let due = [("near", due.near), ("over", due.over)].map(|(when, count)| (vec![("due", when)], count));
        sheet.gauges("secrets_due", "Secrets that want a successor", due)
    }
}
