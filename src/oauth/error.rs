//! The errors of the OAuth endpoints: a code and a fixed description. RFC 6749 section 5.2, RFC 8707 section 2.
//!
//! Descriptions are chosen here and nowhere else. They never hold input, ids
//! or causes, and only the characters that the RFC allows.

/// The `error` member of an error answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorCode {
    /// RFC 6749: malformed, repeated or missing parameters.
    InvalidRequest,
    /// RFC 6749: client authentication failed.
    InvalidClient,
    /// RFC 6749: this client may not use this grant.
    UnauthorizedClient,
    /// RFC 6749: nobody may use this grant here.
    UnsupportedGrantType,
    /// RFC 6749: the scope is malformed, unknown or not this client's.
    InvalidScope,
    /// RFC 8707: the resource is malformed, unknown or does not fit the scope.
    InvalidTarget,
    /// Ours: a limit is exhausted.
    RateLimited,
    /// RFC 6749 section 4.1.2.1, used as this service's word for overload and lost dependencies.
    TemporarilyUnavailable,
    /// RFC 6749 section 4.1.2.1: our fault.
    ServerError,
}

impl ErrorCode {
    /// Every code, in the order in which they stand above.
    pub const ALL: [Self; 9] = [
        Self::InvalidRequest,
        Self::InvalidClient,
        Self::UnauthorizedClient,
        Self::UnsupportedGrantType,
        Self::InvalidScope,
        Self::InvalidTarget,
        Self::RateLimited,
        Self::TemporarilyUnavailable,
        Self::ServerError,
    ];

    /// The code on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::RateLimited => "rate_limited",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }
}

/// A refusal that the client can mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OAuthError {
    /// The code on the wire.
    pub code: ErrorCode,
    /// What is wrong, in characters that RFC 6749 section 5.2 allows.
    pub description: &'static str,
}

macro_rules! catalogue {
    ($($(#[$doc:meta])* $name:ident = $code:ident, $text:literal;)*) => {
        impl OAuthError {
            $($(#[$doc])* pub const $name: Self = Self { code: ErrorCode::$code, description: $text };)*
            /// Every refusal, for the tests that look at all of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

catalogue! {
    /// Wrong or missing content type.
    CONTENT_TYPE = InvalidRequest, "the body must be application/x-www-form-urlencoded";
    /// The form cannot be decoded.
    MALFORMED = InvalidRequest, "the request is not a well-formed form";
    /// A parameter stands twice.
    REPEATED = InvalidRequest, "a parameter is repeated";
    /// More parameters or longer names than anybody needs.
    TOO_MANY = InvalidRequest, "the request has too many or too long parameters";
    /// Parameters in the URL.
    IN_QUERY = InvalidRequest, "parameters belong into the body, not into the URL";
    /// No `grant_type`.
    NO_GRANT_TYPE = InvalidRequest, "grant_type is missing";
    /// No `token` to introspect or to revoke.
    NO_TOKEN = InvalidRequest, "token is missing";
    /// Two ways of authentication at once.
    TWO_METHODS = InvalidRequest, "use one method of client authentication";
    /// A `client_assertion` without its type.
    NO_ASSERTION_TYPE = InvalidRequest, "client_assertion_type is missing";
    /// A `client_assertion` that is too long to be one.
    ASSERTION_TOO_LONG = InvalidRequest, "the client_assertion is too long";
    /// Unknown client, wrong secret, disabled, wrong method: alike.
    INVALID_CLIENT = InvalidClient, "client authentication failed";
    /// A grant that this client may not use.
    UNAUTHORIZED_CLIENT = UnauthorizedClient, "this client may not use this grant";
    /// A token that another client would have to revoke.
    TOKEN_OF_ANOTHER = UnauthorizedClient, "the token was issued to another client";
    /// A grant that is not offered.
    UNSUPPORTED_GRANT_TYPE = UnsupportedGrantType, "this grant is not offered";
    /// Text that is no scope.
    SCOPE_SYNTAX = InvalidScope, "the scope is malformed";
    /// A scope beyond what the client may ask.
    SCOPE_NOT_ALLOWED = InvalidScope, "the scope is unknown or not granted to this client";
    /// Nothing asked and no default.
    SCOPE_MISSING = InvalidScope, "name a scope: this client has no default scope";
    /// The token would be too large for the headers that have to carry it.
    SCOPE_TOO_LARGE = InvalidScope, "the token for this scope would be too large; ask for fewer scopes";
    /// Two resources in one request.
    ONE_RESOURCE = InvalidTarget, "one token is for one resource";
    /// The scopes lie in several resources.
    SCOPES_OF_TWO_RESOURCES = InvalidTarget, "the scopes belong to several resources; ask for one token each";
    /// Text that is no resource, or one that nobody registered, or not that of the scopes.
    RESOURCE_NOT_ALLOWED = InvalidTarget, "the resource is unknown or does not have this scope";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_hold_only_what_the_rfc_allows() {
        for error in OAuthError::ALL {
            let inert = |byte: u8| matches!(byte, 0x20 | 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
            assert!(error.description.bytes().all(inert), "{error:?}");
        }
    }
}
