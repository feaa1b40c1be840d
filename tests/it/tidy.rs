//! What a reader of the code may rely on: which room calls which, where each library ends, and how files look.

mod failpoints;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use source::{Source, sources};

/// The rooms by rows, from the roof to the ground. A room uses rooms of lower
/// rows, and of its own row as long as no circle comes of it. A module belongs
/// to the room with the longest name that fits; a folder's `mod.rs` that only
/// passes names on is looked through.
const ROWS: [(&str, &[&str]); 8] = [
    ("processes, signals, composition", &["main", "cli", "app"]),
    ("bytes in, bytes out", &["http"]),
    ("drivers, which only app names", &["store::sqlite"]),
    (
        "shells: they ask the world and carry out what the pure rooms decide",
        &[
            "admin",
            // Pure as well; it asks what `issue::preview` would show.
            "golden",
            "introspect",
            "issue",
            "clients",
            "limits::attempts",
            "limits::limiter",
            "limits::turns",
            "keys::in_process",
            "keys::opened",
            "keys::rotator",
            "keys::seal",
            "keys::signer",
            "audit::alive",
            "audit::catalogue",
            "audit::denials",
            "audit::log_key",
            "audit::open",
            "audit::period",
            "audit::publisher",
            "audit::recorder",
            "audit::retention",
            "audit::search",
            "audit::served",
            "audit::standing",
            "audit::tail",
            "audit::unexpired",
            "audit::walk",
            "telemetry",
            "telemetry::metrics",
        ],
    ),
    ("what the shells may ask of the world", &["store", "config", "workers"]),
    (
        "pure: they decide and compose",
        &[
            "oauth",
            "policy",
            "issue::authorize",
            "issue::compose",
            "issue::origin",
            "keys",
            // Its signature may have to be waited for; composing only passes the handle on.
            "keys::active",
            "limits",
            // governor wants a clock; this one stands still.
            "limits::gcra",
            "audit",
            "jose",
            "telemetry::cadence",
        ],
    ),
    (
        "the traits of time and chance, and where tests break in; the pure rooms may not take them, see PURE",
        &["ambient", "failpoint"],
    ),
    ("words that everybody uses", &["digest", "time"]),
];

/// Rooms that know no clock, no chance, no store, no HTTP, and wait for nothing.
const PURE: [&str; 13] = [
    "oauth",
    "policy",
    "golden",
    "issue::authorize",
    "issue::compose",
    "issue::origin",
    "keys",
    "limits",
    "audit",
    "jose",
    "telemetry::cadence",
    "digest",
    "time",
];

/// Making keys and signing need chance, and it comes as a parameter.
const CHANCE_AS_A_PARAMETER: [&str; 2] = ["src/jose/key_pair.rs", "src/jose/provider.rs"];

/// A library → the folders and files that may name it.
const LIBRARIES: [(&str, &[&str]); 18] = [
    ("sqlx", &["src/store/"]),
    ("axum", &["src/http/"]),
    ("utoipa", &["src/http/openapi/"]),
    ("tower", &["src/http/"]),
    // The command line has a small HTTP client of its own.
    ("hyper", &["src/http/", "src/cli/"]),
    ("hyper_util", &["src/http/", "src/cli/wire"]),
    ("http_body_util", &["src/http/", "src/cli/wire"]),
    ("tokio_rustls", &["src/cli/wire", "src/http/tls", "src/http/accept/"]),
    ("sd_notify", &["src/cli/server/"]),
    ("governor", &["src/limits/"]),
    ("jsonwebtoken", &["src/jose/"]),
    ("argon2", &["src/clients/"]),
    ("curve25519_dalek", &["src/jose/"]),
    ("moka", &["src/clients/"]),
    ("prometheus_client", &["src/telemetry/metrics/"]),
    // Commands that only talk to a server look whether the file has what they need; goldens are compared as they are.
    ("toml", &["src/config/", "src/cli/globals.rs", "src/cli/golden/", "src/cli/policy/"]),
    ("clap", &["src/cli/"]),
    ("anyhow", &["src/cli/", "src/main.rs"]),
];

fn room_of(module: &[String]) -> Option<(usize, &'static str)> {
    let name = module.join("::");
    let fits = |room: &str| name == room || name.starts_with(&format!("{room}::"));
    let rooms =
        ROWS.iter().enumerate().flat_map(|(row, (_, rooms))| rooms.iter().map(move |room| (row, *room)));
    rooms.filter(|(_, room)| fits(room)).max_by_key(|(_, room)| room.len())
}

/// Where a path that stands in `module` leads, within the crate.
struct House {
    modules: BTreeSet<Vec<String>>,
    passed_on: BTreeMap<Vec<String>, BTreeMap<String, Vec<String>>>,
}

impl House {
    fn of(sources: &[Source]) -> Self {
        let modules = sources.iter().map(|source| source.module.clone()).collect();
        let passed_on = sources.iter().map(|source| (source.module.clone(), source.passed_on())).collect();
        Self { modules, passed_on }
    }

    fn resolve(&self, module: &[String], path: &[String]) -> Option<Vec<String>> {
        let mut here = module.to_vec();
        let mut rest = path.iter().peekable();
        match rest.peek()?.as_str() {
            "crate" => {
                here.clear();
                rest.next();
            }
            "self" | "super" => {
                while let Some(word) = rest.next_if(|word| ["self", "super"].contains(&word.as_str())) {
                    if word == "super" {
                        here.pop();
                    }
                }
            }
            child => {
                here.push(child.to_owned());
                if !self.modules.contains(&here) {
                    return None;
                }
                rest.next();
            }
        }
        for name in rest {
            let mut inner = here.clone();
            inner.push(name.clone());
            if self.modules.contains(&inner) {
                here = inner;
                continue;
            }
            let passed = self.passed_on.get(&here).and_then(|names| names.get(name));
            return Some(passed.and_then(|from| self.resolve(&here, from)).unwrap_or(here));
        }
        Some(here)
    }
}

#[test]
fn every_module_has_a_room() {
    for source in sources("src").iter().filter(|source| !source.module.is_empty()) {
        assert!(room_of(&source.module).is_some(), "{}: put it into the table of rooms", source.file);
    }
}

#[test]
fn rooms_call_down_only_and_in_no_circle() {
    let sources = sources("src");
    let house = House::of(&sources);
    let mut uses: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for source in &sources {
        let Some((row, room)) = room_of(&source.module) else { continue };
        for path in source.paths() {
            let target = house.resolve(&source.module, &path).and_then(|target| room_of(&target));
            let Some((below, other)) = target.filter(|(_, other)| *other != room) else { continue };
            // A folder's own first page names and passes on what stands in it.
            let own_child = other.starts_with(&format!("{room}::"));
            if below < row && !own_child {
                wrong.push(format!("{}: {room} must not use {other} ({})", source.file, path.join("::")));
            }
            if below == row {
                uses.entry(room).or_default().insert(other);
            }
        }
    }
    assert_eq!(wrong, [] as [String; 0]);
    // Rooms that use nothing of their row go, until none is left or a circle is.
    while let Some(free) = uses.iter().find_map(|(room, used)| used.is_empty().then_some(*room)) {
        uses.remove(free);
        for used in uses.values_mut() {
            used.remove(free);
        }
    }
    let mut circles = uses;
    loop {
        let before: usize = circles.values().map(BTreeSet::len).sum();
        let left: BTreeSet<_> =
            circles.iter().filter(|(_, used)| !used.is_empty()).map(|(room, _)| *room).collect();
        for used in circles.values_mut() {
            used.retain(|other| left.contains(other));
        }
        if circles.values().map(BTreeSet::len).sum::<usize>() == before {
            break;
        }
    }
    circles.retain(|_, used| !used.is_empty());
    assert!(circles.is_empty(), "a circle within a row: {circles:?}");
}

#[test]
fn only_app_names_a_driver() {
    let sources = sources("src");
    let house = House::of(&sources);
    for source in sources.iter().filter(|source| !source.file.starts_with("src/store/")) {
        for path in source.paths() {
            let target = house.resolve(&source.module, &path).and_then(|target| room_of(&target));
            let driver = target.is_some_and(|(_, room)| room == "store::sqlite");
            assert!(!driver || source.file.starts_with("src/app/"), "{}: {}", source.file, path.join("::"));
        }
    }
}

#[test]
fn each_library_has_its_place() {
    for source in sources("src") {
        for path in source.paths() {
            let Some((library, places)) = LIBRARIES.iter().find(|(library, _)| path[0] == *library) else {
                continue;
            };
            let inside = places.iter().any(|place| source.file.starts_with(place));
            assert!(inside, "{}: {library} belongs into {places:?}", source.file);
        }
    }
}

#[test]
fn status_codes_are_chosen_in_one_place() {
    let places = ["src/http/error.rs", "src/http/bounds.rs"];
    for source in sources("src") {
        if source.shipped.contains("StatusCode") {
            // What the command line does with a code is read it.
            let reads = source.file.starts_with("src/cli/");
            assert!(reads || places.contains(&source.file.as_str()), "{}: see http/error.rs", source.file);
        }
    }
}

#[test]
fn pure_rooms_wait_for_nothing_and_ask_nobody() {
    for source in sources("src") {
        let Some((_, room)) = room_of(&source.module) else { continue };
        if !PURE.contains(&room) {
            continue;
        }
        let mut forbidden =
            vec!["async", "await", "Clock", "SystemTime", "Instant", "Store", "tokio", "fs", "failpoint"];
        if !CHANCE_AS_A_PARAMETER.contains(&source.file.as_str()) {
            forbidden.extend(["Entropy", "SystemRandom"]);
        }
        for word in forbidden {
            assert!(!source.says(word), "{}: {word}", source.file);
        }
    }
}

#[test]
fn every_file_says_what_it_is_for_and_fits_on_a_few_pages() {
    for source in ["src", "tests"].into_iter().flat_map(sources) {
        // The unit tests of a file are for that file.
        let told =
            source.text.starts_with("//! ") || source.file.starts_with("src/") && source.shipped.is_empty();
        assert!(told, "{}: begin with what it is for", source.file);
        let lines = source.text.lines().count();
        assert!(lines <= 500, "{}: {lines} lines want a second room", source.file);
    }
}

#[test]
fn nothing_is_left_for_later_and_nothing_waits_for_a_clock_on_the_wall() {
    // In two halves, so that this file does not find itself.
    let unfinished =
        [("TO", "DO"), ("FIX", "ME"), ("XX", "X"), ("todo", "!"), ("unimple", "mented!"), ("#[ign", "ore")];
    // The deadlines of connections are timers of their own.
    let sleepers = ["src/http/accept.rs", "src/http/pace.rs"];
    for source in ["src", "tests"].into_iter().flat_map(sources) {
        for (first, second) in unfinished {
            assert!(!source.text.contains(&format!("{first}{second}")), "{}: {first}{second}", source.file);
        }
        let sleeps = source.code.contains("sleep(") || source.code.contains("sleep_until(");
        assert!(!sleeps || sleepers.contains(&source.file.as_str()), "{}: no sleeps", source.file);
    }
}

#[test]
fn each_database_has_the_same_migrations() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let names = |folder: &Path| -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let databases = names(&folder);
    assert!(databases.contains(&"sqlite".to_owned()));
    for database in &databases {
        let migrations = names(&folder.join(database));
        assert!(!migrations.is_empty());
        assert_eq!(migrations, names(&folder.join("sqlite")), "{database}");
        for (name, number) in migrations.iter().zip(1..) {
            assert!(
                name.starts_with(&format!("{number:04}_"))
                    && Path::new(name).extension().is_some_and(|kind| kind == "sql"),
                "{name}"
            );
        }
    }
}
