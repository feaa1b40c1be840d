//! How things look in a golden: times as distances, JSON as it was sent, laid out where it is long.

use std::fmt::Write as _;

use mintmark::time::Timestamp;

pub(super) use super::story::body::write as body;
pub(super) use super::story::table::write as table;
pub(super) use super::story::timeline::span;
use crate::harness::START;

/// The distance from the start of the scenario, such as `+14d6m`.
pub(super) fn offset(now: Timestamp) -> String {
    format!("+{}", span(now.since(START)))
}

/// A whole second as people read it.
pub(super) fn time(at: Timestamp) -> String {
    let text = at.to_string();
    text.strip_suffix(".000000Z").map_or(text.clone(), |seconds| format!("{seconds}Z"))
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
    let forms = [
        "mintmark {}\n",
        "{\"version\":\"{}\"}\n",
        "    \"version\": \"{}\"\n",
        "\"recorded_by\": \"{}\"",
        "\"recorded_by\":\"{}\"",
        "\"compared_with\":\"{}\"",
    ];
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
