//! The policy: how many objects are in force, and how many rows could not be read.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Group;
use super::sheet::Sheet;
use crate::policy::{Policy, RowKind};

pub(super) struct Objects {
    pub(super) policy: Arc<ArcSwap<Policy>>,
}

impl Group for Objects {
    fn write(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let policy = self.policy.load();
        let label = |kind: RowKind| vec![("kind", kind.as_str())];
        let count = |kind| match kind {
            RowKind::Resource => policy.resources.len(),
            RowKind::Scope => policy.scopes.len(),
            RowKind::Client => policy.clients.len(),
            RowKind::Secret => policy.clients.values().map(|registered| registered.secrets.len()).sum(),
        };
        let objects = RowKind::ALL.map(|kind| (label(kind), count(kind)));
        sheet.gauges(
            "policy_objects",
            "Objects of the policy in force, the issuer's own among them",
            objects,
        )?;
        let damaged = |kind| policy.damaged.get(&kind).copied().unwrap_or_default();
        let damaged = RowKind::ALL.map(|kind| (label(kind), damaged(kind)));
        let help = "Rows that could not be read when the policy was read last";
        sheet.gauges("policy_rows_damaged", help, damaged)
    }
}
