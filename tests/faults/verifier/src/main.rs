//! Verifies tokens by josekit over OpenSSL, from the JWKS alone, once for each age of cache.
//!
//! Speaks the lines of the README beside it. It never asks for a JWKS because of an unknown
//! `kid`: a cache is renewed for its age and for nothing else. RFC 7517, RFC 7519, RFC 9111 4.2.

use std::collections::HashMap;
use std::io::{BufRead as _, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow, bail};
use josekit::jwk::{Jwk, JwkSet};
use josekit::jws::{ES256, EdDSA, JwsVerifier, PS256, RS256};
use josekit::jwt::{self, JwtPayloadValidator};
use serde_json::{Map, Value, json};

/// What a token must say, and from when on a refusal of it means nothing.
struct Asked<'a> {
    name: &'a str,
    handed: f64,
    latest: f64,
    algorithm: &'a str,
    audience: &'a str,
    token: &'a str,
}

/// Where the keys are and who signs.
struct Issuer {
    jwks_uri: String,
    name: String,
    leeway: Duration,
}

/// One JWKS as a verifier keeps it, and what happened to it.
struct Cache {
    name: String,
    /// Seconds; nothing for a cache that obeys `max-age`.
    age: Option<f64>,
    fresh_for: f64,
    fetched_at: f64,
    keys: HashMap<String, (String, Box<dyn JwsVerifier>)>,
    checks: u64,
    fetches: u64,
    fetch_failures: u64,
    checks_over_stale: u64,
    longest_stale: f64,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().context("usage: verifier JWKS_URI ISSUER LEEWAY CACHE,CACHE,...");
    let issuer =
        Issuer { jwks_uri: next()?, name: next()?, leeway: Duration::from_secs_f64(next()?.parse()?) };
    let mut caches: Vec<_> = next()?.split(',').map(Cache::new).collect();
    let agent = ureq::Agent::new_with_config(
        ureq::Agent::config_builder()
            .proxy(None)
            .max_idle_connections(0)
            .timeout_global(Some(Duration::from_secs(2)))
            .build(),
    );
    let mut late = 0_u64;
    let mut done = 0_u64;
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if line == "tell" {
            let caches: Map<_, _> = caches.iter().map(|cache| (cache.name.clone(), cache.told())).collect();
            writeln!(out, "{}", json!({"done": done, "late": late, "caches": caches}))?;
            out.flush()?;
            continue;
        }
        let asked = Asked::read(&line)?;
        done += 1;
        if now() >= asked.latest {
            late += 1;
            continue;
        }
        for cache in &mut caches {
            if let Err(reason) = cache.check(&asked, &issuer, &agent) {
                if now() >= asked.latest {
                    late += 1;
                    break;
                }
                let refused = json!({
                    "rejected": asked.name, "cache": cache.name, "reason": format!("{reason:#}"),
                    "jwks_age": now() - cache.fetched_at, "kids": cache.keys.keys().collect::<Vec<_>>(),
                });
                writeln!(out, "{refused}")?;
                out.flush()?;
            }
        }
    }
    Ok(())
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

impl<'a> Asked<'a> {
    fn read(line: &'a str) -> Result<Self> {
        let parts: Vec<_> = line.split(' ').collect();
        let [name, handed, latest, algorithm, audience, token] = parts[..] else { bail!("no check: {line}") };
        Ok(Self { name, handed: handed.parse()?, latest: latest.parse()?, algorithm, audience, token })
    }
}

impl Cache {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            age: name.parse().ok(),
            fresh_for: 0.0,
            fetched_at: 0.0,
            keys: HashMap::new(),
            checks: 0,
            fetches: 0,
            fetch_failures: 0,
            checks_over_stale: 0,
            longest_stale: 0.0,
        }
    }

    fn told(&self) -> Value {
        json!({
            "checks": self.checks, "fetches": self.fetches, "fetch_failures": self.fetch_failures,
            "checks_over_stale": self.checks_over_stale, "longest_stale": self.longest_stale,
        })
    }

    /// Seconds by which the cache is too old for this check; not above zero for a good one.
    fn too_old(&self, asked: &Asked) -> f64 {
        match self.age {
            // No cache at all: the JWKS must be younger than the question.
            Some(0.0) => asked.handed - self.fetched_at,
            Some(age) => now() - self.fetched_at - age,
            None => now() - self.fetched_at - self.fresh_for,
        }
    }

    fn check(&mut self, asked: &Asked, issuer: &Issuer, agent: &ureq::Agent) -> Result<()> {
        if self.too_old(asked) > 0.0 {
            match self.fetch(issuer, agent) {
                Ok(()) => self.fetches += 1,
                Err(_) => self.fetch_failures += 1,
            }
        }
        let stale = self.too_old(asked);
        if stale > 0.0 && self.fetched_at > 0.0 {
            self.checks_over_stale += 1;
            self.longest_stale = self.longest_stale.max(stale);
        }
        self.checks += 1;
        self.verify(asked, issuer)
    }

    fn fetch(&mut self, issuer: &Issuer, agent: &ureq::Agent) -> Result<()> {
        let begun = now();
        let mut answer = agent.get(&issuer.jwks_uri).call()?;
        let control =
            answer.headers().get("cache-control").and_then(|value| value.to_str().ok()).unwrap_or("");
        let fresh_for = control
            .split(',')
            .find_map(|part| part.trim().strip_prefix("max-age="))
            .and_then(|seconds| seconds.parse().ok())
            .unwrap_or(0.0);
        let set = JwkSet::from_bytes(answer.body_mut().read_to_vec()?)?;
        let keys = set.keys().into_iter().map(|jwk| {
            let kid = jwk.key_id().context("a key without a name")?.to_owned();
            let algorithm = jwk.algorithm().context("a key without an algorithm")?.to_owned();
            Ok((kid, (algorithm, verifier(jwk)?)))
        });
        self.keys = keys.collect::<Result<_>>()?;
        self.fresh_for = fresh_for;
        // `max-age` counts from the request (RFC 9111 4.2.3); the others keep the document as long as anybody could.
        self.fetched_at = if self.age.is_some() { now() } else { begun };
        Ok(())
    }

    fn verify(&self, asked: &Asked, issuer: &Issuer) -> Result<()> {
        let (payload, header) = jwt::decode_with_verifier_selector(asked.token, |header| {
            let key = header.key_id().and_then(|kid| self.keys.get(kid));
            let fits = key.filter(|(algorithm, _)| algorithm == asked.algorithm);
            Ok(fits.map(|(_, verifier)| verifier.as_ref() as &dyn JwsVerifier))
        })?;
        if header.algorithm() != Some(asked.algorithm) || header.token_type() != Some("at+jwt") {
            bail!("another kind of token");
        }
        for claim in ["iss", "aud", "exp", "iat", "sub", "jti"] {
            payload.claim(claim).ok_or_else(|| anyhow!("no {claim}"))?;
        }
        let time = SystemTime::now();
        let mut validator = JwtPayloadValidator::new();
        validator.set_issuer(&issuer.name);
        validator.set_audience(asked.audience);
        validator.set_base_time(time - issuer.leeway);
        validator.set_max_issued_time(time + issuer.leeway);
        Ok(validator.validate(&payload)?)
    }
}

fn verifier(jwk: &Jwk) -> Result<Box<dyn JwsVerifier>> {
    Ok(match jwk.algorithm() {
        Some("ES256") => Box::new(ES256.verifier_from_jwk(jwk)?),
        Some("EdDSA") => Box::new(EdDSA.verifier_from_jwk(jwk)?),
        Some("RS256") => Box::new(RS256.verifier_from_jwk(jwk)?),
        Some("PS256") => Box::new(PS256.verifier_from_jwk(jwk)?),
        other => bail!("no verifier for {other:?}"),
    })
}
