//! How a client says who it is: HTTP Basic or the form. RFC 6749 section 2.3.1, RFC 7617.
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

/// A registered method of client authentication (RFC 7591 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// Client id and secret by HTTP Basic.
    ClientSecretBasic,
    /// Client id and secret in the form.
    ClientSecretPost,
}

impl AuthMethod {
    /// Every method this build knows.
    pub const ALL: [Self; 2] = [Self::ClientSecretBasic, Self::ClientSecretPost];

    /// The registered name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
        }
    }

    /// Reads a registered name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }
}

/// A client id and secret as presented, not yet believed. Debug shows no secret.
#[derive(Debug)]
pub struct Credential {
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
    /// Two methods at once are `invalid_request`; none, a malformed one, or a
    /// `client_id` in the body that differs from the authenticated id are
    /// `invalid_client`.
    pub fn parse(authorization: Option<&[u8]>, form: &Form) -> Result<Self, OAuthError> {
        let in_body = form.value("client_secret");
        let assertion = form.value("client_assertion");
        let methods = [authorization.is_some(), in_body.is_some(), assertion.is_some()];
        if methods.into_iter().filter(|&given| given).count() > 1 {
            return Err(OAuthError::TWO_METHODS);
        }
        if let Some(assertion) = assertion {
            return Err(refuse_assertion(assertion, form));
        }
        let named = form.value("client_id");
        if let Some(value) = authorization {
            let credential = basic(value).ok_or(OAuthError::INVALID_CLIENT)?;
            if named.is_some_and(|id| id != credential.client_id) {
                return Err(OAuthError::INVALID_CLIENT);
            }
            return Ok(credential);
        }
        let (Some(id), Some(secret)) = (named, in_body) else { return Err(OAuthError::INVALID_CLIENT) };
        Ok(Self {
            method: AuthMethod::ClientSecretPost,
            client_id: id.to_owned(),
            secret: SecretString::from(secret.to_owned()),
        })
    }
}

/// No client can be registered for assertions in this build, so each well-formed one fails alike.
fn refuse_assertion(assertion: &str, form: &Form) -> OAuthError {
    if assertion.len() > MAX_ASSERTION_LENGTH {
        OAuthError::ASSERTION_TOO_LONG
    } else if form.value("client_assertion_type").is_none() {
        OAuthError::NO_ASSERTION_TYPE
    } else {
        OAuthError::INVALID_CLIENT
    }
}

/// `Basic` SP base64(form-encoded id ":" form-encoded secret).
fn basic(value: &[u8]) -> Option<Credential> {
    let (scheme, encoded) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let pair = zeroize::Zeroizing::new(STANDARD.decode(encoded.trim_ascii()).ok()?);
    let colon = pair.iter().position(|&byte| byte == b':')?;
    let (id, secret) = pair.split_at_checked(colon)?;
    Some(Credential {
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
        Credential::parse(authorization.map(str::as_bytes), &form)
            .map(|c| (c.method, c.client_id, c.secret.expose_secret().to_owned()))
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
        assert_eq!(read(None, &format!("client_assertion=x&{typed}")), Err(OAuthError::INVALID_CLIENT));
        let long = "x".repeat(MAX_ASSERTION_LENGTH + 1);
        let too_long = read(None, &format!("client_assertion={long}&{typed}"));
        assert_eq!(too_long, Err(OAuthError::ASSERTION_TOO_LONG));
    }
}
