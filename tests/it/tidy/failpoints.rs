//! The shipped program has no failpoints: neither their names nor an ear for `FAILPOINTS`.

use std::collections::BTreeSet;
use std::process::Command;

use super::source::sources;
use crate::process::Running;

/// What stands in the quotes of every `failpoint!("...")`.
fn names() -> Vec<String> {
    let mut names = Vec::new();
    for source in sources("src").iter().filter(|source| source.file != "src/failpoint.rs") {
        let calls = source.text.split("failpoint!(\"").skip(1);
        names.extend(calls.filter_map(|call| call.split('"').next()).map(str::to_owned));
    }
    names
}

#[test]
fn each_failpoint_has_a_name_of_its_own() {
    let names = names();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    assert!(names.len() >= 25, "{names:?}");
}

#[test]
fn only_a_program_with_the_feature_has_their_names() {
    let expected: BTreeSet<_> = names().into_iter().chain(["FAILPOINTS".to_owned()]).collect();
    let patterns = expected.iter().flat_map(|name| ["-e", name.as_str()]);
    // A hundred megabytes: unoptimised code would look through them for half a minute.
    let found = Command::new("grep")
        .args(["-a", "-o", "-F"])
        .args(patterns)
        .arg(env!("CARGO_BIN_EXE_mintmark"))
        .output()
        .unwrap();
    assert!(found.status.code().is_some_and(|code| code < 2), "{found:?}");
    let found: BTreeSet<_> = String::from_utf8_lossy(&found.stdout).lines().map(str::to_owned).collect();
    assert_eq!(found, if cfg!(feature = "failpoints") { expected } else { BTreeSet::new() });
}

#[test]
fn only_a_program_with_the_feature_ends_at_them() {
    let all: Vec<_> = names().iter().map(|name| format!("{name}=return(kill)")).collect();
    let environment = [("FAILPOINTS", all.join(";"))];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let started = std::panic::catch_unwind(|| drop(Running::start_with(&environment)));
    assert_eq!(started.is_err(), cfg!(feature = "failpoints"), "it starts exactly without the feature");
}
