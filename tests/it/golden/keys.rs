//! Watches the signing keys while time passes: which entered which state when, and what was served then.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::Method;
use mintmark::audit::event::EventType;
use mintmark::audit::leaf::Leaf;
use mintmark::jose::{Algorithm, JwkSet, Kid};
use mintmark::keys::{KeyRing, KeyState, schedule};
use mintmark::time::Timestamp;
use serde_json::{Value, json};

use super::play::Player;
use super::render;
use crate::harness::TestMint;

/// A JWKS, and when it began to be served.
#[derive(Clone)]
pub(super) struct Served {
    pub(super) since: Timestamp,
    pub(super) keys: JwkSet,
    #[cfg_attr(not(feature = "rsa"), expect(dead_code, reason = "releases keep it, which have RSA keys"))]
    pub(super) document: Value,
}

/// Everything that was seen of the keys.
pub(super) struct KeyWatch {
    ring: Arc<KeyRing>,
    names: BTreeMap<String, String>,
    next_entry: u64,
    /// One row per transition.
    pub(super) rows: Vec<Vec<String>>,
    /// What the JWKS was from when on.
    pub(super) served: Vec<Served>,
}

impl KeyWatch {
    /// Begins with the keys of the first start.
    pub(super) async fn start(mint: &TestMint) -> Self {
        let mut watch = Self {
            ring: Arc::default(),
            names: BTreeMap::new(),
            next_entry: 0,
            rows: Vec::new(),
            served: Vec::new(),
        };
        watch.look(mint).await;
        watch
    }

    /// Notes what changed since the last look, and why by the log's own words.
    pub(super) async fn look(&mut self, mint: &TestMint) {
        let ring = mint.app().rotator.ring();
        if ring.version == self.ring.version {
            return;
        }
        let now = mintmark::ambient::Clock::now(mint.clock());
        let answer = mint.get("/.well-known/jwks.json").await;
        let before = std::mem::replace(&mut self.ring, ring);
        let ring = self.ring.clone();
        for key in &ring.keys {
            let count = ring.of(key.algorithm).take_while(|other| other.kid != key.kid).count() + 1;
            self.names
                .entry(key.kid.to_string())
                .or_insert_with(|| format!("{}-{count}", key.algorithm.as_str()));
        }
        let reasons = self.reasons(mint).await;
        let cache = answer.header("cache-control").to_owned();
        let signs = self.signing(&ring, &mint.settings().keys.algorithms);
        let served = self.listed(&answer.json());
        for key in &ring.keys {
            let from = before.key(key.kid).map(|key| key.state);
            if from == Some(key.state) {
                continue;
            }
            let from = from.map_or("-", KeyState::as_str);
            let why = |event| reasons.get(&(key.kid, event)).cloned();
            let reason = why(event_of(key.state)).or_else(|| why(EventType::KeyImported)).unwrap_or_default();
            self.rows.push(vec![
                render::offset(now),
                render::time(now),
                self.name(&key.kid.to_string()),
                format!("{from} -> {}", key.state.as_str()),
                reason,
                signs.clone(),
                served.clone(),
                cache.clone(),
            ]);
        }
        let keys = JwkSet::parse(&answer.body).unwrap();
        self.served.push(Served { since: now, keys, document: answer.json() });
    }

    /// Why each key entered each state, as it was recorded since the last look.
    async fn reasons(&mut self, mint: &TestMint) -> BTreeMap<(Kid, EventType), String> {
        let entries = mint.app().store.entries(self.next_entry..u64::MAX >> 1).await.unwrap();
        self.next_entry = entries.last().map_or(self.next_entry, |entry| entry.index + 1);
        let told = entries.iter().filter_map(|entry| {
            let leaf = Leaf::parse(&entry.leaf).unwrap();
            let body: Value = serde_json::from_slice(&entry.body.as_ref()?.1).unwrap();
            Some(((leaf.kid?, leaf.event), body["reason"].as_str()?.to_owned()))
        });
        told.collect()
    }

    /// The short name of a key, such as `ES256-2`.
    pub(super) fn name(&self, kid: &str) -> String {
        self.names.get(kid).cloned().unwrap_or_else(|| "an unknown key".to_owned())
    }

    /// The `kid` of a short name.
    pub(super) fn kid(&self, name: &str) -> &str {
        let found = self.names.iter().find(|(_, known)| *known == name);
        found.map_or_else(|| panic!("no key is called {name}"), |(kid, _)| kid)
    }

    /// Names and `kid`s of all keys.
    pub(super) fn legend(&self) -> String {
        let rows: Vec<_> = self
            .ring
            .keys
            .iter()
            .map(|key| {
                let kid = key.kid.to_string();
                vec![self.name(&kid), kid]
            })
            .collect();
        render::table(&rows)
    }

    fn listed(&self, jwks: &Value) -> String {
        let keys = jwks["keys"].as_array().unwrap();
        keys.iter().map(|key| self.name(key["kid"].as_str().unwrap())).collect::<Vec<_>>().join(" ")
    }

    /// A key whose algorithm is not configured signs nothing, whatever its state.
    fn signing(&self, ring: &KeyRing, configured: &[Algorithm]) -> String {
        let algorithms = Algorithm::ALL.into_iter().filter(|algorithm| configured.contains(algorithm));
        let active = algorithms.filter_map(|algorithm| ring.active(algorithm));
        active.map(|key| self.name(&key.kid.to_string())).collect::<Vec<_>>().join(" ")
    }
}

fn event_of(state: KeyState) -> EventType {
    match state {
        KeyState::Staged => EventType::KeyStaged,
        KeyState::Published => EventType::KeyPublished,
        KeyState::Active => EventType::KeyActivated,
        KeyState::Passive => EventType::KeyPassive,
        KeyState::Removed => EventType::KeyRemoved,
        KeyState::Revoked => EventType::KeyRevoked,
    }
}

impl Player<'_> {
    /// Time passes; what the schedule wants is done at the moment it is due, as a running service does it.
    pub(super) async fn pass_until(&mut self, until: Timestamp) {
        let settings = self.mint.settings();
        let quantities = settings.keys.quantities(settings.tokens.max_lifetime);
        loop {
            let ring = self.mint.app().rotator.ring();
            let next = schedule::next(&ring, &settings.keys.algorithms, &quantities);
            let Some(plan) = next.filter(|plan| plan.due <= until) else { break };
            self.mint.later_by(plan.due.since(self.now())).await;
            assert_ne!(
                self.mint.app().rotator.ring().version,
                ring.version,
                "a step that was due was not made"
            );
            self.keys.look(self.mint).await;
        }
        self.mint.later_by(until.since(self.now())).await;
    }

    /// `rotate [ALGORITHM] [now]`, by the admin API.
    pub(super) async fn rotate(&mut self, words: &[&str]) {
        let alg = words.iter().find(|word| Algorithm::parse(word).is_some());
        let body = json!({ "alg": alg, "now": words.contains(&"now") });
        let answer = self.mint.admin(Method::POST, "/admin/v1/keys/rotate", Some(body.clone())).await;
        self.keys.look(self.mint).await;
        self.say_time();
        self.say(&format!("\n> POST /admin/v1/keys/rotate   (admin socket)\n> {body}\n"));
        self.say(&format!("< {}\n< {}", answer.status, answer.text()));
        if let Some(at) = answer.json()["activates_at"].as_u64() {
            let at = Timestamp::from_seconds(at);
            self.say(&format!("\n  activates_at = {} = {}", render::offset(at), render::time(at)));
        }
        self.tell_entries().await;
    }

    /// `retain KEY`, `release KEY`, `revoke KEY REASON`, by the admin API.
    pub(super) async fn act_on_key(&mut self, name: &str, verb: &str, body: Option<Value>) {
        let path = format!("/admin/v1/keys/{}/{verb}", self.keys.kid(name));
        let answer = self.mint.admin(Method::POST, &path, body.clone()).await;
        self.keys.look(self.mint).await;
        self.say_time();
        self.say(&format!("\n> POST {path}   (admin socket; {name})"));
        if let Some(body) = body {
            self.say(&format!("> {body}"));
        }
        self.say(&format!("\n< {}\n< {}", answer.status, answer.text()));
        self.tell_entries().await;
    }

    /// `keys`: the states and what is planned, as the admin API lists them.
    pub(super) async fn tell_keys(&mut self) {
        let list = self.mint.admin_get("/admin/v1/keys").await.json();
        let headings = ["key", "state", "signs since", "rests since", "planned", "retain", "reason"];
        let mut rows = vec![headings.map(str::to_owned).to_vec()];
        for key in list["items"].as_array().unwrap() {
            let time = |value: &Value| {
                value
                    .as_u64()
                    .map_or_else(|| "-".to_owned(), |at| render::offset(Timestamp::from_seconds(at)))
            };
            let planned = [("signs", "activated_at"), ("rests", "passive_at"), ("goes", "remove_at")];
            let planned = planned.map(|(what, name)| (what, time(&key["planned"][name])));
            let planned = planned.iter().filter(|(_, at)| at != "-").map(|(what, at)| format!("{what} {at}"));
            rows.push(vec![
                self.keys.name(key["kid"].as_str().unwrap()),
                key["state"].as_str().unwrap().to_owned(),
                time(&key["activated_at"]),
                time(&key["passive_at"]),
                planned.collect::<Vec<_>>().join(", "),
                key["retain"].to_string(),
                key["reason"].as_str().unwrap_or("-").to_owned(),
            ]);
        }
        self.say_time();
        self.say(&format!("\nThe keys now:\n\n{}", render::table(&rows).trim_end()));
    }
}
