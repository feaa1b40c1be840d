//! The policy as a whole: what a file would change, and the change, all or nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::clients::replaced;
use super::{Actor, Admin, Answer, Expected, Refusal, record};
use crate::audit::event::EventType;
use crate::audit::leaf::Record;
use crate::issue::preview::{Shape, shapes};
use crate::policy::plan::{Complaint, Difference, Plan, Rules, Wanted, changed_members, plan};
use crate::policy::snapshot::Lifetimes;
use crate::policy::{Client, ClientId, Policy, RegisteredClient, Resource, ScopeRule, Violation};
use crate::store::Change;
use crate::time::Timestamp;

/// A policy that is wanted.
#[derive(Clone, Debug)]
pub struct Application {
    /// What it shall hold.
    pub wanted: Wanted,
    /// Whether what it lacks is removed.
    pub prune: bool,
    /// The version of the policy that it was made for, if that matters.
    pub expected: Expected,
}

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is new.
    Create,
    /// It changes.
    Update,
    /// It goes.
    Delete,
}

/// One object that is made, changed or removed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ObjectChange {
    /// `resource`, `scope` or `client`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What is done to it.
    pub action: Action,
    /// The members that change; none where it is made or removed.
    pub members: Vec<String>,
    /// As it is.
    pub before: Option<Value>,
    /// As it is to be.
    pub after: Option<Value>,
}

/// What becomes of the tokens of one client for one resource: one with all scopes that it may have there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TokenChange {
    /// The client.
    pub client_id: String,
    /// The resource.
    pub resource: String,
    /// What it gets; `None` when it gets none.
    pub before: Option<Shape>,
    /// What it is to get.
    pub after: Option<Shape>,
}

/// What a file changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Planned {
    /// The version of the policy before.
    pub policy_version: u64,
    /// Resources, then scopes, then clients, each by name.
    pub changes: Vec<ObjectChange>,
    /// By client, then by resource; only what changes.
    pub tokens: Vec<TokenChange>,
}

/// How many objects a file made, changed and removed: the `after` of a `policy.applied` record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Counted {
    created: usize,
    updated: usize,
    deleted: usize,
}

impl Admin {
    /// What `asked` would change. Nothing is changed.
    pub fn plan_policy(&self, asked: Application) -> Result<Planned, Refusal> {
        let policy = self.policy();
        let plan = self.planned(&policy, asked)?;
        Ok(shown(&policy, &plan, self.parts.lifetimes))
    }

    /// Brings the policy where `asked` wants it, in one transaction with a record of each object and one of the whole.
    /// Where it is there already, nothing is changed nor recorded. It makes no secrets.
    pub async fn apply_policy(&self, actor: &Actor, asked: Application) -> Result<Planned, Refusal> {
        let acting = self.act().await?;
        let policy = self.policy();
        let plan = self.planned(&policy, asked)?;
        let shown = shown(&policy, &plan, self.parts.lifetimes);
        if plan.is_empty() {
            // Nothing changes, and so nobody is named.
            self.remember_alone(actor, &Answer::done(&shown), BTreeSet::new()).await?;
            return Ok(shown);
        }
        for Difference { before, after } in &plan.clients {
            // To make one, to change one, or to take one away for ever is for those who have its power.
            let mut sides = after.iter().chain(before);
            sides.try_for_each(|side| actor.check_scope(&side.client.scope))?;
        }
        let records = records(actor, &plan, &shown);
        // The answer before the deletions: they erase it where it names a client that goes.
        let remembers = actor.remembers(&Answer::done(&shown), named(&shown));
        let changes = remembers.into_iter().chain(changes(&plan, self.now())).collect();
        self.apply_all(&acting, records, changes).await?;
        Ok(shown)
    }

    fn planned(&self, policy: &Policy, asked: Application) -> Result<Plan, Refusal> {
        if asked.expected != Expected::Unsaid {
            asked.expected.of_existing(policy.version)?;
        }
        let rules = Rules {
            prune: asked.prune,
            algorithms: &self.parts.algorithms,
            max_lifetime: self.parts.lifetimes.max,
            now: self.now(),
            builtin: &self.parts.builtin,
        };
        let plan = plan(policy, asked.wanted, rules).map_err(Refusal::Policy)?;
        for resource in plan.resources.iter().filter_map(|difference| difference.after.as_ref()) {
            self.check_signs(resource).map_err(|violation| {
                let place = format!("resources ({})", resource.uri);
                Refusal::Policy(vec![Complaint { place, problem: violation.to_string() }])
            })?;
        }
        Ok(plan)
    }

    /// A resource whose algorithm no key signs with yet could get no tokens: a ring that is added later publishes first.
    pub(super) fn check_signs(&self, resource: &Resource) -> Result<(), Violation> {
        if self.parts.rotator.ring().active(resource.signing_alg).is_some() {
            return Ok(());
        }
        Err(Violation::new(
            "signing_alg",
            "no key of this algorithm signs yet; `mintmark key list` tells when",
        ))
    }
}

/// In an order in which nothing ever names what is not there.
fn changes(plan: &Plan, now: Timestamp) -> Vec<Change> {
    let after = |resource: &Difference<Arc<Resource>>| resource.after.as_deref().cloned();
    let resources = plan.resources.iter().filter_map(after).map(Change::PutResource);
    let scopes = plan.scopes.iter().filter_map(|scope| scope.after.as_deref().cloned()).map(Change::PutScope);
    let mut changes: Vec<_> = resources.chain(scopes).collect();
    for Difference { before, after } in &plan.clients {
        if let Some(after) = after {
            changes.extend(replaced(before.as_deref(), &after.client, now));
        }
    }
    changes.extend(
        removed(&plan.clients)
            .map(|before| Change::DeleteClient(before.client.id.clone(), before.client.version)),
    );
    changes
        .extend(removed(&plan.scopes).map(|before| Change::DeleteScope(before.name.clone(), before.version)));
    changes.extend(
        removed(&plan.resources).map(|before| Change::DeleteResource(before.uri.clone(), before.version)),
    );
    changes
}

fn removed<T>(differences: &[Difference<Arc<T>>]) -> impl Iterator<Item = &T> {
    let gone = differences.iter().filter(|difference| difference.after.is_none());
    gone.filter_map(|difference| difference.before.as_deref())
}

/// A record for each object, as if each had been set by itself, and one for the whole.
fn records(actor: &Actor, plan: &Plan, shown: &Planned) -> Vec<Record> {
    let mut records = Vec::with_capacity(shown.changes.len() + 1);
    for Difference { before, after } in &plan.resources {
        let event = if after.is_some() { EventType::ResourceSet } else { EventType::ResourceDeleted };
        let name = before.as_ref().or(after.as_ref()).map_or("", |resource| resource.uri.as_str());
        records.push(record(event, actor, name, (before.as_deref(), after.as_deref())));
    }
    for Difference { before, after } in &plan.scopes {
        let event = if after.is_some() { EventType::ScopeSet } else { EventType::ScopeDeleted };
        let name = before.as_ref().or(after.as_ref()).map_or("", |rule| rule.name.as_str());
        records.push(record(event, actor, name, (before.as_deref(), after.as_deref())));
    }
    for Difference { before, after } in &plan.clients {
        let (before, after) = (before.as_deref().map(client), after.as_deref().map(client));
        let name = before.or(after).map_or("", |client| client.id.as_str());
        records.extend(events(before, after).map(|event| record(event, actor, name, (before, after))));
    }
    let mut counted = Counted::default();
    for change in &shown.changes {
        match change.action {
            Action::Create => counted.created += 1,
            Action::Update => counted.updated += 1,
            Action::Delete => counted.deleted += 1,
        }
    }
    records.push(record(EventType::PolicyApplied, actor, "policy", (None, Some(counted))));
    records
}

fn client(registered: &RegisteredClient) -> &Client {
    &registered.client
}

/// What happens to a client. One that is let in or shut out is told so, whatever else changes with it.
fn events(before: Option<&Client>, after: Option<&Client>) -> impl Iterator<Item = EventType> {
    let event = match (before, after) {
        (Some(_), None) => Some(EventType::ClientDeleted),
        (None, _) => Some(EventType::ClientCreated),
        (Some(before), Some(after)) => {
            let only_switched = changed_members(before, after).iter().all(|member| member == "disabled");
            (!only_switched).then_some(EventType::ClientUpdated)
        }
    };
    let was = before.is_some_and(|before| before.disabled);
    let switched = match after.map(|after| after.disabled) {
        Some(true) if !was => Some(EventType::ClientDisabled),
        Some(false) if was => Some(EventType::ClientEnabled),
        _ => None,
    };
    event.into_iter().chain(switched)
}

fn shown(before: &Policy, plan: &Plan, lifetimes: Lifetimes) -> Planned {
    let mut changes = Vec::new();
    changes.extend(plan.resources.iter().map(|resource| shown_object("resource", resource, uri)));
    changes.extend(plan.scopes.iter().map(|rule| shown_object("scope", rule, name)));
    changes.extend(plan.clients.iter().map(|Difference { before, after }| {
        let side = |side: &Option<Arc<RegisteredClient>>| {
            side.as_ref().map(|registered| Arc::new(registered.client.clone()))
        };
        shown_object("client", &Difference { before: side(before), after: side(after) }, id)
    }));
    Planned { policy_version: before.version, changes, tokens: tokens(before, plan, lifetimes) }
}

/// The clients that are told of: those that change, and those whose tokens do.
fn named(shown: &Planned) -> BTreeSet<ClientId> {
    let changed = shown.changes.iter().filter(|change| change.kind == "client").map(|change| &change.name);
    let all = changed.chain(shown.tokens.iter().map(|change| &change.client_id));
    all.filter_map(|id| ClientId::parse(id).ok()).collect()
}

fn uri(resource: &Resource) -> &str {
    resource.uri.as_str()
}

fn name(rule: &ScopeRule) -> &str {
    rule.name.as_str()
}

fn id(client: &Client) -> &str {
    client.id.as_str()
}

fn shown_object<T: Serialize>(
    kind: &'static str,
    Difference { before, after }: &Difference<Arc<T>>,
    name: fn(&T) -> &str,
) -> ObjectChange {
    let action = match (before, after) {
        (None, _) => Action::Create,
        (_, None) => Action::Delete,
        _ => Action::Update,
    };
    let members = match (before, after) {
        (Some(before), Some(after)) => changed_members(before, after),
        _ => Vec::new(),
    };
    let named = before.as_deref().or(after.as_deref()).map_or("", name).to_owned();
    let document = |side: &Option<Arc<T>>| side.as_ref().and_then(|side| serde_json::to_value(side).ok());
    ObjectChange { kind, name: named, action, members, before: document(before), after: document(after) }
}

/// The tokens of every client that is touched, or that holds a scope that is, itself or by its resource.
fn tokens(before: &Policy, plan: &Plan, lifetimes: Lifetimes) -> Vec<TokenChange> {
    let resources: BTreeSet<_> =
        plan.resources.iter().filter_map(|side| Some(&side.before.as_ref()?.uri)).collect();
    let of_resources =
        before.scopes.values().filter(|rule| resources.contains(&rule.resource)).map(|rule| &rule.name);
    let of_scopes = plan.scopes.iter().filter_map(|side| Some(&side.before.as_ref()?.name));
    let scopes: BTreeSet<_> = of_resources.chain(of_scopes).collect();
    let holders =
        before.clients.iter().filter(|(_, held)| held.client.scope.tokens().any(|t| scopes.contains(t)));
    let changed = plan.clients.iter().filter_map(|side| side.before.as_ref().or(side.after.as_ref()));
    let ids: BTreeSet<_> = holders.map(|(id, _)| id).chain(changed.map(|side| &side.client.id)).collect();
    let of = |policy: &Policy, id: &ClientId| {
        let registered = policy.clients.get(id).filter(|registered| !registered.client.disabled);
        registered.map(|registered| shapes(registered, policy, lifetimes)).unwrap_or_default()
    };
    let all = ids.into_iter().flat_map(|id| paired(id.as_str(), of(before, id), of(&plan.after, id)));
    all.filter(|change| change.before != change.after).collect()
}

/// The tokens of one client side by side, by resource.
fn paired(client_id: &str, before: Vec<Shape>, after: Vec<Shape>) -> Vec<TokenChange> {
    let mut sides = std::collections::BTreeMap::<_, (Option<Shape>, Option<Shape>)>::new();
    for shape in before {
        let resource = shape.resource.clone();
        sides.entry(resource).or_default().0 = Some(shape);
    }
    for shape in after {
        let resource = shape.resource.clone();
        sides.entry(resource).or_default().1 = Some(shape);
    }
    let change = |(resource, (before, after)): (crate::policy::ResourceUri, _)| TokenChange {
        client_id: client_id.to_owned(),
        resource: resource.into(),
        before,
        after,
    };
    sides.into_iter().map(change).collect()
}
