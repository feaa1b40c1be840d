//! The policy as it is in force: what the store has, and what the issuer itself brings.

use crate::policy::{Builtin, Policy, Shadowed};
use crate::store::{Store, StoreFault};

/// Reads the policy and completes it. Rows that cannot be read are left out and told in the program's log.
///
/// Gives what stands in the store where something of the issuer's own would: then the admin API has no scopes.
pub async fn policy_in_force(
    store: &dyn Store,
    builtin: &Builtin,
) -> Result<(Policy, Option<Shadowed>), StoreFault> {
    let (mut policy, broken) = store.policy().await?;
    for row in broken {
        tracing::error!(%row, "a row of the policy cannot be read; it is left out");
    }
    let shadowed = builtin.complete(&mut policy).err();
    Ok((policy, shadowed))
}
