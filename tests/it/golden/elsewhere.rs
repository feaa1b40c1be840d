//! The same stories elsewhere: by another process, in another order and some at a time, in another time zone, language
//! and folder, on a machine that is slower as it has much to do. They must come out byte for byte.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::played::{self, Outcome};
use super::{name_of, root};

/// Where the other process puts its stories.
const OUT: &str = "MINTMARK_GOLDEN_STORIES";
/// So many are played at once there: more than most machines have processors, so that each is slower, and never as here.
const AT_ONCE: usize = 7;

#[test]
fn two_runs_give_the_same_bytes() {
    if let Some(out) = env::var_os(OUT) {
        return play_into(Path::new(&out));
    }
    let folder = tempfile::tempdir().unwrap();
    let [stories, home, temporary] = ["stories", "a home", "a rather longer name for what lasts a moment"]
        .map(|name| folder.path().join(name));
    for made in [&stories, &home, &temporary] {
        fs::create_dir(made).unwrap();
    }
    let mut other = Command::new(env::current_exe().unwrap());
    other.args(["--exact", "golden::elsewhere::two_runs_give_the_same_bytes", "--test-threads=1"]);
    other.env_clear().envs(kept()).current_dir(&home);
    other.env(OUT, &stories).env("HOME", &home).env("TMPDIR", &temporary);
    // Three quarters of an hour from everybody else, with summer time in November; an i without a dot.
    other.env("TZ", "Pacific/Chatham").env("LANG", "tr_TR.UTF-8").env("LC_ALL", "tr_TR.UTF-8");
    // What only a person's shell would have set.
    other.env("MINTMARK_ISSUER", "https://elsewhere.example.com").env("NO_COLOR", "1").env("COLUMNS", "40");
    let other = other.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let here = played::all();
    let done = other.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    assert_eq!(fs::read_dir(&stories).unwrap().count(), here.len(), "the other run played other scenarios");
    let differing: Vec<_> =
        here.iter().filter_map(|(path, story)| difference(path, story, &stories)).collect();
    assert!(differing.is_empty(), "these come out otherwise elsewhere: {differing:#?}");
}

/// What the system needs to start a process at all.
fn kept() -> impl Iterator<Item = (&'static str, OsString)> {
    ["PATH", "LD_LIBRARY_PATH", "RUST_BACKTRACE"]
        .into_iter()
        .filter_map(|name| Some((name, env::var_os(name)?)))
}

/// The first line that differs, with its scenario.
fn difference(path: &Path, story: &Outcome, stories: &Path) -> Option<String> {
    let there = fs::read_to_string(stories.join(file_of(path))).unwrap();
    let here = story.as_ref().unwrap_or_else(|why| why);
    if *here == there {
        return None;
    }
    let ours = here.lines().chain([""]);
    let line = ours.zip(there.lines().chain([""])).find(|(one, other)| one != other);
    let (one, other) = line.unwrap_or(("its end", "another end"));
    Some(format!("{}\n  {one}\n  {other}", path.strip_prefix(root()).unwrap().display()))
}

fn file_of(path: &Path) -> PathBuf {
    let (folder, case) = name_of(path);
    PathBuf::from(format!("{folder}.{case}"))
}

/// The other process: backwards, and each story beside several others that want the same processors.
fn play_into(out: &Path) {
    let mut paths = super::scenarios();
    paths.reverse();
    for (path, story) in played::play(paths, AT_ONCE) {
        fs::write(out.join(file_of(&path)), story.unwrap_or_else(|why| why)).unwrap();
    }
}
