//! Resources and scopes.

use super::{Actor, Admin, Expected, Refusal, record};
use crate::audit::event::EventType;
use crate::policy::{Policy, Resource, ScopeRule, Violation};
use crate::store::Change;

impl Admin {
    /// Makes or replaces a resource. What it does not say is reset, since it is
    /// the whole object. Gives the resource as it is now.
    pub async fn set_resource(
        &self,
        actor: &Actor,
        mut resource: Resource,
        expected: Expected,
    ) -> Result<Resource, Refusal> {
        self.parts.builtin.check_resource(&resource)?;
        let acting = self.act().await?;
        let policy = self.policy();
        let before = policy.resources.get(&resource.uri);
        resource.version = expected.next(before.map(|before| before.version))?;
        Policy::check_resource(&resource, &self.parts.algorithms, self.parts.lifetimes.max)?;
        self.check_signs(&resource)?;
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
        expected: Expected,
    ) -> Result<ScopeRule, Refusal> {
        self.parts.builtin.check_scope(&rule)?;
        let acting = self.act().await?;
        let policy = self.policy();
        let before = policy.scopes.get(&rule.name);
        rule.version = expected.next(before.map(|before| before.version))?;
        policy.check_scope(&rule, self.parts.lifetimes.max)?;
        let objects = (before.map(AsRef::as_ref), Some(&rule));
        let record = record(EventType::ScopeSet, actor, rule.name.as_str(), objects);
        self.apply(&acting, record, vec![Change::PutScope(rule.clone())]).await?;
        Ok(rule)
    }

    /// Takes a resource away that no scope belongs to.
    pub async fn delete_resource(&self, actor: &Actor, uri: &str, expected: Expected) -> Result<(), Refusal> {
        let acting = self.act().await?;
        let policy = self.policy();
        let before = policy.resources.get(uri).ok_or(Refusal::NotFound("resource"))?;
        check_is_no_builtin("resource", before.version)?;
        expected.of_existing(before.version)?;
        policy.check_resource_is_unused(uri)?;
        let record = record(EventType::ResourceDeleted, actor, uri, (Some(before.as_ref()), None));
        let change = Change::DeleteResource(before.uri.clone(), before.version);
        self.apply(&acting, record, vec![change]).await
    }

    /// Takes a scope away that no client may be granted. Made again it is another one: its limits begin anew.
    pub async fn delete_scope(&self, actor: &Actor, name: &str, expected: Expected) -> Result<(), Refusal> {
        let acting = self.act().await?;
        let policy = self.policy();
        let before = policy.scopes.get(name).ok_or(Refusal::NotFound("scope"))?;
        check_is_no_builtin("scope", before.version)?;
        expected.of_existing(before.version)?;
        policy.check_scope_is_unused(name)?;
        let record = record(EventType::ScopeDeleted, actor, name, (Some(before.as_ref()), None));
        let change = Change::DeleteScope(before.name.clone(), before.version);
        self.apply(&acting, record, vec![change]).await
    }
}

/// What the issuer brings along lies in no store, so it has no version. What lies there under such a name was set
/// before the name was the issuer's, and deleting it gives the name back.
fn check_is_no_builtin(member: &'static str, version: u64) -> Result<(), Violation> {
    if version == 0 {
        return Err(Violation::new(member, "is one of the issuer's own, which nobody deletes"));
    }
    Ok(())
}
