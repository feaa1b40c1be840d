//! `rotation.txt`: every transition of the signing keys over the next days, one a row. Pure.
//!
//! Above the rows stands what they come to. Where periods are so short that the rows would fill
//! a book, the first ones are shown and the rest is counted.

use std::fmt::Write as _;
use std::time::Duration;

use super::simulation::{Lives, Simulation, Step, in_units};
use crate::jose::Algorithm;
use crate::keys::KeyState;
use crate::keys::jwks::Document;
use crate::keys::schedule::Quantities;
use crate::time::Timestamp;

/// So many rows are shown.
pub const MOST_ROWS: usize = 1_000;
/// After so many transitions the simulation ends, whatever is left of the days.
pub const MOST_TRANSITIONS: usize = 100_000;

const HEADINGS: [&str; 8] = ["time", "date", "key", "from -> to", "reason", "signs", "JWKS", "Cache-Control"];

/// The timeline as text, and how many transitions there are in it.
pub struct Timeline {
    /// The file.
    pub text: String,
    /// All that were simulated, shown or not.
    pub transitions: usize,
}

/// Simulates the keys of these algorithms for `span` from a first start at `start`.
pub fn timeline(
    algorithms: &[Algorithm],
    quantities: &Quantities,
    (start, span): (Timestamp, Duration),
) -> Timeline {
    let end = start.plus(span);
    let mut simulation = Simulation::new(algorithms, quantities, start);
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    let (mut transitions, mut last) = (0, start);
    while transitions < MOST_TRANSITIONS
        && let Some(step) = simulation.step(end)
    {
        transitions += step.moves.len();
        last = step.at;
        if rows.len() <= MOST_ROWS {
            rows.extend(shown(&simulation, quantities, (&step, start)));
        }
    }
    rows.truncate(MOST_ROWS + 1);
    let hidden = transitions.saturating_sub(MOST_ROWS);
    let names = algorithms.iter().map(|algorithm| algorithm.as_str()).collect::<Vec<_>>().join(" ");
    let (told, begins) = (in_units(span), date(start));
    let mut text =
        format!("The signing keys for {told} from a first start at {begins}.\n\nalgorithms: {names}\n");
    summary(&mut text, simulation.lives(), transitions);
    table(&mut text, &rows);
    if hidden > 0 {
        let _ = writeln!(text, "\nand {hidden} transitions more, which are counted above and not shown");
    }
    // Nobody takes a part for the whole, whatever ended it.
    if simulation.is_due(end) {
        let at = in_units(last.since(start));
        let _ = writeln!(text, "\nThe simulation ends at +{at}, after {transitions} transitions.");
    }
    Timeline { text, transitions }
}

/// `name: value` lines, which `words` tells apart from the rows.
fn summary(text: &mut String, lives: &Lives, transitions: usize) {
    let Lives { most_served, ahead, signed, rested, .. } = lives;
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "each is published ahead for: {ahead}\n\
         each signs for: {signed}\n\
         each rests in the JWKS for: {rested}\n\
         keys in the JWKS at most: {most_served}\n\
         transitions: {transitions}\n\n"
    );
}

/// The rows of a step, with what is served after it.
fn shown(
    simulation: &Simulation<'_>,
    quantities: &Quantities,
    (step, start): (&Step, Timestamp),
) -> Vec<[String; 8]> {
    let ring = simulation.ring();
    let names = |is: fn(KeyState) -> bool| {
        let mut names: Vec<_> =
            ring.keys.iter().filter(|key| is(key.state)).filter_map(|key| simulation.name(key.kid)).collect();
        names.sort_unstable();
        names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    let (signs, served) = (names(|state| state == KeyState::Active), names(KeyState::is_served));
    let cache_control = Document::of(ring, quantities).cache_control;
    let row = |moved: &super::simulation::Move| {
        [
            format!("+{}", in_units(step.at.since(start))),
            date(step.at),
            moved.key.to_string(),
            format!("{} -> {}", moved.from.map_or("-", KeyState::as_str), moved.to.as_str()),
            step.reason.clone(),
            signs.clone(),
            served.clone(),
            cache_control.clone(),
        ]
    };
    step.moves.iter().map(row).collect()
}

/// RFC 3339 without a fraction where there is none.
pub(super) fn date(at: Timestamp) -> String {
    let text = at.to_string();
    text.strip_suffix(".000000Z").map_or_else(|| text.clone(), |seconds| format!("{seconds}Z"))
}

/// Columns as wide as their widest cell.
fn table(text: &mut String, rows: &[[String; 8]]) {
    let mut widths = [0; 8];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::DEFAULTS;

    const START: Timestamp = Timestamp::from_seconds(1_767_225_600);

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn told(quantities: &Quantities, algorithms: &[Algorithm]) -> Timeline {
        timeline(algorithms, quantities, (START, seconds(90 * 86_400)))
    }

    #[test]
    fn each_transition_is_a_row() {
        let Timeline { text, transitions } = told(&DEFAULTS, &[Algorithm::Es256]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[..11],
            [
                "The signing keys for 90d from a first start at 2026-01-01T00:00:00Z.",
                "",
                "algorithms: ES256",
                "each is published ahead for: 14d",
                "each signs for: 14d",
                "each rests in the JWKS for: 1h2m30s",
                "keys in the JWKS at most: 3",
                "transitions: 26",
                "",
                "time         date                  key      from -> to           reason          signs    JWKS                     Cache-Control",
                "+0s          2026-01-01T00:00:00Z  ES256-1  - -> active          first start     ES256-1  ES256-1 ES256-2          public, max-age=300",
            ]
        );
        assert_eq!(lines.len(), 10 + transitions);
        assert!(lines[15].starts_with("+14d1h2m30s"), "{}", lines[15]);
    }

    #[test]
    fn what_would_fill_a_book_is_counted() {
        let short = Quantities {
            active_for: seconds(30),
            publish_ahead: seconds(10),
            jwks_max_age: seconds(1),
            propagation: seconds(1),
            clock_skew: seconds(1),
            leeway: seconds(1),
            retain_for: seconds(30),
            max_lifetime: seconds(20),
        };
        let Timeline { text, transitions } = told(&short, &Algorithm::ALL);
        assert!((MOST_TRANSITIONS..MOST_TRANSITIONS + 20).contains(&transitions), "{transitions}");
        assert!(text.lines().count() < MOST_ROWS + 20 && text.len() < 400_000);
        assert!(text.contains(&format!("\nand {} transitions more", transitions - MOST_ROWS)), "{text}");
        assert!(text.contains("\nThe simulation ends at +2d"), "{}", &text[text.len() - 200..]);
    }
}
