use proptest::prelude::*;
use serde_json::json;

use super::*;

const API: &str = "https://api.example";
const NOW: Timestamp = Timestamp::from_seconds(1_795_348_800);

fn rules(prune: bool) -> Rules<'static> {
    Rules {
        prune,
        algorithms: &[Algorithm::Es256, Algorithm::EdDsa],
        max_lifetime: Duration::from_hours(1),
        now: NOW,
        builtin: BUILTIN.get_or_init(|| Builtin::of("https://auth.example", Algorithm::Es256).unwrap()),
    }
}

static BUILTIN: std::sync::OnceLock<Builtin> = std::sync::OnceLock::new();

fn wanted(document: Value) -> Wanted {
    serde_json::from_value(document).unwrap()
}

/// A policy as it is after this file was applied to nothing.
fn policy(document: Value) -> Policy {
    plan(&Policy::default(), wanted(document), rules(false)).unwrap().after
}

fn usual() -> Value {
    json!({
        "resources": [{ "resource": API, "signing_alg": "ES256" }],
        "scopes": [
            { "scope": "read", "resource": API, "limit": { "count": 60, "period": 60 } },
            { "scope": "write", "resource": API, "limit": { "count": 6, "period": 60 } },
        ],
        "clients": [{ "client_id": "web", "scope": "read write", "access_token_lifetime": 300 }],
    })
}

fn complaints(current: &Policy, document: Value, prune: bool) -> Vec<String> {
    let complaints = plan(current, wanted(document), rules(prune)).unwrap_err();
    complaints.iter().map(ToString::to_string).collect()
}

#[test]
fn a_file_brings_a_resource_its_scopes_and_their_clients_at_once() {
    let plan = plan(&Policy::default(), wanted(usual()), rules(true)).unwrap();
    assert_eq!((plan.resources.len(), plan.scopes.len(), plan.clients.len()), (1, 2, 1));
    let client = &plan.clients[0].after.as_ref().unwrap().client;
    assert_eq!((client.version, client.created_at, client.disabled), (1, NOW, false));
}

#[test]
fn what_the_file_lacks_is_left_alone_or_removed() {
    let current = policy(usual());
    let less = json!({ "resources": [{ "resource": API, "signing_alg": "ES256" }] });
    assert!(plan(&current, wanted(less.clone()), rules(false)).unwrap().is_empty());
    let pruned = plan(&current, wanted(less), rules(true)).unwrap();
    assert_eq!((pruned.resources.len(), pruned.scopes.len(), pruned.clients.len()), (0, 2, 1));
    assert!(pruned.scopes.iter().all(|scope| scope.before.is_some() && scope.after.is_none()));
    assert!(pruned.after.scopes.is_empty() && pruned.after.clients.is_empty());
}

#[test]
fn silence_lets_nobody_in_again() {
    let mut off = usual();
    off["clients"][0]["disabled"] = json!(true);
    let current = policy(off.clone());
    assert!(plan(&current, wanted(usual()), rules(true)).unwrap().is_empty(), "it stays disabled");
    off["clients"][0]["disabled"] = json!(false);
    let plan = plan(&current, wanted(off), rules(true)).unwrap();
    assert!(!plan.clients[0].after.as_ref().unwrap().client.disabled);
}

#[test]
fn an_object_gets_the_version_after_its_own() {
    let mut current = policy(usual());
    let mut web = (*current.clients["web"]).clone();
    (web.client.version, web.key) = (7, 3);
    current.clients.insert(web.client.id.clone(), Arc::new(web));
    let mut other = usual();
    other["clients"][0]["client_name"] = json!("Web");
    let plan = plan(&current, wanted(other), rules(false)).unwrap();
    let after = plan.clients[0].after.as_ref().unwrap();
    assert_eq!((after.client.version, after.key, plan.clients.len()), (8, 3, 1));
    assert!(plan.resources.is_empty() && plan.scopes.is_empty());
}

#[test]
fn every_complaint_is_told_at_once_with_its_place() {
    let current = Policy::default();
    let bad = json!({
        "resources": [{ "resource": API, "signing_alg": "ES256" }, { "resource": API, "signing_alg": "ES256" }, 7],
        "scopes": [{ "scope": "read", "resource": API, "limit": { "count": 0, "period": 60 } }],
        "clients": [{ "client_id": "web" }, { "client_id": "w b", "scope": "read" }],
    });
    let told = complaints(&current, bad, false);
    let places = [
        "resources[1] (https://api.example): ",
        "resources[2]: ",
        "scopes[0] (read): ",
        "clients[0] (web): ",
        "clients[1] (w b): ",
    ];
    assert_eq!(told.len(), places.len(), "{told:?}");
    for (told, place) in told.iter().zip(places) {
        assert!(told.starts_with(place), "{told}");
    }

    let unknown = json!({
        "resources": [{ "resource": API, "signing_alg": "RS256", "token_lifetime": 7200 }],
        "scopes": [{ "scope": "read", "resource": "https://other.example", "limit": { "count": 6, "period": 60 } }],
        "clients": [{ "client_id": "web", "scope": "reed" }],
    });
    let told = complaints(&current, unknown, false);
    assert_eq!(told.len(), 3, "{told:?}");
}

#[test]
fn what_is_kept_needs_what_is_removed_to_stay() {
    let current = policy(usual());
    let without_write = json!({
        "resources": [{ "resource": API, "signing_alg": "ES256" }],
        "scopes": [{ "scope": "read", "resource": API, "limit": { "count": 60, "period": 60 } }],
        "clients": [{ "client_id": "web", "scope": "read write" }],
    });
    let told = complaints(&current, without_write, true);
    assert!(told.len() == 1 && told[0].starts_with("clients[0] (web): scope: write"), "{told:?}");
    let without_resource = json!({
        "scopes": [{ "scope": "read", "resource": API, "limit": { "count": 60, "period": 60 } }],
    });
    assert_eq!(complaints(&current, without_resource, true).len(), 1);
}

#[test]
fn a_scope_stays_with_its_resource() {
    let moved = json!({
        "resources": [{ "resource": "https://b.example", "signing_alg": "ES256" }],
        "scopes": [{ "scope": "read", "resource": "https://b.example", "limit": { "count": 60, "period": 60 } }],
    });
    let told = complaints(&policy(usual()), moved, false);
    assert!(told.len() == 1 && told[0].contains("stays with its resource"), "{told:?}");
}

#[test]
fn changed_members_are_named_in_the_objects_order() {
    let before = json!({ "a": 1, "b": 2, "c": 3, "updated_at": 1 });
    let after = json!({ "a": 2, "b": 2, "c": 4, "updated_at": 2 });
    assert_eq!(changed_members(&before, &after), ["a", "c"]);
}

/// A small world in which files often meet the same objects.
fn document() -> impl Strategy<Value = Value> {
    let scopes = proptest::collection::btree_set(prop_oneof![Just("a"), Just("b"), Just("c")], 0..3);
    let clients = proptest::collection::btree_map(
        prop_oneof![Just("x"), Just("y")],
        (proptest::option::of(1..600u64), proptest::option::of(any::<bool>())),
        0..3,
    );
    (scopes, 1..4u32, clients).prop_map(|(scopes, count, clients)| {
        let scope = |name: &&str| json!({ "scope": name, "resource": API, "limit": { "count": count, "period": 1 } });
        let client = |(id, (lifetime, disabled)): (&&str, &(Option<u64>, Option<bool>))| {
            json!({ "client_id": id, "scope": "z", "access_token_lifetime": lifetime, "disabled": disabled })
        };
        let last = json!({ "scope": "z", "resource": API, "limit": { "count": 1, "period": 1 } });
        json!({
            "resources": [{ "resource": API, "signing_alg": "ES256" }],
            "scopes": scopes.iter().map(scope).chain([last]).collect::<Vec<_>>(),
            "clients": clients.iter().map(client).collect::<Vec<_>>(),
        })
    })
}

proptest! {
    #[test]
    fn what_was_applied_is_as_wanted(first in document(), second in document(), prune: bool) {
        let current = policy(first);
        let once = plan(&current, wanted(second.clone()), rules(prune)).unwrap();
        let again = plan(&once.after, wanted(second), rules(prune)).unwrap();
        prop_assert!(again.is_empty(), "{again:?}");
    }

    #[test]
    fn what_is_no_difference_is_untouched(first in document(), second in document(), prune: bool) {
        let current = policy(first);
        let plan = plan(&current, wanted(second), rules(prune)).unwrap();
        for difference in &plan.clients {
            prop_assert!(difference.before.is_some() || difference.after.is_some());
            if let (Some(before), Some(after)) = (&difference.before, &difference.after) {
                prop_assert_eq!(after.client.version, before.client.version + 1);
                prop_assert!(!changed_members(&before.client, &after.client).is_empty());
            }
        }
        let touched = plan.clients.iter().filter(|difference| difference.after.is_some()).count();
        let shared = plan.after.clients.iter()
            .filter(|(id, client)| current.clients.get(*id).is_some_and(|before| Arc::ptr_eq(before, client)))
            .count();
        prop_assert_eq!(touched + shared, plan.after.clients.len());
    }
}
