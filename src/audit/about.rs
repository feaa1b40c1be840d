//! Who and what a body speaks of, as far as people look for it or may ask to have it erased.
//!
//! Pure. Search, the directory and erasure all read bodies by this one file,
//! so that none of them knows of a client or a scope that another overlooks.

use std::borrow::Cow;

use serde::Deserialize;

use super::event::EventType;

/// A text of a body, borrowed from it where it holds no escape.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Default, Deserialize)]
struct Told<'a> {
    #[serde(borrow)]
    client_id: Option<Text<'a>>,
    #[serde(borrow)]
    sub: Option<Text<'a>>,
    #[serde(borrow)]
    scope: Option<Text<'a>>,
    #[serde(borrow)]
    object: Option<Text<'a>>,
    #[serde(borrow)]
    actor: Option<Text<'a>>,
}

/// What one body speaks of.
pub struct About<'a> {
    event: EventType,
    told: Told<'a>,
}

impl<'a> About<'a> {
    /// Reads the body of an `event`. A body that is not one of ours speaks of nothing.
    pub fn read(event: EventType, body: &'a [u8]) -> Self {
        Self { event, told: serde_json::from_slice(body).unwrap_or_default() }
    }

    /// The client whose record it is: who asked for the token, or what the act was done to.
    pub fn client(&self) -> Option<&str> {
        text(self.told.client_id.as_ref()).or_else(|| self.object_of("client."))
    }

    /// The scope tokens asked for or granted, or the one that the act was done to.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        let scope = text(self.told.scope.as_ref()).or_else(|| self.object_of("scope."));
        scope.unwrap_or_default().split(' ').filter(|token| !token.is_empty())
    }

    /// Every client or subject that is named in it: whose record it is, the token's subject, a client that
    /// acted, and the one that a reader of the log asked for.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let actor = text(self.told.actor.as_ref()).and_then(|actor| actor.strip_prefix("client:"));
        let asked = self.object_of("audit.").unwrap_or_default().split(' ');
        let asked = asked.filter_map(|part| part.strip_prefix(ASKED_FOR));
        let sub = text(self.told.sub.as_ref());
        self.client().into_iter().chain(sub).chain(actor).chain(asked)
    }

    fn object_of(&self, acts: &str) -> Option<&str> {
        text(self.told.object.as_ref()).filter(|_| self.event.as_str().starts_with(acts))
    }
}

/// How the record of a reader's question names the client that it was about.
const ASKED_FOR: &str = "client_id=";

fn text<'t>(text: Option<&'t Text<'_>>) -> Option<&'t str> {
    text.map(|text| text.0.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::body::line;
    use serde_json::{Value, json};

    fn told(event: EventType, body: &Value) -> (Option<String>, Vec<String>, Vec<String>) {
        let body = line(body);
        let about = About::read(event, &body);
        let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
        (about.client().map(str::to_owned), owned(about.scopes().collect()), owned(about.names().collect()))
    }

    #[test]
    fn a_token_is_about_its_client_its_subject_and_its_scopes() {
        let body = json!({ "client_id": "web", "sub": "wéb", "scope": "a b", "aud": "https://a" });
        let (client, scopes, names) = told(EventType::TokenIssued, &body);
        assert_eq!(client.as_deref(), Some("web"));
        assert_eq!(scopes, ["a", "b"]);
        assert_eq!(names, ["web", "wéb"]);
    }

    #[test]
    fn an_act_is_about_its_object_and_names_who_did_it() {
        let body =
            json!({ "actor": "client:boss", "object": "web", "before": null, "after": { "scope": "x" } });
        let of_client = told(EventType::ClientDisabled, &body);
        assert_eq!(of_client, (Some("web".to_owned()), vec![], vec!["web".to_owned(), "boss".to_owned()]));
        let of_scope = told(EventType::ScopeSet, &body);
        assert_eq!(of_scope, (None, vec!["web".to_owned()], vec!["boss".to_owned()]));
    }

    #[test]
    fn a_question_names_whom_it_was_about_without_being_that_clients_record() {
        let body = json!({ "actor": "unix:0", "object": "search client_id=web event=token.issued" });
        assert_eq!(told(EventType::AuditRead, &body), (None, vec![], vec!["web".to_owned()]));
    }

    #[test]
    fn what_is_no_body_of_ours_speaks_of_nothing() {
        for body in ["", "[]", "{\"client_id\":7}", "null"] {
            let about = About::read(EventType::TokenIssued, body.as_bytes());
            assert_eq!(
                (about.client(), about.scopes().count(), about.names().count()),
                (None, 0, 0),
                "{body}"
            );
        }
    }
}
