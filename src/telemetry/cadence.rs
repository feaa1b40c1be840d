//! How often a background task runs, how it comes back after failures, and how long it may be silent.
//!
//! Pure and total: chance and the time that has passed are parameters.

use std::time::Duration;

/// No silence is longer than this before somebody is told, however rarely a task runs.
const LONGEST_SILENCE: Duration = Duration::from_secs(30);
/// A slow disk or a busy machine may hold a task up for this long without a word.
const SHORTEST_SILENCE: Duration = Duration::from_secs(10);
/// The first pause after a failure, of tasks that otherwise run less often.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The rhythm of one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    period: Duration,
    /// The first and the longest pause after failures; `None` for a task that keeps its period.
    back_off: Option<(Duration, Duration)>,
}

impl Cadence {
    /// Runs each `period`, whatever became of the last run: for what must be seen, or mended, at once.
    pub fn steady(period: Duration) -> Self {
        Self { period, back_off: None }
    }

    /// Runs each `period`, and after failures at growing distances: from `period`,
    /// or a second where that is shorter, up to `longest`.
    pub fn backing_off(period: Duration, longest: Duration) -> Self {
        let first = period.min(FIRST_PAUSE);
        Self { period, back_off: Some((first, longest.max(first))) }
    }

    /// The pause until the next run, after `failures` runs in a row that failed and a last run that `took` so long.
    ///
    /// Without a failure, runs begin a period apart, or at once where the last one
    /// took longer. After failures the pause doubles with each of them, and `chance`,
    /// evenly spread over its type, places it within the upper half, so that nodes
    /// which failed together do not come back together.
    pub fn pause(&self, failures: u32, took: Duration, chance: u32) -> Duration {
        let Some((first, longest)) = self.back_off.filter(|_| failures > 0) else {
            return self.period.saturating_sub(took);
        };
        let doublings = 2_u32.saturating_pow(failures - 1);
        let most = first.saturating_mul(doublings).min(longest);
        let least = (most / 2).max(first);
        let share = f64::from(chance) / f64::from(u32::MAX);
        (least + most.saturating_sub(least).mul_f64(share)).min(most)
    }

    /// How long the task may give no sign of life: ten periods, within ten and thirty seconds.
    pub fn longest_silence(&self) -> Duration {
        self.period.saturating_mul(10).clamp(SHORTEST_SILENCE, LONGEST_SILENCE)
    }

    /// Whether a task that was `silent` so long is hanging or dead.
    pub fn is_late(&self, silent: Duration) -> bool {
        silent >= self.longest_silence()
    }

    /// How often one that only waits for its next run gives a sign of life.
    pub fn between_signs(&self) -> Duration {
        self.longest_silence() / 4
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn spans(most: Duration) -> impl Strategy<Value = Duration> {
        (1..=u64::try_from(most.as_millis()).unwrap()).prop_map(Duration::from_millis)
    }

    proptest! {
        #[test]
        fn a_pause_after_failures_is_never_below_the_first_nor_above_the_longest(
            period in spans(HOUR), longest in spans(HOUR), took in spans(HOUR),
            failures in 1_u32.., chance: u32,
        ) {
            let pause = Cadence::backing_off(period, longest).pause(failures, took, chance);
            let first = period.min(FIRST_PAUSE);
            prop_assert!(pause >= first && pause <= longest.max(first), "{pause:?}");
        }

        #[test]
        fn pauses_grow_with_failures_and_with_chance(
            period in spans(HOUR), longest in spans(HOUR), failures in 1_u32..80, low: u32, high: u32,
        ) {
            let cadence = Cadence::backing_off(period, longest);
            let pause = |failures, chance| cadence.pause(failures, Duration::ZERO, chance);
            prop_assert!(pause(failures, u32::MAX) <= pause(failures + 1, u32::MAX));
            prop_assert!(pause(failures, 0) <= pause(failures + 1, 0));
            let (low, high) = (low.min(high), low.max(high));
            prop_assert!(pause(failures, low) <= pause(failures, high));
        }

        #[test]
        fn a_steady_task_and_one_that_works_keep_their_period(
            period in spans(HOUR), took in spans(HOUR), failures: u32, chance: u32,
        ) {
            let pause = period.saturating_sub(took);
            prop_assert_eq!(Cadence::steady(period).pause(failures, took, chance), pause);
            prop_assert_eq!(Cadence::backing_off(period, HOUR).pause(0, took, chance), pause);
        }

        #[test]
        fn every_silence_is_noticed_within_half_a_minute_and_no_waiting_task_is_called_late(
            period in spans(HOUR * 24), silent in spans(HOUR),
        ) {
            for cadence in [Cadence::steady(period), Cadence::backing_off(period, HOUR)] {
                prop_assert!(cadence.is_late(silent.max(Duration::from_secs(30))));
                prop_assert!(!cadence.is_late(cadence.between_signs() * 2));
                prop_assert_eq!(cadence.is_late(silent), silent >= cadence.longest_silence());
            }
        }
    }

    #[test]
    fn a_task_that_keeps_failing_is_tried_at_doubling_distances() {
        let cadence = Cadence::backing_off(Duration::from_millis(500), Duration::from_secs(10));
        let pauses = |chance| [1, 2, 3, 4, 5, 6, 7].map(|n| cadence.pause(n, HOUR, chance).as_millis());
        assert_eq!(pauses(u32::MAX), [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
        assert_eq!(pauses(0), [500, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
        assert_eq!(cadence.longest_silence(), Duration::from_secs(10));
        assert_eq!(Cadence::steady(Duration::from_secs(2)).longest_silence(), Duration::from_secs(20));
    }

    #[test]
    fn what_runs_once_an_hour_is_tried_again_within_seconds() {
        let cadence = Cadence::backing_off(HOUR, Duration::from_mins(1));
        assert_eq!(cadence.pause(1, HOUR, 0), Duration::from_secs(1));
        assert_eq!(cadence.pause(9, HOUR, u32::MAX), Duration::from_mins(1));
        assert_eq!(cadence.longest_silence(), Duration::from_secs(30));
    }
}
