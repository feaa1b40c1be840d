//! `mintmark key list`: the lives of all keys on one axis of time.
//!
//! Pure: what the API says of the keys, what time it is and how wide the
//! terminal is make the text. Left of the mark for now is what was, right of
//! it what is planned, in lighter characters. All of them are one column wide.

use std::collections::BTreeSet;

use serde_json::Value;

use super::life::{Life, Phase, Stage};
use crate::cli::output::{cut, width};
use crate::cli::when::Times;

/// Before a bar: blanks, the short identifier, blanks.
const BEFORE: usize = 12;
/// After a bar: two blanks and where the key stands, cut at that.
const WORDS: usize = 30;
/// No bar is shorter.
const LEAST: usize = 24;
/// The mark for now, in every row.
const NOW: char = '│';
/// The bar's key is older than the axis.
const EARLIER: char = '‹';
const LEGEND: &str = ": · public   █ ░ signs   = - rests   (the lighter one is planned)";
const CUT_LEGEND: &str = "‹ began earlier";

/// Draws the keys: under the name of each algorithm one row a key, below them the axis and what the characters mean.
pub(super) fn draw(items: &[Value], times: &Times, columns: usize) -> String {
    if items.is_empty() {
        return "There are no keys.\n".to_owned();
    }
    let now = times.now();
    let lives: Vec<Life> = items.iter().map(|item| Life::of(item, now)).collect();
    let axis = Axis::over(&lives, now, columns.saturating_sub(BEFORE + 2 + WORDS).max(LEAST));
    let mut rows = vec![format!("{:pad$}now", "", pad = BEFORE + axis.past.saturating_sub(1))];
    let algorithms: BTreeSet<&str> = lives.iter().map(|life| life.algorithm.as_str()).collect();
    let mut is_cut = false;
    for algorithm in algorithms {
        rows.push(format!("{}{NOW}", padded(&cut(algorithm, BEFORE - 1), BEFORE + axis.past)));
        for life in lives.iter().filter(|life| life.algorithm == algorithm) {
            let kid = padded(&cut(&life.kid, BEFORE - 4), BEFORE - 4);
            let bar = axis.bar(&life.phases);
            is_cut |= bar.starts_with(EARLIER);
            rows.push(format!("  {kid}  {bar}  {}", cut(&life.words, WORDS)));
        }
    }
    rows.push(format!("{:BEFORE$}{}", "", axis.ends(times)));
    rows.push(LEGEND.to_owned());
    if is_cut {
        rows.push(CUT_LEGEND.to_owned());
    }
    rows.iter().flat_map(|line| [line.trim_end(), "\n"]).collect()
}

/// The text with blanks up to `columns`.
fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Time as columns: `past` of them up to now, one for the mark, `future` of them from now on.
struct Axis {
    start: u64,
    now: u64,
    end: u64,
    past: usize,
    future: usize,
}

impl Axis {
    /// From the first moment of all keys that the timers rule to the last that is near: the end of what each does
    /// now, or of its rest after that. Never much more past than future.
    fn over(lives: &[Life], now: u64, columns: usize) -> Self {
        let usual: Vec<&Life> = lives.iter().filter(|life| life.is_usual).collect();
        let framing = if usual.is_empty() { lives.iter().collect() } else { usual };
        let begins = framing.iter().flat_map(|life| &life.phases).map(|phase| phase.from);
        let start = begins.min().unwrap_or(now).min(now);
        let ends = framing.iter().filter_map(|life| near_end(&life.phases, now));
        let planned = ends.max().unwrap_or(now).max(now);
        // A little more, so that a short last phase has a column of its own; an hour at least.
        let ahead = (planned - now) + (planned - now) / 8;
        let ahead = ahead.max((now - start) / 3).max(3_600);
        let end = now.saturating_add(ahead);
        let cells = columns.saturating_sub(1);
        let past = scaled(now - start, end - start, cells).max(usize::from(now > start));
        Self { start, now, end, past, future: cells.saturating_sub(past) }
    }

    /// The past from now backwards, the future from now on: so what stands next to the mark is what holds now, and
    /// a phase that is shorter than a column still gets one where there is room.
    fn bar(&self, phases: &[Phase]) -> String {
        let mut past = vec![' '; self.past];
        let mut free = self.past;
        for phase in phases.iter().rev().filter(|phase| phase.from < self.now) {
            let until = phase.until.unwrap_or(self.now).min(self.now);
            if until <= self.start {
                continue;
            }
            let whole = self.now - self.start;
            let end = scaled_up(until - self.start, whole, self.past).min(free);
            let first =
                scaled(phase.from.saturating_sub(self.start), whole, self.past).min(end.saturating_sub(1));
            fill(&mut past, (first, end), phase.stage.was());
            free = first;
        }
        let begins_earlier = phases.first().is_some_and(|phase| phase.from < self.start);
        if begins_earlier && past.first().is_some_and(|cell| *cell != ' ') {
            fill(&mut past, (0, 1), EARLIER);
        }
        let mut future = vec![' '; self.future];
        let mut taken = 0;
        for phase in phases.iter().filter(|phase| phase.until.is_none_or(|until| until > self.now)) {
            let whole = self.end - self.now;
            let first = scaled(phase.from.saturating_sub(self.now), whole, self.future).max(taken);
            let until = phase.until.unwrap_or(self.end).saturating_sub(self.now);
            let end = scaled_up(until, whole, self.future).max(first.saturating_add(1));
            fill(&mut future, (first, end), phase.stage.planned());
            taken = end;
        }
        past.into_iter().chain([NOW]).chain(future).collect()
    }

    /// The two ends as dates, with the hour where days are too coarse.
    fn ends(&self, times: &Times) -> String {
        let columns = self.past + 1 + self.future;
        let by_day = self.end - self.start > 4 * 86_400 || columns < 36;
        let written = |seconds| if by_day { times.day(seconds) } else { times.minute(seconds) };
        let (start, end) = (written(self.start), written(self.end));
        let room = columns.saturating_sub(start.len());
        format!("{start}{end:>room$}")
    }
}

impl Stage {
    fn was(self) -> char {
        match self {
            Self::Waits => ':',
            Self::Signs => '█',
            Self::Rests => '=',
        }
    }

    fn planned(self) -> char {
        match self {
            Self::Waits => '·',
            Self::Signs => '░',
            Self::Rests => '-',
        }
    }
}

fn near_end(phases: &[Phase], now: u64) -> Option<u64> {
    let mut ahead = phases.iter().skip_while(|phase| phase.until.is_some_and(|until| until <= now));
    let present = ahead.next()?;
    let rest = ahead.next().filter(|next| next.stage == Stage::Rests);
    Some(rest.and_then(|rest| rest.until).or(present.until).unwrap_or(present.from))
}

fn fill(cells: &mut [char], (first, end): (usize, usize), mark: char) {
    for cell in cells.iter_mut().take(end).skip(first) {
        *cell = mark;
    }
}

/// `part` of `whole` as columns of `columns`, rounded down.
fn scaled(part: u64, whole: u64, columns: usize) -> usize {
    let columns = u128::try_from(columns).unwrap_or_default();
    let scaled = (u128::from(part) * columns).checked_div(u128::from(whole)).unwrap_or_default();
    usize::try_from(scaled.min(columns)).unwrap_or_default()
}

/// The same, rounded up.
fn scaled_up(part: u64, whole: u64, columns: usize) -> usize {
    let down = scaled(part, whole, columns);
    let columns = u128::try_from(columns).unwrap_or_default();
    let exact = (u128::from(part) * columns).checked_rem(u128::from(whole)).unwrap_or_default() == 0;
    if exact { down } else { down + 1 }
}

#[cfg(test)]
mod tests;
