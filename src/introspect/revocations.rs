//! The revocations in force: in memory for every question, in the store for every restart.
//!
//! Revocations only grow while a token could depend on them, so what the store
//! says is added to what is known and never replaces it; no order of events can
//! bring a revoked token back. Forgetting one goes by a clock, which may have been
//! wrong; so it leaves a mark behind, and a token on the wrong side of it is taken
//! for a revoked one, for good. A revocation and its record are one transaction,
//! and it is in force before it is answered. Where the outcome of a commit is
//! unknown the caller is told so, and [`Revocations::tick`] finds out. RFC 7009.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use super::record::{self, IssuedToken, Revoker};
use crate::audit::leaf::Record;
use crate::audit::recorder::{RecordFault, Recorder};
use crate::config::LONGEST_LIFETIME;
use crate::jose::verify::AccessTokenClaims;
use crate::policy::ClientId;
use crate::store::{Change, Forgotten, Revoked, Store, StoreFault};
use crate::time::Timestamp;

/// How much longer a revocation is kept than its token lives: a clock that was ahead by less loses none.
const BEYOND_EXPIRY: Duration = Duration::from_hours(1);
/// Rows that one transaction forgets; tokens are recorded in between.
const FORGOTTEN_AT_ONCE: u32 = 1_000;

/// What is revoked, and the way to revoke more.
pub struct Revocations {
    issuer: String,
    store: Arc<dyn Store>,
    recorder: Recorder,
    in_force: RwLock<InForce>,
    /// The store may hold revocations that are not in force here.
    behind: AtomicBool,
}

#[derive(Default)]
struct InForce {
    /// By `jti`, and until when it is kept.
    tokens: HashMap<String, Timestamp>,
    /// The earliest `iat` that is still good, by client.
    floors: HashMap<String, Timestamp>,
    /// The same for all clients.
    all: Timestamp,
    /// What is in neither of them any more.
    forgotten: Forgotten,
}

/// How much is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevocationsReading {
    /// Tokens that are revoked by themselves.
    pub tokens: usize,
    /// Bounds before which everything is revoked.
    pub floors: usize,
}

/// No token was issued before it.
const NO_FLOOR: Timestamp = Timestamp::from_seconds(0);

impl InForce {
    /// A floor of all clients holds for each of them: the later one wins.
    fn floor(&self, client: Option<&str>) -> Timestamp {
        let own = client.and_then(|client| self.floors.get(client));
        own.map_or(self.all, |own| self.all.max(*own))
    }

    /// How many tokens are over at `now`, and whether a floor lies so low that no token is below it any more.
    fn over(&self, now: Timestamp, floors: Timestamp) -> (usize, bool) {
        let ended = self.tokens.values().filter(|until| **until <= now).count();
        let mut bounds = self.floors.values().chain([&self.all]).filter(|floor| **floor > NO_FLOOR);
        (ended, bounds.any(|floor| *floor <= floors))
    }

    /// Whether a token may have been revoked by what is forgotten: none that lives, if the clock was right.
    fn may_have_covered(&self, claims: &AccessTokenClaims) -> bool {
        claims.expires_at.plus(BEYOND_EXPIRY) <= self.forgotten.until
            || claims.issued_at < self.forgotten.not_before
    }

    /// Forgets like the store.
    fn forget(&mut self, now: Timestamp, floors: Timestamp) {
        let Self { tokens, floors: bounds, all, forgotten } = self;
        tokens.retain(|_, until| {
            let stays = *until > now;
            if !stays {
                forgotten.until = forgotten.until.max(*until);
            }
            stays
        });
        let mut is_sunk = |floor: Timestamp| {
            let sunk = floor <= floors;
            if sunk {
                forgotten.not_before = forgotten.not_before.max(floor);
            }
            sunk
        };
        bounds.retain(|_, floor| !is_sunk(*floor));
        if is_sunk(*all) {
            *all = NO_FLOOR;
        }
    }

    fn add(&mut self, revoked: Revoked) {
        let Forgotten { until, not_before } = revoked.forgotten;
        self.forgotten.until = self.forgotten.until.max(until);
        self.forgotten.not_before = self.forgotten.not_before.max(not_before);
        self.tokens.extend(revoked.tokens);
        for (client, not_before) in revoked.floors {
            self.raise(client.as_deref(), not_before);
        }
    }

    fn raise(&mut self, client: Option<&str>, not_before: Timestamp) {
        let floor = match client {
            Some(client) => self.floors.entry(client.to_owned()).or_default(),
            None => &mut self.all,
        };
        *floor = not_before.max(*floor);
    }
}

/// Until it is settled, the store may hold what is not in force here.
struct Doubt<'a> {
    behind: &'a AtomicBool,
    settled: bool,
}

impl<'a> Doubt<'a> {
    fn begin(behind: &'a AtomicBool) -> Self {
        Self { behind, settled: false }
    }

    fn settle(mut self) {
        self.settled = true;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.behind.store(true, Ordering::Release);
        }
    }
}

impl Revocations {
    /// Reads what is in force. `issuer` is the `iss` claim of the tokens.
    pub async fn open(issuer: &str, store: Arc<dyn Store>, recorder: Recorder) -> Result<Self, StoreFault> {
        let revocations = Self {
            issuer: issuer.to_owned(),
            store,
            recorder,
            in_force: RwLock::default(),
            behind: AtomicBool::new(false),
        };
        revocations.refresh().await?;
        Ok(revocations)
    }

    /// Whether a token with these claims is revoked, itself or with all that were issued before some time; or whether
    /// it may have been and was forgotten too early.
    pub fn cover(&self, claims: &AccessTokenClaims) -> bool {
        let in_force = self.read();
        in_force.tokens.contains_key(&claims.jti)
            || claims.issued_at < in_force.floor(Some(&claims.client_id))
            || in_force.may_have_covered(claims)
    }

    /// How many tokens are revoked one by one, and for how many clients (all of them together are one more) those of
    /// before some time.
    pub fn reading(&self) -> RevocationsReading {
        let in_force = self.read();
        let floors = in_force.floors.len() + usize::from(in_force.all > NO_FLOOR);
        RevocationsReading { tokens: in_force.tokens.len(), floors }
    }

    /// The earliest `iat` that is still good for a client, or (`None`) for any; 1970 where there is no such bound.
    pub fn floor(&self, client: Option<&str>) -> Timestamp {
        self.read().floor(client)
    }

    /// Revokes one token, with its record. One that is revoked already stays so, and nothing is recorded. On a fault
    /// it is unknown whether it is revoked.
    pub async fn revoke(&self, by: &Revoker<'_>, token: &IssuedToken<'_>) -> Result<(), RecordFault> {
        let (jti, until) = (token.jti, token.expires_at.plus(BEYOND_EXPIRY));
        let record = record::of_token(&self.issuer, by, token);
        let change = Change::RevokeToken { jti: jti.to_owned(), until };
        let is_so = |in_force: &InForce| in_force.tokens.contains_key(jti);
        let make_so = |in_force: &mut InForce| {
            in_force.tokens.insert(jti.to_owned(), until);
        };
        self.act((record, change), by, is_so, make_so).await
    }

    /// Revokes what was issued before `not_before`, to one client or (`None`) to all, with its record. An earlier
    /// bound than the one in force changes nothing and is not recorded. On a fault it is unknown whether it holds.
    pub async fn raise_floor(
        &self,
        by: &Revoker<'_>,
        client: Option<&ClientId>,
        not_before: Timestamp,
    ) -> Result<(), RecordFault> {
        let name = client.map(ClientId::as_str);
        let record = record::of_floor(by, name, not_before);
        let change = Change::RaiseFloor { client: client.cloned(), not_before };
        // One's own bound is kept also where that of all is later: each is what somebody asked for.
        let is_so = |in_force: &InForce| match name {
            Some(name) => in_force.floors.get(name).copied().unwrap_or(NO_FLOOR) >= not_before,
            None => in_force.all >= not_before,
        };
        let make_so = |in_force: &mut InForce| in_force.raise(name, not_before);
        self.act((record, change), by, is_so, make_so).await
    }

    async fn act(
        &self,
        (record, change): (Record, Change),
        by: &Revoker<'_>,
        is_so: impl Fn(&InForce) -> bool,
        make_so: impl FnOnce(&mut InForce),
    ) -> Result<(), RecordFault> {
        if is_so(&self.read()) {
            return self.write_beside(by).await;
        }
        // Whatever breaks this off, the store is asked what became of it.
        let doubt = Doubt::begin(&self.behind);
        let changes = std::iter::once(change).chain(by.beside.clone()).collect();
        match self.recorder.act(vec![record], changes).await {
            Ok(_) => make_so(&mut self.write()),
            Err(conflict @ RecordFault::Store(StoreFault::Conflict)) => {
                // Somebody was first. That is not taken for granted: a revocation that is not there is a fault.
                self.refresh().await?;
                if !is_so(&self.read()) {
                    return Err(conflict);
                }
                self.write_beside(by).await?;
            }
            Err(fault) => return Err(fault),
        }
        doubt.settle();
        Ok(())
    }

    async fn write_beside(&self, by: &Revoker<'_>) -> Result<(), RecordFault> {
        if let Some(change) = by.beside.clone() {
            self.recorder.act(Vec::new(), vec![change]).await?;
        }
        Ok(())
    }

    /// Catches up with the store if it may hold a revocation that is not in force here. The caller calls it each
    /// second. Where several nodes write one store, each of them would begin by asking whether another was there.
    pub async fn tick(&self) -> Result<(), RecordFault> {
        if !self.behind.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let doubt = Doubt::begin(&self.behind);
        // Only behind everything that was submitted before does the store tell the outcome.
        self.recorder.settle().await?;
        self.refresh().await?;
        doubt.settle();
        Ok(())
    }

    /// Forgets what no token depends on any more at `now`, a time by which something may be taken away for good. Was it
    /// ahead all the same, tokens that are good are taken for revoked, and never the other way. The caller calls it each
    /// minute.
    pub async fn sweep(&self, now: Timestamp) -> Result<(), RecordFault> {
        let floors = now.minus(LONGEST_LIFETIME).minus(BEYOND_EXPIRY);
        let (ended, sunk) = self.read().over(now, floors);
        let times = ended.div_ceil(FORGOTTEN_AT_ONCE as usize).max(usize::from(sunk));
        for _ in 0..times {
            let change = Change::ForgetRevoked { ended: now, floors, at_most: FORGOTTEN_AT_ONCE };
            self.recorder.act(Vec::new(), vec![change]).await?;
        }
        self.write().forget(now, floors);
        Ok(())
    }

    /// Adds what the store has.
    async fn refresh(&self) -> Result<(), StoreFault> {
        let revoked = self.store.revoked().await?;
        self.write().add(revoked);
        Ok(())
    }

    /// A panic elsewhere never leaves it half-changed, so a poisoned lock is still good.
    fn read(&self) -> RwLockReadGuard<'_, InForce> {
        self.in_force.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, InForce> {
        self.in_force.write().unwrap_or_else(PoisonError::into_inner)
    }
}
