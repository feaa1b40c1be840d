//! `mintmark golden`: what it records is what the service issues; what it tells is what differs, and nothing else.

mod damage;
mod issued;
mod verified;
mod written;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use mintmark::cli::{self, Terminal, Zone};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{FakeClock, ISSUER, ORDERS, START};

/// A folder where somebody types commands.
struct Desk {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

/// How a command ended and what it printed.
#[derive(Debug)]
struct Ran {
    code: u8,
    out: String,
    err: String,
}

impl Ran {
    #[track_caller]
    fn exits(self, code: u8) -> Self {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// Checks for one line of complaint that holds these words.
    #[track_caller]
    fn complains_of(&self, words: &str) {
        assert!(self.err.starts_with("error: ") && self.err.lines().count() == 1, "{self:?}");
        assert!(self.err.contains(words), "{words}: {}", self.err);
        assert_eq!(self.out, "");
    }
}

impl Desk {
    fn new() -> Self {
        let environment = vec![("MINTMARK_ISSUER".to_owned(), ISSUER.to_owned())];
        Self { folder: tempfile::tempdir().unwrap(), environment }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        fs::write(self.at(name), text).unwrap();
        self
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    /// Puts another text in the place of the first one that is there.
    #[track_caller]
    fn replace(&self, name: &str, old: &str, new: &str) -> &Self {
        let text = self.text(name);
        assert!(text.contains(old), "{name}: {text}");
        self.write(name, &text.replacen(old, new, 1))
    }

    fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Types `mintmark golden ...`; words that begin with `./` are files of this folder.
    async fn golden(&self, words: &[&str]) -> Ran {
        self.type_in(words, "", true).await
    }

    /// The same for a program.
    async fn golden_json(&self, words: &[&str]) -> Ran {
        self.type_in(words, "", false).await
    }

    async fn type_in(&self, words: &[&str], stdin: &str, is_terminal: bool) -> Ran {
        let here = |word: &&str| match word.strip_prefix("./") {
            Some(name) => self.at(name).into_os_string(),
            None => OsString::from(*word),
        };
        let argv = ["mintmark", "golden"].iter().chain(words).map(here);
        let (mut stdin, mut out, mut err) = (stdin.as_bytes(), Vec::new(), Vec::new());
        let mut terminal = Terminal {
            stdin: &mut stdin,
            stdout: &mut out,
            stderr: &mut err,
            is_terminal,
            zone: Zone::utc(),
        };
        let code = cli::run(argv, self.environment.clone(), &FakeClock::at(START), &mut terminal).await;
        let told = |text: Vec<u8>| {
            let here = format!("{}/", self.folder.path().display());
            String::from_utf8(text).unwrap().replace(&here, "./")
        };
        Ran { code, out: told(out), err: told(err) }
    }

    /// Records `./policy.toml` into `./goldens`.
    async fn record(&self) -> Ran {
        self.golden(&["record", "--policy", "./policy.toml", "--out", "./goldens"]).await
    }

    /// A desk with the usual policy, recorded.
    async fn recorded() -> Self {
        let desk = Self::new();
        desk.write("policy.toml", &usual());
        desk.record().await.exits(0);
        desk
    }

    /// Every file of a folder with its bytes, by name.
    fn files(&self, folder: &str) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        let root = self.at(folder);
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push((name_in(&root, &path), fs::read(&path).unwrap()));
                }
            }
        }
        files.sort();
        files
    }
}

fn name_in(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap().to_str().unwrap().to_owned()
}

/// Two resources, three scopes, two clients.
fn usual() -> String {
    format!(
        r#"
        resource = [{{ uri = "{ORDERS}", lifetime = "10m" }}, {{ uri = "https://stock.example.com" }}]

        [[scope]]
        name = "orders:read"
        resource = "{ORDERS}"
        limit = "600/1m"

        [[scope]]
        name = "orders:write"
        resource = "{ORDERS}"
        limit = "60/1m"

        [[scope]]
        name = "stock:read"
        resource = "https://stock.example.com"
        limit = "60/1m"

        [[client]]
        id = "reader"
        scope = "orders:read orders:write"
        default_scope = "orders:read"

        [[client]]
        id = "stock"
        scope = "stock:read orders:read"
    "#
    )
}

/// One place of `changes`.
fn change(file: &str, request: Option<&str>, pointer: &str, sides: (Option<Value>, Option<Value>)) -> Value {
    let mut change = json!({ "file": file });
    let members = [("request", request.map(Value::from)), ("pointer", Some(pointer.into()))];
    for (name, value) in members.into_iter().chain([("old", sides.0), ("new", sides.1)]) {
        if let Some(value) = value {
            change[name] = value;
        }
    }
    change
}
