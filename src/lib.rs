//! Mintmark: an OAuth 2 token issuer for machines.
//!
//! ```text
//!                       ┌──────────────────── issue::Mint::issue ─────────────────────┐
//!  POST /oauth2/token   │ 1 authenticate  who        clients (argon2id off-thread)     │
//!  ─► http::token ─────►│ 2 authorize     what       pure: client x request x policy   │
//!     bytes → request   │ 3 reserve       by which   keys::signer: a key and its room  │
//!                       │ 4 admit         how often  limits: all scopes or none        │
//!                       │ 5 compose       say it     pure → Unsigned (input + record)  │──► 200, no-store
//!                       │ 6 record        prove it   audit::recorder, durable → Recorded│
//!                       │ 7 sign          seal it    keys::signer(Recorded) → token    │
//!                       └────────── any Denial ──► http::error: one table ──► 4xx/5xx ─┘
//! ```
//!
//! Log, then sign, then release: the signer accepts nothing but the value that
//! the recorder returns after its commit, so a token without a durable record
//! cannot be made. ARCHITECTURE.md draws the whole house.

pub mod cli;

pub mod app;

pub mod golden;

pub mod http;

pub mod admin;

pub mod introspect;

pub mod issue;

pub mod clients;

pub mod limits;

pub mod audit;

pub mod keys;

pub mod policy;

pub mod oauth;

pub mod jose;

pub mod store;

pub mod workers;

pub mod telemetry;

pub mod config;

pub mod ambient;

mod failpoint;

pub mod time;

pub mod digest;

/// What this program calls itself in records, metrics, documents and `mintmark version`, such as `0.1.0`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
