//! What stands on what: a resource or scope that something uses is not taken away.
//!
//! Pure. A token's audience follows from its scopes, so a scope without its
//! resource, or a client with a scope that is gone, would be neither right nor refused.

use super::{Client, Policy};

/// Users that a refusal names; more are counted.
const NAMED: usize = 5;

/// Something uses it. The text says what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {kind} {name} is in use by {users}: change or delete what uses it first")]
pub struct InUse {
    kind: &'static str,
    name: String,
    users: String,
}

impl Policy {
    /// Refuses while a scope belongs to the resource, or a client introspects its tokens.
    pub fn check_resource_is_unused(&self, uri: &str) -> Result<(), InUse> {
        let scopes = self.scopes.values().filter(|rule| rule.resource.as_str() == uri);
        let clients = self.clients.values().filter(|found| found.client.introspects.contains(uri));
        let scopes = scopes.map(|rule| rule.name.as_str()).collect();
        let clients = clients.map(|found| found.client.id.as_str()).collect();
        unused("resource", uri, [("scope", scopes), ("client", clients)])
    }

    /// Refuses while a client may be granted the scope, gets it by default or has its own limit for it.
    pub fn check_scope_is_unused(&self, name: &str) -> Result<(), InUse> {
        let uses = |client: &Client| {
            let mut sets = std::iter::once(&client.scope).chain(&client.default_scope);
            sets.any(|scope| scope.tokens().any(|token| token.as_str() == name))
                || client.limits.keys().any(|token| token.as_str() == name)
        };
        let clients =
            self.clients.values().map(|registered| &registered.client).filter(|client| uses(client));
        unused("scope", name, [("client", clients.map(|client| client.id.as_str()).collect())])
    }
}

/// Takes the users kind by kind.
fn unused<const N: usize>(
    kind: &'static str,
    name: &str,
    users: [(&'static str, Vec<&str>); N],
) -> Result<(), InUse> {
    let told = users.into_iter().filter(|(_, names)| !names.is_empty()).map(|(of, names)| tell(of, names));
    let users = told.collect::<Vec<_>>().join(" and by ");
    if users.is_empty() { Ok(()) } else { Err(InUse { kind, name: name.to_owned(), users }) }
}

fn tell(of: &str, mut names: Vec<&str>) -> String {
    names.sort_unstable();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let plural = if names.len() == 1 { "" } else { "s" };
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("the {of}{plural} {}{rest}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_named_up_to_a_few_and_then_counted() {
        let told =
            |names: &[&str]| unused("scope", "a", [("client", names.to_vec())]).unwrap_err().to_string();
        let rest = ": change or delete what uses it first";
        assert_eq!(told(&["web"]), format!("the scope a is in use by the client web{rest}"));
        assert_eq!(
            told(&["c", "b", "a", "f", "e", "d", "g"]),
            format!("the scope a is in use by the clients a, b, c, d, e and 2 more{rest}")
        );
        assert_eq!(unused("scope", "a", [("client", Vec::new())]), Ok(()));
        let two = unused("resource", "https://a", [("scope", vec!["r", "w"]), ("client", vec!["web"])]);
        let expected =
            format!("the resource https://a is in use by the scopes r, w and by the client web{rest}");
        assert_eq!(two.unwrap_err().to_string(), expected);
    }
}
