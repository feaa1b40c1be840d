//! The token request: query, `Authorization` and body, each up to a line feed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mintmark::oauth::credential::Credential;
use mintmark::oauth::request::{TokenRequest, read_form};
use mintmark::oauth::scope::Scope;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(3, |&byte| byte == b'\n');
    let (Some(query), Some(authorization), Some(body)) = (parts.next(), parts.next(), parts.next()) else {
        return;
    };
    let Ok(query) = std::str::from_utf8(query) else { return };
    let Ok(form) = read_form(Some(query), body) else { return };
    assert!(form.names().all(|name| !name.chars().any(char::is_control)));
    let _ = Credential::parse((!authorization.is_empty()).then_some(authorization), &form);
    if let Ok(request) = TokenRequest::parse(&form)
        && let Some(scope) = request.scope
    {
        let text = scope.to_string();
        assert_eq!(Scope::parse(&text).ok().flatten().map(|scope| scope.to_string()), Some(text));
    }
});
