//! Every row of the error table: codes and descriptions of OAuth, titles and statuses of problem documents, and the
//! texts of what administration refuses.

use mintmark::oauth::{ErrorCode, OAuthError};

use super::{assert_shown, goldens, source, text_of};

/// Where status codes are chosen; `tidy` holds that it is nowhere else.
const TABLES: [&str; 2] = ["src/http/error.rs", "src/http/bounds.rs"];

/// Answers are shown in other folders too, such as what introspection says in `token`.
fn everything() -> String {
    ["errors", "token", "limits", "documents", "audit", "cli", "rotation"].map(text_of).concat()
}

/// A member of a JSON text as it may stand in a golden: on one line, or laid out.
fn has_member(text: &str, name: &str, value: &str) -> bool {
    [format!("\"{name}\":\"{value}\""), format!("\"{name}\": \"{value}\"")]
        .iter()
        .any(|shown| text.contains(shown))
}

#[test]
fn every_error_of_oauth_is_shown() {
    let text = text_of("errors");
    let rows = OAuthError::ALL.iter().map(|error| error.description);
    let is_shown = |row: &&str| has_member(&text, "error_description", row);
    let nobody_gets = OAuthError::UNAUTHORIZED_CLIENT.description;
    assert_shown(
        "descriptions",
        rows,
        is_shown,
        &[(nobody_gets, "there is one grant, and every client may use it")],
    );
    let codes = ErrorCode::ALL.map(ErrorCode::as_str);
    assert_shown("codes", codes, |code| has_member(&text, "error", code), &[]);
}

/// The descriptions that are no [`OAuthError`]: what only the service can mend, and limits.
#[test]
fn every_description_of_the_table_is_shown() {
    let text = text_of("errors");
    let table = source("src/http/error.rs");
    let rows = quoted(&table).filter(|text| text.ends_with("see Retry-After"));
    let detail = "more is asked for at once than there is room for; see Retry-After";
    let shown =
        |row: &String| has_member(&text, "error_description", row) || has_member(&text, "detail", row);
    assert_shown("descriptions", rows, shown, &[(detail.to_owned(), "64 admins at once are no story")]);
}

#[test]
fn every_status_is_shown() {
    let goldens = everything();
    let rows = TABLES.iter().flat_map(|path| statuses(&source(path))).collect::<Vec<_>>();
    assert!(rows.len() > 30, "the tables are not where they were: {rows:?}");
    let is_shown = |status: &u16| goldens.contains(&format!("\n< {status} "));
    assert_shown("statuses", rows, is_shown, &[]);
}

#[test]
fn every_problem_is_shown() {
    let text = everything();
    let titles = titles(&source("src/http/error.rs"));
    assert!(titles.len() > 20, "the table is not where it was: {titles:?}");
    let is_shown = |(status, title): &(u16, String)| {
        text.contains(&format!("\"title\":\"{title}\",\"status\":{status},"))
            || text.contains(&format!("\"title\": \"{title}\",\n<   \"status\": {status},"))
    };
    assert_shown(
        "problems",
        titles,
        is_shown,
        &[
            ((409, "still running".to_owned()), "it takes two requests at the same time"),
            ((429, "too many keys".to_owned()), "it takes a hundred thousand requests"),
            ((500, "internal error".to_owned()), "a fault of ours, which nobody can ask for"),
        ],
    );
}

/// What administration says of each refusal. Texts with values of the request in them count by their longest fixed part.
#[test]
fn every_refusal_of_an_act_is_shown() {
    let text = everything();
    let texts = ["src/admin/mod.rs", "src/keys/by_hand.rs"].map(|path| error_texts(&source(path))).concat();
    assert!(texts.len() > 15, "the refusals are not where they were: {texts:?}");
    let hidden = "the caller is told to look at the service's own log";
    let exceptions = [
        (
            "the first request with this Idempotency-Key is still running: repeat it in a moment",
            "it takes two requests at the same time",
        ),
        (
            "too many requests with an Idempotency-Key within a day: wait, or send it without",
            "it takes a hundred thousand requests",
        ),
        ("the secret was not hashed: ", hidden),
        ("the key is so already", "it is as asked: 200, and no record"),
        ("no checkpoint covers this entry yet; it does within seconds", hidden),
    ];
    let exceptions = exceptions.map(|(text, reason)| (text.to_owned(), reason));
    assert_shown("refusals", texts, |row| text.contains(row.as_str()), &exceptions);
}

/// A golden that is named after an error shows it.
#[test]
fn goldens_of_errors_show_errors() {
    for (name, text) in goldens("errors") {
        let is_error = |line: &str| ["< 4", "< 5", "! error"].iter().any(|start| line.starts_with(start));
        assert!(text.lines().any(is_error), "{name} shows no error");
    }
}

/// What stands in quotes, without what is escaped.
fn quoted(source: &str) -> impl Iterator<Item = String> {
    let code: Vec<_> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n").replace("\\\"", "");
    code.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>().into_iter()
}

/// The numbers of `StatusCode::NAME`.
fn statuses(source: &str) -> Vec<u16> {
    let names = source.split("StatusCode::").skip(1).map(|rest| {
        rest.chars().take_while(|letter| letter.is_ascii_uppercase() || *letter == '_').collect::<String>()
    });
    names
        .filter(|name| name.len() > 1)
        .map(|name| number_of(&name).unwrap_or_else(|| panic!("no status is called {name}")))
        .collect()
}

/// The number of a status by the name that the `http` crate gives it.
fn number_of(name: &str) -> Option<u16> {
    let words = name.replace('_', " ");
    (100..600).find(|&number| {
        let status = axum::http::StatusCode::from_u16(number).ok();
        let reason = status.and_then(|status| status.canonical_reason()).unwrap_or_default();
        reason.to_ascii_uppercase().replace('-', " ").replace('\'', "") == words
    })
}

/// Each `StatusCode::NAME, "title"`.
fn titles(source: &str) -> Vec<(u16, String)> {
    let flat = source.split_whitespace().collect::<Vec<_>>().join(" ");
    let rows = flat.split("StatusCode::").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once(", \"")?;
        let title = rest.split_once('"')?.0;
        Some((number_of(name)?, title.to_owned()))
    });
    // A title is a few words; a whole sentence is a description.
    rows.filter(|(_, title)| !title.contains([';', '/'])).collect()
}

/// The longest fixed part of each `#[error("...")]`.
fn error_texts(source: &str) -> Vec<String> {
    let texts = source
        .split("#[error(\"")
        .skip(1)
        .filter_map(|rest| rest.split_once("\")]").or_else(|| rest.split_once('"')));
    let parts = texts.filter_map(|(text, _)| text.split(['{', '}']).max_by_key(|part| part.len()));
    // `{0}` alone is the text of somebody else.
    parts.filter(|part| part.len() > 3).map(str::to_owned).collect()
}
