//! `with_mint(async |mint| …)`: the real router in process over a real SQLite
//! file, with a clock that the test moves and randomness that repeats.
//!
//! After every test body the oracle walks the whole log.

mod ambient;
mod answer;
pub mod described;
mod faults;
mod forgetting;
mod log;
mod oracle;
mod socket;
mod start;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, header};
use base64::Engine as _;
use futures_util::stream::once;
use mintmark::app::{self, App, Listeners, Order, Ports};
use mintmark::config::Settings;
use mintmark::http::bounds::{Bounded, Caps, bound};
use mintmark::http::traffic::counted;
use mintmark::jose::JwkSet;
use mintmark::jose::verify::{Expected, Invalid, Verified, verify_access_token};
use mintmark::store::Change;
use mintmark::time::{Timestamp, parse_span};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use ambient::{FakeClock, SeededEntropy};
pub use answer::Answer;
use described::{Asked, Listener};
pub use faults::{Fault, FaultyStore};
pub use log::contains;
pub use socket::{Loopback, exchange};
pub use start::Start;

/// The first moment of every test: 2026-11-22T12:00:00Z.
pub const START: Timestamp = Timestamp::from_seconds(1_795_348_800);
/// The issuer of every test.
pub const ISSUER: &str = "https://auth.example.com";
/// The key encryption key of every test that does not try another.
pub const KEK: [u8; 32] = [7; 32];
/// The demo resource of the tests.
pub const ORDERS: &str = "https://orders.example.com";

/// A running issuer under test.
pub struct TestMint {
    folder: TempDir,
    environment: Vec<(String, String)>,
    kek: [u8; 32],
    build: &'static str,
    clock: Arc<FakeClock>,
    entropy: Arc<SeededEntropy>,
    app: Option<App>,
    public: Arc<Bounded>,
    admin: Arc<Bounded>,
    /// Every access token that a client of this test received.
    pub ledger: std::sync::Mutex<Vec<String>>,
}

/// Runs `body` against an issuer with default settings, then the oracle.
pub async fn with_mint(body: impl AsyncFnOnce(&mut TestMint)) {
    with_settings(&[], body).await;
}

/// The same with settings of the environment, such as `("MINTMARK_TOKENS__LIFETIME", "5m")`.
pub async fn with_settings(environment: &[(&str, &str)], body: impl AsyncFnOnce(&mut TestMint)) {
    let mut mint = TestMint::start(environment).await;
    body(&mut mint).await;
    mint.finish().await;
}

impl TestMint {
    /// A fresh issuer, opened at [`START`].
    pub async fn start(environment: &[(&str, &str)]) -> Self {
        Self::start_at(START, environment).await
    }

    /// A fresh issuer, opened when the clock shows `now`.
    pub async fn start_at(now: Timestamp, environment: &[(&str, &str)]) -> Self {
        Start { now, environment, ..Start::default() }.mint().await
    }

    /// The settings in force.
    pub fn settings(&self) -> Settings {
        Settings::load(None, &self.environment).unwrap()
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The parts, for tests that look inside.
    pub fn app(&self) -> &App {
        self.app.as_ref().unwrap()
    }

    /// The clock of this test.
    pub fn clock(&self) -> &FakeClock {
        &self.clock
    }

    /// The same, to build parts of one's own with.
    pub fn clock_handle(&self) -> Arc<FakeClock> {
        self.clock.clone()
    }

    /// Lets time pass, both clocks alike, and the background tasks do what is due.
    pub async fn later(&self, span: &str) {
        self.later_by(parse_span(span).unwrap()).await;
    }

    /// The same for a computed span.
    pub async fn later_by(&self, span: Duration) {
        self.clock.advance(span);
        self.tick().await;
    }

    /// One round of the background tasks.
    pub async fn tick(&self) {
        let app = self.app();
        app.admin.tick().await.unwrap();
        app.revocations.tick().await.unwrap();
        app.rotator.tick().await.unwrap();
        app.denials.tick();
        if let Some(now) = self.settled() {
            app.admin.tend_secrets(now).await.unwrap();
        }
        app.limiter.sweep(mintmark::ambient::Clock::monotonic(&*self.clock));
        app.limiter.forget_scopes(&app.admin.policy().scopes.values().map(|rule| rule.key).collect());
        settle(app).await;
        app.publisher.tick().await.unwrap();
    }

    /// Ends the process in order and starts it again.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.reopen().await.unwrap();
    }

    /// Ends the process in order.
    pub async fn stop(&mut self) {
        self.app.take().unwrap().close().await;
        self.public = bound(axum::Router::new(), &Caps::default());
        self.admin = self.public.clone();
    }

    /// Another setting for the next start.
    pub fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// The default of a setting for the next start.
    pub fn unset(&mut self, name: &str) {
        self.environment.retain(|(known, _)| known != name);
    }

    /// Another key encryption key for the next start.
    pub fn set_kek(&mut self, kek: [u8; 32]) {
        self.kek = kek;
    }

    /// Drops the process without any farewell, as `kill -9` does, and starts it again.
    pub async fn crash(&mut self) {
        drop(self.app.take());
        self.public = bound(axum::Router::new(), &Caps::default());
        self.admin = self.public.clone();
        self.reopen().await.unwrap();
    }

    /// Runs the whole service, its loops and its doors, until the receiver's sender is gone or speaks.
    /// This test's requests go on to reach it. It wants `MINTMARK_ADMIN__SOCKET` to be a place of its own.
    pub async fn run(&mut self, stop: oneshot::Receiver<()>) -> JoinHandle<()> {
        let public = TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.run_at(Ports { public, admin: None }, stop)
    }

    /// The same at these ports.
    pub fn run_at(&mut self, ports: Ports, stop: oneshot::Receiver<()>) -> JoinHandle<()> {
        let (app, settings) = (self.app.take().unwrap(), self.settings());
        let listeners = Listeners::complete(&app, &settings, ports).unwrap();
        let until = once(async move {
            drop(stop.await);
            Order::StopNow
        });
        tokio::spawn(async move { app::serve(app, &settings, listeners, until, &()).await })
    }

    /// Opens the service again after its end; tells why if it refuses.
    pub async fn reopen(&mut self) -> Result<(), app::CannotStart> {
        let app = self.open(&self.settings()).await?;
        (self.public, self.admin) = doors(&app);
        self.app = Some(app);
        Ok(())
    }

    /// Tries to open a service on other settings with this test's clock and keys.
    pub async fn open_elsewhere(&self, settings: &Settings) -> Result<(), app::CannotStart> {
        self.open(settings).await.map(drop)
    }

    /// Sends any request to the public listener.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let asked = Asked::of(Listener::Public, &request);
        let answer = Answer::read(self.public.answer(request).await).await;
        asked.assert_describes(&answer);
        if let Some(token) = answer.access_token() {
            self.ledger.lock().unwrap().push(token);
        }
        answer
    }

    /// Sends all of these at the same time, each from a task of its own.
    pub async fn send_all(&self, requests: Vec<Request<Body>>) -> Vec<Answer> {
        let answering = requests.into_iter().map(|request| {
            let door = self.public.clone();
            tokio::spawn(async move { Answer::read(door.answer(request).await).await })
        });
        let mut answers = Vec::new();
        for answer in answering.collect::<Vec<_>>() {
            answers.push(answer.await.unwrap());
        }
        self.ledger.lock().unwrap().extend(answers.iter().filter_map(Answer::access_token));
        answers
    }

    /// The public listener on a real socket.
    pub async fn serve(&self) -> Loopback {
        Loopback::open(self.app().public.clone()).await
    }

    /// The key set as a verifier fetches it.
    pub async fn jwks(&self) -> JwkSet {
        JwkSet::parse(&self.get("/.well-known/jwks.json").await.body).unwrap()
    }

    /// Judges a token like a resource server that has these keys and nothing else.
    pub fn judge(&self, token: &str, keys: &JwkSet, audience: &str) -> Result<Verified, Invalid> {
        let expected = Expected {
            issuer: ISSUER,
            audience: Some(audience),
            now: mintmark::ambient::Clock::now(&*self.clock),
            leeway: Duration::from_mins(1),
            max_lifetime: Duration::from_hours(1),
        };
        verify_access_token(token, keys, &expected)
    }

    /// `GET` on the public listener.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// What a client is told of a token.
    pub async fn introspect(&self, client: &TestClient, token: &str) -> Answer {
        self.send(client.request_to("/oauth2/introspect", &format!("token={token}"))).await
    }

    /// A client revokes a token.
    pub async fn revoke(&self, client: &TestClient, token: &str) -> Answer {
        self.send(client.request_to("/oauth2/revoke", &format!("token={token}"))).await
    }

    /// A form to the token endpoint, without any authentication of its own.
    pub async fn post_form(&self, form: &str) -> Answer {
        self.send(form_request(form)).await
    }

    /// A request for a token by Basic; `form` is what follows `grant_type`, such as `scope=a`.
    pub async fn token(&self, client: &TestClient, form: &str) -> Answer {
        self.send(client.request(form)).await
    }

    /// Sends a request to the admin listener; `body` goes as JSON.
    pub async fn admin(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.admin_with(method, path, body, &[]).await
    }

    /// The same with header fields, such as `("if-match", "\"v1\"")`.
    pub async fn admin_with(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        fields: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.admin_send(request.body(body).unwrap()).await
    }

    /// Sends any request to the admin listener.
    pub async fn admin_send(&self, request: Request<Body>) -> Answer {
        let asked = Asked::of(Listener::Admin, &request);
        let answer = Answer::read(self.admin.answer(request).await).await;
        asked.assert_describes(&answer);
        answer
    }

    /// Sends any request to the admin listener over TCP.
    pub async fn over_tcp(&self, request: Request<Body>) -> Answer {
        let app = self.app();
        let door = bound(counted(&app.admin_over_tcp, &app.counted.admin_over_tcp), &Caps::default());
        let asked = Asked::of(Listener::Admin, &request);
        let answer = Answer::read(door.answer(request).await).await;
        asked.assert_describes(&answer);
        answer
    }

    /// Sends all of these to the admin listener at the same time, each from a task of its own.
    pub async fn admin_send_all(&self, requests: Vec<Request<Body>>) -> Vec<Answer> {
        let answering = requests.into_iter().map(|request| {
            let door = self.admin.clone();
            tokio::spawn(async move { Answer::read(door.answer(request).await).await })
        });
        let mut answers = Vec::new();
        for answer in answering.collect::<Vec<_>>() {
            answers.push(answer.await.unwrap());
        }
        answers
    }

    /// `GET` on the admin listener.
    pub async fn admin_get(&self, path: &str) -> Answer {
        self.admin(Method::GET, path, None).await
    }

    /// Registers a resource; most tests want [`ORDERS`].
    pub async fn resource(&self, uri: &str, alg: &str) {
        let body = json!({ "resource": uri, "signing_alg": alg });
        let answer =
            self.admin(Method::PUT, &format!("/admin/v1/resources/{}", segment(uri)), Some(body)).await;
        answer.assert_status(201);
    }

    /// Registers a scope of `resource` with a limit such as `600/1m`, its burst the count.
    pub async fn scope(&self, name: &str, resource: &str, limit: &str) {
        let limit = mintmark::limits::Quota::parse(limit).unwrap();
        let body = json!({ "scope": name, "resource": resource, "limit": limit });
        let answer =
            self.admin(Method::PUT, &format!("/admin/v1/scopes/{}", segment(name)), Some(body)).await;
        answer.assert_status(201);
    }

    /// Registers a client from the members of the admin API beside `client_id`.
    pub async fn client(&self, id: &str, members: Value) -> TestClient {
        let mut body = members;
        body["client_id"] = json!(id);
        let answer = self.admin(Method::POST, "/admin/v1/clients", Some(body)).await;
        answer.assert_status(201);
        // A client with keys has none.
        let secret = answer.json()["client_secret"].as_str().unwrap_or_default().to_owned();
        TestClient { id: id.to_owned(), secret }
    }

    /// The usual policy: [`ORDERS`] with `orders:read` and `orders:write`, 600 a minute, and a client `reader` of both.
    pub async fn usual_policy(&self) -> TestClient {
        self.resource(ORDERS, "ES256").await;
        self.scope("orders:read", ORDERS, "600/1m").await;
        self.scope("orders:write", ORDERS, "600/1m").await;
        self.client("reader", json!({ "scope": "orders:read orders:write", "default_scope": "orders:read" }))
            .await
    }

    /// The last act of a test: the oracle looks at what it left.
    pub async fn finish(mut self) {
        if let Some(app) = self.app.take() {
            app.denials.tick();
            settle(&app).await;
            let ledger = std::mem::take(&mut *self.ledger.lock().unwrap());
            oracle::check(&app, &ledger).await;
            app.close().await;
        }
    }
}

/// A registered client and its secret.
#[derive(Clone, Debug)]
pub struct TestClient {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
}

impl TestClient {
    /// The value of its `Authorization` header.
    pub fn basic(&self) -> String {
        let pair = format!("{}:{}", self.id, self.secret);
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
    }

    /// The same client with another secret.
    pub fn with_secret(&self, secret: &str) -> Self {
        Self { id: self.id.clone(), secret: secret.to_owned() }
    }

    /// A request for a token by Basic; `form` is what follows `grant_type`.
    pub fn request(&self, form: &str) -> Request<Body> {
        self.request_to("/oauth2/token", &format!("grant_type=client_credentials&{form}"))
    }

    /// A form to any endpoint, by Basic.
    pub fn request_to(&self, path: &str, form: &str) -> Request<Body> {
        let mut request = form_to(path, form);
        request.headers_mut().insert(header::AUTHORIZATION, self.basic().parse().unwrap());
        request
    }
}

/// A POST of a form to the token endpoint.
pub fn form_request(form: &str) -> Request<Body> {
    form_to("/oauth2/token", form)
}

/// A POST of a form to any endpoint.
pub fn form_to(path: &str, form: &str) -> Request<Body> {
    Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap()
}

/// A name as one percent-encoded path segment.
pub fn segment(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Another program's connection to the database file.
pub async fn foreign_connection(database: &std::path::Path) -> sqlx::SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database);
    sqlx::ConnectOptions::connect(&options).await.unwrap()
}

/// Waits until what nobody waits for is written too: the queue is first come, first served.
async fn settle(app: &App) {
    app.recorder.act(Vec::new(), vec![Change::SetFact("probe", "settled".to_owned())]).await.unwrap();
}

fn doors(app: &App) -> (Arc<Bounded>, Arc<Bounded>) {
    let caps = Caps::default();
    let of_admin = Caps { body_bytes: mintmark::http::admin::MAX_POLICY, ..caps };
    let public = bound(counted(&app.public, &app.counted.public), &caps);
    (public, bound(counted(&app.admin_side, &app.counted.admin), &of_admin))
}
