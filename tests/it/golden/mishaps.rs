//! What happens to the service beside requests: locks, crowds, clocks, lost keys, restored backups, idle hours.
//!
//! Each is done to the real thing by the means that the world has; only the waiting is left out.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use mintmark::ambient::Clock as _;
use mintmark::app::{Reopen, reopen_log};
use mintmark::audit::alive::Alive;
use mintmark::config::Kek;
use mintmark::http::bounds::{Caps, bound};
use mintmark::time::{Timestamp, parse_span};
use sqlx::{Connection as _, Executor as _};

use super::play::Player;
use super::render;
use crate::harness::{Answer, KEK, START, foreign_connection};
use crate::starting::{copy_store, remove_store, stop};

/// What a restored backup brings back: the store, and how many tokens had been handed out.
pub(super) struct Backup {
    folder: tempfile::TempDir,
    tokens: usize,
}

impl Player<'_> {
    /// `lock`, `unlock`.
    pub(super) async fn set_lock(&mut self, locked: bool) {
        if locked {
            let mut other = foreign_connection(&self.mint.data_dir().join("mintmark.db")).await;
            other.execute("BEGIN IMMEDIATE").await.unwrap();
            self.lock = Some(other);
            self.say("\nanother program holds the write lock of the database");
        } else {
            self.lock.take().unwrap().close().await.unwrap();
            self.say("\nthe lock is gone");
        }
    }

    /// `crowd`, `crowd leaves`: as many others as tokens are made at once.
    pub(super) async fn set_crowd(&mut self, there: bool) {
        self.crowd.clear();
        if there {
            for _ in 0..self.mint.app().turns.reading().limit {
                self.crowd.push(self.mint.app().turns.take(u32::MAX).await.unwrap());
            }
        }
        let told = if there { "all turns to make a token are taken" } else { "the turns are free again" };
        self.say(&format!("\n{told}"));
    }

    /// `asleep SPAN`.
    pub(super) async fn stand_still(&mut self, span: &str) {
        self.mint.later_by(parse_span(span).unwrap()).await;
        self.keys.look(self.mint).await;
        self.say_time();
        self.say(&format!("\nfor {span} the background tasks did nothing; now they run again"));
    }

    /// `wall TIME`, `wall back`.
    pub(super) fn set_wall(&mut self, time: &str) {
        let now = if time == "back" { self.honest_now() } else { Timestamp::parse(time).unwrap() };
        self.mint.clock().set_wall(now);
        self.say(&format!("\nsomebody sets the wall clock to {}", render::time(now)));
    }

    /// The time by the monotonic clock, which nobody sets.
    pub(super) fn honest_now(&self) -> Timestamp {
        START.plus(self.mint.clock().monotonic().saturating_sub(Duration::from_secs(1_000)))
    }

    /// `restart [NAME=VALUE...]`, with these settings from then on.
    pub(super) async fn restart(&mut self, settings: &[&str]) {
        for (name, value) in settings.iter().map(|setting| setting.split_once('=').unwrap()) {
            self.mint.set(name, value);
        }
        self.mint.restart().await;
        self.keys.look(self.mint).await;
        self.say_time();
        self.say("\nthe service ends in order and starts again");
        for setting in settings {
            self.say(&format!("setting {setting}"));
        }
    }

    /// `idle`: half a minute in which the service has nothing to record.
    pub(super) async fn idle(&mut self) {
        let alive = Alive::new(self.mint.app().recorder.clone());
        alive.tick().await.unwrap();
        self.mint.clock().advance(Duration::from_secs(30));
        alive.tick().await.unwrap();
        self.say_time();
        self.say("\nfor half a minute there was nothing to record");
    }

    /// `retention`: what is too old is dropped, as the loop does it each minute.
    pub(super) async fn drop_old(&mut self) {
        self.mint.drop_old_bodies().await;
        self.say_time();
        self.say("\nthe bodies whose retention is over are dropped");
        self.tell_entries().await;
    }

    /// `lose KEY`: between an end and a start, the private half of a key is gone from the store.
    pub(super) async fn lose(&mut self, name: &str) {
        let kid = self.keys.kid(name).to_owned();
        stop(self.mint).await;
        let mut other = foreign_connection(&self.mint.data_dir().join("mintmark.db")).await;
        let lost = sqlx::query("UPDATE signing_keys SET sealed = NULL WHERE kid = ?").bind(kid);
        assert_eq!(lost.execute(&mut other).await.unwrap().rows_affected(), 1);
        other.close().await.unwrap();
        self.mint.reopen().await.unwrap();
        self.keys.look(self.mint).await;
        self.say_time();
        self.say(&format!(
            "\nthe service ends; the private half of {name} is lost; the service starts again"
        ));
        self.tell_entries().await;
    }

    /// `backup`: a copy of the store as it is now.
    pub(super) async fn back_up(&mut self) {
        let folder = tempfile::tempdir().unwrap();
        stop(self.mint).await;
        copy_store(&self.mint.data_dir(), folder.path());
        self.mint.reopen().await.unwrap();
        let tokens = self.mint.ledger.lock().unwrap().len();
        self.backup = Some(Backup { folder, tokens });
        self.say_time();
        self.say("\nthe service ends, its store is copied, and it starts again");
    }

    /// `restore NAME`: the copy takes the store's place, which the service refuses to go on with; then the log is
    /// reopened under another name.
    pub(super) async fn restore(&mut self, origin: &str) {
        let Backup { folder, tokens } = self.backup.take().unwrap();
        stop(self.mint).await;
        let data = self.mint.data_dir();
        remove_store(&data);
        copy_store(folder.path(), &data);
        // These tokens were issued, and the store knows nothing of them any more.
        self.mint.ledger.lock().unwrap().truncate(tokens);
        self.say_time();
        let refused = self.mint.reopen().await.unwrap_err();
        self.say(&format!("\nthe copy is put back; the service refuses to start:\n! {refused}"));
        let checkpoint = std::fs::read_to_string(data.join("last_signed")).unwrap();
        let ambient = self.mint.ambient();
        let reason = "the disk was lost";
        let reopen = Reopen { origin, checkpoint: &checkpoint, reason, actor: "unix:0" };
        let reopened = reopen_log(&self.mint.settings(), &Kek::new(KEK), ambient, &reopen).await.unwrap();
        self.say(&format!(
            "\nthe log is reopened as {origin}:\n{}",
            serde_json::to_string(&reopened).unwrap()
        ));
        self.mint.set("MINTMARK_AUDIT__ORIGIN", origin);
        self.mint.reopen().await.unwrap();
        self.keys.look(self.mint).await;
        self.next_entry = reopened.kept;
        self.say(&format!("\nthe service starts again\nsetting MINTMARK_AUDIT__ORIGIN={origin}"));
        self.tell_entries().await;
    }

    /// `door WHAT`: what the listener itself answers where no request of a story comes to: stand-ins for a sender
    /// that never ends, a handler that never does, and the like.
    pub(super) async fn tell_door(&mut self, what: &str) {
        const SOON: Duration = Duration::from_millis(1);
        let real = Caps::default();
        let caps = Caps { body_timeout: SOON, handler_timeout: SOON, ..Caps::default() };
        let service = self.mint.app().public.clone();
        let never = Router::new().fallback(std::future::pending::<()>);
        let panics = Router::new().fallback(async || -> () { panic!("a story's panic") });
        let post = |body: Body| Request::post("/oauth2/token").body(body).unwrap();
        let (told, response) = match what {
            "slow-body" => {
                let body = Body::from_stream(futures_util::stream::pending::<Result<Bytes, Infallible>>());
                let told = format!("whose body does not end within {}", render::span(real.body_timeout));
                (told, bound(service, &caps).answer(post(body)).await)
            }
            "broken-body" => {
                let broken = futures_util::stream::once(async { Err::<Bytes, _>("a reset") });
                let answer = bound(service, &caps).answer(post(Body::from_stream(broken))).await;
                ("whose body breaks off".to_owned(), answer)
            }
            "slow-handler" => {
                let told = format!("that is not answered within {}", render::span(real.handler_timeout));
                (told, bound(never, &caps).answer(post(Body::empty())).await)
            }
            "panic" => {
                let answer = bound(panics, &caps).answer(post(Body::empty())).await;
                ("whose handler panics".to_owned(), answer)
            }
            _ => panic!("no door does this: {what}"),
        };
        self.say(&format!("\n> POST /oauth2/token   (a request {told})"));
        self.tell_answer(&Answer::read(response).await);
    }
}
