//! Which class a request belongs to: what is kept for last is told by its path alone. limits.md section 3.
//!
//! Pure. It knows the paths of the public listener and of the admin API, and decides nothing about a request.

/// The classes, from the one that is never shed to the one that goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// From memory, and what verifiers, balancers and auditors cannot do without: never shed.
    Document,
    /// A request for a token.
    Issuance,
    /// A question about a token, or its end.
    Introspection,
    /// Tiles and proofs.
    Log,
    /// Administration, and whatever has no route.
    Admin,
}

impl Class {
    /// The class of a request for `path`, which is without its query.
    pub(super) fn of(path: &str) -> Self {
        match path {
            "/.well-known/jwks.json"
            | "/.well-known/oauth-authorization-server"
            | "/.well-known/openid-configuration"
            | "/livez"
            | "/readyz"
            | "/health/alive"
            | "/health/ready"
            | "/log/checkpoint"
            | "/log/vkey"
            | "/openapi.json" => Self::Document,
            "/oauth2/token" => Self::Issuance,
            "/oauth2/introspect" | "/oauth2/revoke" => Self::Introspection,
            path if path.starts_with("/log/") => Self::Log,
            _ => Self::Admin,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_verifiers_and_balancers_need_is_a_document_and_a_near_miss_is_not() {
        for path in ["/.well-known/jwks.json", "/livez", "/readyz", "/log/checkpoint", "/log/vkey"] {
            assert_eq!(Class::of(path), Class::Document, "{path}");
        }
        assert_eq!(Class::of("/oauth2/token"), Class::Issuance);
        assert_eq!(Class::of("/oauth2/revoke"), Class::Introspection);
        assert_eq!(Class::of("/log/tile/0/000"), Class::Log);
        for path in ["/livez/", "//livez", "/log", "*", "", "/admin/v1/clients"] {
            assert_eq!(Class::of(path), Class::Admin, "{path}");
        }
    }
}
