//! Which tokens of a key live still: what an operator must know when the key has leaked.
//!
//! It walks the log backwards on reader connections and keeps nothing but a
//! count, so it may run beside everything else whatever the log's size. There
//! is no index: one would make every token dearer for a question that is asked
//! once in years.

use serde::Deserialize;

use super::event::EventType;
use super::search::beyond;
use crate::jose::Kid;
use crate::store::{Store, StoreFault};
use crate::time::Timestamp;

/// Leaves of one read: some 500 kB.
const CHUNK: u64 = 1_000;

/// The recorded tokens of a key that have not expired. Those are what verifiers may still accept; a record
/// says that a token was about to be signed, so a few may never have been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unexpired {
    /// How many.
    pub count: u64,
    /// When the last of them expires; `None` when there are none.
    pub latest_exp: Option<Timestamp>,
}

/// A leaf as far as this question goes. Others prove the log; here a glance will do, as it may be millions of leaves.
#[derive(Deserialize)]
struct Glance<'a> {
    t: &'a str,
    ts: &'a str,
    kid: Option<&'a str>,
    exp: Option<u64>,
}

/// The tokens that `kid` signed and whose `exp` lies after `now`. `oldest` is a time before which no token was
/// recorded that can live still: `now` less the longest lifetime of any. What was recorded before is not read.
pub async fn unexpired(
    store: &dyn Store,
    kid: Kid,
    oldest: Timestamp,
    now: Timestamp,
) -> Result<Unexpired, StoreFault> {
    let kid = kid.to_string();
    // Times of leaves are of one width and in UTC: their texts are in the order of the times.
    let limit = beyond(oldest).to_string();
    let mut found = Unexpired::default();
    let mut end = store.log().await?.map_or(0, |log| log.head.size);
    while end > 0 {
        let start = end.saturating_sub(CHUNK);
        let chunk = store.leaves(start..end).await?;
        let mut newest = None;
        for leaf in &chunk {
            if let Ok(glance) = serde_json::from_slice::<Glance<'_>>(leaf) {
                newest = newest.max(Some(glance.ts));
                found.look_at(&glance, &kid, now);
            }
        }
        if newest.is_some_and(|newest| newest < limit.as_str()) {
            break;
        }
        end = start;
        // Reading waits for the database; between two reads the others come first.
        tokio::task::yield_now().await;
    }
    Ok(found)
}

impl Unexpired {
    fn look_at(&mut self, glance: &Glance<'_>, kid: &str, now: Timestamp) {
        if glance.t != EventType::TokenIssued.as_str() || glance.kid != Some(kid) {
            return;
        }
        if let Some(exp) = glance.exp.map(Timestamp::from_seconds).filter(|exp| *exp > now) {
            self.count += 1;
            self.latest_exp = self.latest_exp.max(Some(exp));
        }
    }
}
