//! Everything is told and nothing twice, for one client and for hundreds.

use proptest::prelude::*;

use super::*;
use crate::golden::differences::differences;
use crate::golden::manifest::{Counts, Manifest};

fn lives(seconds: u64) -> Value {
    json!({
        "claims": { "scope": "a", "exp": format!("iat + {seconds}") },
        "lifetime": { "seconds": seconds, "bounds": [{ "seconds": seconds, "set_by": "resource", "name": "x:y" }] }
    })
}

fn run(clients: &[(&str, &[(&str, u64)])]) -> Recorded {
    let answers = |requests: &[(&str, u64)]| {
        requests.iter().map(|(name, seconds)| ((*name).to_owned(), lives(*seconds))).collect::<Answers>()
    };
    Recorded {
        manifest: Manifest::new(Counts::default()),
        settings: json!({ "issuer": "https://auth.example.com", "keys": { "active_for": "14d" } }),
        policy: json!({}),
        tokens: clients.iter().map(|(id, requests)| ((*id).to_owned(), answers(requests))).collect(),
        rotation: [
            "algorithms: ES256",
            "each signs for: 14d",
            "",
            "time key",
            "+0s 2026-01-01T00:00:00Z ES256-1 - -> active first start",
        ]
        .map(str::to_owned)
        .to_vec(),
    }
}

fn page(old: &Recorded, new: &Recorded) -> String {
    told(old, new).into_iter().fold(String::new(), |page, Told { heading, lines }| {
        lines
            .iter()
            .fold(page + &heading + "\n", |page, (about, told)| page + "  " + about + " | " + told + "\n")
    })
}

#[test]
fn one_change_of_one_request_is_one_line() {
    let old = run(&[("web", &[("a", 600), ("b", 600), ("c", 600)])]);
    let new = run(&[("web", &[("a", 600), ("b", 300), ("c", 600)])]);
    assert_eq!(page(&old, &new), "web\n  b | lifetime 10m -> 5m (set by the resource)\n");
    let all = run(&[("web", &[("a", 300), ("b", 300), ("c", 300)])]);
    assert_eq!(page(&old, &all), "web\n  every request | lifetime 10m -> 5m (set by the resource)\n");
}

#[test]
fn what_many_clients_share_is_told_once() {
    let ids: Vec<String> = (0..200).map(|number| format!("client-{number:03}")).collect();
    let side = |seconds: u64, odd: u64| {
        let requests = [[("a", seconds), ("b", 600)], [("a", seconds), ("b", odd)]];
        let clients: Vec<(&str, &[(&str, u64)])> = ids
            .iter()
            .enumerate()
            .map(|(place, id)| (id.as_str(), &requests[usize::from(place == 7)][..]))
            .collect();
        run(&clients)
    };
    assert_eq!(
        page(&side(600, 600), &side(300, 60)),
        "200 clients: client-000, client-001, client-002 and 197 more\n\
         \u{20} a | lifetime 10m -> 5m (set by the resource)\n\
         client-007\n\
         \u{20} b | lifetime 10m -> 1m (set by the resource)\n"
    );
}

#[test]
fn clients_come_and_go() {
    let old = run(&[("old", &[("a", 600)]), ("web", &[("a", 600)])]);
    let new = run(&[("billing", &[("a", 600), ("b", 600)]), ("web", &[("a", 600), ("b", 600)])]);
    assert_eq!(
        page(&old, &new),
        "billing\n  every request | new client: a token of a at none for 10m\n\
         old\n  a | gone client: a token of a at none for 10m\n\
         web\n  b | new: a token for 10m\n"
    );
    // One that was made to ask for nothing is told too.
    assert_eq!(page(&run(&[]), &run(&[("web", &[])])), "web\n   | new client: no request\n");
}

/// An answer to a client that is granted `scope` at `audience`.
fn granted(scope: &str, audience: &str, seconds: u64) -> Value {
    let mut answer = lives(seconds);
    answer["claims"] = json!({ "scope": scope, "aud": audience });
    answer
}

#[test]
fn what_a_new_client_may_do_is_told() {
    let mut new = run(&[]);
    let answers = [
        (
            "default scope",
            json!({ "refused": { "error": "invalid_scope", "error_description": "name one" } }),
        ),
        ("admin:write", granted("admin:write", "https://auth.example.com/admin", 60)),
        ("a", granted("a", "https://api.example", 600)),
    ];
    new.tokens.insert(
        "web".to_owned(),
        answers.map(|(name, answer)| (name.to_owned(), answer)).into_iter().collect(),
    );
    let told = |old: &Recorded, new: &Recorded, what: &str| {
        let lines = [
            "a | {} a token of a at https://api.example for 10m",
            "admin:write | {} a token of admin:write at https://auth.example.com/admin for 1m",
            "default scope | {} refused, invalid_scope (name one)",
        ];
        let page = page(old, new);
        assert_eq!(page.lines().count(), 1 + lines.len(), "{page}");
        for line in lines {
            assert!(page.contains(&line.replace("{}", what)), "{line}: {page}");
        }
    };
    told(&run(&[]), &new, "new client:");
    told(&new, &run(&[]), "gone client:");
}

#[test]
fn a_new_client_with_many_requests_is_told_by_its_audiences_with_every_scope() {
    let mut new = run(&[]);
    let answers = (0..40).map(|number| {
        let (scope, audience) = (format!("s{number:02}"), format!("https://api{}.example", number % 2));
        (scope.clone(), granted(&scope, &audience, 60 * (1 + number)))
    });
    new.tokens.insert("web".to_owned(), answers.collect());
    let page = page(&run(&[]), &new);
    assert_eq!(page.lines().count(), 3, "{page}");
    for number in 0..40 {
        assert_eq!(page.matches(&format!("s{number:02}")).count(), 1, "{page}");
    }
    assert!(page.contains(" | new client: tokens of s00 s02 "), "{page}");
    assert!(page.contains(" s38 at https://api0.example for 1m to 39m\n"), "{page}");
}

/// A key set, a method, a right to introspect: no token shows them.
#[test]
fn every_object_of_a_policy_is_named() {
    let (mut old, mut new) = (run(&[]), run(&[]));
    let clients = |member: &str, count: usize| -> Map<String, Value> {
        let named = (0..count).map(|number| (format!("c{number:02}"), json!({ "jwks": 1, member: 2 })));
        named.collect()
    };
    old.policy = json!({ "clients": clients("scope", 40) });
    new.policy = json!({ "clients": clients("scope", 40) });
    for number in 0..40 {
        new.policy["clients"][format!("c{number:02}")]["scope"] = json!(3);
    }
    new.policy["clients"]["c27"] = json!({ "jwks": 5, "scope": 2 });
    new.policy["clients"]["c31"]["introspects"] = json!(["x:y"]);
    let page = page(&old, &new);
    assert_eq!(page.lines().count(), 4, "{page}");
    assert!(
        page.contains("  client c27 | jwks\n") && page.contains("  client c31 | introspects, scope\n"),
        "{page}"
    );
    assert!(page.contains("  38 clients: c00, c01, c02, c03, "), "{page}");
    for number in 0..40 {
        assert_eq!(page.matches(&format!("c{number:02}")).count(), 1, "{page}");
    }
}

#[test]
fn causes_stand_last() {
    let (old, mut new) = (run(&[]), run(&[]));
    new.settings["keys"]["active_for"] = json!("7d");
    new.settings["keys"]["algorithms"] = json!(["ES256", "EdDSA"]);
    new.policy = json!({ "clients": { "web": { "scope": "a" } }, "scopes": {} });
    new.rotation[1] = "each signs for: 7d".to_owned();
    new.rotation[4] = "+7d 2026-01-08T00:00:00Z ES256-1 active -> passive age ES256-2".to_owned();
    assert_eq!(
        page(&old, &new),
        "rotation\n\
         \u{20} each signs for | 14d -> 7d\n\
         \u{20} first difference | +7d ES256-1 active -> passive; was +0s ES256-1 - -> active\n\
         settings.toml\n\
         \u{20} keys.active_for | 14d -> 7d\n\
         \u{20} keys.algorithms | is new: ES256, EdDSA\n\
         policy.toml\n\
         \u{20} client web | new\n"
    );
}

/// Answers as they are recorded, and such as only another hand could have written.
fn answers() -> impl Strategy<Value = Answers> {
    let scope = prop_oneof![Just("a"), Just("a b"), Just("b")];
    let by = prop_oneof![Just("client"), Just("resource"), Just("tokens.lifetime")];
    let granted = (scope, 1..4_u64, by, 1..3_u64, any::<bool>()).prop_map(|(scope, minutes, by, length, eddsa)| {
        let alg = if eddsa { "EdDSA" } else { "ES256" };
        let limits: Map<_, _> =
            scope.split(' ').map(|scope| (scope.to_owned(), json!({ "limit": "6/1m", "set_by": by }))).collect();
        let seconds = minutes * 60;
        json!({
            "request": { "scope": scope },
            "header": { "alg": alg, "kid": format!("<{alg}-1>") },
            "claims": { "scope": scope, "exp": format!("iat + {seconds}"), "x": length },
            "lifetime": { "seconds": seconds, "bounds": [{ "seconds": seconds, "set_by": by, "name": null }] },
            "limits": limits,
            "length": length,
        })
    });
    let refused = prop_oneof![Just("invalid_scope"), Just("invalid_client")]
        .prop_map(|error| json!({ "refused": { "error": error } }));
    let strange = prop_oneof![
        Just(json!({ "lifetime": 7, "limits": [], "claims": "x" })),
        Just(json!({ "lifetime": { "seconds": "x", "bounds": {} }, "limits": { "a": 1 } })),
        Just(json!({ "header": { "kid": 1 }, "length": null, "": { "/": "~" } })),
    ];
    let answer = prop_oneof![4 => granted, 1 => refused, 1 => strange];
    prop::collection::btree_map("[ab]", answer, 0..3).prop_map(|answers| answers.into_iter().collect())
}

fn runs() -> impl Strategy<Value = Recorded> {
    let tokens = prop::collection::btree_map("[v-z]", answers(), 0..5);
    let lines = prop::collection::vec("(\\+1d|x: )[ab]{0,2}", 0..4);
    (tokens, lines).prop_map(|(tokens, rotation)| Recorded { tokens, rotation, ..run(&[]) })
}

proptest! {
    #[test]
    fn something_is_told_exactly_where_something_differs(old in runs(), new in runs()) {
        let (differences, told) = (differences(&old, &new), told(&old, &new));
        prop_assert_eq!(differences.is_empty(), told.is_empty());
        prop_assert_eq!(told.is_empty(), old.tokens == new.tokens && old.rotation == new.rotation);
        prop_assert!(told.iter().all(|told| !told.lines.is_empty()));
        // Every client whose answers differ is named by a heading of its own or among others.
        for difference in differences.iter().filter(|difference| difference.file.starts_with("tokens/")) {
            let client = &difference.file["tokens/".len()..difference.file.len() - ".json".len()];
            let named = told.iter().any(|told| told.heading.contains(client) || told.heading.contains(" more"));
            prop_assert!(named, "{}", client);
        }
        let mut lines: Vec<_> = told.iter().flat_map(|told| &told.lines).map(|line| (&line.0, &line.1)).collect();
        lines.sort_unstable();
        let all = lines.len();
        lines.dedup();
        // The same line stands twice only below several clients, which are few.
        prop_assert!(all <= lines.len() * FEW);
    }
}
