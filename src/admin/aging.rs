//! What time does to secrets: their uses are noted, their owners reminded, the ended ones forgotten.
//!
//! It ends no secret: see `policy::due`.

use std::time::Duration;

use serde::Serialize;

use super::{Admin, Refusal};
use crate::audit::body;
use crate::audit::event::EventType;
use crate::audit::leaf::Record;
use crate::policy::due::Due;
use crate::policy::{RegisteredClient, SecretHash};
use crate::store::Change;
use crate::time::Timestamp;

/// An ended secret is forgotten this long after its end: by a clock that ran ahead for less, none is lost.
const KEPT_AFTER_END: Duration = Duration::from_hours(24 * 7);
/// Reminders of one round; the others come with the next ones.
const REMINDERS: usize = 64;
/// Uses that are written at once; tokens are recorded in between.
const USES: usize = 500;

/// How many secrets want a successor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DueSecrets {
    /// Those whose time nears.
    pub near: u64,
    /// Those whose time is over.
    pub over: u64,
}

/// The body of a `client.secret_due` record; members in this order. Nobody did it, so it names no actor.
#[derive(Serialize)]
struct DueBody<'a> {
    object: &'a str,
    secret_id: &'a str,
    due_at: String,
    overdue: bool,
}

impl Admin {
    /// One round, about once a minute. `now` is a time by which something may be taken away for good: what is written
    /// down by a clock that was ahead would stay in the future.
    pub async fn tend_secrets(&self, now: Timestamp) -> Result<(), Refusal> {
        self.note_uses(Some(now)).await?;
        self.remind(now).await?;
        self.sweep_secrets(now).await
    }

    /// Writes down when secrets were used last, of those that were used since the last time. It changes neither a
    /// client nor the policy, and leaves no record: each use has its own. None is noted for later than `now`, if that is
    /// known: by a clock that was ahead it was seen too late, not made.
    pub async fn note_uses(&self, now: Option<Timestamp>) -> Result<(), Refusal> {
        let uses = self.parts.last_uses.unwritten(&self.parts.policy);
        for some in uses.chunks(USES) {
            let noted = some.iter().map(|(id, at)| (id.clone(), now.map_or(*at, |now| now.min(*at))));
            let change = Change::SecretsUsed(noted.collect());
            self.parts.recorder.act(Vec::new(), vec![change]).await?;
            self.parts.last_uses.written(some);
        }
        Ok(())
    }

    /// How many secrets of clients that are not disabled want a successor now.
    pub fn due_secrets(&self) -> DueSecrets {
        let (policy, now) = (self.policy(), self.now());
        let mut due_secrets = DueSecrets::default();
        for (_, _, due) in policy.clients.values().flat_map(|registered| due(registered)) {
            due_secrets.over += u64::from(due.is_over(now));
            due_secrets.near += u64::from(due.is_near(now) && !due.is_over(now));
        }
        due_secrets
    }

    /// Records whose time nears and whose time is over, once each.
    async fn remind(&self, now: Timestamp) -> Result<(), Refusal> {
        let acting = self.act().await?;
        let policy = self.policy();
        let all = policy.clients.values().flat_map(|registered| due(registered));
        let mut unsaid: Vec<_> =
            all.filter(|(_, secret, due)| due.is_unsaid(secret.reminded_at, now)).collect();
        if unsaid.is_empty() {
            return Ok(());
        }
        unsaid.sort_unstable_by_key(|(_, secret, due)| (due.at, &secret.secret_id));
        unsaid.truncate(REMINDERS);
        let (mut records, mut changes) = (Vec::new(), Vec::new());
        for (id, secret, due) in unsaid {
            let (secret_id, overdue) = (secret.secret_id.as_str(), due.is_over(now));
            if overdue {
                tracing::warn!(
                    client = id,
                    secret_id,
                    "a secret is overdue; it works until it has a successor"
                );
            }
            let told = DueBody { object: id, secret_id, due_at: due.at.to_string(), overdue };
            records.push(Record::of(EventType::ClientSecretDue, body::line(&told)));
            changes.push(Change::SecretReminded(secret_id.to_owned(), now));
        }
        self.apply_all(&acting, records, changes).await
    }

    /// Forgets what ended long ago. Its end was recorded; that its hash goes changes nothing for anybody.
    async fn sweep_secrets(&self, now: Timestamp) -> Result<(), Refusal> {
        let before = now.minus(KEPT_AFTER_END);
        let is_old = |secret: &SecretHash| secret.expires_at.is_some_and(|end| end < before);
        let acting = self.act().await?;
        if !self.policy().clients.values().any(|registered| registered.secrets.iter().any(is_old)) {
            return Ok(());
        }
        self.apply_all(&acting, Vec::new(), vec![Change::SweepSecrets(before)]).await
    }
}

/// The secrets of a client that want a successor some time.
fn due(registered: &RegisteredClient) -> impl Iterator<Item = (&str, &SecretHash, Due)> {
    let client = &registered.client;
    let secrets = registered.secrets.iter().filter(|_| !client.disabled);
    secrets.filter_map(move |secret| Some((client.id.as_str(), secret, Due::of(client, secret)?)))
}
