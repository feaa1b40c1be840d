//! Readiness, as `/readyz` has it, and each background task.

use std::fmt;
use std::sync::Arc;

use super::Group;
use super::sheet::Sheet;
use crate::issue::WallClock;
use crate::telemetry::{Health, TaskReading};

pub(super) struct Tasks {
    pub(super) health: Arc<Health>,
    pub(super) wall_clock: Arc<WallClock>,
}

impl Group for Tasks {
    fn write(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let reading = self.health.reading();
        let ready = reading.ready && self.wall_clock.look().is_ok();
        sheet.gauge("ready", "1 while /readyz answers 200", u64::from(ready))?;
        let each = |is: fn(&TaskReading) -> bool| {
            reading.tasks.iter().map(move |task| (vec![("task", task.name)], u64::from(is(task))))
        };
        sheet.gauges(
            "task_late",
            "1 while a background task gives no sign of life",
            each(|task| task.is_late),
        )?;
        sheet.gauges("task_failing", "1 while a background task fails", each(|task| task.is_failing))?;
        let complaining = each(|task| task.is_complaining);
        sheet.gauges("task_complaining", "1 while a background task works, but complains", complaining)?;
        let worked = reading
            .tasks
            .iter()
            .filter_map(|task| Some((vec![("task", task.name)], task.worked_ago?.as_secs_f64())));
        sheet.gauges("task_success_age_seconds", "Time since a run of the task ended well", worked)
    }
}
