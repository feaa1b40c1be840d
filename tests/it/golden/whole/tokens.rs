//! Each way to a token with each algorithm of tokens, each algorithm of assertions, each grant, each kind of limit and
//! of lifetime.

use std::collections::BTreeSet;

use mintmark::jose::Algorithm;
use mintmark::oauth::credential::AuthMethod;
use mintmark::oauth::metadata::Metadata;
use mintmark::oauth::request::GrantType;
use serde_json::Value;

use super::{assert_shown, goldens, text_of};

/// The bodies of the records of tokens that the goldens show, and what the golden is called.
fn records() -> Vec<(String, Value)> {
    let mut records = Vec::new();
    for (name, text) in goldens("token") {
        for told in text.split("  token.issued\n").skip(1) {
            let body: String = told
                .lines()
                .take_while(|line| line.starts_with("    "))
                .filter(|line| !line.starts_with("    ("))
                .collect();
            records.push((name.clone(), serde_json::from_str(&body).unwrap()));
        }
    }
    records
}

fn text(record: &Value, member: &str) -> String {
    record[member].as_str().unwrap().to_owned()
}

#[test]
fn each_grant_method_and_algorithm_is_shown_with_each_other() {
    let shown: BTreeSet<_> = records()
        .iter()
        .map(|(_, record)| (text(record, "grant"), text(record, "auth_method"), text(record, "alg")))
        .collect();
    let mut rows = Vec::new();
    for grant in GrantType::ALL {
        for method in AuthMethod::ALL {
            for algorithm in Algorithm::ALL {
                let (grant, method) = (grant.as_str().to_owned(), method.as_str().to_owned());
                rows.push((grant, method, algorithm.as_str().to_owned()));
            }
        }
    }
    assert_shown("ways to a token", rows, |row| shown.contains(row), &[]);
}

#[test]
fn each_algorithm_of_assertions_is_shown() {
    let text = text_of("token");
    let offered = Metadata::compose("https://auth.example.com", std::iter::empty());
    let rows = offered.token_endpoint_auth_signing_alg_values_supported;
    assert_shown("assertions", rows, |algorithm| text.contains(&format!(", {algorithm}>")), &[]);
}

/// What a policy can set, by the words that scenarios say it with, or that their requests have.
#[test]
fn each_kind_of_policy_is_shown() {
    let text = text_of("token");
    let is_said = |words: &[&str]| {
        text.lines()
            .any(|line| words.iter().all(|word| line.split([' ', '=', '&']).any(|said| said == *word)))
    };
    let kinds: [(&str, &[&str]); 16] = [
        ("a default scope", &["client", "default"]),
        ("a resource's lifetime", &["resource", "lifetime"]),
        ("a scope's lifetime", &["scope", "of", "lifetime"]),
        ("a client's lifetime", &["client", "lifetime"]),
        ("the default lifetime", &["setting", "MINTMARK_TOKENS__LIFETIME"]),
        ("the cap of lifetimes", &["setting", "MINTMARK_TOKENS__MAX_LIFETIME"]),
        ("claims of a client", &["client", "claim"]),
        ("a burst", &["scope", "burst"]),
        ("a total", &["scope", "total"]),
        ("a limit that only counts", &["scope", "monitor"]),
        ("a client's own limit", &["client", "limit"]),
        ("a resource that is asked for", &[">", "grant_type", "client_credentials", "resource"]),
        ("a scope that is asked for", &[">", "grant_type", "client_credentials", "scope"]),
        ("a client that introspects", &["client", "introspects"]),
        ("several algorithms", &["setting", "MINTMARK_KEYS__ALGORITHMS", "ES256,EdDSA,RS256,PS256"]),
        ("scopes of the admin API", &["scope", "\"admin:read admin:clients\""]),
    ];
    let is_shown = |(name, words): &(&str, &[&str])| match *name {
        "scopes of the admin API" => text.contains("\"aud\": \"https://auth.example.com/admin\""),
        _ => is_said(words),
    };
    assert_shown("kinds of policy", kinds, is_shown, &[]);
}
