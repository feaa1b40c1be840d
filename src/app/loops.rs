//! The background work: each loop is a plain tick with a rhythm, watched and tried again.
//!
//! Who keeps the period after failures and who backs off: `store`, `checkpoint`,
//! `policy` and `revocations` keep it, since recovery is to be seen at once, and a client that was
//! disabled and a token that was revoked are to be refused at once; the others come back at growing distances.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::App;
use super::certificates::look_at_files;
use super::supervise::Task;
use crate::audit::alive::Alive;
use crate::config::Settings;
use crate::http::tls::Tls;
use crate::store::Change;
use crate::telemetry::Cadence;
use crate::time::Timestamp;

/// The longest pause of a task that failed and that verifiers or operators wait for.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

const DISK: &str =
    "look whether the disk under data_dir is full, read-only, slow or locked by another program";
const KEYS: &str = "tokens are signed with the keys in force; look at the clock, the disk and keys.kek_file";
const INTERNAL: &str = "no token waits for it; report it as a fault of this program";

/// Starts every loop. Dropping the set ends them.
pub(super) fn start(app: &App, settings: &Settings, certificates: &[Arc<Tls>]) -> JoinSet<()> {
    let mut loops = Loops { app, set: JoinSet::new() };
    loops.keys();
    loops.policy();
    loops.revocations();
    loops.checkpoint(settings.audit.checkpoint);
    loops.store();
    loops.retention();
    loops.answers();
    loops.tending();
    loops.sweep();
    loops.secrets();
    loops.forgetting();
    loops.alive();
    loops.certificates(certificates);
    loops.set
}

fn each_minute() -> Cadence {
    Cadence::backing_off(Duration::from_mins(1), Duration::from_mins(1))
}

struct Loops<'a> {
    app: &'a App,
    set: JoinSet<()>,
}

impl Loops<'_> {
    /// Registers a task and starts it.
    fn run<F>(&mut self, task: Task, tick: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.run_with_concern(task, tick, || None);
    }

    /// The same for a task that can say "works, but": one line, or nothing.
    fn run_with_concern<F>(
        &mut self,
        task: Task,
        tick: impl Fn() -> F + Send + Sync + 'static,
        concern: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.set.spawn(task.supervise(&self.app.health, self.app.ambient.clone(), tick, concern));
    }

    /// The same for one that takes something away for good, each minute: only by a clock that has settled.
    fn forget<F>(&mut self, name: &'static str, tick: impl Fn(Timestamp) -> F + Clone + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let settled = self.app.settled.clone();
        let tick_if_settled = move || {
            let (now, tick) = (settled.look(), tick.clone());
            async move {
                match now.map_err(|insane| insane.to_string())? {
                    Some(now) => tick(now).await,
                    None => Ok(()),
                }
            }
        };
        self.run(Task { name, cadence: each_minute(), advice: DISK }, tick_if_settled);
    }

    /// Rotates keys, by a clock of their own: see `keys::steady`.
    fn keys(&mut self) {
        let rotator = self.app.rotator.clone();
        let told = rotator.clone();
        let cadence = Cadence::backing_off(rotator.pace(), LONGEST_PAUSE);
        self.run_with_concern(
            Task { name: "keys", cadence, advice: KEYS },
            move || {
                let rotator = rotator.clone();
                async move { rotator.tick().await.map_err(|fault| fault.to_string()) }
            },
            move || told.complaint(),
        );
    }

    /// Reads the policy back when an act's outcome was unknown.
    fn policy(&mut self) {
        let admin = self.app.admin.clone();
        let cadence = Cadence::steady(Duration::from_secs(1));
        self.run(Task { name: "policy", cadence, advice: DISK }, move || {
            let admin = admin.clone();
            async move { admin.tick().await.map_err(|refusal| refusal.to_string()) }
        });
    }

    /// Reads the revocations back when an act's outcome was unknown.
    fn revocations(&mut self) {
        let revocations = self.app.revocations.clone();
        let cadence = Cadence::steady(Duration::from_secs(1));
        self.run(Task { name: "revocations", cadence, advice: DISK }, move || {
            let revocations = revocations.clone();
            async move { revocations.tick().await.map_err(|fault| fault.to_string()) }
        });
    }

    /// Signs and publishes a checkpoint of what was written.
    fn checkpoint(&mut self, period: Duration) {
        let publisher = self.app.publisher.clone();
        let cadence = Cadence::steady(period);
        self.run(Task { name: "checkpoint", cadence, advice: DISK }, move || {
            let publisher = publisher.clone();
            async move { publisher.tick().await.map_err(|fault| fault.to_string()) }
        });
    }

    /// Writes what changes nothing, the way that every token takes, with nothing in it for the tree.
    fn store(&mut self) {
        let (recorder, clock) = (self.app.recorder.clone(), self.app.ambient.clock.clone());
        let cadence = Cadence::steady(Duration::from_secs(1));
        self.run(Task { name: "store", cadence, advice: DISK }, move || {
            let (recorder, now) = (recorder.clone(), clock.now().to_string());
            async move {
                let probe = recorder.act(Vec::new(), vec![Change::SetFact("probe", now)]);
                probe.await.map(drop).map_err(|fault| fault.to_string())
            }
        });
    }

    /// Drops old bodies, and at once what the disk still has of those that are dropped.
    fn retention(&mut self) {
        let (retention, settled) = (self.app.retention.clone(), self.app.settled.clone());
        let told = retention.clone();
        self.run_with_concern(
            Task { name: "retention", cadence: each_minute(), advice: DISK },
            move || {
                let (retention, now) = (retention.clone(), settled.look());
                async move {
                    let now = now.map_err(|insane| insane.to_string())?;
                    retention.tick(now).await.map_err(|fault| fault.to_string())
                }
            },
            move || told.concern(),
        );
    }

    /// Forgets answers that nobody may ask for again.
    fn answers(&mut self) {
        let admin = self.app.admin.clone();
        let tick = move |now| {
            let admin = admin.clone();
            async move { admin.forget_answers(now).await.map_err(|refusal| refusal.to_string()) }
        };
        self.forget("answers", tick);
    }

    /// Carries the write-ahead log home, beside the writer.
    fn tending(&mut self) {
        let store = self.app.store.clone();
        let cadence = Cadence::backing_off(Duration::from_millis(40), Duration::from_secs(1));
        self.run(Task { name: "tending", cadence, advice: DISK }, move || {
            let store = store.clone();
            async move { store.tend().await.map_err(|fault| fault.to_string()) }
        });
    }

    /// Forgets who is idle, and records what was only counted in the last minute.
    fn sweep(&mut self) {
        let (denials, limiter, attempts) =
            (self.app.denials.clone(), self.app.limiter.clone(), self.app.attempts.clone());
        let (clock, admin) = (self.app.ambient.clock.clone(), self.app.admin.clone());
        self.run(Task { name: "sweep", cadence: each_minute(), advice: INTERNAL }, move || {
            denials.tick();
            limiter.sweep(clock.monotonic());
            limiter.forget_scopes(&admin.policy().scopes.values().map(|rule| rule.key).collect());
            attempts.sweep();
            std::future::ready(Ok(()))
        });
    }

    /// Notes uses of secrets, reminds of those that are due, forgets the ended ones.
    fn secrets(&mut self) {
        let admin = self.app.admin.clone();
        let tick = move |now| {
            let admin = admin.clone();
            async move { admin.tend_secrets(now).await.map_err(|refusal| refusal.to_string()) }
        };
        self.forget("secrets", tick);
    }

    /// Forgets revocations that no token depends on any more, and used assertions that nobody takes any more.
    fn forgetting(&mut self) {
        let (revocations, forgetting) = (self.app.revocations.clone(), self.app.forgetting.clone());
        let tick = move |now| {
            let (revocations, forgetting) = (revocations.clone(), forgetting.clone());
            async move {
                revocations.sweep(now).await.map_err(|fault| fault.to_string())?;
                forgetting.tick(now).await.map_err(|fault| fault.to_string())
            }
        };
        self.forget("forgetting", tick);
    }

    /// Takes up certificates and keys that were put into the place of those in force. It never fails: what cannot
    /// be used is only told, and the ones before stay in force.
    fn certificates(&mut self, certificates: &[Arc<Tls>]) {
        if certificates.is_empty() {
            return;
        }
        let (clock, certificates) = (self.app.ambient.clock.clone(), certificates.to_vec());
        let told = certificates.clone();
        let cadence = Cadence::steady(Duration::from_secs(2));
        self.run_with_concern(
            Task { name: "certificates", cadence, advice: INTERNAL },
            move || {
                let certificates = certificates.clone();
                async move {
                    look_at_files(certificates, false).await;
                    Ok(())
                }
            },
            move || {
                let concerns: Vec<_> = told.iter().filter_map(|tls| tls.concern(clock.now())).collect();
                (!concerns.is_empty()).then(|| concerns.join("; "))
            },
        );
    }

    /// Says in the log that this node lives, when it has had nothing else to say.
    fn alive(&mut self) {
        let alive = Arc::new(Alive::new(self.app.recorder.clone()));
        let cadence = Cadence::backing_off(Duration::from_secs(30), Duration::from_secs(30));
        self.run(Task { name: "alive", cadence, advice: DISK }, move || {
            let alive = alive.clone();
            async move { alive.tick().await.map_err(|fault| fault.to_string()) }
        });
    }
}
