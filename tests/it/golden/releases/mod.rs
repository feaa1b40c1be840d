//! Replays what each release has frozen in `tests/golden/releases`: its stories, its tokens, its database, its log.
//!
//! What would be frozen today goes through the same checks in every run, so that they are never without work.
//! `scripts/golden-freeze` keeps it; nothing else writes there.

mod amendments;
mod frozen;
mod life;
mod state;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use mintmark::config::{Kek, read_kek};

use self::amendments::Amendments;
use self::frozen::{Frozen, LIST};
use super::story::telling::tell_what_is_not;
use super::story::told::Told;
use super::story::{of_snapshot, reasons};
use super::{FOLDERS, files, name_of, played, root};

/// The releases, the oldest first.
fn releases() -> Vec<PathBuf> {
    let Ok(found) = fs::read_dir(root().join("releases")) else { return Vec::new() };
    let mut found: Vec<_> = found.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    found.sort_by_key(|path| numbers(&version(path)));
    found
}

fn version(release: &Path) -> String {
    release.file_name().unwrap().to_str().unwrap().to_owned()
}

/// `0.10.0` comes after `0.9.0`.
fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map(|number| number.parse().unwrap_or_else(|_| panic!("no version: {version}")))
        .collect()
}

/// The KEK that every kept state is sealed under, in a file that only its owner may read.
fn public_kek() -> Kek {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kek");
    let mut options = fs::File::options();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&path).unwrap();
    std::io::Write::write_all(&mut file, include_bytes!("../../../../keys/golden/kek")).unwrap();
    read_kek(&path).unwrap()
}

/// Does the same with all of them, on every core.
fn side_by_side<T: Sync>(things: &[T], act: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(thing) = things.get(next.fetch_add(1, Ordering::Relaxed)) {
                    act(thing);
                }
            });
        }
    });
}

/// What a release's stories say otherwise today, but for what is amended. `only` some of them, by their paths.
fn told_today(release: &Path, amendments: &Amendments, only: impl Fn(&Path) -> bool) -> Told {
    let mut scenarios = files(&release.join("scenarios"));
    scenarios.retain(|path| only(path));
    let told: Mutex<Told> = Mutex::default();
    side_by_side(&scenarios, |path| {
        let (kind, name) = name_of(path);
        let case = format!("{kind}/{name}");
        let golden = fs::read_to_string(release.join(kind).join(format!("{name}.snap"))).unwrap();
        let today = played::replay(path).unwrap_or_else(|broken| broken);
        let sentences = tell_what_is_not(of_snapshot(&golden), today.trim_matches('\n'), |change| {
            amendments.allow(&version(release), &case, change)
        });
        let mut told = told.lock().unwrap();
        for sentence in sentences {
            told.add(sentence, &case);
        }
    });
    told.into_inner().unwrap()
}

#[test]
fn no_release_was_edited() {
    for release in releases() {
        let edited = frozen::edited(&release);
        assert!(edited.is_empty(), "{} is frozen: {edited:#?}", release.display());
    }
}

#[test]
fn every_release_tells_its_stories_as_ever() {
    let amendments = Amendments::read(&fs::read_to_string(root().join("amendments.toml")).unwrap());
    let mut broken = String::new();
    for release in releases() {
        let told = told_today(&release, &amendments, |_| true);
        if told.cases() > 0 {
            let _ = writeln!(broken, "{}, {} stories:\n\n{}", version(&release), told.cases(), told.text());
        }
    }
    assert!(
        broken.is_empty(),
        "today's code tells otherwise what a release has promised.\n{broken}\
         Where that is meant, tests/golden/amendments.toml says so."
    );
    assert_eq!(
        amendments.unused(),
        [""; 0],
        "these amendments in tests/golden/amendments.toml amend nothing"
    );
}

#[tokio::test]
async fn every_release_goes_on() {
    for release in releases() {
        goes_on(&release).await;
    }
}

/// Its tokens are still good at their time, its log verifies, its database opens and goes on.
async fn goes_on(release: &Path) {
    let frozen = Frozen::read(release);
    life::tokens_verify(&frozen);
    life::log_verifies(&frozen);
    life::state_goes_on(&frozen).await;
}

/// A golden that says otherwise than the newest release, or is gone, has its line in `CHANGES.md`.
#[test]
fn every_change_since_the_last_release_has_its_line() {
    let changes = fs::read_to_string(root().join("CHANGES.md")).unwrap();
    if let Some(release) = releases().last() {
        let heading = format!("## {}", version(release));
        assert!(changes.lines().any(|line| line == heading), "CHANGES.md has lost its heading `{heading}`");
        let unnamed = without_line(release, &root().join("current"), &changes);
        assert!(
            unnamed.is_empty(),
            "no line of CHANGES.md above `## {}` names: {unnamed:?}",
            version(release)
        );
    }
}

/// The cases that differ and are named nowhere.
fn without_line(release: &Path, current: &Path, changes: &str) -> Vec<String> {
    let lines = reasons::lines(changes, Some(&version(release)));
    let goldens = FOLDERS.iter().flat_map(|kind| files(&release.join(kind)));
    let differing = goldens.filter_map(|golden| {
        let (kind, case) = name_of(&golden);
        let today = fs::read_to_string(current.join(kind).join(format!("{case}.snap")));
        let old = fs::read_to_string(&golden).unwrap();
        let same = today.is_ok_and(|today| of_snapshot(&today) == of_snapshot(&old));
        (!same).then(|| format!("{kind}/{case}"))
    });
    differing.filter(|case| !reasons::name(case, &lines)).collect()
}

/// Everything that a release keeps, made from what there is today.
async fn freeze(folder: &Path) {
    for scenario in files(&root().join("scenarios")) {
        let (kind, case) = name_of(&scenario);
        for (from, to) in [
            (scenario.clone(), folder.join("scenarios").join(kind).join(format!("{case}.scenario"))),
            (
                root().join("current").join(kind).join(format!("{case}.snap")),
                folder.join(kind).join(format!("{case}.snap")),
            ),
        ] {
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(&from, &to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        }
    }
    state::make(folder).await;
    fs::write(folder.join(LIST), frozen::list(folder)).unwrap();
}

/// With `GOLDEN_FREEZE_TO` it is kept there, which is what `scripts/golden-freeze` asks for.
#[tokio::test]
async fn what_would_be_frozen_now_replays() {
    let folder = tempfile::tempdir().unwrap();
    let release = folder.path().join(mintmark::VERSION);
    fs::create_dir(&release).unwrap();
    freeze(&release).await;
    assert_eq!(frozen::edited(&release), [""; 0]);
    goes_on(&release).await;
    assert_eq!(frozen::edited(&release), [""; 0], "a replay leaves a release as it is");

    let size: u64 = files(&release).iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!(size < 8 << 20, "a release is {size} bytes; who clones the repository gets all of them");
    if let Some(to) = std::env::var_os("GOLDEN_FREEZE_TO") {
        keep(&release, Path::new(&to));
    }
    edits_are_seen(&release);
}

fn keep(release: &Path, to: &Path) {
    for file in files(release) {
        let kept = to.join(file.strip_prefix(release).unwrap());
        fs::create_dir_all(kept.parent().unwrap()).unwrap();
        fs::copy(file, kept).unwrap();
    }
}

/// The checks see what they are for: an edited file, a story that is told otherwise, a golden without a line.
fn edits_are_seen(release: &Path) {
    const CASE: &str = "documents/health";
    let golden = release.join(CASE).with_extension("snap");
    let text = fs::read_to_string(&golden).unwrap();
    let named = |changes: &str| without_line(release, &root().join("current"), changes);
    assert_eq!(named(""), [""; 0]);
    fs::write(&golden, text.replacen("200 OK", "202 Accepted", 1)).unwrap();
    fs::write(release.join("more"), "").unwrap();
    fs::remove_file(release.join("vkey")).unwrap();
    assert_eq!(
        frozen::edited(release),
        ["documents/health.snap was edited", "vkey is gone", "more was added"]
    );

    let line = "- `documents/health`: 202 became 200.\n";
    assert_eq!(named(line), [""; 0]);
    assert_eq!(named(&format!("## {}\n{line}", mintmark::VERSION)), [CASE], "an old line is no reason");

    let told =
        |amendments: &Amendments| told_today(release, amendments, |path| name_of(path).1 == "health").text();
    assert_eq!(
        told(&Amendments::read("")),
        format!("answers of `GET /livez`: status 202 -> 200\n    {CASE}\n")
    );
    let amendment = |old: &str| {
        let place = format!("release = \"{}\"\ncase = \"{CASE}\"", mintmark::VERSION);
        let pointer = "pointer = \"/+0s/GET ~1livez/answer/status\"";
        let words =
            format!("old = '\"{old}\"'\nnew = '\"200 OK\"'\nsince = \"9.0.0\"\nreason = \"202 was wrong.\"");
        Amendments::read(&format!("[[amendment]]\n{place}\n{pointer}\n{words}\n"))
    };
    let (right, wrong) = (amendment("202 Accepted"), amendment("201 Created"));
    assert_eq!((told(&right), right.unused().len()), (String::new(), 0));
    assert_eq!((told(&wrong).is_empty(), wrong.unused().len()), (false, 1));
}

#[test]
fn versions_come_in_the_order_of_their_numbers() {
    let mut versions = ["0.10.0", "0.9.1", "1.0.0", "0.9.0"];
    versions.sort_by_key(|version| numbers(version));
    assert_eq!(versions, ["0.9.0", "0.9.1", "0.10.0", "1.0.0"]);
}
