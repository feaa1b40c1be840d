//! Sentences with the cases that they are true of: what many goldens have in common is told once.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// How many cases are named below what they have in common.
const NAMED: usize = 12;

/// Sentences in the order in which they came up.
#[derive(Default)]
pub(crate) struct Told(Vec<(String, BTreeSet<String>)>);

impl Told {
    /// One more difference of a case.
    pub(crate) fn add(&mut self, sentence: String, case: &str) {
        let at = self.0.iter().position(|(known, _)| *known == sentence).unwrap_or_else(|| {
            self.0.push((sentence, BTreeSet::new()));
            self.0.len() - 1
        });
        if let Some((_, cases)) = self.0.get_mut(at) {
            cases.insert(case.to_owned());
        }
    }

    /// How many cases differ.
    pub(crate) fn cases(&self) -> usize {
        self.0.iter().flat_map(|(_, cases)| cases).collect::<BTreeSet<_>>().len()
    }

    /// All of it, what most cases have in common first, then case by case.
    pub(crate) fn text(mut self) -> String {
        self.0.sort_by_key(|(_, cases)| (std::cmp::Reverse(cases.len()), cases.first().cloned()));
        self.0.iter().fold(String::new(), |mut text, (sentence, cases)| {
            let shown: Vec<&str> = cases.iter().take(NAMED).map(String::as_str).collect();
            let more = cases.len() - shown.len();
            let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
            let _ = writeln!(text, "{sentence}\n    {}{rest}", shown.join(", "));
            text
        })
    }
}
