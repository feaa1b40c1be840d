//! The settings in force as texts, option by option, so that a start can tell what changed since the last one.
//!
//! Pure. No option holds a secret; secrets are files, and their paths may be told.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::options as o;
use super::{Settings, StoreUrl, TlsFiles};
use crate::config::options::Declared;
use crate::time::span_text;

impl Settings {
    /// Every option's path with its value in text form; an option that is off is empty.
    pub fn told(&self) -> BTreeMap<&'static str, String> {
        let StoreUrl::Sqlite(database) = &self.store;
        let (keys, tokens, audit) = (&self.keys, &self.tokens, &self.audit);
        let list = |texts: Vec<String>| texts.join(",");
        let algorithms = keys.algorithms.iter().map(|algorithm| algorithm.as_str().to_owned());
        let proxies = self.public.trusted_proxies.iter().map(ToString::to_string);
        BTreeMap::from([
            told(&o::ISSUER, self.issuer.to_string()),
            told(&o::NODE, self.node.to_string()),
            told(&o::DATA_DIR, self.data_dir.display().to_string()),
            told(&o::PUBLIC_LISTEN, self.public.listen.to_string()),
            told(&o::PUBLIC_TRUSTED_PROXIES, list(proxies.collect())),
            told(&o::PUBLIC_TLS_CERT_FILE, file(self.public.tls.as_ref(), |tls| &tls.cert)),
            told(&o::PUBLIC_TLS_KEY_FILE, file(self.public.tls.as_ref(), |tls| &tls.key)),
            told(&o::ADMIN_TLS_CERT_FILE, file(self.admin.tls.as_ref(), |tls| &tls.cert)),
            told(&o::ADMIN_TLS_KEY_FILE, file(self.admin.tls.as_ref(), |tls| &tls.key)),
            told(&o::ADMIN_SOCKET, self.admin.socket.display().to_string()),
            told(&o::ADMIN_LISTEN, self.admin.listen.map(|address| address.to_string()).unwrap_or_default()),
            told(&o::STORE_URL, format!("sqlite:{}", database.display())),
            told(&o::KEYS_KEK_FILE, keys.kek_file.display().to_string()),
            told(&o::KEYS_ALGORITHMS, list(algorithms.collect())),
            told(&o::KEYS_ACTIVE_FOR, span_text(keys.active_for)),
            told(&o::KEYS_PUBLISH_AHEAD, span_text(keys.publish_ahead)),
            told(&o::KEYS_JWKS_MAX_AGE, span_text(keys.jwks_max_age)),
            told(&o::KEYS_PROPAGATION, span_text(keys.propagation)),
            told(&o::KEYS_CLOCK_SKEW, span_text(keys.clock_skew)),
            told(&o::KEYS_LEEWAY, span_text(keys.leeway)),
            told(&o::KEYS_RETAIN_FOR, span_text(keys.retain_for)),
            told(&o::TOKENS_LIFETIME, span_text(tokens.lifetime)),
            told(&o::TOKENS_MAX_LIFETIME, span_text(tokens.max_lifetime)),
            told(&o::AUDIT_ORIGIN, audit.origin.as_str()),
            told(&o::AUDIT_PUBLIC, audit.public.to_string()),
            told(&o::AUDIT_CHECKPOINT, span_text(audit.checkpoint)),
            told(&o::AUDIT_DEADLINE, span_text(audit.deadline)),
            told(&o::AUDIT_BODY_RETENTION, span_text(audit.body_retention)),
            told(&o::LIMITS_ATTEMPTS, self.limits.attempts.to_string()),
            told(&o::LIMITS_SOURCE_ATTEMPTS, self.limits.source_attempts.to_string()),
            told(&o::LIMITS_NODES, self.limits.nodes.to_string()),
        ])
    }
}

fn file(tls: Option<&TlsFiles>, which: fn(&TlsFiles) -> &PathBuf) -> String {
    tls.map(|tls| which(tls).display().to_string()).unwrap_or_default()
}

fn told<T>(option: &Declared<T>, value: impl Into<String>) -> (&'static str, String) {
    (option.row.path, value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told, given back as an environment, gives the same settings: nothing is left out or misspelt.
    #[test]
    fn the_settings_follow_from_what_is_told_of_them() {
        let environment = [
            ("MINTMARK_ISSUER", "https://auth.example.com"),
            ("MINTMARK_TOKENS__LIFETIME", "90s"),
            ("MINTMARK_PUBLIC__TRUSTED_PROXIES", "10.0.0.0/8,192.0.2.1/32"),
            ("MINTMARK_ADMIN__LISTEN", "192.0.2.1:9999"),
            ("MINTMARK_PUBLIC__TLS_CERT_FILE", "tls/cert.pem"),
            ("MINTMARK_PUBLIC__TLS_KEY_FILE", "tls/key.pem"),
            ("MINTMARK_ADMIN__TLS_CERT_FILE", "tls/admin.pem"),
            ("MINTMARK_ADMIN__TLS_KEY_FILE", "tls/admin.key"),
            ("MINTMARK_KEYS__ALGORITHMS", "EdDSA,ES256"),
            ("MINTMARK_AUDIT__PUBLIC", "false"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = Settings::load(None, &environment).unwrap();
        let told = settings.told();
        assert_eq!(told.len(), o::ROWS.len());
        let given = o::ROWS.iter().map(|row| (row.variable(), told.get(row.path).unwrap().clone()));
        let given: Vec<_> = given.filter(|(_, text)| !text.is_empty()).collect();
        assert_eq!(Settings::load(None, &given).unwrap(), settings);
    }
}
