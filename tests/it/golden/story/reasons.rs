//! What `CHANGES.md` says of which golden. Pure.
//!
//! A line that begins with `- ` names cases as `folder/case` or `folder/*`. Above the heading of a release stands
//! what changed since it was frozen.

/// The lines that tell of changes: all, or those above the heading `## VERSION` of a release.
pub(crate) fn lines<'a>(changes: &'a str, since: Option<&str>) -> Vec<&'a str> {
    let heading = since.map(|version| format!("## {version}"));
    let above = changes.lines().take_while(|line| heading.as_deref() != Some(line.trim_end()));
    above.filter(|line| line.starts_with("- ")).collect()
}

/// Whether one of these lines names the case, such as `token/several_scopes`.
pub(crate) fn name(case: &str, lines: &[&str]) -> bool {
    let folder = case.split_once('/').map_or(case, |(folder, _)| folder);
    let names = [format!("`{case}`"), format!("`{folder}/*`")];
    lines.iter().any(|line| names.iter().any(|name| line.contains(name)))
}
