//! One operation of a document: what it takes and everything that it can answer.

use std::collections::BTreeMap;

use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{HttpMethod, Required};

use super::words::{Form, any_text, matching, named, number, text};
use crate::admin::MAX_KEY_LENGTH;

pub(super) const JSON: &str = "application/json";
pub(super) const PROBLEM: &str = "application/problem+json";
pub(super) const TEXT: &str = "text/plain";
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// What HTTP itself answers on either listener, without a body.
const BY_HTTP: [(&str, &str); 4] = [
    ("408", "the body does not come within its time"),
    ("413", "the body is larger than this listener takes"),
    ("414", "the target is longer than this listener takes"),
    ("431", "the header fields are larger than this listener takes"),
];

/// An operation that is being described.
pub(super) struct Operation {
    pub(super) method: HttpMethod,
    pub(super) path: &'static str,
    builder: OperationBuilder,
    answers: BTreeMap<&'static str, ResponseBuilder>,
}

/// Begins with what is true of every operation of either listener.
pub(super) fn operation(method: HttpMethod, path: &'static str, id: &str, summary: &str) -> Operation {
    let builder = OperationBuilder::new().operation_id(Some(id)).summary(Some(summary));
    let operation = Operation { method, path, builder, answers: BTreeMap::new() };
    let operation = BY_HTTP.iter().fold(operation, |operation, (status, said)| operation.empty(status, said));
    let unwell = "a handler broke";
    operation
        .answer("500", unwell, JSON, named("ListenerError"))
        .answer("503", "the service cannot do this now", JSON, named("ListenerError"))
        .with("503", "Retry-After", number(1, 60), "seconds")
}

pub(super) fn get(path: &'static str, id: &str, summary: &str) -> Operation {
    operation(HttpMethod::Get, path, id, summary)
}

pub(super) fn post(path: &'static str, id: &str, summary: &str) -> Operation {
    operation(HttpMethod::Post, path, id, summary)
}

impl Operation {
    fn change(mut self, change: impl FnOnce(OperationBuilder) -> OperationBuilder) -> Self {
        self.builder = change(self.builder);
        self
    }

    fn respond(
        mut self,
        status: &'static str,
        change: impl FnOnce(ResponseBuilder) -> ResponseBuilder,
    ) -> Self {
        let response = self.answers.remove(status).unwrap_or_default();
        self.answers.insert(status, change(response));
        self
    }

    /// The part of the document that it stands in.
    pub(super) fn part(self, tag: &str) -> Self {
        self.change(|operation| operation.tag(tag))
    }

    /// What a reader must know beyond the summary.
    pub(super) fn told(self, words: &str) -> Self {
        self.change(|operation| operation.description(Some(words)))
    }

    /// An answer with a body.
    pub(super) fn answer(self, status: &'static str, said: &str, kind: &str, body: Form) -> Self {
        let content = ContentBuilder::new().schema(Some(body)).build();
        self.respond(status, |response| response.description(said).content(kind, content))
    }

    /// An answer without one.
    pub(super) fn empty(self, status: &'static str, said: &str) -> Self {
        self.respond(status, |response| response.description(said))
    }

    /// A header field of an answer.
    pub(super) fn with(self, status: &'static str, name: &str, form: Form, said: &str) -> Self {
        let header = HeaderBuilder::new().schema(Some(form)).description(Some(said)).build();
        self.respond(status, |response| response.header(name, header))
    }

    /// A problem document. RFC 9457.
    pub(super) fn problem(self, status: &'static str, said: &str) -> Self {
        self.answer(status, said, PROBLEM, named("Problem"))
    }

    fn parameter(
        self,
        place: ParameterIn,
        (name, form, said): (&str, Form, &str),
        required: Required,
    ) -> Self {
        let parameter: Parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(place)
            .required(required)
            .schema(Some(form))
            .description(Some(said))
            .build();
        self.change(|operation| operation.parameter(parameter))
    }

    /// A segment of the path.
    pub(super) fn segment(self, name: &str, form: Form, said: &str) -> Self {
        self.parameter(ParameterIn::Path, (name, form, said), Required::True)
    }

    /// A parameter of the query that may be left out.
    pub(super) fn query(self, name: &str, form: Form, said: &str) -> Self {
        self.parameter(ParameterIn::Query, (name, form, said), Required::False)
    }

    /// A header field that may be left out.
    pub(super) fn field(self, name: &str, form: Form, said: &str) -> Self {
        self.parameter(ParameterIn::Header, (name, form, said), Required::False)
    }

    /// A body, by its media types.
    pub(super) fn body(self, kinds: &[&str], form: &Form) -> Self {
        let content =
            |kind: &&str| ((*kind).to_owned(), ContentBuilder::new().schema(Some(form.clone())).build());
        let body = kinds
            .iter()
            .map(content)
            .fold(RequestBodyBuilder::new().required(Some(Required::True)), |body, (kind, content)| {
                body.content(kind, content)
            });
        self.change(|operation| operation.request_body(Some(body.build())))
    }

    /// One way of being let in. Several are alternatives.
    pub(super) fn lets_in(self, requirement: SecurityRequirement) -> Self {
        self.change(|operation| operation.security(requirement))
    }

    /// The finished description.
    pub(super) fn build(self) -> utoipa::openapi::path::Operation {
        let described = self
            .answers
            .into_iter()
            .fold(self.builder, |operation, (status, response)| operation.response(status, response.build()));
        described.build()
    }
}

/// What every operation of the admin listener has beside: problem documents, and over TCP a token.
pub(super) fn administrative(operation: Operation) -> Operation {
    let challenge = |operation: Operation, status| {
        operation.with(status, "WWW-Authenticate", any_text(), "over TCP: what would let you in")
    };
    let operation = operation
        .problem("401", "over TCP: no token, or none that is good here")
        .problem("403", "beyond the scopes of the token")
        .problem("500", "a fault of ours")
        .problem("503", "the service cannot do this now; whether an act was done may be unknown");
    challenge(challenge(operation, "401"), "403")
}

/// What every POST that acts has: the key under which it is done once.
pub(super) fn done_once(operation: Operation) -> Operation {
    operation
        .field(
            "Idempotency-Key",
            text("^[ -~]+$", 1, MAX_KEY_LENGTH),
            "Asked again with the same key and body within a day, it is answered the same, without a secret",
        )
        .problem("400", "malformed, or a value breaks a rule")
        .problem(
            "409",
            "it is not possible as things stand, or the first request with this key is still running",
        )
        .problem("410", "it was done, and its answer was erased with a client that it named")
        .problem("422", "the key was used for another request")
        .problem("429", "more keys within a day than are kept")
        .with("429", "Retry-After", number(1, 90_000), "seconds")
}

/// What whoever changes an object must have seen of it.
pub(super) fn of_a_version(operation: Operation, said: &str) -> Operation {
    operation
        .field("If-Match", matching(r#"^(\*|"v[0-9]+")$"#), said)
        .problem("412", "the object was changed since, or is not there")
        .problem("428", "the object exists: say which version you have seen")
}

/// The version of an object.
pub(super) fn versioned(operation: Operation, status: &'static str) -> Operation {
    operation.with(status, "ETag", matching(r#"^"v[0-9]+"$"#), "the version of the object")
}
