//! Commands as a person types them, against the admin API on a Unix socket.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use mintmark::cli::{self, Terminal, Zone};
use serde_json::Value;
use tokio::net::{TcpListener, UnixListener};

use super::play::Player;
use super::render;

impl Player<'_> {
    /// `run mintmark ...`: on a terminal, in a folder with an empty `mintmark.toml` whose socket is
    /// the service's, and so is the data directory. `./token.jwt`, `./jwks.json` and `./vkey` are there, and the
    /// secrets: those of clients, a private key, a KEK; what a command writes stays. `{public}` is the public listener.
    /// The indented lines below it are what is typed in.
    pub(super) async fn run_command(&mut self, words: &[&str], typed: &[String]) {
        let words: Vec<String> = words.iter().map(|word| self.filled(word)).collect();
        let folder = self.desk.path().to_owned();
        let here = format!("{}/", folder.display());
        self.lay_out(&folder).await;
        let listener = UnixListener::bind(folder.join("data/admin.sock")).unwrap();
        // A listener of its own, without the caller's user id, which differs from machine to machine.
        let server = tokio::spawn(axum::serve(listener, self.mint.app().admin_side.clone()).into_future());

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let public_url = format!("http://{}", listener.local_addr().unwrap());
        let public = tokio::spawn(axum::serve(listener, self.mint.app().public.clone()).into_future());
        let mut argv: Vec<OsString> = words
            .iter()
            .map(|word| word.strip_prefix("./").map_or_else(|| word.clone(), |file| format!("{here}{file}")))
            .map(|word| word.replace("{public}", &public_url).into())
            .collect();
        // Goldens are made of files that the story names, not of what a server has.
        if words.len() > 1 && words[1] != "golden" {
            argv.extend(["--config".into(), format!("{here}mintmark.toml").into()]);
        }
        let input: String = typed.iter().map(|line| format!("{line}\n")).collect();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut terminal = Terminal {
            stdin: &mut input.as_bytes(),
            stdout: &mut stdout,
            stderr: &mut stderr,
            is_terminal: true,
            zone: Zone::utc(),
        };
        let code = cli::run(argv, Vec::new(), self.mint.clock(), &mut terminal).await;
        server.abort();
        public.abort();
        self.say_time();
        self.say(&format!("\n$ {}", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")));
        self.out.push_str(&render::marked("| ", &input));
        for (mark, text) in [("", stdout), ("! ", stderr)] {
            let text = with_secrets_checked(&String::from_utf8(text).unwrap().replace(&here, "./"));
            let text = match words.get(1).map(String::as_str) {
                Some("db") => without_bytes(&text),
                _ => render::of_any_version(&text),
            };
            self.out.push_str(&render::marked(mark, &text));
        }
        self.say(&format!("exit {code}"));
        self.keys.look(self.mint).await;
        self.skip_entries().await;
    }

    /// `write ./FILE`: a file in that folder, of the indented lines.
    pub(super) fn write_file(&mut self, path: &str, lines: &[String]) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(self.desk.path().join(path.strip_prefix("./").unwrap()), &text).unwrap();
        self.say(&format!("\n{path}:"));
        self.out.push_str(&render::marked("| ", &text));
    }

    /// `show ./FILE`: what is in a file there.
    pub(super) fn show_file(&mut self, path: &str) {
        let text = std::fs::read_to_string(self.desk.path().join(path.strip_prefix("./").unwrap())).unwrap();
        self.say(&format!("\n{path}:"));
        self.out.push_str(&render::marked("  ", &render::of_any_version(&text)));
    }

    async fn lay_out(&self, folder: &Path) {
        self.mint.tick().await;
        std::fs::create_dir_all(folder.join("data")).unwrap();
        // Left by the command before, if there was one.
        let _ = std::fs::remove_file(folder.join("data/admin.sock"));
        for name in ["mintmark.db", "lock", "last_signed"] {
            let (own, here) = (self.mint.data_dir().join(name), folder.join("data").join(name));
            if !here.is_symlink() {
                std::os::unix::fs::symlink(own, here).unwrap();
            }
        }
        let jwks = self.mint.get("/.well-known/jwks.json").await.body;
        let vkey = self.mint.get("/log/vkey").await.body;
        let token = self.last_token.clone().unwrap_or_default().into_bytes();
        for (name, bytes) in
            [("mintmark.toml", Vec::new()), ("jwks.json", jwks), ("vkey", vkey), ("token.jwt", token)]
        {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
        for (id, actor) in &self.actors {
            write_secret(&folder.join(format!("{id}.secret")), &actor.client.secret);
        }
        let key = include_str!("../../../keys/golden/p256.txt").lines().last().unwrap();
        let lines: Vec<_> =
            key.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let armor = |end: &str| format!("-----{end} PRIVATE KEY-----\n");
        write_secret(
            &folder.join("key.pem"),
            &format!("{}{}\n{}", armor("BEGIN"), lines.join("\n"), armor("END")),
        );
        write_secret(&folder.join("stolen.pem"), &super::forgery::stolen_pem());
        write_secret(&folder.join("kek"), &format!("{}A=\n", "S".repeat(42)));
    }
}

/// A file that nobody else may read.
fn write_secret(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Without the numbers of bytes, which follow from the version of SQLite and from which commits met.
fn without_bytes(text: &str) -> String {
    let hidden = || Value::from("<bytes>");
    if let Ok(mut document) = serde_json::from_str::<Value>(text) {
        match document.get_mut("bytes") {
            Some(Value::Object(members)) => members.values_mut().for_each(|bytes| *bytes = hidden()),
            Some(bytes) => *bytes = hidden(),
            None => {}
        }
        return format!("{document}\n");
    }
    let hide = |line: &str| match line.rsplit_once(' ') {
        Some((name, _)) if line.starts_with("bytes") => format!("{name} <bytes>\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(hide).collect()
}

/// A secret is held to its form and shown as what it is.
fn with_secrets_checked(text: &str) -> String {
    // A document tells what secrets look like, and shows none.
    let Some(start) = text.find("mms_").filter(|&start| !text[start..].starts_with("mms_[")) else {
        return text.to_owned();
    };
    super::policy::assert_is_secret(&text[start..start + 53]);
    format!("{}<a secret of the right form>{}", &text[..start], &text[start + 53..])
}

fn quoted(word: &str) -> String {
    if word.contains(' ') || word.is_empty() { format!("\"{word}\"") } else { word.to_owned() }
}
