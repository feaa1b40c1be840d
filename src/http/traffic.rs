//! Who counts what at which listener, by which routes.
//!
//! The tables are what may become a label: the routes of the public listener,
//! and the parts of the administrative one. A test holds them to the documents
//! of the API, so that no route is counted among the others.

use std::sync::Arc;

use super::Router;
use super::bounds::Routed;
use crate::ambient::Clock;
use crate::telemetry::Traffic;

/// The routes of the public listener; those that are asked most stand first.
pub const PUBLIC: &[&str] = &[
    "/oauth2/token",
    "/oauth2/introspect",
    "/oauth2/revoke",
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/readyz",
    "/livez",
    "/health/ready",
    "/health/alive",
    "/log/checkpoint",
    "/log/tile",
    "/log/proof",
    "/log/vkey",
    "/openapi.json",
];

/// The parts of the admin API.
pub const ADMIN: &[&str] = &[
    "/admin/v1/clients",
    "/admin/v1/resources",
    "/admin/v1/scopes",
    "/admin/v1/keys",
    "/admin/v1/token",
    "/admin/v1/tokens",
    "/admin/v1/policy",
    "/admin/v1/audit",
    "/admin/openapi.json",
    "/metrics",
    "/log",
];

/// The counters of each listener.
#[derive(Clone)]
pub struct Counted {
    /// For clients and verifiers.
    pub public: Arc<Traffic>,
    /// For admins on the Unix socket.
    pub admin: Arc<Traffic>,
    /// For admins with tokens.
    pub admin_over_tcp: Arc<Traffic>,
}

impl Counted {
    /// Nothing counted yet.
    pub fn new(clock: &Arc<dyn Clock>) -> Self {
        Self {
            public: Traffic::new("public", PUBLIC, clock.clone()),
            admin: Traffic::new("admin", ADMIN, clock.clone()),
            admin_over_tcp: Traffic::new("admin_over_tcp", ADMIN, clock.clone()),
        }
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Traffic>> {
        vec![self.public.clone(), self.admin.clone(), self.admin_over_tcp.clone()]
    }
}

/// A router whose requests are counted.
pub fn counted(router: &Router, traffic: &Arc<Traffic>) -> Routed {
    Routed { router: router.clone(), traffic: Some(traffic.clone()) }
}
