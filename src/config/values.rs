//! Text → value, for the kinds of value that options have.
//!
//! Pure. Nothing is trimmed, rounded or guessed: a text that is not exactly of
//! its kind is refused with what would do.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::complaint::Wrong;
use super::network::Network;
use crate::jose::Algorithm;
use crate::limits::Quota;
use crate::time::{parse_span, span_text};

/// The name of a node: 1 to 64 of `A-Z a-z 0-9 . _ -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(String);

impl NodeName {
    /// Reads a name; the error says what is wrong and what would do.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(Wrong::new(
            format!("{text:?} is not a node name"),
            "write 1 to 64 letters, digits, '.', '_' or '-', such as \"node-1\"",
        ))
    }

    /// The text as configured.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The database that holds everything; more drivers are more variants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// A SQLite database in this file, written `sqlite:PATH`.
    Sqlite(PathBuf),
}

/// A span from `least` to `most`, both included.
pub(super) fn span(text: &str, least: Duration, most: Duration) -> Result<Duration, Wrong> {
    let span = parse_span(text).map_err(|_| {
        Wrong::new(
            format!("{text:?} is not a span of time"),
            "write a whole number and a unit (ms, s, m, h, d), such as \"10m\"",
        )
    })?;
    if span < least || span > most {
        let bound = if span < least { ("small", "least", least) } else { ("great", "most", most) };
        let (size, end, value) = bound;
        return Err(Wrong::new(
            format!("{text:?} is too {size}"),
            format!("the {end} is \"{}\"", span_text(value)),
        ));
    }
    Ok(span)
}

/// A span that ends up in a token or a header as integer seconds.
pub(super) fn whole_seconds(text: &str, least: Duration, most: Duration) -> Result<Duration, Wrong> {
    let span = span(text, least, most)?;
    if span.subsec_nanos() == 0 {
        return Ok(span);
    }
    Err(Wrong::new(
        format!("{text:?} is not a number of whole seconds"),
        format!("write \"{}s\" or \"{}s\"", span.as_secs().max(least.as_secs()), span.as_secs() + 1),
    ))
}

/// A whole number from 1 to `most`, in plain decimal digits.
pub(super) fn count(text: &str, most: u32) -> Result<NonZeroU32, Wrong> {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|number: &NonZeroU32| plain && number.get() <= most);
    number.ok_or_else(|| {
        Wrong::new(
            format!("{text:?} is not a number that can be used here"),
            format!("write a whole number from 1 to {most}"),
        )
    })
}

/// `true` or `false`, nothing like them.
pub(super) fn truth(text: &str) -> Result<bool, Wrong> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Wrong::new(format!("{text:?} is neither true nor false"), "write true or false")),
    }
}

/// A path; relative ones are joined to the configuration file's folder by the caller.
pub(super) fn path(text: &str) -> Result<PathBuf, Wrong> {
    if text.chars().any(char::is_control) {
        return Err(Wrong::new("holds a control character", "write a plain path"));
    }
    Ok(PathBuf::from(text))
}

/// An address and a port to listen on; names are not looked up.
pub(super) fn listen(text: &str) -> Result<SocketAddr, Wrong> {
    text.parse().map_err(|_| {
        Wrong::new(
            format!("{text:?} is not an address and a port"),
            "write an IP address and a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"",
        )
    })
}

/// A list of networks, separated by commas.
pub(super) fn networks(text: &str) -> Result<Vec<Network>, Wrong> {
    items(text).map(Network::parse).collect()
}

/// A list of algorithms, separated by commas: at least one, none twice.
pub(super) fn algorithms(text: &str) -> Result<Vec<Algorithm>, Wrong> {
    let known = Algorithm::ALL.map(|algorithm| format!("\"{algorithm}\"")).join(", ");
    let fix = format!("write some of {known}");
    let mut algorithms = Vec::new();
    for name in items(text) {
        let algorithm = Algorithm::parse(name)
            .ok_or_else(|| Wrong::new(format!("{name:?} is not an algorithm of Mintmark"), fix.clone()))?;
        if !algorithm.has_keys_in_this_build() {
            return Err(Wrong::new(
                format!("{name:?} needs RSA keys, which this build does not make"),
                "build with --features rsa, or name other algorithms",
            ));
        }
        if algorithms.contains(&algorithm) {
            return Err(Wrong::new(format!("{name:?} is named twice"), "name each algorithm once"));
        }
        algorithms.push(algorithm);
    }
    if algorithms.is_empty() {
        return Err(Wrong::new("names no algorithm", fix));
    }
    Ok(algorithms)
}

/// `count/period`, such as `10/1m`; the period is whole seconds, at most a day.
pub(super) fn rate(text: &str) -> Result<Quota, Wrong> {
    let bad = |because: String| Wrong::new(format!("{text:?} is not a rate"), because);
    let example = "write a count and a period, such as \"10/1m\"";
    let (number, period) = text.split_once('/').ok_or_else(|| bad(example.to_owned()))?;
    let number = count(number, 1_000_000_000).map_err(|wrong| bad(format!("{example}: {}", wrong.fix)))?;
    let period = whole_seconds(period, Duration::from_secs(1), Duration::from_hours(24))
        .map_err(|wrong| bad(format!("{example}: {}", wrong.fix)))?;
    Quota::new(number, period, number).map_err(|why| bad(format!("{example}: {why}")))
}

/// `sqlite:PATH`. A refusal never repeats the text, which may hold a password.
pub(super) fn store_url(text: &str) -> Result<StoreUrl, Wrong> {
    let fix = "write \"sqlite:\" and the path of a file, such as \"sqlite:data/mintmark.db\"";
    if text.starts_with("postgres:") || text.starts_with("postgresql:") {
        return Err(Wrong::new("names PostgreSQL, which this build does not have", fix));
    }
    let Some(file) = text.strip_prefix("sqlite:") else {
        return Err(Wrong::new("is not the URL of a database that this build has", fix));
    };
    if file.is_empty() || file.starts_with(':') || file.starts_with("//") || file.contains('?') {
        return Err(Wrong::new("is not a plain path after \"sqlite:\"", fix));
    }
    path(file).map(StoreUrl::Sqlite)
}

/// The name of a log: a key name of a signed note (no blanks, no `+`), at most 255 bytes.
pub(super) fn origin(text: &str) -> Result<String, Wrong> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if (1..=255).contains(&text.len()) && !text.contains(bad) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("{text:?} cannot name a log"),
        "write 1 to 255 bytes without blanks and '+', such as \"auth.example.com/log\"",
    ))
}

/// The items of a list in its text form; the empty text is the empty list.
fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(move |_| !text.is_empty())
}
