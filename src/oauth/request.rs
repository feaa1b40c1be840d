//! Form pairs → [`TokenRequest`]. RFC 6749 sections 3.2 and 4.4, RFC 8707 section 2.
//!
//! A closed enum: a grant that is not listed does not exist, whatever a client is allowed.

use serde::{Deserialize, Serialize};

use super::form::Form;
use super::{OAuthError, Scope};

/// Names that have a meaning at an endpoint for clients and so must not stand in the URL.
const KNOWN: [&str; 10] = [
    "grant_type",
    "scope",
    "resource",
    "audience",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "token",
    "token_type_hint",
];

/// A grant that this service offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// RFC 6749 section 4.4.
    ClientCredentials,
}

impl GrantType {
    /// Every grant this build offers.
    pub const ALL: [Self; 1] = [Self::ClientCredentials];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
        }
    }
}

/// What a client asks for, apart from who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// The grant.
    pub grant_type: GrantType,
    /// The scope asked for; `None` asks for the default.
    pub scope: Option<Scope>,
    /// The resource asked for, as text.
    pub resource: Option<String>,
}

/// Reads the two places where parameters may stand and refuses repeats and
/// anything that belongs into the body but stands in the URL.
pub fn read_form(query: Option<&str>, body: &[u8]) -> Result<Form, OAuthError> {
    let form = Form::parse(body)?;
    let in_query = Form::parse(query.unwrap_or_default().as_bytes())?;
    if in_query.names().any(|name| KNOWN.contains(&name)) {
        return Err(OAuthError::IN_QUERY);
    }
    let mut seen: Vec<&str> =
        form.names().chain(in_query.names()).filter(|&name| name != "resource").collect();
    seen.sort_unstable();
    if seen.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(OAuthError::REPEATED);
    }
    Ok(form)
}

impl TokenRequest {
    /// Reads the request from a form that [`read_form`] has passed. Unknown parameters are ignored.
    pub fn parse(form: &Form) -> Result<Self, OAuthError> {
        let name = form.value("grant_type").ok_or(OAuthError::NO_GRANT_TYPE)?;
        let grant_type = GrantType::ALL
            .into_iter()
            .find(|grant| grant.as_str() == name)
            .ok_or(OAuthError::UNSUPPORTED_GRANT_TYPE)?;
        let scope =
            Scope::parse(form.value("scope").unwrap_or_default()).map_err(|_| OAuthError::SCOPE_SYNTAX)?;
        let mut resources = form.values("resource");
        let resource = resources.next().map(str::to_owned);
        if resources.next().is_some() {
            return Err(OAuthError::ONE_RESOURCE);
        }
        Ok(Self { grant_type, scope, resource })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: Option<&str>, body: &str) -> Result<TokenRequest, OAuthError> {
        TokenRequest::parse(&read_form(query, body.as_bytes())?)
    }

    #[test]
    fn reads_a_client_credentials_request() {
        let request =
            read(None, "grant_type=client_credentials&scope=b+a&resource=https://a&foo=bar").unwrap();
        assert_eq!(request.scope.unwrap().to_string(), "a b");
        assert_eq!(request.resource.as_deref(), Some("https://a"));
    }

    #[test]
    fn each_malformed_request_has_its_answer() {
        let grant = "grant_type=client_credentials";
        let table = [
            (None, "scope=a".to_owned(), OAuthError::NO_GRANT_TYPE),
            (None, "grant_type=".to_owned(), OAuthError::NO_GRANT_TYPE),
            (None, "grant_type=password".to_owned(), OAuthError::UNSUPPORTED_GRANT_TYPE),
            (None, "grant_type=Client_credentials".to_owned(), OAuthError::UNSUPPORTED_GRANT_TYPE),
            (None, format!("{grant}&{grant}"), OAuthError::REPEATED),
            (None, format!("{grant}&scope=&scope=a"), OAuthError::REPEATED),
            (None, format!("{grant}&x=1&x=2"), OAuthError::REPEATED),
            (Some("x=1"), format!("{grant}&x=2"), OAuthError::REPEATED),
            (Some("client_id=a&client_secret=b"), grant.to_owned(), OAuthError::IN_QUERY),
            (Some("scope=a"), format!("{grant}&scope=a"), OAuthError::IN_QUERY),
            (Some("%zz"), grant.to_owned(), OAuthError::MALFORMED),
            (None, format!("{grant}&scope=%22"), OAuthError::SCOPE_SYNTAX),
            (None, format!("{grant}&scope=a%00"), OAuthError::SCOPE_SYNTAX),
            (None, format!("{grant}&resource=a:b&resource=a:c"), OAuthError::ONE_RESOURCE),
        ];
        for (query, body, expected) in table {
            assert_eq!(read(query, &body), Err(expected), "{query:?} {body}");
        }
    }

    #[test]
    fn an_empty_value_is_an_omitted_one() {
        assert_eq!(read(None, "grant_type=client_credentials&scope=&resource=").unwrap().scope, None);
    }
}
