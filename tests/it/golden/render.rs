//! How things look in a golden: times as distances, JSON as it was sent, laid out where it is long.

use std::fmt::Write as _;
use std::time::Duration;

use mintmark::time::Timestamp;
use serde_json::Value;

use crate::harness::START;

/// JSON that is longer stands over several lines.
const WIDE: usize = 140;

/// The distance from the start of the scenario, such as `+14d6m`.
pub(super) fn offset(now: Timestamp) -> String {
    format!("+{}", span(now.since(START)))
}

/// A span in days, hours, minutes and seconds.
pub(super) fn span(span: Duration) -> String {
    let mut rest = span.as_secs();
    let mut text = String::new();
    for (size, unit) in [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')] {
        if rest >= size {
            let _ = write!(text, "{}{unit}", rest / size);
            rest %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// A whole second as people read it.
pub(super) fn time(at: Timestamp) -> String {
    let text = at.to_string();
    text.strip_suffix(".000000Z").map_or(text.clone(), |seconds| format!("{seconds}Z"))
}

/// A body: JSON is laid out when it is long, which loses nothing, as is checked first.
pub(super) fn body(text: &str) -> String {
    let value: Option<Value> = serde_json::from_str(text).ok().filter(Value::is_object);
    match value {
        Some(value) if text.len() > WIDE => {
            assert_eq!(value.to_string(), text, "the JSON is not as compact as it looks here");
            let laid_out = serde_json::to_string_pretty(&value).unwrap();
            format!("(one line of {} bytes, laid out here)\n{laid_out}", text.len())
        }
        _ => text.to_owned(),
    }
}

/// How a page of metrics ends.
pub(super) const END_OF_METRICS: &[u8] = b"# EOF\n";

/// Numbers of the metrics that the machine and the build decide are not shown, and those that are counted now and then.
pub(super) fn of_any_machine(text: &str) -> String {
    const ITS: [&str; 10] = [
        "mintmark_process_resident_memory_bytes ",
        "mintmark_process_open_fds ",
        "mintmark_process_open_fds_limit ",
        "mintmark_turns_limit ",
        "mintmark_work_running_limit{",
        "mintmark_work_waiting_limit{",
        "mintmark_verified_secrets ",
        "mintmark_used_assertions ",
        // How many records share a commit is a matter of moments.
        "mintmark_log_commit_duration_seconds_",
        "mintmark_log_batch_records_",
    ];
    if !text.as_bytes().ends_with(END_OF_METRICS) {
        return text.to_owned();
    }
    let shown = text.lines().map(|line| match line.rsplit_once(' ') {
        Some(_) if line.starts_with("mintmark_build_info{") => "mintmark_build_info{<build>} 1\n".to_owned(),
        Some((sample, _)) if ITS.iter().any(|its| line.starts_with(its)) => format!("{sample} <machine>\n"),
        _ => format!("{line}\n"),
    });
    shown.collect()
}

/// What a command says of its version, which changes with each release and nothing else does: it is shown as `<version>`.
pub(super) fn of_any_version(text: &str) -> String {
    let forms = ["mintmark {}\n", "{\"version\":\"{}\"}\n", "    \"version\": \"{}\"\n"];
    forms.iter().fold(text.to_owned(), |text, form| {
        text.replace(&form.replace("{}", mintmark::VERSION), &form.replace("{}", "<version>"))
    })
}

/// Every line of `text` after `mark`.
pub(super) fn marked(mark: &str, text: &str) -> String {
    text.lines().fold(String::new(), |mut out, line| {
        let _ = writeln!(out, "{}", format!("{mark}{line}").trim_end());
        out
    })
}

/// Columns as wide as their widest cell.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<_> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max())
        .collect();
    rows.iter().fold(String::new(), |mut out, row| {
        let line = row.iter().zip(&widths).fold(String::new(), |mut line, (cell, width)| {
            let _ = write!(line, "{cell:<0$}  ", width.unwrap_or_default());
            line
        });
        let _ = writeln!(out, "  {}", line.trim_end());
        out
    })
}
