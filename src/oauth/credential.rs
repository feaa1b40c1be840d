//! How a client says who it is: HTTP Basic, the form, or an assertion that it signed. RFC 6749
//! section 2.3.1, RFC 7617, RFC 7521 section 4.2.
//!
//! Reads what was presented; whether it is true is `clients::authenticate`'s work.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::OAuthError;
use super::form::{Form, decode};

/// The longest client assertion that is looked at, in bytes.
pub const MAX_ASSERTION_LENGTH: usize = 8192;

/// The one `client_assertion_type` (RFC 7523 section 2.2).
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A registered method of client authentication (RFC 7591 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// Client id and secret by HTTP Basic.
    ClientSecretBasic,
    /// Client id and secret in the form.
    ClientSecretPost,
    /// A JWT that the client signed with a key of its own (RFC 7523 section 2.2).
    PrivateKeyJwt,
}

impl AuthMethod {
    /// Every method this build knows.
    pub const ALL: [Self; 3] = [Self::ClientSecretBasic, Self::ClientSecretPost, Self::PrivateKeyJwt];

    /// The registered name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// Whether its clients have secrets. The others have keys.
    pub const fn has_secrets(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }

    /// Reads a registered name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }
}

/// What a client presented, not yet believed. Debug shows neither a secret nor an assertion.
#[derive(Debug)]
pub enum Credential {
    /// Client id and secret.
    Secret(PresentedSecret),
    /// A signed JWT.
    Assertion(PresentedAssertion),
}

/// A client assertion as presented.
#[derive(Debug)]
pub struct PresentedAssertion {
    /// The JWT, at most [`MAX_ASSERTION_LENGTH`] bytes.
    pub jwt: SecretString,
    /// The `client_id` of the form, which may be left out. RFC 7521 section 4.2.
    pub client_id: Option<String>,
}

/// A client id and secret as presented.
#[derive(Debug)]
pub struct PresentedSecret {
    /// The method it came by.
    pub method: AuthMethod,
    /// The client id as text; it may be nobody's.
    pub client_id: String,
    /// The secret as presented.
    pub secret: SecretString,
}

impl Credential {
    /// Reads the one credential of a request from its `Authorization` value and its form.
    ///
    /// Two methods at once are `invalid_request`, and so is an assertion that does not say what it is;
    /// none, a malformed one, or a `client_id` in the body that differs from the id of Basic are
    /// `invalid_client`.
    pub fn parse(authorization: Option<&[u8]>, form: &Form) -> Result<Self, OAuthError> {
        let in_body = form.value("client_secret");
        let (assertion, kind) = (form.value("client_assertion"), form.value("client_assertion_type"));
        let methods = [authorization.is_some(), in_body.is_some(), assertion.is_some() || kind.is_some()];
        if methods.into_iter().filter(|&given| given).count() > 1 {
            return Err(OAuthError::TWO_METHODS);
        }
        let named = form.value("client_id");
        match (assertion, kind) {
            (None, None) => {}
            (None, Some(_)) => return Err(OAuthError::INVALID_CLIENT),
            (Some(jwt), kind) => return PresentedAssertion::parse(jwt, kind, named).map(Self::Assertion),
        }
        if let Some(value) = authorization {
            let credential = basic(value).ok_or(OAuthError::INVALID_CLIENT)?;
            if named.is_some_and(|id| id != credential.client_id) {
                return Err(OAuthError::INVALID_CLIENT);
            }
            return Ok(Self::Secret(credential));
        }
        let (Some(id), Some(secret)) = (named, in_body) else { return Err(OAuthError::INVALID_CLIENT) };
        Ok(Self::Secret(PresentedSecret {
            method: AuthMethod::ClientSecretPost,
            client_id: id.to_owned(),
            secret: SecretString::from(secret.to_owned()),
        }))
    }
}

impl PresentedAssertion {
    fn parse(jwt: &str, kind: Option<&str>, client_id: Option<&str>) -> Result<Self, OAuthError> {
        if jwt.len() > MAX_ASSERTION_LENGTH {
            return Err(OAuthError::ASSERTION_TOO_LONG);
        }
        match kind {
            Some(JWT_BEARER) => {}
            Some(_) => return Err(OAuthError::INVALID_CLIENT),
            None => return Err(OAuthError::NO_ASSERTION_TYPE),
        }
        Ok(Self { jwt: SecretString::from(jwt.to_owned()), client_id: client_id.map(str::to_owned) })
    }
}

/// `Basic` SP base64(form-encoded id ":" form-encoded secret).
fn basic(value: &[u8]) -> Option<PresentedSecret> {
    let (scheme, encoded) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let pair = zeroize::Zeroizing::new(STANDARD.decode(encoded.trim_ascii()).ok()?);
    let colon = pair.iter().position(|&byte| byte == b':')?;
    let (id, secret) = pair.split_at_checked(colon)?;
    Some(PresentedSecret {
        method: AuthMethod::ClientSecretBasic,
        client_id: decode(id)?.to_string(),
        secret: SecretString::from(decode(secret.get(1..)?)?.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read(authorization: Option<&str>, form: &str) -> Result<(AuthMethod, String, String), OAuthError> {
        let form = Form::parse(form.as_bytes()).unwrap();
        Credential::parse(authorization.map(str::as_bytes), &form).map(|credential| match credential {
            Credential::Secret(c) => (c.method, c.client_id, c.secret.expose_secret().to_owned()),
            Credential::Assertion(a) => {
                let client_id = a.client_id.unwrap_or_default();
                (AuthMethod::PrivateKeyJwt, client_id, a.jwt.expose_secret().to_owned())
            }
        })
    }

    fn header(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn basic_is_a_form_encoded_pair() {
        let got = read(Some(&header("a%3Ab:x%25%2B%3A+%C3%A4:y")), "").unwrap();
        assert_eq!(got, (AuthMethod::ClientSecretBasic, "a:b".into(), "x%+: ä:y".into()));
    }

    #[test]
    fn malformed_basic_fails_as_authentication() {
        for bad in
            ["", "Basic", "Basic !!!", "Bearer abc", &header("no-colon"), &header("a:%zz"), "Basic\tYTpi"]
        {
            assert_eq!(read(Some(bad), ""), Err(OAuthError::INVALID_CLIENT), "{bad}");
        }
    }

    #[test]
    fn one_method_and_one_identity() {
        let basic = header("a:s");
        assert_eq!(read(Some(&basic), "client_secret=s"), Err(OAuthError::TWO_METHODS));
        assert_eq!(read(Some(&basic), "client_assertion=s"), Err(OAuthError::TWO_METHODS));
        assert_eq!(read(Some(&basic), "client_id=b"), Err(OAuthError::INVALID_CLIENT));
        assert!(read(Some(&basic), "client_id=a").is_ok());
        assert!(read(None, "client_id=a&client_secret=s").is_ok());
        for none in ["", "client_id=a", "client_secret=s", "client_id=a&client_secret="] {
            assert_eq!(read(None, none), Err(OAuthError::INVALID_CLIENT), "{none}");
        }
    }

    #[test]
    fn assertions_fail_and_never_fall_back() {
        assert_eq!(read(None, "client_id=a&client_assertion=x"), Err(OAuthError::NO_ASSERTION_TYPE));
        let typed = "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        assert_eq!(read(None, typed), Err(OAuthError::INVALID_CLIENT));
        assert_eq!(read(None, &format!("{typed}&client_id=a")), Err(OAuthError::INVALID_CLIENT));
        assert_eq!(read(None, &format!("{typed}&client_id=a&client_secret=s")), Err(OAuthError::TWO_METHODS));
        assert_eq!(read(Some(&header("a:s")), typed), Err(OAuthError::TWO_METHODS));
        for other in [
            "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
            "jwt-bearer",
            "URN:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ] {
            let form = format!("client_assertion=x&client_assertion_type={other}");
            assert_eq!(read(None, &form), Err(OAuthError::INVALID_CLIENT), "{other}");
        }
        let long = |length: usize| format!("client_assertion={}&{typed}", "x".repeat(length));
        assert_eq!(read(None, &long(MAX_ASSERTION_LENGTH + 1)), Err(OAuthError::ASSERTION_TOO_LONG));
        assert!(read(None, &long(MAX_ASSERTION_LENGTH)).is_ok());
    }

    #[test]
    fn an_assertion_may_come_with_a_name() {
        let form = |more: &str| format!("client_assertion=a.b.c&client_assertion_type={JWT_BEARER}{more}");
        let unnamed = (AuthMethod::PrivateKeyJwt, String::new(), "a.b.c".to_owned());
        assert_eq!(read(None, &form("")), Ok(unnamed));
        assert_eq!(read(None, &form("&client_id=web")).unwrap().1, "web");
    }

    #[test]
    fn debug_shows_neither_secret_nor_assertion() {
        let assertion = format!("client_assertion=hidden&client_assertion_type={JWT_BEARER}");
        for text in ["client_id=a&client_secret=hidden", &assertion] {
            let form = Form::parse(text.as_bytes()).unwrap();
            let shown = format!("{:?}", Credential::parse(None, &form).unwrap());
            assert!(!shown.contains("hidden"), "{shown}");
        }
    }
}
