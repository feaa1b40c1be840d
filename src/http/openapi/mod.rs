//! What both listeners speak, as OpenAPI 3.1 documents.
//!
//! Said here by hand and not on the types that it is about: those are read by
//! people and by the pure rooms, which know nothing of documents. Words and
//! bounds come from the rooms that have them, the scopes of an operation from
//! the table of roles. That a document says what is true is held by the tests:
//! each answer of each integration test must be one that it tells of, and every
//! route is in it. It is composed once and depends on no setting but whether
//! the log is public.

mod admin;
mod operation;
mod public;
mod schemas;
mod words;

use std::future::{Ready, ready};

use axum::body::Bytes;
use axum::http::{HeaderName, header};
use utoipa::openapi::path::PathsBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApiBuilder, PathItem};

use self::operation::Operation;
use self::words::Form;

/// One of the two documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// Of the public listener.
    Public {
        /// Whether the log is served there.
        log: bool,
    },
    /// Of the admin listener, by the socket and over TCP.
    Admin,
}

impl Document {
    /// The document as JSON with line ends, the same bytes each time.
    pub fn compose(self) -> String {
        let (title, about) = match self {
            Self::Public { .. } => ("Mintmark", "Tokens, keys and the log, for clients and verifiers."),
            Self::Admin => (
                "Mintmark administration",
                "By the Unix socket, where who can open it is the admin and needs no token, or over TCP with an \
                 access token for `<issuer>/admin`. A GET also answers HEAD. Names in paths are one \
                 percent-encoded segment.",
            ),
        };
        let license = LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build();
        let info = InfoBuilder::new()
            .title(title)
            .version(crate::VERSION)
            .description(Some(about))
            .license(Some(license))
            .build();
        let (operations, components) = match self {
            Self::Public { log } => (public::operations(log), schemas::public()),
            Self::Admin => (admin::operations(), schemas::admin()),
        };
        let document = OpenApiBuilder::new()
            .info(info)
            .paths(paths(operations))
            .components(Some(self.components(components)));
        // The document is our own plain structs: its serialisation has no way to fail.
        let text = document.build().to_pretty_json().unwrap_or_default();
        text + "\n"
    }

    fn components(self, schemas: Vec<(&'static str, Form)>) -> Components {
        let (name, scheme, said) = match self {
            Self::Public { .. } => (
                public::BASIC,
                HttpAuthScheme::Basic,
                "Client id and secret; others say who they are in the form",
            ),
            Self::Admin => {
                (admin::BEARER, HttpAuthScheme::Bearer, "Over TCP; the names are the scopes it needs")
            }
        };
        let scheme = HttpBuilder::new().scheme(scheme).description(Some(said)).build();
        let components = ComponentsBuilder::new().security_scheme(name, SecurityScheme::Http(scheme));
        schemas.into_iter().fold(components, |all, (name, form)| all.schema(name, form)).build()
    }
}

/// The handler that gives a document out. It is composed with the router, once.
pub(super) fn shown(document: Document) -> impl Fn() -> Ready<Shown> + Clone + Send + Sync + 'static {
    let text = Bytes::from(document.compose());
    move || ready(([(header::CONTENT_TYPE, "application/json; charset=utf-8")], text.clone()))
}

type Shown = ([(HeaderName, &'static str); 1], Bytes);

fn paths(operations: Vec<Operation>) -> utoipa::openapi::path::Paths {
    let mut paths = PathsBuilder::new();
    for operation in operations {
        let (path, method) = (operation.path, operation.method.clone());
        paths = paths.path(path, PathItem::new(method, operation.build()));
    }
    paths.build()
}
