//! Who may do what over TCP: each route with the admin scopes that its caller's token must have.
//!
//! The one table: the listener asks it, the command line asks for tokens by
//! it, the document of the API is written from it. What is not in it is
//! nobody's. By the Unix socket nothing of this holds.

use axum::http::Method;

use crate::policy::{AdminScope, AdminScopes};

/// What one operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// The method; `HEAD` goes with `GET`.
    pub method: &'static str,
    /// The route as the router has it: `{name}` is one segment, `{*name}` the rest.
    pub route: &'static str,
    /// All of these, not one of them.
    pub scopes: AdminScopes,
}

const fn role(method: &'static str, route: &'static str, scope: AdminScope) -> Role {
    Role { method, route, scopes: AdminScopes::of(&[scope]) }
}

use AdminScope::{Audit, Clients, Keys, Limits, Read};

/// Every operation of the admin listener.
pub const ROLES: &[Role] = &[
    role("GET", "/admin/v1/clients", Read),
    role("POST", "/admin/v1/clients", Clients),
    role("GET", "/admin/v1/clients/{id}", Read),
    role("POST", "/admin/v1/clients/{id}/disable", Clients),
    role("POST", "/admin/v1/clients/{id}/enable", Clients),
    role("POST", "/admin/v1/clients/{id}/secrets", Clients),
    role("PATCH", "/admin/v1/clients/{id}", Clients),
    role("DELETE", "/admin/v1/clients/{id}", Clients),
    role("GET", "/admin/v1/clients/{id}/secrets", Read),
    role("DELETE", "/admin/v1/clients/{id}/secrets/{secret_id}", Clients),
    role("GET", "/admin/v1/resources", Read),
    role("GET", "/admin/v1/resources/{uri}", Read),
    role("PUT", "/admin/v1/resources/{uri}", Limits),
    role("DELETE", "/admin/v1/resources/{uri}", Limits),
    role("GET", "/admin/v1/scopes", Read),
    role("GET", "/admin/v1/scopes/{name}", Read),
    role("PUT", "/admin/v1/scopes/{name}", Limits),
    role("DELETE", "/admin/v1/scopes/{name}", Limits),
    role("GET", "/admin/v1/keys", Read),
    role("POST", "/admin/v1/keys/rotate", Keys),
    role("POST", "/admin/v1/keys/import", Keys),
    role("POST", "/admin/v1/keys/rewrap", Keys),
    role("POST", "/admin/v1/keys/{kid}/retain", Keys),
    role("POST", "/admin/v1/keys/{kid}/release", Keys),
    role("POST", "/admin/v1/keys/{kid}/revoke", Keys),
    role("POST", "/admin/v1/token/preview", Read),
    role("POST", "/admin/v1/tokens/revoke", Clients),
    role("GET", "/admin/v1/policy", Read),
    role("POST", "/admin/v1/policy/plan", Read),
    Role {
        method: "POST",
        route: "/admin/v1/policy/apply",
        scopes: AdminScopes::of(&[AdminScope::Clients, AdminScope::Limits]),
    },
    role("GET", "/admin/v1/audit/entries", Audit),
    role("GET", "/admin/v1/audit/entries/{index}", Audit),
    role("GET", "/admin/v1/audit/export", Audit),
    role("GET", "/admin/v1/audit/proof", Audit),
    role("GET", "/admin/v1/audit/report", Audit),
    role("POST", "/admin/v1/audit/find", Audit),
    role("POST", "/admin/v1/audit/erase", Audit),
    role("GET", "/admin/v1/audit/tail", Audit),
    role("GET", "/admin/openapi.json", Read),
    role("GET", "/metrics", Read),
    // The log as everybody may read it where it is public: nothing in it is personal.
    role("GET", "/log/checkpoint", Read),
    role("GET", "/log/tile/{*path}", Read),
    role("GET", "/log/proof", Read),
    role("GET", "/log/vkey", Read),
];

/// What an operation takes, by the route that the router found for it. `None`: nobody may.
pub fn of_route(method: &Method, route: &str) -> Option<AdminScopes> {
    let method = as_listed(method);
    ROLES.iter().find(|role| role.method == method && role.route == route).map(|role| role.scopes)
}

/// The same by a request's path, for who is about to send it. The listener never goes by this.
pub fn of_path(method: &Method, path: &str) -> Option<AdminScopes> {
    let method = as_listed(method);
    ROLES.iter().find(|role| role.method == method && fits(role.route, path)).map(|role| role.scopes)
}

fn as_listed(method: &Method) -> &str {
    if method == Method::HEAD { "GET" } else { method.as_str() }
}

fn fits(route: &str, path: &str) -> bool {
    let mut path = path.split('/');
    for wanted in route.split('/') {
        if wanted.starts_with("{*") {
            return path.next().is_some();
        }
        match path.next() {
            Some(found) if found == wanted || (wanted.starts_with('{') && !found.is_empty()) => {}
            _ => return false,
        }
    }
    path.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_is_listed_once_and_takes_something() {
        for (at, role) in ROLES.iter().enumerate() {
            assert!(!role.scopes.is_empty(), "{role:?}");
            let twice = ROLES
                .iter()
                .skip(at + 1)
                .any(|other| (other.method, other.route) == (role.method, role.route));
            assert!(!twice, "{role:?}");
        }
    }

    #[test]
    fn a_path_is_found_by_its_segments() {
        let of = |method: Method, path: &str| of_path(&method, path).map(|scopes| scopes.to_string());
        for (path, scope) in [
            ("/admin/v1/clients", "admin:read"),
            ("/admin/v1/scopes/orders%3Aread", "admin:read"),
            ("/admin/v1/audit/entries/7", "admin:audit"),
            ("/log/tile/0/x001/067.p/5", "admin:read"),
        ] {
            assert_eq!(of(Method::GET, path).as_deref(), Some(scope), "{path}");
            assert_eq!(of(Method::HEAD, path).as_deref(), Some(scope), "{path}");
        }
        assert_eq!(of(Method::POST, "/admin/v1/keys/rotate").as_deref(), Some("admin:keys"));
        for path in
            ["", "/", "/admin/v1/clients/", "/admin/v1/clients/a/b", "//admin/v1/clients", "/admin/v1"]
        {
            assert_eq!(of(Method::GET, path), None, "{path}");
        }
        assert_eq!(of(Method::OPTIONS, "/admin/v1/clients"), None);
    }
}
