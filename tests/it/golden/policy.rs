//! The steps that make a policy: resources, scopes and clients, by the admin API.

use axum::http::Method;
use mintmark::ambient::Entropy as _;
use mintmark::digest::{Digest, base64url};
use mintmark::jose::{Algorithm, KeyPair};
use mintmark::limits::Quota;
use mintmark::time::parse_span;
use serde_json::{Value, json};

use super::exchange::expanded;
use super::parse::Step;
use super::play::Player;
use crate::harness::{ISSUER, SeededEntropy, TestClient, segment};

/// A client of the scenario.
pub(super) struct Actor {
    /// Who it is.
    pub(super) client: TestClient,
    /// Whether it shows its secret in the form.
    pub(super) by_post: bool,
    /// What it signs assertions with, if that is its method, and the name that it gives the algorithm.
    pub(super) key: Option<(KeyPair, String)>,
    /// How many assertions it has made.
    pub(super) assertions: u64,
}

impl Actor {
    /// Its next assertion, for a minute from `now`.
    pub(super) fn assertion(&mut self, now: u64) -> Option<String> {
        let (id, (key, alg)) = (&self.client.id, self.key.as_ref()?);
        self.assertions += 1;
        let header = json!({ "alg": alg, "kid": key.kid().to_string(), "typ": "JWT" });
        let jti = format!("{id}-{}", self.assertions);
        let claims = json!({ "iss": id, "sub": id, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": jti });
        let [header, claims] = [header, claims].map(|part| base64url(part.to_string().as_bytes()));
        let message = format!("{header}.{claims}");
        Some(format!("{message}.{}", base64url(&key.sign(message.as_bytes()).unwrap())))
    }
}

impl Player<'_> {
    /// One of `resource`, `scope`, `client`, `disable`, `enable`, told as it was written.
    pub(super) async fn set_policy(&mut self, step: &Step) {
        if !self.policy_goes_on {
            self.say("");
        }
        self.policy_goes_on = true;
        self.say(&step.text);
        let words: Vec<String> = step.words.iter().map(|word| expanded(word)).collect();
        let name = words[1].as_str();
        let rest: Vec<&str> = words[2..].iter().map(String::as_str).collect();
        match words[0].as_str() {
            "resource" => {
                let lifetime = seconds(&rest, "lifetime");
                let body = json!({ "resource": name, "signing_alg": rest[0], "token_lifetime": lifetime });
                self.put("resources", name, body).await;
            }
            "scope" => {
                let mut limit = json!(Quota::parse(rest[0]).unwrap());
                if let Some(burst) = value(&rest, "burst") {
                    limit["burst"] = burst.parse().unwrap();
                }
                let total = value(&rest, "total").map(|total| json!(Quota::parse(total).unwrap()));
                let enforce = if rest.contains(&"monitor") { "monitor" } else { "refuse" };
                let body = json!({
                    "scope": name, "resource": value(&rest, "of").unwrap(), "limit": limit, "total": total,
                    "enforce": enforce, "token_lifetime": seconds(&rest, "lifetime"),
                });
                self.put("scopes", name, body).await;
            }
            "client" => self.register(name, &rest).await,
            verb => {
                let path = format!("/admin/v1/clients/{name}/{verb}");
                self.mint.admin(Method::POST, &path, None).await.assert_status(200);
            }
        }
        self.skip_entries().await;
    }

    async fn put(&self, kind: &str, name: &str, body: Value) {
        let path = format!("/admin/v1/{kind}/{}", segment(name));
        self.mint.admin(Method::PUT, &path, Some(body)).await.assert_status(201);
    }

    async fn register(&mut self, id: &str, rest: &[&str]) {
        let by_post = rest.contains(&"post");
        let alg = value(rest, "key").filter(|alg| *alg == "Ed25519" || Algorithm::parse(alg).is_some());
        let alg = alg.unwrap_or("EdDSA");
        let key = rest.contains(&"key").then(|| (own_key(id, alg), alg.to_owned()));
        let method = match (&key, by_post) {
            (Some(_), _) => "private_key_jwt",
            (None, true) => "client_secret_post",
            (None, false) => "client_secret_basic",
        };
        let mut members = json!({
            "scope": value(rest, "scope").unwrap(),
            "default_scope": value(rest, "default"),
            "token_endpoint_auth_method": method,
            "jwks": key.as_ref().map(|key| json!({ "keys": [key.0.public()] })),
            "access_token_lifetime": seconds(rest, "lifetime"),
        });
        if let Some(audience) = value(rest, "introspects") {
            members["introspects"] = json!([audience]);
        }
        for (option, member) in [("claim", "claims"), ("limit", "limits")] {
            let pairs = rest.windows(2).filter(|pair| pair[0] == option);
            for (name, text) in pairs.map(|pair| pair[1].split_once('=').unwrap()) {
                members[member][name] = match option {
                    "limit" => json!(Quota::parse(text).unwrap()),
                    _ => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
                };
            }
        }
        let client = self.mint.client(id, members).await;
        if key.is_none() {
            assert_is_secret(&client.secret);
        }
        self.actors.insert(id.to_owned(), Actor { client, by_post, key, assertions: 0 });
    }
}

/// A key pair of the client's own, which no issuer of a story ever comes to.
fn own_key(id: &str, alg: &str) -> KeyPair {
    // RFC 9864 has a name of its own for EdDSA with Ed25519.
    let algorithm = if alg == "Ed25519" { Algorithm::EdDsa } else { Algorithm::parse(alg).unwrap() };
    let entropy = |first| SeededEntropy::from_key(id.as_bytes(), first);
    let rsa = || KeyPair::from_pkcs8(algorithm, &entropy(11).rsa_pkcs8().unwrap()).unwrap();
    if algorithm.is_rsa() { rsa() } else { KeyPair::generate(algorithm, &entropy(60)).unwrap().0 }
}

/// Prefix, 256 bits, and a checksum that fits them.
pub(super) fn assert_is_secret(secret: &str) {
    let (body, checksum) = secret.split_at(47);
    assert!(body.starts_with("mms_"), "a secret without its prefix");
    assert_eq!(checksum, &base64url(Digest::of(&[body.as_bytes()]).as_bytes())[..6], "a wrong checksum");
}

/// What follows the word `option`.
fn value<'a>(rest: &[&'a str], option: &str) -> Option<&'a str> {
    rest.windows(2).find(|pair| pair[0] == option).map(|pair| pair[1])
}

fn seconds(rest: &[&str], option: &str) -> Option<u64> {
    value(rest, option).map(|span| parse_span(span).unwrap().as_secs())
}
