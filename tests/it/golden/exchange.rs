//! Requests: what is asked, and how the story shows it.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine as _;
use mintmark::digest::base64url_decode;
use mintmark::oauth::credential::JWT_BEARER;
use mintmark::time::parse_span;
use serde_json::Value;

use super::parse::Step;
use super::play::Player;
use super::render;
use crate::harness::Answer;

/// A request as it goes out, and as the story shows it: without the secret, with long runs abridged.
struct Outgoing {
    method: Method,
    path: String,
    fields: Vec<(String, String)>,
    body: String,
    shown_fields: Vec<String>,
    shown_body: String,
}

impl Player<'_> {
    /// `METHOD PATH [as CLIENT [by basic|post] [secret TEXT]] [name=value ...]`, with header fields
    /// (`name: value`) and body lines (`| text`) below it.
    pub(super) async fn exchange(&mut self, step: &Step) {
        let outgoing = self.outgoing(step);
        self.say_time();
        self.tell_entries().await;
        self.tell_request(&outgoing);
        let answer = self.deliver(&outgoing).await;
        self.tell_answer(&answer);
        if let Some(token) = answer.access_token() {
            self.tell_token(&token).await;
            self.last_token = Some(token);
        }
        self.tell_entries().await;
    }

    /// `drum COUNT every SPAN` and a request: one row for each of its answers.
    pub(super) async fn drum(&mut self, step: &Step) {
        let count: usize = step.words[1].parse().unwrap();
        let pause = parse_span(&step.words[3]).unwrap();
        let request = Step { text: step.text.clone(), words: step.words[4..].to_vec(), block: Vec::new() };
        let text = step.text.splitn(5, ' ').last().unwrap_or_default();
        self.say_time();
        self.say(&format!("\n{count} times, each {} after the one before: {text}\n", render::span(pause)));
        let mut rows = vec![["time", "status", "RateLimit", "Retry-After"].map(str::to_owned).to_vec()];
        let mut policies = Vec::new();
        for beat in 0..count {
            if beat > 0 {
                self.pass_until(self.now().plus(pause)).await;
            }
            let outgoing = self.outgoing(&request);
            let answer = self.deliver(&outgoing).await;
            let policy = answer.header("ratelimit-policy").to_owned();
            if policies.last() != Some(&policy) {
                policies.push(policy);
            }
            let status = answer.status.as_u16().to_string();
            let field =
                |name| Some(answer.header(name)).filter(|text| !text.is_empty()).unwrap_or("-").to_owned();
            rows.push(vec![render::offset(self.now()), status, field("ratelimit"), field("retry-after")]);
        }
        let policies = policies.join(", then ");
        let policies = if policies.is_empty() { "none" } else { &policies };
        self.say(&format!("  RateLimit-Policy: {policies}\n{}", render::table(&rows).trim_end()));
        self.skip_entries().await;
    }

    /// Words in braces stand for what came before.
    pub(super) fn filled(&self, text: &str) -> String {
        let jti = self.last_token.as_deref().map(|token| claim(token, "jti")).unwrap_or_default();
        let text = text.replace("{jti}", &jti).replace("{etag}", &self.last_etag);
        let text = text.replace("{secret_id}", &self.last_secret_id);
        let assertion = self.last_assertion.as_ref().map_or("", |(_, assertion)| assertion);
        let text = text.replace("{assertion}", assertion);
        text.replace("{token}", self.last_token.as_deref().unwrap_or_default())
    }

    fn outgoing(&mut self, step: &Step) -> Outgoing {
        let words: Vec<&str> = step.words.iter().map(String::as_str).collect();
        let after = |word| words.iter().position(|found| *found == word).map(|position| words[position + 1]);
        let mut out = Outgoing {
            method: words[0].parse().unwrap(),
            path: self.filled(words[1]),
            fields: Vec::new(),
            body: String::new(),
            shown_fields: Vec::new(),
            shown_body: String::new(),
        };
        let mut form: Vec<(String, String)> = Vec::new();
        if let Some(id) = after("as") {
            if out.path.starts_with("/oauth2/token") {
                form.push(("grant_type".to_owned(), "client_credentials".to_owned()));
            }
            if !self.assert_identity(&mut form, id) {
                self.authenticate(&mut out, &mut form, (id, after("by"), after("secret")));
            }
        }
        let pairs = words[2..].iter().filter_map(|word| word.split_once('='));
        for (name, value) in pairs {
            let value = self.filled(value);
            if name == "grant_type" {
                form.retain(|(name, _)| name != "grant_type");
            }
            form.push((name.to_owned(), value));
        }
        let block_has_type = step.block.iter().any(|line| line.starts_with("content-type:"));
        if !form.is_empty() && !block_has_type {
            out.field("content-type", "application/x-www-form-urlencoded");
        }
        out.body = form
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect::<Vec<_>>()
            .join("&");
        for line in &step.block {
            if let Some(text) = line.strip_prefix('|') {
                out.body.push_str(&self.filled(text.trim_start()));
            } else {
                let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no field: {line}"));
                out.field(name, &self.filled(value.trim()));
            }
        }
        out.shown_body = self.without_secrets(&out.body);
        out.body = expanded(&out.body);
        out
    }

    /// A client with a key signs an assertion; `false` for any other.
    fn assert_identity(&mut self, form: &mut Vec<(String, String)>, id: &str) -> bool {
        let now = self.now().seconds();
        let Some(assertion) = self.actors.get_mut(id).and_then(|actor| actor.assertion(now)) else {
            return false;
        };
        form.push(("client_assertion_type".to_owned(), JWT_BEARER.to_owned()));
        form.push(("client_assertion".to_owned(), assertion.clone()));
        self.last_assertion = Some((id.to_owned(), assertion));
        true
    }

    fn authenticate(
        &self,
        out: &mut Outgoing,
        form: &mut Vec<(String, String)>,
        (id, by, secret): (&str, Option<&str>, Option<&str>),
    ) {
        let actor = self.actors.get(id);
        let own = actor.map(|actor| actor.client.secret.clone());
        let right = secret.is_none();
        let secret = secret.map(str::to_owned).or(own).unwrap_or_else(|| panic!("{id} has no secret"));
        let by_post = by.map_or_else(|| actor.is_some_and(|actor| actor.by_post), |by| by == "post");
        if by_post {
            form.push(("client_id".to_owned(), id.to_owned()));
            form.push(("client_secret".to_owned(), secret));
        } else {
            let pair = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
            out.fields.push(("authorization".to_owned(), format!("Basic {pair}")));
            let shown = if right { format!("<secret of {id}>") } else { secret };
            out.shown_fields.push(format!("authorization: Basic base64({id}:{shown})"));
        }
    }

    fn without_secrets(&self, text: &str) -> String {
        let with_secrets = self.actors.iter().filter(|(_, actor)| actor.key.is_none());
        let text = with_secrets.fold(text.to_owned(), |text, (id, actor)| {
            text.replace(&actor.client.secret, &format!("<secret of {id}>"))
        });
        let Some((id, assertion)) = &self.last_assertion else { return text };
        let actor = &self.actors[id];
        let by = actor.key.as_ref().map_or("", |(_, alg)| alg);
        text.replace(assertion, &format!("<assertion {} of {id}, {by}>", actor.assertions))
    }

    async fn deliver(&self, outgoing: &Outgoing) -> Answer {
        let mut request = Request::builder().method(&outgoing.method).uri(expanded(&outgoing.path));
        for (name, value) in &outgoing.fields {
            request = request.header(name, value);
        }
        let answer = self.mint.send(request.body(Body::from(outgoing.body.clone())).unwrap()).await;
        self.settle().await;
        answer
    }

    fn tell_request(&mut self, outgoing: &Outgoing) {
        let mut shown = format!("{} {}\n", outgoing.method, outgoing.path);
        for field in &outgoing.shown_fields {
            let _ = writeln!(shown, "{field}");
        }
        if !outgoing.shown_body.is_empty() {
            let _ = write!(shown, "\n{}", outgoing.shown_body);
        }
        let _ = write!(self.out, "\n{}", render::marked("> ", &shown));
    }
}

impl Outgoing {
    fn field(&mut self, name: &str, value: &str) {
        self.shown_fields.push(format!("{name}: {value}"));
        self.fields.push((name.to_owned(), expanded(value)));
    }
}

/// A claim of a token, unverified.
fn claim(token: &str, name: &str) -> String {
    let payload = token.split('.').nth(1).and_then(base64url_decode).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    claims[name].as_str().unwrap_or_default().to_owned()
}

/// What a form cannot hold as it is.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'%' | b'&' | b'+' | b'=' | b'"' | b'\\' | 0x80.. => {
                let _ = write!(out, "%{byte:02X}");
            }
            _ => out.push(char::from(byte)),
        }
    }
    out
}

/// Each `x*9000` stands for 9000 times x.
pub(super) fn expanded(text: &str) -> String {
    let mut parts = text.split("x*");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|character: char| character.is_ascii_digit());
        match part[..part.len() - rest.len()].parse() {
            Ok(count) => out.push_str(&"x".repeat(count)),
            Err(_) => out.push_str("x*"),
        }
        out.push_str(rest);
    }
    out
}
