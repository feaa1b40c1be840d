//! Carries out the steps of a scenario and tells what happened.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use mintmark::ambient::Clock as _;
use mintmark::limits::turns::Turn;
use mintmark::store::Change;
use mintmark::time::{Timestamp, parse_span};
use serde_json::json;
use sqlx::SqliteConnection;
use tempfile::TempDir;

use super::keys::KeyWatch;
use super::mishaps::Backup;
use super::parse::{Scenario, Step};
use super::policy::Actor;
use super::render;
use super::story::POLICY_VERBS;
use crate::harness::{START, TestMint};

/// A scenario under way.
pub(super) struct Player<'a> {
    /// The issuer that it happens to.
    pub(super) mint: &'a mut TestMint,
    /// The story so far.
    pub(super) out: String,
    /// The clients by their ids.
    pub(super) actors: BTreeMap<String, Actor>,
    /// What became of the signing keys.
    pub(super) keys: KeyWatch,
    /// The next entry of the log that the story has not told.
    pub(super) next_entry: u64,
    /// The assertion that was sent last, and whose it is.
    pub(super) last_assertion: Option<(String, String)>,
    /// The access token that came last.
    pub(super) last_token: Option<String>,
    /// The `ETag` that came last.
    pub(super) last_etag: String,
    /// The name of the secret that was made last.
    pub(super) last_secret_id: String,
    /// Names of requests that were seen; none comes twice.
    pub(super) request_ids: BTreeSet<String>,
    /// Another hand that holds the database's write lock.
    pub(super) lock: Option<SqliteConnection>,
    /// Others whose tokens are being made.
    pub(super) crowd: Vec<Turn>,
    /// A copy of the store.
    pub(super) backup: Option<Backup>,
    /// Whether the last line told of the policy too.
    pub(super) policy_goes_on: bool,
    /// Where commands are run.
    pub(super) desk: TempDir,
    told_time: Option<Timestamp>,
}

/// Plays a scenario and gives its story.
pub(super) async fn play(mint: &mut TestMint, scenario: &Scenario) -> String {
    let mut player = Player::after(mint, scenario).await;
    std::mem::take(&mut player.out)
}

thread_local! {
    /// The story that broke off last on this thread, as far as it came.
    static BROKEN_OFF: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps a story for the case that what comes after it ends it.
pub(super) fn keep(story: &str) {
    BROKEN_OFF.set(story.to_owned());
}

/// The story that a panic ended on this thread.
pub(super) fn broken_off() -> String {
    BROKEN_OFF.take()
}

impl Drop for Player<'_> {
    /// What was told before a check failed is worth reading, and comparing.
    fn drop(&mut self) {
        if std::thread::panicking() {
            BROKEN_OFF.set(std::mem::take(&mut self.out));
        }
    }
}

impl<'a> Player<'a> {
    /// Plays a scenario and stays where it ended.
    pub(super) async fn after(mint: &'a mut TestMint, scenario: &Scenario) -> Self {
        let keys = KeyWatch::start(mint).await;
        let mut player = Self {
            mint,
            out: String::new(),
            actors: BTreeMap::new(),
            keys,
            next_entry: 0,
            last_assertion: None,
            last_token: None,
            last_etag: String::new(),
            last_secret_id: String::new(),
            request_ids: BTreeSet::new(),
            lock: None,
            crowd: Vec::new(),
            backup: None,
            policy_goes_on: false,
            // Its name is in what commands print, and lines are folded by their width: everywhere of the same length.
            desk: tempfile::tempdir_in("/tmp").unwrap(),
            told_time: None,
        };
        player.tell_head(scenario);
        player.skip_entries().await;
        for step in &scenario.steps {
            player.step(step).await;
        }
        // Refusals that wait to be counted are written now, so that nothing moves while the log is walked.
        player.mint.app().denials.tick();
        player.settle().await;
        player
    }
}

impl Player<'_> {
    fn tell_head(&mut self, scenario: &Scenario) {
        for line in &scenario.story {
            self.say(line);
        }
        if !scenario.settings.is_empty() {
            self.say("");
        }
        for (name, value) in &scenario.settings {
            self.say(&format!("setting {name}={value}"));
        }
    }

    pub(super) async fn step(&mut self, step: &Step) {
        let words: Vec<&str> = step.words.iter().map(String::as_str).collect();
        let is_policy = POLICY_VERBS.contains(&words[0]);
        self.policy_goes_on &= is_policy;
        if is_policy {
            return self.set_policy(step).await;
        }
        match words.as_slice() {
            ["#", ..] => self.say(&format!("\n{}", step.text.trim_start_matches(['#', ' ']))),
            ["at", offset] => {
                let offset = offset.strip_prefix('+').and_then(|span| parse_span(span).ok());
                self.pass_until(START.plus(offset.unwrap_or_else(|| panic!("{}", step.text)))).await;
            }
            ["after", span] => self.pass_until(self.now().plus(parse_span(span).unwrap())).await,
            ["lock"] => self.set_lock(true).await,
            ["unlock"] => self.set_lock(false).await,
            ["crowd"] => self.set_crowd(true).await,
            ["crowd", "leaves"] => self.set_crowd(false).await,
            ["asleep", span] => self.stand_still(span).await,
            ["idle"] => self.idle().await,
            ["wall", time] => self.set_wall(time),
            ["restart", settings @ ..] => self.restart(settings).await,
            ["lose", key] => self.lose(key).await,
            ["backup"] => self.back_up().await,
            ["restore", origin] => self.restore(origin).await,
            ["retention"] => self.drop_old().await,
            ["door", what] => self.tell_door(what).await,
            ["forge", claims @ ..] => self.forge(claims),
            ["rotate", rest @ ..] => self.rotate(rest).await,
            [verb @ ("retain" | "release"), key] => self.act_on_key(key, verb, None).await,
            ["revoke", key, reason @ ..] => {
                self.act_on_key(key, "revoke", Some(json!({ "reason": reason.join(" ") }))).await;
            }
            ["keys"] => self.tell_keys().await,
            ["timeline", span] => self.tell_timeline(parse_span(span).unwrap()).await,
            ["simulate", span] => self.simulate(parse_span(span).unwrap()),
            ["caches", rest @ ..] => self.tell_caches(rest, &step.block).await,
            ["log", events @ ..] => self.tell_log(events).await,
            ["consistency", old] => self.tell_consistency(old.parse().unwrap()).await,
            ["export", rest @ ..] => self.tell_export(rest).await,
            ["file", path] => self.tell_file(path),
            ["show", path] => self.show_file(path),
            ["write", path] => self.write_file(path, &step.block),
            ["run", rest @ ..] => self.run_command(rest, &step.block).await,
            ["drum", ..] => self.drum(step).await,
            ["admin" | "tcp", ..] => self.admin_exchange(step).await,
            _ => self.exchange(step).await,
        }
    }

    /// The time as the service sees it.
    pub(super) fn now(&self) -> Timestamp {
        self.mint.clock().now()
    }

    /// Adds a line to the story.
    pub(super) fn say(&mut self, line: &str) {
        let _ = writeln!(self.out, "{line}");
    }

    /// A heading wherever time has moved since the last one.
    pub(super) fn say_time(&mut self) {
        let now = self.now();
        if self.told_time.replace(now) != Some(now) {
            let told = render::time(now);
            let text =
                if now == self.honest_now() { told } else { format!("{told} by a clock that is wrong") };
            self.say(&format!("\n=== {} = {text} ===", render::offset(self.honest_now())));
        }
    }

    /// Waits until what was queued for the log is written, so that the story is the same each time.
    pub(super) async fn settle(&self) {
        if self.lock.is_some() {
            return;
        }
        let probe = Change::SetFact("probe", String::new());
        self.mint.app().recorder.act(Vec::new(), vec![probe]).await.unwrap();
    }

    fn tell_file(&mut self, path: &str) {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(root.join(path)).unwrap();
        self.say(&format!("\n{path}:\n\n{}", render::marked("  ", &text).trim_end()));
    }
}
