//! With what the listeners speak TLS: opened with the settings, looked at again while they serve.

use std::sync::Arc;

use crate::config::{Complaint, Settings};
use crate::http::tls::Tls;

/// The certificates of the listeners that speak TLS. The error is every complaint about them.
pub fn certificates(settings: &Settings) -> Result<Certificates, Vec<Complaint>> {
    let open = |section, files: Option<&_>| files.map(|files| Tls::open(section, files)).transpose();
    match (open("public", settings.public.tls.as_ref()), open("admin", settings.admin.tls.as_ref())) {
        (Ok(public), Ok(admin)) => Ok(Certificates { public, admin }),
        (public, admin) => Err(public.err().into_iter().chain(admin.err()).collect()),
    }
}

/// With what the listeners speak TLS, where they do.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    pub(super) public: Option<Arc<Tls>>,
    pub(super) admin: Option<Arc<Tls>>,
}

impl Certificates {
    /// Each of them.
    pub(super) fn all(&self) -> Vec<Arc<Tls>> {
        self.public.iter().chain(&self.admin).cloned().collect()
    }
}

/// Takes up certificates whose files have changed, or all of them.
pub(super) async fn look_at_files(certificates: Vec<Arc<Tls>>, anyway: bool) {
    let looking = move || certificates.iter().for_each(|tls| tls.look(anyway));
    // It fails if it panicked, which is on standard error; the certificates before stay in force.
    let _ = tokio::task::spawn_blocking(looking).await;
}
