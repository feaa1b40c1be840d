//! The policy as it is in force: what the store has, and what the issuer itself brings.

use crate::policy::{Builtin, Policy, Shadowed};
use crate::store::{Store, StoreFault};

/// Reads the policy and completes it. A row that cannot be read is told in the program's log and counted. Where it
/// is a resource's or a scope's, what it was `before` stays in force; else, and at a start, it is left out.
///
/// Gives what stands in the store where something of the issuer's own would: then the admin API has no scopes.
pub async fn policy_in_force(
    store: &dyn Store,
    builtin: &Builtin,
    before: Option<&Policy>,
) -> Result<(Policy, Option<Shadowed>), StoreFault> {
    let (mut policy, damaged) = store.policy().await?;
    for row in damaged {
        let name = row.name.as_deref();
        let is_kept = name.zip(before).is_some_and(|(name, before)| policy.keep(row.kind, name, before));
        if is_kept {
            tracing::error!(%row, "a row of the policy cannot be read; what it was before stays in force");
        } else {
            tracing::error!(%row, "a row of the policy cannot be read; it is left out");
        }
        *policy.damaged.entry(row.kind).or_default() += 1;
    }
    let shadowed = builtin.complete(&mut policy).err();
    Ok((policy, shadowed))
}
