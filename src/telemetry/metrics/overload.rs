//! Overload: whose turn it is to issue, the classes that give way, and failed attempts that are held back.

use std::fmt;
use std::sync::Arc;

use super::sheet::Sheet;
use super::{Classes, Group};
use crate::limits::{Attempts, Turns};

pub(super) struct Overload {
    pub(super) turns: Turns,
    pub(super) classes: Classes,
    pub(super) attempts: Arc<Attempts>,
}

impl Group for Overload {
    fn write(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let turns = self.turns.reading();
        sheet.gauge("turns_in_use", "Issuances under way", in_full(turns.in_use))?;
        sheet.gauge("turns_limit", "Issuances that may be under way at once", in_full(turns.limit))?;
        sheet.gauge("turns_waiting", "Requests that wait for their turn", in_full(turns.waiting))?;
        sheet.counter("turns_at_once", "Turns that were taken without waiting", turns.at_once)?;
        sheet.counter("turns_refused", "Requests that waited and got no turn", turns.turned_away)?;
        let help = "How long those waited that waited and got a turn";
        sheet.spans("turns_wait_seconds", help, [(Vec::new(), &turns.waits)])?;
        let classes = (self.classes)();
        let label = |class| vec![("class", class)];
        let in_use = classes.iter().map(|class| (label(class.class), in_full(class.in_use)));
        sheet.gauges("class_in_use", "Requests of a class that are under way", in_use)?;
        let limit = classes.iter().map(|class| (label(class.class), in_full(class.limit)));
        sheet.gauges(
            "class_limit",
            "Requests of a class that may be under way while no token waits",
            limit,
        )?;
        let refused = classes.iter().map(|class| (label(class.class), class.turned_away));
        sheet.counters("class_refused", "Requests of a class that found no room", refused)?;
        let attempts = self.attempts.reading();
        let help = "Attempts to authenticate that were held back because too many had failed";
        sheet.counter("attempts_throttled", help, attempts.throttled)?;
        let budgets = [("client_and_source", attempts.own), ("source", attempts.of_source)];
        let budgets = budgets.map(|(of, count)| (vec![("of", of)], in_full(count)));
        sheet.gauges("attempt_budgets", "Budgets of failed attempts that are remembered", budgets)
    }
}

fn in_full(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
