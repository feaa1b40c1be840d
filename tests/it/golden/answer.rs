//! What came back: status, header fields, body, and what the token in it says.

use std::fmt::Write as _;

use base64::Engine as _;
use mintmark::audit::leaf::{Leaf, jti_hash, token_hash};
use mintmark::digest::base64url_decode;
use mintmark::jose::JwkSet;
use mintmark::jose::verify::{Expected, Verified, verify_access_token};
use mintmark::time::Timestamp;
use serde_json::Value;

use super::play::Player;
use super::render;
use crate::harness::Answer;

impl Player<'_> {
    /// Status, every header field by name, the body. What has a form is held to it here.
    pub(super) fn tell_answer(&mut self, answer: &Answer) {
        let mut fields: Vec<_> = answer
            .headers
            .iter()
            .map(|(name, value)| {
                let is_its = name == "content-length" && answer.body.ends_with(render::END_OF_METRICS);
                format!("{name}: {}", if is_its { "<machine>" } else { value.to_str().unwrap() })
            })
            .collect();
        fields.sort();
        if let Some(etag) = answer.headers.get("etag") {
            etag.to_str().unwrap().clone_into(&mut self.last_etag);
        }
        if let Some(id) = answer.json()["secret_id"].as_str() {
            id.clone_into(&mut self.last_secret_id);
        }
        if let Some(id) = answer.json()["request_id"].as_str() {
            let (process, number) = id.split_at(id.len().min(8));
            assert!(base64url_decode(process).is_some_and(|bytes| bytes.len() == 6), "{id}");
            assert!(number.strip_prefix('-').is_some_and(|n| n.parse::<u64>().is_ok()), "{id}");
            assert!(self.request_ids.insert(id.to_owned()), "the request id {id} came twice");
        }
        let status = answer.status;
        let mut shown = format!("{} {}\n", status.as_u16(), status.canonical_reason().unwrap_or_default());
        for field in fields {
            let _ = writeln!(shown, "{field}");
        }
        let mut text = match answer.access_token() {
            Some(token) => answer.text().replace(&token, "<the token below>"),
            None => String::from_utf8(answer.body.clone()).unwrap_or_else(|_| in_base64(&answer.body)),
        };
        if let Some(secret) = answer.json()["client_secret"].as_str() {
            super::policy::assert_is_secret(secret);
            text = text.replace(secret, "<a secret of the right form>");
        }
        if !text.is_empty() {
            let _ = write!(shown, "\n{}", render::body(&render::of_any_machine(&text)));
        }
        let _ = write!(self.out, "\n{}", render::marked("< ", &shown));
    }

    /// Verified against the served JWKS first, then laid out.
    pub(super) async fn tell_token(&mut self, token: &str) {
        let now = self.now();
        let jwks = JwkSet::parse(&self.mint.get("/.well-known/jwks.json").await.body).unwrap();
        let settings = self.mint.settings();
        let expected = Expected {
            issuer: settings.issuer.as_str(),
            audience: None,
            now,
            leeway: settings.keys.leeway,
            max_lifetime: settings.tokens.max_lifetime,
        };
        let verified = verify_access_token(token, &jwks, &expected);
        let Verified { decoded, kid, claims } =
            verified.unwrap_or_else(|why| panic!("the token does not verify: {why}"));
        let (kid, header) = (kid.to_string(), Value::Object(decoded.header));
        self.say("\n  token");
        self.say(&format!("  signature: verified with {} of the JWKS", self.keys.name(&kid)));
        self.say(&format!("  header  {header}"));
        let issued_at = claims.issued_at.seconds();
        let rows: Vec<_> = decoded
            .claims
            .iter()
            .map(|(name, value)| {
                let remark = match name.as_str() {
                    "iat" | "exp" => {
                        let at = value.as_u64().unwrap();
                        let told = render::time(Timestamp::from_seconds(at));
                        let relation = if name == "exp" {
                            format!("iat + {}", at - issued_at)
                        } else {
                            assert_eq!(at, now.seconds(), "iat is not now");
                            "now".to_owned()
                        };
                        format!("= {relation} = {told}")
                    }
                    "jti" => {
                        assert_jti(value.as_str().unwrap(), now);
                        "48 bits of time, 128 of chance".to_owned()
                    }
                    _ => String::new(),
                };
                vec![format!("  {name}"), value.to_string(), remark]
            })
            .collect();
        self.say(&format!("  claims\n{}", render::table(&rows).trim_end()));
        if header["alg"] == "EdDSA" || header["alg"] == "RS256" {
            self.say(&format!("  compact, byte for byte\n    {token}"));
        }
        self.assert_recorded(token, &claims.jti, settings.issuer.as_str()).await;
    }

    /// The last entry of the log is this token's.
    async fn assert_recorded(&self, token: &str, jti: &str, issuer: &str) {
        let leaves = self.mint.app().store.leaves(self.next_entry..u64::MAX >> 1).await.unwrap();
        let leaf = Leaf::parse(leaves.last().unwrap()).unwrap();
        let input = token.rsplit_once('.').unwrap().0;
        assert_eq!(leaf.th, Some(token_hash(input.as_bytes())), "the record is of another token");
        assert_eq!(leaf.lk, Some(jti_hash(issuer, jti)));
    }
}

fn assert_jti(jti: &str, now: Timestamp) {
    let bytes = base64url_decode(jti).unwrap();
    assert_eq!(bytes.len(), 22, "a jti is 176 bits");
    let millis = bytes[..6].iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    assert_eq!(millis, now.micros() / 1_000, "the jti's time is not now");
}

/// Bytes that are no text.
fn in_base64(bytes: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    format!("({} bytes, shown in base64)\n{text}", bytes.len())
}
