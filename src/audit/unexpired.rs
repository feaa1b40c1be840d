//! Which tokens of a key live still: what an operator must know when the key has leaked.
//!
//! It walks the log backwards on reader connections, by the directory, and
//! keeps nothing but a count, so it may run beside everything else whatever
//! the log's size.

use serde::Deserialize;

use super::directory::page::Times;
use super::directory::term::Term;
use super::event::EventType;
use super::walk::{Walk, Wanted};
use crate::jose::Kid;
use crate::store::{Store, StoreFault};
use crate::time::Timestamp;

/// Leaves of one read: some 500 kB.
const CHUNK: usize = 1_000;

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
    kid: Option<&'a str>,
    exp: Option<u64>,
}

/// The tokens that `kid` signed and whose `exp` lies after `now`.
pub async fn unexpired(store: &dyn Store, kid: Kid, now: Timestamp) -> Result<Unexpired, StoreFault> {
    let leaf = vec![Term::kid(kid), Term::event(EventType::TokenIssued)];
    let times = Times { unexpired_at: Some(now), ..Times::default() };
    let mut walk = Walk::from_the_newest(store, Wanted { leaf, body: Vec::new(), times }).await?;
    let kid = kid.to_string();
    let mut found = Unexpired::default();
    while let Some(candidates) = walk.next().await? {
        // Where a key signs, it signs nearly everything: whole chunks are read, not single leaves.
        for chunk in candidates.chunks(CHUNK) {
            let (Some(last), Some(first)) = (chunk.first(), chunk.last()) else { continue };
            for leaf in store.leaves(*first..last.saturating_add(1)).await? {
                if let Ok(glance) = serde_json::from_slice(&leaf) {
                    found.look_at(&glance, &kid, now);
                }
            }
        }
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
