//! The difference between the policy in force and the one that a file wants. Pure.
//!
//! All of it is checked as it would be afterwards, so that a file may bring a
//! resource, its scopes and their clients at once. What the file lacks is left
//! alone, or removed where that was asked for. A difference changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Builtin, Client, Policy, RegisteredClient, Registration, Resource, ResourceUri, ScopeRule, Violation,
};
use crate::jose::{Algorithm, unread};
use crate::time::Timestamp;

/// A policy as a person wants it. Each object is read on its own, so that every complaint is told at once.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wanted {
    /// [`Resource`]s.
    pub resources: Vec<Value>,
    /// [`ScopeRule`]s.
    pub scopes: Vec<Value>,
    /// [`Registration`]s.
    pub clients: Vec<Value>,
}

/// What is wrong with one object of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Which object, such as `clients[2] (web)`, counted from 0.
    pub place: String,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// One object that is made, changed or removed: at least one side is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference<T> {
    /// As it is.
    pub before: Option<T>,
    /// As it is to be, at its next version.
    pub after: Option<T>,
}

/// What is to be done, and what comes of it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// By name.
    pub resources: Vec<Difference<Arc<Resource>>>,
    /// By name.
    pub scopes: Vec<Difference<Arc<ScopeRule>>>,
    /// By id.
    pub clients: Vec<Difference<Arc<RegisteredClient>>>,
    /// The policy afterwards. What is new in it has no limiter key yet.
    pub after: Policy,
}

/// How a plan is made.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Whether what the file lacks is removed.
    pub prune: bool,
    /// The configured algorithms.
    pub algorithms: &'a [Algorithm],
    /// The longest lifetime that may be set.
    pub max_lifetime: Duration,
    /// The time of the change.
    pub now: Timestamp,
    /// What no file sets nor removes.
    pub builtin: &'a Builtin,
}

impl Plan {
    /// Whether the policy is as wanted already.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.scopes.is_empty() && self.clients.is_empty()
    }
}

/// Plans the way from `current` to `wanted`, or gives every complaint about it.
pub fn plan(current: &Policy, wanted: Wanted, rules: Rules<'_>) -> Result<Plan, Vec<Complaint>> {
    let mut complaints = Complaints::default();
    let resources: Vec<(String, Resource)> = complaints.read("resources", "resource", wanted.resources);
    let scopes: Vec<(String, ScopeRule)> = complaints.read("scopes", "scope", wanted.scopes);
    let clients: Vec<(String, Registration)> = complaints.read("clients", "client_id", wanted.clients);
    if !complaints.0.is_empty() {
        return Err(complaints.0);
    }
    let mut after = current.clone();
    if rules.prune {
        let named = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
        let own = |uri: &ResourceUri| after.admin_resource.as_ref() == Some(uri);
        let kept = named(resources.iter().map(|(_, resource)| resource.uri.as_str()).collect());
        after.resources.retain(|uri, _| own(uri) || kept.contains(uri.as_str()));
        let kept = named(scopes.iter().map(|(_, rule)| rule.name.as_str()).collect());
        after.scopes.retain(|name, rule| own(&rule.resource) || kept.contains(name.as_str()));
        let kept = named(clients.iter().map(|(_, client)| client.client_id.as_str()).collect());
        after.clients.retain(|id, _| kept.contains(id.as_str()));
    }
    let places = Places::of(&resources, &scopes, &clients);
    put_resources(current, &mut after, resources);
    put_scopes(current, &mut after, scopes);
    put_clients((current, &mut after), (clients, rules.now), &mut complaints);
    places.check((current, &after), rules, &mut complaints);
    if !complaints.0.is_empty() {
        return Err(complaints.0);
    }
    let clients = (sorted(&current.clients), sorted(&after.clients));
    Ok(Plan {
        resources: differences(&current.resources, &after.resources),
        scopes: differences(&current.scopes, &after.scopes),
        clients: differences(&clients.0, &clients.1),
        after,
    })
}

fn put_resources(current: &Policy, after: &mut Policy, wanted: Vec<(String, Resource)>) {
    for (_, mut resource) in wanted {
        let before = current.resources.get(&resource.uri);
        resource.version = before.map_or(0, |before| before.version);
        if before.is_none_or(|before| **before != resource) {
            resource.version += 1;
            after.resources.insert(resource.uri.clone(), Arc::new(resource));
        }
    }
}

fn put_scopes(current: &Policy, after: &mut Policy, wanted: Vec<(String, ScopeRule)>) {
    for (_, mut rule) in wanted {
        let before = current.scopes.get(&rule.name);
        (rule.key, rule.version) = before.map_or((0, 0), |before| (before.key, before.version));
        if before.is_none_or(|before| **before != rule) {
            rule.version += 1;
            after.scopes.insert(rule.name.clone(), Arc::new(rule));
        }
    }
}

fn put_clients(
    (current, after): (&Policy, &mut Policy),
    (wanted, now): (Vec<(String, Registration)>, Timestamp),
    complaints: &mut Complaints,
) {
    for (place, registration) in wanted {
        let before = current.clients.get(&registration.client_id);
        let client = match registration.over(before.map(|before| &before.client), now) {
            Ok(client) => client,
            Err(violation) => {
                complaints.add(&place, violation);
                continue;
            }
        };
        let unchanged = |before: &Client| {
            let (version, updated_at) = (client.version, client.updated_at);
            Client { updated_at, version, ..before.clone() } == client
        };
        if before.is_none_or(|before| !unchanged(&before.client)) {
            let (key, secrets) =
                before.map_or((0, Vec::new()), |before| (before.key, before.secrets.clone()));
            let registered = RegisteredClient { key, client, secrets };
            after.clients.insert(registered.client.id.clone(), Arc::new(registered));
        }
    }
}

fn sorted(
    clients: &std::collections::HashMap<super::ClientId, Arc<RegisteredClient>>,
) -> BTreeMap<super::ClientId, Arc<RegisteredClient>> {
    clients.iter().map(|(id, client)| (id.clone(), client.clone())).collect()
}

/// Objects that are not the very same before and after: what is not touched is shared between two policies.
fn differences<K: Ord, T>(
    before: &BTreeMap<K, Arc<T>>,
    after: &BTreeMap<K, Arc<T>>,
) -> Vec<Difference<Arc<T>>> {
    let names: BTreeSet<&K> = before.keys().chain(after.keys()).collect();
    let sides = names.into_iter().map(|name| (before.get(name).cloned(), after.get(name).cloned()));
    let touched = sides.filter(|sides| match sides {
        (Some(before), Some(after)) => !Arc::ptr_eq(before, after),
        _ => true,
    });
    touched.map(|(before, after)| Difference { before, after }).collect()
}

#[derive(Default)]
struct Complaints(Vec<Complaint>);

impl Complaints {
    fn add(&mut self, place: &str, problem: impl fmt::Display) {
        self.0.push(Complaint { place: place.to_owned(), problem: problem.to_string() });
    }

    fn check(&mut self, place: &str, checked: Result<(), Violation>) {
        if let Err(violation) = checked {
            self.add(place, violation);
        }
    }

    /// Reads each object of a list, and gives it with its place. None may be named twice.
    fn read<T: DeserializeOwned>(&mut self, list: &str, name: &str, values: Vec<Value>) -> Vec<(String, T)> {
        let mut read = Vec::with_capacity(values.len());
        let mut seen = BTreeSet::new();
        for (index, value) in values.into_iter().enumerate() {
            let named = value.get(name).and_then(Value::as_str).map(str::to_owned);
            let place = match &named {
                Some(named) => format!("{list}[{index}] ({})", named.escape_debug()),
                None => format!("{list}[{index}]"),
            };
            // serde would also take an array of the members' values.
            if !value.is_object() {
                self.add(&place, "is not an object");
                continue;
            }
            if named.is_some_and(|named| !seen.insert(named)) {
                self.add(&place, "stands here twice");
            }
            match serde_json::from_value(value) {
                Ok(object) => read.push((place, object)),
                Err(cause) => self.add(&place, unread::reason(&cause)),
            }
        }
        read
    }
}

/// Where the file names what, for the complaints about it.
struct Places {
    resources: BTreeMap<String, String>,
    scopes: BTreeMap<String, String>,
    clients: BTreeMap<String, String>,
}

impl Places {
    fn of(
        resources: &[(String, Resource)],
        scopes: &[(String, ScopeRule)],
        clients: &[(String, Registration)],
    ) -> Self {
        let entry = |name: &str, place: &String| (name.to_owned(), place.clone());
        Self {
            resources: resources.iter().map(|(place, object)| entry(object.uri.as_str(), place)).collect(),
            scopes: scopes.iter().map(|(place, object)| entry(object.name.as_str(), place)).collect(),
            clients: clients.iter().map(|(place, object)| entry(object.client_id.as_str(), place)).collect(),
        }
    }

    /// Checks everything that the file names as it would be afterwards. What it does not name was checked before and
    /// loses nothing: only a file that removes what it lacks removes anything, and that leaves only what it names.
    fn check(&self, (current, after): (&Policy, &Policy), rules: Rules<'_>, complaints: &mut Complaints) {
        for (uri, place) in &self.resources {
            if let Some(resource) = after.resources.get(uri.as_str()) {
                complaints.check(place, rules.builtin.check_resource(resource));
                let checked = Policy::check_resource(resource, rules.algorithms, rules.max_lifetime);
                complaints.check(place, checked);
            }
        }
        for (name, place) in &self.scopes {
            if let Some(rule) = after.scopes.get(name.as_str()) {
                complaints.check(place, rules.builtin.check_scope(rule));
                complaints.check(place, after.check_scope(rule, rules.max_lifetime));
                complaints.check(place, current.check_home(rule));
            }
        }
        for (id, place) in &self.clients {
            if let Some(registered) = after.clients.get(id.as_str()) {
                if !current.clients.contains_key(id.as_str()) && current.is_taken(&registered.client.id) {
                    complaints
                        .add(place, "is the id of a client that was deleted; ids are never given twice");
                }
                complaints.check(place, after.check_client(&registered.client, rules.max_lifetime));
            }
        }
    }
}

/// The names of the members in which two objects differ, in the order of the object.
pub fn changed_members(before: &impl Serialize, after: &impl Serialize) -> Vec<String> {
    let (Ok(Value::Object(before)), Ok(Value::Object(after))) =
        (serde_json::to_value(before), serde_json::to_value(after))
    else {
        return Vec::new();
    };
    let differs = |(name, value): &(&String, &Value)| before.get(*name) != Some(*value);
    after.iter().filter(differs).map(|(name, _)| name.clone()).filter(|name| name != "updated_at").collect()
}

#[cfg(test)]
mod tests;
