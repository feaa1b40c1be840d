//! Resources and scopes.

use super::{Actor, Admin, Refusal, next_version, record};
use crate::audit::event::EventType;
use crate::policy::{Policy, Resource, ScopeRule, Violation};
use crate::store::Change;

impl Admin {
    /// Makes or replaces a resource. `expected` is the version that the caller
    /// has seen, `None` for a new one. Gives the resource as it is now.
    pub async fn set_resource(
        &self,
        actor: &Actor,
        mut resource: Resource,
        expected: Option<u64>,
    ) -> Result<Resource, Refusal> {
        if self.parts.builtin.owns_resource(&resource.uri) {
            return Err(Violation::new("resource", "is the admin API, which nobody sets").into());
        }
        let acting = self.act().await;
        let policy = self.policy();
        let before = policy.resources.get(&resource.uri);
        resource.version = next_version(expected, before.map(|before| before.version))?;
        Policy::check_resource(&resource, &self.parts.algorithms, self.parts.lifetimes.max)?;
        if self.parts.rotator.ring().active(resource.signing_alg).is_none() {
            // Its tokens could not be signed yet: a ring that is added later publishes first.
            let problem = "no key of this algorithm signs yet; `mintmark key list` tells when";
            return Err(Violation::new("signing_alg", problem).into());
        }
        let objects = (before.map(AsRef::as_ref), Some(&resource));
        let record = record(EventType::ResourceSet, actor, resource.uri.as_str(), objects);
        self.apply(&acting, record, vec![Change::PutResource(resource.clone())]).await?;
        Ok(resource)
    }

    /// Makes or replaces a scope, like [`Admin::set_resource`].
    pub async fn set_scope(
        &self,
        actor: &Actor,
        mut rule: ScopeRule,
        expected: Option<u64>,
    ) -> Result<ScopeRule, Refusal> {
        if self.parts.builtin.owns_scope(&rule.name) {
            return Err(Violation::new("scope", "is one of the issuer's own, which nobody sets").into());
        }
        if self.parts.builtin.owns_resource(&rule.resource) {
            return Err(Violation::new("resource", "is the admin API, which has its scopes already").into());
        }
        let acting = self.act().await;
        let policy = self.policy();
        let before = policy.scopes.get(&rule.name);
        rule.version = next_version(expected, before.map(|before| before.version))?;
        policy.check_scope(&rule, self.parts.lifetimes.max)?;
        let objects = (before.map(AsRef::as_ref), Some(&rule));
        let record = record(EventType::ScopeSet, actor, rule.name.as_str(), objects);
        self.apply(&acting, record, vec![Change::PutScope(rule.clone())]).await?;
        Ok(rule)
    }
}
