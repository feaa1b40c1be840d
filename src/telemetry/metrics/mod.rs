//! What an operator's monitoring reads: every number of this process, as OpenMetrics text.
//!
//! Numbers are read from the rooms when somebody asks, so that nobody has to
//! count for it on the way of a token; where counting is needed, the room that
//! knows does it itself and gives a plain reading. This room names the numbers
//! and does nothing else. It never touches the store and waits for nothing.
//! Labels are bounded: registered scopes, configured algorithms, fixed words;
//! no text of a request ever becomes one. OpenMetrics 1.0.0.
//!
//! A new group: a `reading()` in its room that gives a plain struct, a file here
//! that implements [`Group`] over it, its handle in [`MetricsParts`], its line in
//! [`Metrics::new`], its rows in `docs/metrics.md`; a test holds the page to the output.

mod health;
mod keys;
mod limits;
mod log;
mod overload;
mod policy;
mod process;
mod requests;
mod sheet;
mod tokens;
mod work;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use self::sheet::Sheet;
use super::{ClassReading, Health, Traffic};
use crate::admin::Admin;
use crate::ambient::Clock;
use crate::audit::publisher::Publisher;
use crate::audit::recorder::Recorder;
use crate::audit::standing::Standings;
use crate::introspect::Revocations;
use crate::issue::WallClock;
use crate::keys::rotator::Rotator;
use crate::keys::signer::Signer;
use crate::limits::{Attempts, Limiter, Turns};
use crate::policy::Policy;
use crate::workers::Workers;

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Tells how many there are, whenever it is asked.
pub type Count = Box<dyn Fn() -> u64 + Send + Sync>;

/// Tells of the classes of requests that are less important than tokens.
pub type Classes = Box<dyn Fn() -> [ClassReading; 3] + Send + Sync>;

/// Whose numbers are read.
pub struct MetricsParts {
    /// The policy in force.
    pub policy: Arc<ArcSwap<Policy>>,
    /// Holds clients to their limits.
    pub limiter: Arc<Limiter>,
    /// Counts who fails to authenticate.
    pub attempts: Arc<Attempts>,
    /// Says how many tokens may be under way at once.
    pub turns: Turns,
    /// What gives way to tokens.
    pub classes: Classes,
    /// Signs tokens.
    pub signer: Arc<Signer>,
    /// Rotates keys.
    pub rotator: Arc<Rotator>,
    /// Writes the log.
    pub recorder: Recorder,
    /// Publishes checkpoints.
    pub publisher: Arc<Publisher>,
    /// Looks tokens up in the log.
    pub standings: Arc<Standings>,
    /// The revocations in force.
    pub revocations: Arc<Revocations>,
    /// Where secrets are hashed.
    pub hashing: Workers,
    /// How many verified secrets are remembered.
    pub verified_secrets: Count,
    /// How many used assertions this process remembers.
    pub used_assertions: Count,
    /// Knows which secrets are due.
    pub admin: Arc<Admin>,
    /// What the background tasks say.
    pub health: Arc<Health>,
    /// Whether the time can be believed.
    pub wall_clock: Arc<WallClock>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// What passes through the listeners.
    pub traffic: Vec<Arc<Traffic>>,
}

/// A part of the page.
trait Group: Send + Sync + 'static {
    /// Writes what it has now.
    fn write(&self, sheet: &mut Sheet<'_>) -> fmt::Result;
}

/// A group as the registry wants it.
struct Page<G>(G);

impl<G> fmt::Debug for Page<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Page")
    }
}

impl<G: Group> Collector for Page<G> {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.write(&mut Sheet::new(encoder))
    }
}

/// Every number of this process.
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// Registers every group, in the order of the page.
    pub fn new(parts: MetricsParts) -> Self {
        let MetricsParts { policy, rotator, signer, standings, revocations, clock, .. } = parts;
        let mut registry = Registry::with_prefix("mintmark");
        let mut add = Adder(&mut registry);
        add.group(limits::Limits { policy: policy.clone(), limiter: parts.limiter });
        let (turns, classes, attempts) = (parts.turns, parts.classes, parts.attempts);
        add.group(overload::Overload { turns, classes, attempts });
        let traffic = parts.traffic;
        add.group(tokens::Tokens {
            signer: signer.clone(),
            standings,
            revocations,
            traffic: traffic.clone(),
        });
        add.group(requests::Requests { traffic });
        add.group(log::Log { recorder: parts.recorder, publisher: parts.publisher });
        add.group(work::Work {
            hashing: parts.hashing,
            signer: signer.clone(),
            verified_secrets: parts.verified_secrets,
            used_assertions: parts.used_assertions,
            admin: parts.admin,
        });
        add.group(keys::Keys { rotator, signer, clock: clock.clone() });
        add.group(policy::Objects { policy });
        add.group(health::Tasks { health: parts.health, wall_clock: parts.wall_clock });
        add.group(process::Process { started: clock.now() });
        Self { registry }
    }

    /// The page, as it is at this moment. Its media type is [`MEDIA_TYPE`].
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// What groups are added to.
struct Adder<'a>(&'a mut Registry);

impl Adder<'_> {
    fn group(&mut self, group: impl Group) {
        self.0.register_collector(Box::new(Page(group)));
    }
}
