//! What the endpoints for clients have in common: a form, a credential, and for some a token to speak of.
//!
//! RFC 6749 sections 2.3 and 3.2, RFC 7009 section 2.1, RFC 7662 section 2.1.

use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::Public;
use crate::issue::{Denial, Origin};
use crate::oauth::OAuthError;
use crate::oauth::credential::Credential;
use crate::oauth::form::Form;
use crate::oauth::request::read_form;
use crate::policy::RegisteredClient;

/// Bytes → who and what. Whether either is true or allowed is not asked here.
pub(super) fn read(parts: &Parts, body: &[u8]) -> Result<(Credential, Form), OAuthError> {
    if !is_form(&parts.headers) {
        return Err(OAuthError::CONTENT_TYPE);
    }
    let form = read_form(parts.uri.query(), body)?;
    let mut authorizations = parts.headers.get_all(header::AUTHORIZATION).iter();
    let authorization = authorizations.next();
    if authorizations.next().is_some() {
        return Err(OAuthError::TWO_METHODS);
    }
    let credential = Credential::parse(authorization.map(header::HeaderValue::as_bytes), &form)?;
    Ok((credential, form))
}

/// The caller, authenticated, and the token that it speaks of. A hint at the token's type is not needed: there is one.
pub(super) async fn about_a_token(
    public: &Public,
    parts: &Parts,
    body: &[u8],
    origin: &Origin,
) -> Result<(Arc<RegisteredClient>, String), Denial> {
    let read = read(parts, body).and_then(|(credential, form)| {
        let token = form.value("token").ok_or(OAuthError::NO_TOKEN)?.to_owned();
        Ok((credential, token))
    });
    let (credential, token) = read.map_err(|error| public.mint.refuse_unread(error, origin))?;
    Ok((public.mint.identify(&credential, origin).await?, token))
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(first), None) = (types.next(), types.next()) else { return false };
    let essence = first.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
