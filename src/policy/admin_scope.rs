//! The scopes of the admin API: what a token may do there, and what one client may give another.
//!
//! Pure. The names are the issuer's own; nobody registers, changes or deletes them.

use std::fmt;

use crate::oauth::Scope;

/// A part of administration that a token may be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdminScope {
    /// Lists and single objects of policy and keys.
    Read,
    /// Clients, their secrets and their tokens.
    Clients,
    /// The signing keys.
    Keys,
    /// Resources, scopes and their limits.
    Limits,
    /// The log with all that it says of people.
    Audit,
}

impl AdminScope {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 5] = [Self::Read, Self::Clients, Self::Keys, Self::Limits, Self::Audit];

    /// The scope's text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "admin:read",
            Self::Clients => "admin:clients",
            Self::Keys => "admin:keys",
            Self::Limits => "admin:limits",
            Self::Audit => "admin:audit",
        }
    }

    /// Reads a scope, byte-exact.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for AdminScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Some of the admin scopes. Its text is that of a scope: byte-sorted with single spaces, empty when there is none.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AdminScopes(u8);

impl AdminScopes {
    /// None.
    pub const NONE: Self = Self(0);

    /// Exactly these.
    pub const fn of(scopes: &[AdminScope]) -> Self {
        let mut set = 0;
        let mut rest = scopes;
        while let [first, others @ ..] = rest {
            set |= first.bit();
            rest = others;
        }
        Self(set)
    }

    /// All of them: what who can open the socket holds.
    pub const fn all() -> Self {
        Self::of(&AdminScope::ALL)
    }

    /// Those that a scope has; its others are passed over.
    pub fn among(scope: &Scope) -> Self {
        Self::of(&scope.tokens().filter_map(|token| AdminScope::parse(token.as_str())).collect::<Vec<_>>())
    }

    /// Whether every one of `other` is among these.
    pub const fn has(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Those that are in `other`, too.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for AdminScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<_> =
            AdminScope::ALL.into_iter().filter(|scope| self.0 & scope.bit() != 0).collect();
        names.sort_by_key(|scope| scope.as_str());
        let names: Vec<_> = names.into_iter().map(AdminScope::as_str).collect();
        f.write_str(&names.join(" "))
    }
}

impl fmt::Debug for AdminScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AdminScopes({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_byte_by_byte() {
        for scope in AdminScope::ALL {
            assert_eq!(AdminScope::parse(scope.as_str()), Some(scope));
        }
        for near in ["", "admin", "admin:", "admin:*", "Admin:read", "admin:read ", "admin:write"] {
            assert_eq!(AdminScope::parse(near), None, "{near:?}");
        }
    }

    #[test]
    fn sets_are_those_of_a_scope_and_are_told_in_its_order() {
        let scope = Scope::parse("orders:read admin:read admin:audit admin:limitsx").unwrap().unwrap();
        let set = AdminScopes::among(&scope);
        assert_eq!(set, AdminScopes::of(&[AdminScope::Read, AdminScope::Audit]));
        assert_eq!(set.to_string(), "admin:audit admin:read");
        assert_eq!(AdminScopes::NONE.to_string(), "");
        assert!(AdminScopes::all().has(set) && set.has(set) && set.has(AdminScopes::NONE));
        for scope in [AdminScope::Clients, AdminScope::Keys, AdminScope::Limits] {
            assert!(!set.has(AdminScopes::of(&[scope])));
            assert_eq!(AdminScopes::of(&[scope]).without(set), AdminScopes::of(&[scope]));
        }
        assert!(set.without(AdminScopes::all()).is_empty());
    }
}
