//! A scope: what may be done at one resource, and how often.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ResourceUri;
use crate::limits::{Enforce, Quota};
use crate::oauth::ScopeToken;
use crate::time::optional_seconds;

/// A registered scope. It belongs to exactly one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeRule {
    /// A small number that stands for the scope in limiter keys; never reused.
    #[serde(skip)]
    pub key: u32,
    /// The scope.
    #[serde(rename = "scope")]
    pub name: ScopeToken,
    /// Where it is worth something.
    pub resource: ResourceUri,
    /// How often each client may have it.
    pub limit: Quota,
    /// How often all clients together may have it.
    #[serde(default)]
    pub total: Option<Quota>,
    /// Whether the limit refuses or only counts.
    #[serde(default)]
    pub enforce: Enforce,
    /// The longest lifetime of tokens with it, if it sets one.
    #[serde(rename = "token_lifetime", default, with = "optional_seconds")]
    pub lifetime: Option<Duration>,
    /// Counts the changes of this object; the `ETag` of the admin API.
    #[serde(skip)]
    pub version: u64,
}
