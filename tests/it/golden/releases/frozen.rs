//! What a release's folder holds, and that nobody has changed it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::Request;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::golden::files;
use crate::harness::{Answer, TestClient, TestMint};

/// The file that lists all others, as `sha256sum` writes it.
pub(super) const LIST: &str = "FROZEN.sha256";

/// A release, read.
pub(super) struct Frozen {
    /// Where it lies.
    pub(super) folder: PathBuf,
    /// `state.json`
    pub(super) state: State,
    /// The keys that were served, one after the other.
    pub(super) jwks: Vec<Jwks>,
    /// The tokens that were given.
    pub(super) tokens: Vec<Given>,
}

/// What is to be known of the database beside it.
#[derive(Serialize, Deserialize)]
pub(super) struct State {
    /// The version that wrote it.
    pub(super) version: String,
    /// When it ended, in seconds since 1970.
    pub(super) at: u64,
    /// The settings of its environment.
    pub(super) settings: BTreeMap<String, String>,
    /// How many of the public keys of `keys/golden` it used at most, of each kind.
    pub(super) keys_taken: usize,
    /// Who gets tokens by Basic; two of them are one client with two secrets.
    pub(super) clients: Vec<Client>,
    /// Who no longer gets any.
    pub(super) strangers: Vec<Client>,
    /// Who may ask what tokens are worth.
    pub(super) introspector: Client,
    /// Who shows its secret in the form.
    pub(super) poster: Client,
    /// An assertion that was used, and lives still.
    pub(super) assertion: String,
    /// One that was never used, and lives still.
    pub(super) unused: String,
    /// A keyed request that was answered.
    pub(super) asked: Asked,
}

/// A client and its public test secret.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Client {
    pub(super) client_id: String,
    pub(super) secret: String,
}

/// A request with an `Idempotency-Key`, and its answer without the secret.
#[derive(Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) key: String,
    pub(super) body: Value,
    pub(super) answer: Value,
}

/// A line of `tokens.ndjson`: keys that were served from then on.
#[derive(Serialize, Deserialize)]
pub(super) struct Jwks {
    /// Its number.
    #[serde(rename = "jwks")]
    pub(super) number: usize,
    /// Seconds since 1970.
    pub(super) from: u64,
    /// The document.
    pub(super) keys: Value,
}

/// A line of `tokens.ndjson`: a token.
#[derive(Serialize, Deserialize)]
pub(super) struct Given {
    /// When it was issued, in seconds since 1970.
    pub(super) at: u64,
    /// When it ends.
    pub(super) exp: u64,
    /// The number of the JWKS that was served then.
    pub(super) jwks: usize,
    /// Who signed it.
    pub(super) kid: String,
    pub(super) alg: String,
    /// For whom and for where.
    pub(super) client_id: String,
    pub(super) aud: String,
    /// What introspection said of it when the state ended.
    pub(super) active: bool,
    /// The compact form.
    pub(super) token: String,
}

impl Client {
    /// The same as the harness knows it.
    pub(super) fn client(&self) -> TestClient {
        TestClient { id: self.client_id.clone(), secret: self.secret.clone() }
    }
}

impl Asked {
    /// Asks, again or for the first time.
    pub(super) async fn ask(&self, mint: &TestMint) -> Answer {
        let request = Request::post(&self.path)
            .header("idempotency-key", &self.key)
            .header("content-type", "application/json");
        mint.admin_send(request.body(Body::from(self.body.to_string())).unwrap()).await
    }
}

impl Frozen {
    /// Reads a release's folder.
    pub(super) fn read(folder: &Path) -> Self {
        let text = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let (mut jwks, mut tokens) = (Vec::new(), Vec::new());
        for line in text("tokens.ndjson").lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            if value.get("token").is_some() {
                tokens.push(serde_json::from_value(value).unwrap());
            } else {
                jwks.push(serde_json::from_value(value).unwrap());
            }
        }
        let state = serde_json::from_str(&text("state.json")).unwrap();
        Self { folder: folder.to_owned(), state, jwks, tokens }
    }

    /// The checkpoint that the kept export ends with.
    pub(super) fn checkpoint(&self) -> String {
        let export = fs::read_to_string(self.folder.join("log.ndjson")).unwrap();
        let header: Value = serde_json::from_str(export.lines().next().unwrap()).unwrap();
        header["checkpoint"].as_str().unwrap().to_owned()
    }
}

/// `tokens.ndjson`: the keys first, then the tokens.
pub(super) fn write_lines(path: &Path, jwks: &[Jwks], tokens: &[Given]) {
    let keys = jwks.iter().map(|line| serde_json::to_string(line).unwrap());
    let lines: Vec<_> = keys.chain(tokens.iter().map(|line| serde_json::to_string(line).unwrap())).collect();
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

/// The list of a folder's files with their hashes, in the order of their names.
pub(super) fn list(folder: &Path) -> String {
    let names = files(folder).into_iter().map(|path| (path.strip_prefix(folder).unwrap().to_owned(), path));
    names.filter(|(name, _)| name != Path::new(LIST)).fold(String::new(), |mut list, (name, path)| {
        let hash = Sha256::digest(fs::read(path).unwrap());
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = writeln!(list, "{hash}  {}", name.display());
        list
    })
}

/// What is not as it was frozen, a line each.
pub(super) fn edited(folder: &Path) -> Vec<String> {
    let read = |text: &str| -> BTreeMap<String, String> {
        let lines = text.lines().map(|line| line.split_once("  ").unwrap());
        lines.map(|(hash, name)| (name.to_owned(), hash.to_owned())).collect()
    };
    let frozen = read(&fs::read_to_string(folder.join(LIST)).unwrap());
    let today = read(&list(folder));
    let mut told = Vec::new();
    for name in frozen.keys().chain(today.keys().filter(|name| !frozen.contains_key(*name))) {
        match (frozen.get(name), today.get(name)) {
            (Some(_), None) => told.push(format!("{name} is gone")),
            (None, _) => told.push(format!("{name} was added")),
            (Some(old), Some(new)) if old != new => told.push(format!("{name} was edited")),
            _ => {}
        }
    }
    told
}
