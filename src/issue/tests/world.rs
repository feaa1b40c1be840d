//! Random policies and requests, as text and numbers, and the same as the code takes them.
//!
//! The names are few, so that what is asked for is often there. A client may be granted what nobody
//! registered, and a scope may lie in a resource that is gone: the code has to refuse that by itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use proptest::prelude::*;
use proptest::{collection, option, sample};
use serde_json::{Value, json};

use crate::digest::{Digest, base64url};
use crate::jose::rsa::Scheme;
use crate::jose::{Algorithm, PublicJwk};
use crate::keys::active::{ActiveKey, SignFailed, SigningKey};
use crate::limits::Quota;
use crate::oauth::request::{GrantType, TokenRequest};
use crate::oauth::{OAuthError, Scope, ScopeToken};
use crate::policy::snapshot::Lifetimes;
use crate::policy::{ClientId, Policy, RegisteredClient, Resource, ResourceUri, ScopeRule};
use crate::time::Timestamp;

/// Everything that decides about a token but the request.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) issuer: String,
    pub(super) resources: BTreeMap<String, ResourceRow>,
    pub(super) scopes: BTreeMap<String, ScopeRow>,
    pub(super) client: ClientRow,
    /// `tokens.lifetime`, seconds.
    pub(super) lifetime: u64,
    /// `tokens.max_lifetime`, seconds.
    pub(super) max_lifetime: u64,
    /// How long a token of the active key may live, seconds.
    pub(super) key_lifetime: u64,
}

#[derive(Clone, Debug)]
pub(super) struct ResourceRow {
    /// The place of its algorithm among the four.
    pub(super) alg: usize,
    pub(super) lifetime: Option<u64>,
}

#[derive(Clone, Debug)]
pub(super) struct ScopeRow {
    pub(super) resource: String,
    pub(super) limit: u32,
    pub(super) total: Option<u32>,
    pub(super) monitor: bool,
    pub(super) lifetime: Option<u64>,
}

#[derive(Clone, Debug)]
pub(super) struct ClientRow {
    pub(super) id: String,
    pub(super) scope: BTreeSet<String>,
    pub(super) default_scope: Option<BTreeSet<String>>,
    pub(super) lifetime: Option<u64>,
    pub(super) claims: BTreeMap<String, Value>,
    pub(super) limits: BTreeMap<String, u32>,
}

/// A request, and the moment and the chance that meet it.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) scope: String,
    pub(super) resource: Option<String>,
    /// Seconds.
    pub(super) now: u64,
    pub(super) random: [u8; 16],
}

impl Ask {
    pub(super) fn request(&self) -> Result<TokenRequest, OAuthError> {
        let scope = Scope::parse(&self.scope).map_err(|_| OAuthError::SCOPE_SYNTAX)?;
        Ok(TokenRequest { grant_type: GrantType::ClientCredentials, scope, resource: self.resource.clone() })
    }
}

const ALGORITHMS: [Algorithm; 4] = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Ps256];
const HALF: [u8; 32] = [7; 32];

impl World {
    pub(super) fn lifetimes(&self) -> Lifetimes {
        Lifetimes { default: span(self.lifetime), max: span(self.max_lifetime) }
    }

    pub(super) fn key_lifetime(&self) -> Duration {
        span(self.key_lifetime)
    }

    pub(super) fn policy(&self) -> Policy {
        let resources = self.resources.iter().map(|(name, row)| {
            let signing_alg = ALGORITHMS[row.alg];
            let resource =
                Resource { uri: uri(name), signing_alg, lifetime: row.lifetime.map(span), version: 1 };
            (uri(name), Arc::new(resource))
        });
        let scopes = self.scopes.iter().zip(1..).map(|((name, row), key)| {
            let rule = ScopeRule {
                key,
                name: token(name),
                resource: uri(&row.resource),
                limit: quota(row.limit),
                total: row.total.map(quota),
                enforce: serde_json::from_value(json!(if row.monitor { "monitor" } else { "refuse" }))
                    .unwrap(),
                lifetime: row.lifetime.map(span),
                version: 1,
            };
            (token(name), Arc::new(rule))
        });
        let registered = Arc::new(self.registered());
        let clients = HashMap::from([(registered.client.id.clone(), registered)]);
        Policy {
            version: 5,
            resources: resources.collect(),
            scopes: scopes.collect(),
            clients,
            ..Policy::default()
        }
    }

    pub(super) fn registered(&self) -> RegisteredClient {
        let row = &self.client;
        let client = crate::policy::Client {
            id: ClientId::parse(&row.id).unwrap(),
            name: None,
            auth_method: serde_json::from_value(json!("client_secret_basic")).unwrap(),
            jwks: None,
            scope: scope(&row.scope).unwrap(),
            default_scope: row.default_scope.as_ref().and_then(scope),
            lifetime: row.lifetime.map(span),
            claims: Arc::new(row.claims.clone()),
            limits: row.limits.iter().map(|(name, count)| (token(name), quota(*count))).collect(),
            introspects: BTreeSet::new(),
            rotate_every: None,
            disabled: false,
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            version: 1,
        };
        RegisteredClient { key: 3, client, secrets: Vec::new() }
    }
}

/// The key that signs with `algorithm`.
pub(super) fn key(algorithm: Algorithm) -> ActiveKey {
    ActiveKey::new(Mute(match algorithm {
        Algorithm::Es256 => PublicJwk::P256 { x: HALF, y: HALF },
        Algorithm::EdDsa => PublicJwk::Ed25519 { x: HALF },
        Algorithm::Rs256 | Algorithm::Ps256 => {
            PublicJwk::rsa(Scheme::of(algorithm).unwrap(), &modulus(), &[1, 0, 1]).unwrap()
        }
    }))
}

/// A key that has room for signatures and gives none.
struct Mute(PublicJwk);

#[async_trait]
impl SigningKey for Mute {
    fn public(&self) -> PublicJwk {
        self.0.clone()
    }

    async fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, SignFailed> {
        Err(SignFailed::Failed)
    }
}

/// What RFC 7638 hashes of that key: required members only, by name, without blanks.
pub(super) fn thumbprint_text(alg: usize) -> String {
    let half = base64url(&HALF);
    match alg {
        0 => format!(r#"{{"crv":"P-256","kty":"EC","x":"{half}","y":"{half}"}}"#),
        1 => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{half}"}}"#),
        _ => format!(r#"{{"e":"AQAB","kty":"RSA","n":"{}"}}"#, base64url(&modulus())),
    }
}

fn modulus() -> Vec<u8> {
    let mut modulus = Digest::of(&[b"n"]).0.repeat(8);
    (modulus[0], modulus[255]) = (0xff, 0xff);
    modulus
}

fn span(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn uri(name: &str) -> ResourceUri {
    ResourceUri::parse(name).unwrap()
}

fn token(name: &str) -> ScopeToken {
    ScopeToken::parse(name).unwrap()
}

fn scope(names: &BTreeSet<String>) -> Option<Scope> {
    Scope::from_tokens(names.iter().map(|name| token(name)).collect()).unwrap()
}

fn quota(count: u32) -> Quota {
    Quota::parse(&format!("{count}/1m")).unwrap()
}

/// A world and a request in it.
pub(super) fn worlds() -> impl Strategy<Value = (World, Ask)> {
    let small = Size { names: names(6, 0), resources: 3, presence: 0.9, granted: 1, words: 1..=3, text: 12 };
    // Nearly everything is there, names and claims are long: tokens reach the bound of their length.
    let large = Size {
        names: names(24, 100),
        resources: 1,
        presence: 0.999,
        granted: 24,
        words: 8..=24,
        text: 1_500,
    };
    let strategies = [small, large].map(|size| (world(&size), ask(&size)));
    let [small, large] = strategies;
    prop_oneof![8 => small, 1 => large]
}

/// How much there is of what.
struct Size {
    /// Of the scopes.
    names: Vec<String>,
    resources: usize,
    /// How likely it is that a scope or resource is registered.
    presence: f64,
    /// How many scopes a client is granted at least.
    granted: usize,
    /// How many scopes are asked for.
    words: std::ops::RangeInclusive<usize>,
    /// The longest text in a claim.
    text: usize,
}

fn names(count: usize, longer: usize) -> Vec<String> {
    (0..count).map(|number| format!("s{number}:{}", "x".repeat(longer))).collect()
}

const RESOURCES: [&str; 3] = ["https://a.example", "https://b.example/v1", "urn:c"];

fn world(size: &Size) -> impl Strategy<Value = World> + use<> {
    let (homes, presence) = (RESOURCES[..size.resources].to_vec(), size.presence);
    let resource = (0..4_usize, lifetime()).prop_map(|(alg, lifetime)| ResourceRow { alg, lifetime });
    let known = homes.clone();
    let resources =
        collection::vec(option::weighted(presence, resource), known.len()).prop_map(move |rows| {
            let rows = known.iter().zip(rows);
            rows.filter_map(|(name, row)| Some(((*name).to_owned(), row?))).collect()
        });
    let rule = (sample::select(homes), 1..9_u32, option::of(1..99_u32), any::<bool>(), lifetime());
    let rule = rule.prop_map(|(resource, limit, total, monitor, lifetime)| ScopeRow {
        resource: resource.to_owned(),
        limit,
        total,
        monitor,
        lifetime,
    });
    let every = size.names.clone();
    let scopes = collection::vec(option::weighted(presence, rule), every.len()).prop_map(move |rows| {
        every.iter().cloned().zip(rows).filter_map(|(name, row)| Some((name, row?))).collect()
    });
    let settings = (60..4_000_u64, 0..4_000_u64, prop_oneof![4 => Just(86_400), 1 => 1..4_000_u64]);
    ("[a-z]{3,12}", resources, scopes, client(size), settings).prop_map(
        |(host, resources, scopes, client, (lifetime, more, key_lifetime))| World {
            issuer: format!("https://{host}.example"),
            resources,
            scopes,
            client,
            lifetime,
            max_lifetime: lifetime + more,
            key_lifetime,
        },
    )
}

/// Also above the maximum: settings may change under a policy that was stored.
fn lifetime() -> impl Strategy<Value = Option<u64>> {
    option::weighted(0.3, 60..9_000_u64)
}

fn client(size: &Size) -> impl Strategy<Value = ClientRow> + use<> {
    let names = &size.names;
    let granted = sample::subsequence(names.clone(), size.granted..=names.len());
    let default = option::weighted(0.6, sample::subsequence(names.clone(), 1..=3));
    let limits = collection::btree_map(sample::select(names.clone()), 1..9_u32, 0..3);
    ("[A-Za-z0-9_~-]{1,64}", granted, default, lifetime(), claims(size.text), limits).prop_map(
        |(id, granted, default, lifetime, claims, limits)| {
            let scope: BTreeSet<String> = granted.into_iter().collect();
            let within = |name: &String| scope.contains(name);
            let default: BTreeSet<String> = default.into_iter().flatten().filter(within).collect();
            let limits = limits.into_iter().filter(|(name, _)| scope.contains(name)).collect();
            let default_scope = (!default.is_empty()).then_some(default);
            ClientRow { id, scope, default_scope, lifetime, claims, limits }
        },
    )
}

fn claims(longest: usize) -> impl Strategy<Value = BTreeMap<String, Value>> {
    let value = prop_oneof![
        any::<i32>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        collection::vec(any::<char>(), 0..12).prop_map(|text| text.into_iter().collect::<String>().into()),
        (0..=longest).prop_map(|length| "t".repeat(length).into()),
        collection::vec("[a-z]{0,4}", 0..3).prop_map(Value::from),
        "[a-z]{0,4}".prop_map(|text| json!({ "deep": { "\"": text, "null": null } })),
    ];
    collection::btree_map("(x|claim|https://e\\.example/[a-c]|ä|\"q\")", value, 0..4)
}

fn ask(size: &Size) -> impl Strategy<Value = Ask> + use<> {
    let strange = sample::select(vec!["nobody".to_owned(), "S0:".to_owned()]);
    let word = prop_oneof![40 => sample::select(size.names.clone()), 1 => strange];
    let scope = prop_oneof![
        1 => Just(String::new()),
        1 => Just("  ".to_owned()),
        8 => collection::vec(word, size.words.clone()).prop_map(|words| words.join(" ")),
    ];
    let resource = prop_oneof![
        3 => Just(None),
        2 => sample::select(RESOURCES.to_vec()).prop_map(|name| Some(name.to_owned())),
        1 => "[a-z:/.]{0,20}".prop_map(Some),
    ];
    // Up to the year 2554, whose milliseconds fit 44 of the 48 bits.
    (scope, resource, 0..(1_u64 << 34), any::<[u8; 16]>()).prop_map(|(scope, resource, now, random)| Ask {
        scope,
        resource,
        now,
        random,
    })
}
