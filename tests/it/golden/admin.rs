//! Requests to the admin API, by either of its doors.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::Value;

use super::parse::Step;
use super::play::Player;
use super::render;

/// Where administrators come in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Door {
    /// The Unix socket: who may open it may do everything.
    Socket,
    /// TCP: a token says what one may do.
    Tcp,
}

impl Door {
    fn of(verb: &str) -> Self {
        if verb == "tcp" { Self::Tcp } else { Self::Socket }
    }

    const fn told(self) -> &'static str {
        match self {
            Self::Socket => "admin socket",
            Self::Tcp => "admin over TCP",
        }
    }
}

/// The indented lines of a request.
struct Below {
    fields: Vec<(String, String)>,
    body: String,
}

impl Player<'_> {
    /// `admin METHOD PATH` or `tcp METHOD PATH`; below it header fields `name: value`, body lines `| text` that go as
    /// they are, and lines of JSON, which go as one without blanks.
    pub(super) async fn admin_exchange(&mut self, step: &Step) {
        let door = Door::of(&step.words[0]);
        let method: Method = step.words[1].parse().unwrap();
        let path = self.filled(&step.words[2]);
        self.say_time();
        self.tell_entries().await;
        let Below { mut fields, body } = self.below(&step.block);
        let is_typed = fields.iter().any(|(name, _)| name == "content-type");
        if !body.is_empty() && !is_typed {
            fields.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let mut shown = format!("{method} {path}   ({})\n", door.told());
        for (name, value) in &fields {
            let _ = writeln!(shown, "{name}: {}", self.without_token(value));
        }
        if !body.is_empty() {
            let _ = write!(shown, "\n{}", without_pem(&body));
        }
        let _ = write!(self.out, "\n{}", render::marked("> ", &shown));
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in &fields {
            request = request.header(name, super::exchange::expanded(value));
        }
        let request = request.body(Body::from(super::exchange::expanded(&body))).unwrap();
        let answer = match door {
            Door::Socket => self.mint.admin_send(request).await,
            Door::Tcp => self.mint.over_tcp(request).await,
        };
        self.keys.look(self.mint).await;
        self.tell_answer(&answer);
        self.tell_entries().await;
    }

    fn below(&self, block: &[String]) -> Below {
        let mut below = Below { fields: Vec::new(), body: String::new() };
        let mut json = String::new();
        for line in block {
            let field = line
                .split_once(": ")
                .filter(|(name, _)| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
            if let Some(text) = line.strip_prefix("| ") {
                below.body.push_str(&self.filled(text));
            } else if let Some((name, value)) = field {
                below.fields.push((name.to_owned(), self.filled(value)));
            } else {
                json.push_str(&self.filled_with_keys(line));
            }
        }
        if !json.is_empty() {
            let value: Value = serde_json::from_str(&json).unwrap_or_else(|_| panic!("no JSON: {json}"));
            below.body = value.to_string();
        }
        below
    }

    fn filled_with_keys(&self, text: &str) -> String {
        let keys = (1..=5).map(|number| (format!("{{key {number}}}"), golden_pem(number)));
        let keys = keys.chain([("{stolen.pem}".to_owned(), super::forgery::stolen_pem())]);
        keys.fold(self.filled(text), |text, (name, pem)| text.replace(&name, &pem.replace('\n', "\\n")))
    }

    fn without_token(&self, text: &str) -> String {
        match &self.last_token {
            Some(token) => text.replace(token, "<the last token>"),
            None => text.to_owned(),
        }
    }
}

/// One of the public test keys that no issuer of a story comes to.
fn golden_pem(number: usize) -> String {
    let lines = include_str!("../../../keys/golden/p256.txt").lines();
    super::forgery::pem(lines.rev().nth(number).unwrap())
}

/// A private key is not shown, not even one that everybody knows.
fn without_pem(text: &str) -> String {
    let (begin, end) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----\\n");
    match (text.find(begin), text.find(end)) {
        (Some(from), Some(to)) => format!("{}<a private key>{}", &text[..from], &text[to + end.len()..]),
        _ => text.to_owned(),
    }
}
