//! Source files as text: what is code in them, and which paths that code names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// One source file.
pub(super) struct Source {
    /// Relative to the package.
    pub(super) file: String,
    /// As it is.
    pub(super) text: String,
    /// Without comments, and without what stands in quotes.
    pub(super) code: String,
    /// Its code without its unit tests; empty for a file of unit tests.
    pub(super) shipped: String,
    /// Where it stands below the crate's root, such as `keys::plan`; for files of `src` only.
    pub(super) module: Vec<String>,
}

/// Every `.rs` file below `folder`, in order.
pub(super) fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    gather(&root.join(folder), &mut files);
    files.sort();
    files.into_iter().map(|path| Source::read(root, &path)).collect()
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

impl Source {
    fn read(root: &Path, path: &Path) -> Self {
        let file = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(path).unwrap();
        let code = code_of(&text);
        let of_tests = file.split('/').any(|part| part == "tests" || part == "tests.rs");
        let end = code.find("#[cfg(test)]\nmod tests").unwrap_or(code.len());
        let shipped = if of_tests { String::new() } else { code[..end].to_owned() };
        let inside =
            file.strip_prefix("src/").unwrap_or(&file).trim_end_matches(".rs").trim_end_matches("/mod");
        let module = inside.split('/').filter(|part| *part != "lib").map(str::to_owned).collect();
        Self { file, text, code, shipped, module }
    }

    /// The paths that the shipped code names: `use` trees spelled out, and paths in place.
    pub(super) fn paths(&self) -> BTreeSet<Vec<String>> {
        let mut paths = BTreeSet::new();
        let words = words(&self.shipped);
        let mut at = 0;
        while at < words.len() {
            if words[at] == "use" {
                at = tree(&words, at + 1, &[], &mut paths);
            } else if is_name(&words[at]) && words.get(at + 1).is_some_and(|next| next == "::") {
                at = tree(&words, at, &[], &mut paths);
            } else {
                at += 1;
            }
        }
        paths
    }

    /// Whether the shipped code has this as a whole word.
    pub(super) fn says(&self, word: &str) -> bool {
        words(&self.shipped).iter().any(|known| known == word)
    }

    /// What this module passes on under its own name: name → the path it comes from.
    pub(super) fn passed_on(&self) -> BTreeMap<String, Vec<String>> {
        let mut passed = BTreeMap::new();
        for statement in self.shipped.split(';') {
            let Some((_, used)) = statement.split_once("pub use ") else { continue };
            let mut paths = BTreeSet::new();
            tree(&words(used), 0, &[], &mut paths);
            passed.extend(paths.into_iter().filter_map(|path| Some((path.last()?.clone(), path))));
        }
        passed
    }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Names, `::`, and single signs.
fn words(code: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let length = if is_name(rest) {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        if !first.is_whitespace() {
            words.push(rest[..length].to_owned());
        }
        rest = &rest[length..];
    }
    words
}

/// Reads the path or tree that begins at `at`; gives where it ends.
fn tree(words: &[String], mut at: usize, prefix: &[String], out: &mut BTreeSet<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    while let Some(word) = words.get(at) {
        if word == "::" {
            at += 1;
        } else if word == "{" {
            at += 1;
            while words.get(at).is_some_and(|word| word != "}") {
                at = tree(words, at, &path, out);
                while words.get(at).is_some_and(|word| word == ",") {
                    at += 1;
                }
            }
            return at + 1;
        } else if word == "*" {
            out.insert(path);
            return at + 1;
        } else if is_name(word) {
            if word != "self" || path.is_empty() {
                path.push(word.clone());
            }
            at += 1;
            if words.get(at).is_none_or(|next| next != "::") {
                break;
            }
        } else {
            break;
        }
    }
    // `use<'a>` in a type names nothing.
    if !path.is_empty() {
        out.insert(path);
    }
    if words.get(at).is_some_and(|word| word == "as") { at + 2 } else { at.max(1) }
}

/// Blanks comments and the inside of quotes.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = quoted(rest) {
            code.push_str("\"\"");
            length
        } else {
            code.push(first);
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    code
}

/// The length of the literal in quotes that `text` begins with.
fn quoted(text: &str) -> Option<usize> {
    if let Some(raw) = text.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let inside = raw[hashes..].strip_prefix('"')?;
        let close = format!("\"{}", "#".repeat(hashes));
        return Some(1 + hashes + 1 + inside.find(&close)? + close.len());
    }
    if text.starts_with('\'') {
        // A lifetime has no second quote after one character.
        let mut chars = text.char_indices().skip(1);
        let (_, first) = chars.next()?;
        let closes = |(at, c): (usize, char)| (c == '\'').then_some(at + 1);
        return if first == '\\' { chars.skip(1).find_map(closes) } else { chars.next().and_then(closes) };
    }
    let mut escaped = false;
    let mut chars = text.char_indices();
    (chars.next()?.1 == '"').then_some(())?;
    for (at, c) in chars {
        match c {
            '"' if !escaped => return Some(at + 1),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}

#[test]
fn code_is_what_is_neither_comment_nor_quote() {
    let text = "a('\"', '\\'', 'x) // b \"\n\"c\\\"d\" r#\"e\"f\"# /* g */ h<'a>";
    assert_eq!(code_of(text), "a(\"\", \"\", 'x) \n\"\" \"\"  h<'a>");
}

#[test]
fn paths_are_spelled_out() {
    let source = |shipped: &str| Source {
        file: String::new(),
        text: String::new(),
        code: String::new(),
        shipped: shipped.to_owned(),
        module: Vec::new(),
    };
    let paths = |text: &str| source(text).paths().into_iter().map(|path| path.join("::")).collect::<Vec<_>>();
    assert_eq!(
        paths("use crate::a::{self, b::{C, d}, E as F,\n g::*};"),
        ["crate::a", "crate::a::E", "crate::a::b::C", "crate::a::b::d", "crate::a::g"]
    );
    assert_eq!(
        paths("fn f(x: &super::Y) { crate::a::b(x.c, d::<e::F>()) }"),
        ["crate::a::b", "d", "e::F", "super::Y"]
    );
    let passed = source("pub use a::{self, B};\npub use crate::c::D;").passed_on();
    assert_eq!(passed.into_keys().collect::<Vec<_>>(), ["B", "D", "a"]);
}
