//! Random policies and requests, against a small model of what the policy rules say.
//!
//! Ten thousand cases in each run, a million in that of a night (`.ci/nightly`).

mod model;
mod world;

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::{Value, json};

use self::model::{Expected, Refused};
use self::world::{Ask, World};
use super::authorize::{authorize, charges};
use super::compose::{Circumstances, compose};
use super::preview::{Preview, preview};
use crate::digest::{Digest, base64url, base64url_decode};
use crate::limits::{Charge, Enforce};
use crate::oauth::claims::Jti;
use crate::oauth::{ErrorCode, OAuthError};
use crate::time::Timestamp;

fn config() -> Config {
    let told = std::env::var_os("PROPTEST_CASES").is_some();
    let config = Config::default();
    Config { cases: if told { config.cases } else { 10_000 }, ..config }
}

/// What the code says of a request: the signing input, the record's body and leaf members, what is charged.
struct Said {
    signing_input: String,
    record: crate::audit::leaf::Record,
    charges: Vec<Charge>,
    preview: Preview,
}

/// The pure steps of an issuance in their order, as `Mint::issue` takes them.
fn issue(world: &World, ask: &Ask) -> Result<Said, OAuthError> {
    let (policy, registered, request) = (world.policy(), world.registered(), ask.request()?);
    let mut grant = authorize(&registered, &request, &policy, world.lifetimes())?;
    let key = world::key(grant.algorithm);
    let (now, longest) = (Timestamp::from_seconds(ask.now), world.key_lifetime());
    let previewed = preview(
        &world.issuer,
        (&registered, &policy, world.lifetimes()),
        grant.clone(),
        (&key, longest),
        now,
    );
    grant.lifetime = grant.lifetime.min(longest);
    let charges = charges(&registered, &grant, &policy);
    let circumstances = Circumstances {
        auth_method: "client_secret_basic",
        secret_id: "s",
        source_ip: None,
        request_id: "r",
        trace_id: None,
        policy_version: policy.version,
        build: "1.2.3",
    };
    let jti = Jti::compose(now, ask.random);
    let key = key.reserve().expect("a stand-in has room");
    let composed = compose(&world.issuer, &grant, key, (now, &jti), &circumstances);
    assert_eq!(composed.as_ref().err(), previewed.as_ref().err(), "the preview foretells another end");
    let (mut unsigned, preview) = (composed?, previewed?);
    let (record, _) = unsigned.take_record();
    Ok(Said { signing_input: unsigned.signing_input, record, charges, preview })
}

fn code_of(refused: Refused) -> ErrorCode {
    match refused {
        Refused::Scope => ErrorCode::InvalidScope,
        Refused::Target => ErrorCode::InvalidTarget,
    }
}

fn check(world: &World, ask: &Ask) -> Result<(), TestCaseError> {
    let (said, expected) = match (issue(world, ask), model::answer(world, ask)) {
        (Ok(said), Ok(expected)) => (said, expected),
        (Err(error), Err(refused)) => {
            prop_assert_eq!(error.code, code_of(refused));
            return Ok(());
        }
        (said, expected) => {
            let said = said.map(|said| said.signing_input);
            return Err(TestCaseError::fail(format!("the code says {said:?}, the rules say {expected:?}")));
        }
    };
    let Expected { header, claims, lifetime, charges } = &expected;
    let read = |part| String::from_utf8(base64url_decode(part).unwrap_or_default()).unwrap_or_default();
    let parts: Vec<_> = said.signing_input.split('.').map(read).collect();
    prop_assert_eq!(parts, [header.as_str(), claims.as_str()]);
    let input = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
    prop_assert_eq!(&said.signing_input, &input);
    let charged: Vec<_> = said
        .charges
        .iter()
        .map(|charge| {
            let total = charge.total.map(|total| total.count().get());
            let refuses = charge.enforce == Enforce::Refuse;
            (charge.scope.to_string(), charge.quota.count().get(), total, refuses)
        })
        .collect();
    prop_assert_eq!(&charged, charges);
    let numbers: BTreeSet<_> = said.charges.iter().map(|charge| charge.key).collect();
    prop_assert_eq!(numbers.len(), charges.len(), "two scopes of a request share a budget");
    check_record(&said, &expected, &input)?;
    check_preview(&said.preview, &expected, *lifetime)
}

/// The record is of this token and no other, and its body tells the same as the claims.
fn check_record(said: &Said, expected: &Expected, input: &str) -> Result<(), TestCaseError> {
    let record = &said.record;
    let claims: Value = serde_json::from_str(&expected.claims).expect("the model writes JSON");
    prop_assert_eq!(record.th, Some(Digest::of(&[b"mintmark/token/v1\n", input.as_bytes()])));
    let named = [&claims["iss"], &claims["jti"]].map(|text| text.as_str().unwrap_or_default().as_bytes());
    prop_assert_eq!(record.lk, Some(Digest::of(&[b"mintmark/jti/v1\n", named[0], b"\n", named[1]])));
    prop_assert_eq!(record.iat.map(Value::from), claims.get("iat").cloned());
    prop_assert_eq!(record.exp.map(Value::from), claims.get("exp").cloned());
    let body: Value =
        serde_json::from_slice(record.body.as_deref().unwrap_or_default()).expect("a body is JSON");
    for member in ["client_id", "sub", "scope", "aud", "jti"] {
        prop_assert_eq!(body.get(member), claims.get(member), "{}", member);
    }
    for (member, value) in [("grant", "client_credentials"), ("build", "1.2.3")] {
        prop_assert_eq!(body.get(member), Some(&json!(value)));
    }
    Ok(())
}

fn check_preview(preview: &Preview, expected: &Expected, lifetime: u64) -> Result<(), TestCaseError> {
    let mut claims: Value = serde_json::from_str(&expected.claims).expect("the model writes JSON");
    claims["jti"] = Value::Null;
    prop_assert_eq!(&Value::Object(preview.claims.clone()), &claims);
    prop_assert_eq!(Value::Object(preview.header.clone()).to_string(), expected.header.clone());
    prop_assert_eq!(preview.lifetime.seconds, lifetime);
    prop_assert!(preview.lifetime.bounds.is_sorted_by_key(|bound| bound.seconds));
    prop_assert_eq!(preview.limits.len(), expected.charges.len());
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn tokens_are_what_the_rules_say((world, ask) in world::worlds()) {
        check(&world, &ask)?;
    }
}

/// Agreement on nothing but refusals would prove little: each outcome is met, and each bound of a lifetime.
#[test]
fn the_random_worlds_meet_every_outcome() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut met = BTreeSet::new();
    for _ in 0..3_000 {
        let (world, ask) = world::worlds().new_tree(&mut runner).expect("a world").current();
        match issue(&world, &ask) {
            Err(error) => met.insert(error.description.to_owned()),
            Ok(said) => {
                met.insert(format!("{:?}", said.preview.lifetime.bounds.first().map(|bound| bound.set_by)))
            }
        };
    }
    let refusals = [
        OAuthError::SCOPE_NOT_ALLOWED,
        OAuthError::SCOPE_MISSING,
        OAuthError::SCOPE_TOO_LARGE,
        OAuthError::SCOPES_OF_TWO_RESOURCES,
        OAuthError::RESOURCE_NOT_ALLOWED,
    ];
    let bounds = ["Client", "Resource", "Scope", "Lifetime", "MaxLifetime", "Key"];
    let wanted = refusals.iter().map(|error| error.description.to_owned());
    for outcome in wanted.chain(bounds.map(|bound| format!("Some({bound})"))) {
        assert!(met.contains(&outcome), "{outcome} was never met: {met:?}");
    }
}
