//! Who asks, by `private_key_jwt`: what a client signs lets it in once, and nothing else does.

mod failing;
mod registering;
mod replay;

use axum::body::Body;
use axum::http::{Method, Request};
use mintmark::digest::base64url;
use mintmark::jose::{Algorithm, KeyPair};
use serde_json::{Value, json};

use crate::harness::{
    Answer, ISSUER, SeededEntropy, TestClient, TestMint, contains, form_request, with_mint, with_settings,
};

const BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client with keys of its own.
struct Machine {
    id: &'static str,
    algorithm: Algorithm,
    pair: KeyPair,
}

impl Machine {
    /// Makes its key; `number` tells it from the keys of others.
    fn new(id: &'static str, algorithm: Algorithm, number: usize) -> Self {
        let entropy = SeededEntropy::from_key(format!("{id} {number}").as_bytes(), number);
        Self { id, algorithm, pair: KeyPair::generate(algorithm, &entropy).unwrap().0 }
    }

    fn jwks(&self) -> Value {
        json!({ "keys": [self.pair.public()] })
    }

    /// What it registers with.
    fn members(&self) -> Value {
        json!({
            "scope": "orders:read orders:write", "default_scope": "orders:read",
            "token_endpoint_auth_method": "private_key_jwt", "jwks": self.jwks(),
        })
    }

    fn header(&self) -> Value {
        json!({ "typ": "JWT", "alg": self.algorithm, "kid": self.pair.kid().to_string() })
    }

    fn claims(&self, mint: &TestMint, jti: &str) -> Value {
        let now = mintmark::ambient::Clock::now(mint.clock()).seconds();
        json!({ "iss": self.id, "sub": self.id, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": jti })
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |part: &Value| base64url(part.to_string().as_bytes());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = self.pair.sign(message.as_bytes()).unwrap();
        format!("{message}.{}", base64url(&signature))
    }

    /// An assertion as the client's library makes it.
    fn assertion(&self, mint: &TestMint, jti: &str) -> String {
        self.sign(&self.header(), &self.claims(mint, jti))
    }
}

/// The form that an assertion goes in; `more` is what follows, such as `&scope=a`.
fn form(assertion: &str, more: &str) -> String {
    format!("grant_type=client_credentials&client_assertion_type={BEARER}&client_assertion={assertion}{more}")
}

async fn ask(mint: &TestMint, assertion: &str) -> Answer {
    mint.post_form(&form(assertion, "")).await
}

async fn register(mint: &TestMint, id: &str, members: Value) -> Answer {
    let mut body = members;
    body["client_id"] = json!(id);
    mint.admin(Method::POST, "/admin/v1/clients", Some(body)).await
}

/// The usual policy, and a machine `web` with an Ed25519 key beside it.
async fn usual_machine(mint: &TestMint) -> Machine {
    mint.usual_policy().await;
    let web = Machine::new("web", Algorithm::EdDsa, 40);
    register(mint, web.id, web.members()).await.assert_status(201);
    web
}

#[tokio::test]
async fn a_client_gets_a_token_for_what_it_signed_by_each_algorithm() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let mut machines =
            vec![Machine::new("es", Algorithm::Es256, 41), Machine::new("ed", Algorithm::EdDsa, 42)];
        if Algorithm::Ps256.has_keys_in_this_build() {
            machines.push(Machine::new("ps", Algorithm::Ps256, 6));
        }
        for machine in &machines {
            register(mint, machine.id, machine.members()).await.assert_status(201);
            let (_, claims) = ask(mint, &machine.assertion(mint, "first")).await.assert_token();
            assert_eq!((&claims["client_id"], &claims["sub"]), (&json!(machine.id), &json!(machine.id)));
            assert_eq!(claims["scope"], "orders:read");
            let named = form(&machine.assertion(mint, "second"), &format!("&client_id={}", machine.id));
            let (_, claims) = mint.post_form(&format!("{named}&scope=orders:write")).await.assert_token();
            assert_eq!(claims["scope"], "orders:write");
        }
    })
    .await;
}

#[tokio::test]
async fn ed25519_may_go_by_either_of_its_names_and_a_lone_key_by_none() {
    with_mint(async |mint| {
        let web = usual_machine(mint).await;
        for (jti, header) in [
            ("1", json!({ "alg": "Ed25519", "kid": web.pair.kid().to_string() })),
            ("2", json!({ "alg": "EdDSA" })),
            ("3", json!({ "alg": "EdDSA", "typ": "client-authentication+jwt" })),
        ] {
            ask(mint, &web.sign(&header, &web.claims(mint, jti))).await.assert_token();
        }
    })
    .await;
}

#[tokio::test]
async fn the_log_says_which_key_signed() {
    with_mint(async |mint| {
        let web = usual_machine(mint).await;
        ask(mint, &web.assertion(mint, "only")).await.assert_token();
        let found = mint.admin_get("/admin/v1/audit/entries?event=token.issued").await.json();
        let body = &found["items"][0]["body"];
        assert_eq!(body["auth_method"], "private_key_jwt");
        assert_eq!(body["secret_id"], web.pair.kid().to_string());
        assert_eq!(mint.issued().await, 1);
    })
    .await;
}

/// How an answer looks but for its request id.
fn looks(answer: &Answer) -> (Vec<(String, String)>, String) {
    let id = answer.json()["request_id"].as_str().unwrap().to_owned();
    let fields =
        answer.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    (fields.filter(|(name, _)| name != "content-length").collect(), answer.text().replace(&id, "…"))
}

#[tokio::test]
async fn every_failure_looks_the_same_byte_for_byte() {
    with_mint(async |mint| {
        let web = usual_machine(mint).await;
        let stranger = Machine::new("nobody", Algorithm::EdDsa, 43);
        let other = Machine::new("other", Algorithm::EdDsa, 44);
        register(mint, other.id, other.members()).await.assert_status(201);
        let gone = Machine::new("gone", Algorithm::EdDsa, 45);
        register(mint, gone.id, gone.members()).await.assert_status(201);
        mint.admin(Method::POST, "/admin/v1/clients/gone/disable", None).await.assert_status(200);
        let used = web.assertion(mint, "used");
        ask(mint, &used).await.assert_token();

        let forged = Machine { id: "web", ..Machine::new("forger", Algorithm::EdDsa, 46) };
        let as_web = |header: Value| web.sign(&header, &web.claims(mint, "header"));
        let with_kid = |kid: &str| as_web(json!({ "alg": "EdDSA", "kid": kid }));
        let failures = [
            ("an unknown client", stranger.assertion(mint, "a")),
            ("another's key", forged.assertion(mint, "b")),
            ("another's key under the right kid", forged.sign(&web.header(), &web.claims(mint, "c"))),
            ("a disabled client", gone.assertion(mint, "d")),
            ("a client with a secret", Machine { id: "reader", ..stranger.copy() }.assertion(mint, "e")),
            ("used before", used.clone()),
            ("an unknown kid", with_kid("' OR 1=1 --")),
            ("another client's kid", with_kid(&other.pair.kid().to_string())),
            ("a kid of 4 KiB", with_kid(&"k".repeat(4_096))),
            ("none", as_web(json!({ "alg": "none" }))),
            ("a key of its own", as_web(json!({ "alg": "EdDSA", "jwk": web.pair.public() }))),
            ("no assertion at all", "x".to_owned()),
        ];
        let mut seen = None;
        for (what, assertion) in failures {
            let answer = ask(mint, &assertion).await;
            answer.assert_refused(401, "invalid_client");
            let looks = looks(&answer);
            assert_eq!(seen.get_or_insert_with(|| looks.clone()), &looks, "{what}");
        }
        let stranger = TestClient { id: "nobody".to_owned(), secret: "mms_wrong".to_owned() };
        let secret = looks(&mint.token(&stranger, "").await);
        assert_eq!(seen, Some(secret), "as for secrets");
    })
    .await;
}

#[tokio::test]
async fn headers_and_claims_are_held_to_the_rules() {
    let many = ("MINTMARK_LIMITS__ATTEMPTS", "1000000/1m");
    with_settings(&[many], async |mint| {
        let web = usual_machine(mint).await;
        let now = web.claims(mint, "")["iat"].as_u64().unwrap();
        let claims = [
            ("iss", json!(["web"])),
            ("sub", json!("other")),
            ("sub", Value::Null),
            ("aud", json!(format!("{ISSUER}/oauth2/token"))),
            ("aud", json!([ISSUER])),
            ("aud", json!(1)),
            ("exp", Value::Null),
            ("exp", json!(now - 300)),
            ("exp", json!(now + 86_400)),
            ("exp", json!(1e18)),
            ("exp", json!("soon")),
            ("exp", json!(-1)),
            ("iat", json!(now + 61)),
            ("nbf", json!(now + 61)),
            ("jti", Value::Null),
            ("jti", json!(7)),
            ("jti", json!("j".repeat(257))),
        ];
        for (name, value) in claims {
            let mut claims = web.claims(mint, "rules");
            claims[name] = value;
            if claims[name].is_null() {
                claims.as_object_mut().unwrap().remove(name);
            }
            let answer = ask(mint, &web.sign(&web.header(), &claims)).await;
            assert_eq!(answer.status, 401, "{claims}");
        }
        for (name, value) in [
            ("alg", json!("HS256")),
            ("alg", json!("RS256")),
            ("typ", json!("at+jwt")),
            ("typ", json!("dpop+jwt")),
            ("crit", json!(["exp"])),
            ("crit", json!([])),
            ("jku", json!("http://127.0.0.1:1/jwks")),
            ("x5u", json!("http://127.0.0.1:1/cert")),
            ("x5c", json!([])),
        ] {
            let mut header = web.header();
            header[name] = value;
            let answer = ask(mint, &web.sign(&header, &web.claims(mint, "rules"))).await;
            assert_eq!(answer.status, 401, "{header}");
        }
        assert_eq!(mint.issued().await, 0);
        for (name, ahead) in [("iat", 8), ("nbf", 10)] {
            let mut claims = web.claims(mint, name);
            claims[name] = json!(now + ahead);
            ask(mint, &web.sign(&web.header(), &claims)).await.assert_token();
        }
    })
    .await;
}

#[tokio::test]
async fn our_own_access_token_is_no_assertion() {
    with_mint(async |mint| {
        let web = usual_machine(mint).await;
        ask(mint, &web.assertion(mint, "1")).await.assert_token();
        let token = mint.ledger.lock().unwrap().last().unwrap().clone();
        ask(mint, &token).await.assert_refused(401, "invalid_client");
    })
    .await;
}

#[tokio::test]
async fn only_the_compact_form_in_full_is_read() {
    with_mint(async |mint| {
        let web = usual_machine(mint).await;
        let jwt = web.assertion(mint, "form");
        let parts: Vec<_> = jwt.split('.').collect();
        let json =
            json!({ "payload": parts[1], "signatures": [{ "protected": parts[0], "signature": parts[2] }] });
        for wrong in [
            format!("{jwt}="),
            format!("{jwt}.x"),
            format!("%20{jwt}"),
            format!("{}.{}", parts[0], parts[1]),
            json.to_string(),
        ] {
            ask(mint, &wrong).await.assert_refused(401, "invalid_client");
        }
        // A control character is no form.
        ask(mint, &format!("{jwt}%0A")).await.assert_refused(400, "invalid_request");
        ask(mint, &"a".repeat(8_193)).await.assert_refused(400, "invalid_request");
        ask(mint, &"a".repeat(8_192)).await.assert_refused(401, "invalid_client");
        ask(mint, &jwt).await.assert_token();
    })
    .await;
}

#[tokio::test]
async fn the_type_is_named_and_is_this_one() {
    with_mint(async |mint| {
        let web = usual_machine(mint).await;
        let jwt = web.assertion(mint, "type");
        let grant = "grant_type=client_credentials";
        mint.post_form(&format!("{grant}&client_assertion={jwt}"))
            .await
            .assert_refused(400, "invalid_request");
        mint.post_form(&format!("{grant}&client_assertion_type={BEARER}"))
            .await
            .assert_refused(401, "invalid_client");
        for other in ["urn:ietf:params:oauth:client-assertion-type:saml2-bearer", "jwt-bearer"] {
            let form = format!("{grant}&client_assertion={jwt}&client_assertion_type={other}");
            mint.post_form(&form).await.assert_refused(401, "invalid_client");
        }
        ask(mint, &jwt).await.assert_token();
    })
    .await;
}

#[tokio::test]
async fn a_client_uses_its_own_method_one_at_a_time_and_its_own_name() {
    with_mint(async |mint| {
        let web = usual_machine(mint).await;
        let reader = mint.client("second", json!({ "scope": "orders:read" })).await;
        let two = [
            reader.request(&form(&web.assertion(mint, "a"), "")["grant_type=client_credentials&".len()..]),
            form_request(&form(&web.assertion(mint, "b"), "&client_id=web&client_secret=x")),
        ];
        for request in two {
            mint.send(request).await.assert_refused(400, "invalid_request");
        }
        for name in ["second", "WEB", "web%20"] {
            let named = form(&web.assertion(mint, name), &format!("&client_id={name}"));
            mint.post_form(&named).await.assert_refused(401, "invalid_client");
        }
        // A client with a key has no secret, whatever somebody sends as one.
        let with_secret = "grant_type=client_credentials&client_id=web&client_secret=mms_x";
        mint.post_form(with_secret).await.assert_refused(401, "invalid_client");
        let as_web = TestClient { id: "web".to_owned(), ..reader.clone() };
        mint.token(&as_web, "").await.assert_refused(401, "invalid_client");
        mint.admin(Method::POST, "/admin/v1/clients/web/secrets", Some(json!({ "overlap": 0 })))
            .await
            .assert_problem(400);
        ask(mint, &web.assertion(mint, "c")).await.assert_token();
    })
    .await;
}

#[tokio::test]
async fn nothing_of_an_assertion_is_kept() {
    with_mint(async |mint| {
        let web = usual_machine(mint).await;
        let jwt = web.assertion(mint, "a-very-telling-jti");
        ask(mint, &jwt).await.assert_token();
        ask(mint, &jwt).await.assert_refused(401, "invalid_client");
        mint.later("2m").await;
        let bytes = mint.store_bytes();
        for part in jwt.split('.').chain(["a-very-telling-jti"]) {
            assert!(!contains(&bytes, part.as_bytes()), "{part}");
        }
        let log = mint.admin_get("/admin/v1/audit/entries").await.text();
        assert!(log.contains("private_key_jwt") && !log.contains("telling") && !log.contains(&jwt[..40]));
    })
    .await;
}

#[tokio::test]
async fn a_disabled_client_is_stopped_at_once() {
    with_mint(async |mint| {
        let web = usual_machine(mint).await;
        for (verb, status) in [("disable", 401), ("enable", 200)] {
            let path = format!("/admin/v1/clients/web/{verb}");
            mint.admin(Method::POST, &path, None).await.assert_status(200);
            ask(mint, &web.assertion(mint, verb)).await.assert_status(status);
        }
    })
    .await;
}

impl Machine {
    /// The same key under the same name.
    fn copy(&self) -> Self {
        Self::new(self.id, self.algorithm, 43)
    }
}

/// Sends the same assertion many times at once.
fn repeated(assertion: &str, times: usize) -> Vec<Request<Body>> {
    (0..times).map(|_| form_request(&form(assertion, ""))).collect()
}
