//! A resource: an API that tokens are for. RFC 8707.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ResourceUri;
use crate::jose::Algorithm;
use crate::time::optional_seconds;

/// An API, named by an absolute URI. Its tokens carry that URI as `aud`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// The name.
    #[serde(rename = "resource")]
    pub uri: ResourceUri,
    /// What its tokens are signed with.
    pub signing_alg: Algorithm,
    /// The longest lifetime of its tokens, if it sets one.
    #[serde(rename = "token_lifetime", default, with = "optional_seconds")]
    pub lifetime: Option<Duration>,
    /// Counts the changes of this object; the `ETag` of the admin API.
    #[serde(skip)]
    pub version: u64,
}
