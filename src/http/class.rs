//! Which class a request is of: who goes before whom when there is more to do than can be done.
//!
//! Pure; by the path alone, which is all that is known before anything was done for a request.

/// The classes, the most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// From memory, or from nothing: metadata, JWKS, health, checkpoint, and paths that lead nowhere. Never shed.
    Document,
    /// Tokens.
    Issuance,
    /// Questions about tokens, and their revocation.
    Introspection,
    /// Tiles and proofs of the log, which are read from the store.
    Log,
    /// What admins do over TCP.
    Admin,
}

impl Class {
    /// Its name, for people.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Document => "documents",
            Self::Issuance => "issuance",
            Self::Introspection => "introspection",
            Self::Log => "log",
            Self::Admin => "admin",
        }
    }

    /// The class of what is asked for at `path`.
    pub(super) fn of(path: &str) -> Self {
        match path {
            "/oauth2/token" => Self::Issuance,
            "/oauth2/introspect" | "/oauth2/revoke" => Self::Introspection,
            "/log/proof" => Self::Log,
            _ if path.starts_with("/log/tile/") => Self::Log,
            _ if path.starts_with("/admin/v1/") => Self::Admin,
            _ => Self::Document,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_its_class() {
        let paths = [
            ("/.well-known/oauth-authorization-server", Class::Document),
            ("/.well-known/jwks.json", Class::Document),
            ("/livez", Class::Document),
            ("/readyz", Class::Document),
            ("/health/alive", Class::Document),
            ("/log/checkpoint", Class::Document),
            ("/log/vkey", Class::Document),
            ("/openapi.json", Class::Document),
            ("/admin/openapi.json", Class::Document),
            ("/nowhere", Class::Document),
            ("/oauth2/token", Class::Issuance),
            ("/oauth2/introspect", Class::Introspection),
            ("/oauth2/revoke", Class::Introspection),
            ("/log/tile/0/000", Class::Log),
            ("/log/tile/entries/x000/001", Class::Log),
            ("/log/proof", Class::Log),
            ("/admin/v1/clients/reader", Class::Admin),
        ];
        for (path, class) in paths {
            assert_eq!(Class::of(path), class, "{path}");
        }
        assert!(Class::Document < Class::Issuance && Class::Log < Class::Admin);
    }
}
