//! What the running program asks of the system it runs on, as the kernel tells it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Nobody in particular.
const NOBODY: u32 = 65_534;

/// `mintmark dev` in a folder of its own, ended with the test.
pub struct Running {
    process: Child,
    home: tempfile::TempDir,
}

impl Running {
    /// Starts it as a user that is not root, and waits for the first line that it prints, which comes when it is open.
    fn start() -> (Self, u32) {
        Self::start_with(&[])
    }

    /// The same with more environment.
    pub fn start_with(environment: &[(&str, &str)]) -> (Self, u32) {
        let home = tempfile::tempdir().unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let program = home.path().join("mintmark");
        fs::copy(env!("CARGO_BIN_EXE_mintmark"), &program).unwrap();
        let own = rustix::process::geteuid();
        let mut command = Command::new(&program);
        let user = if own.is_root() {
            // Root's processes look alike whether they may be dumped or not.
            chown(home.path(), Some(NOBODY), Some(NOBODY)).unwrap();
            command.uid(NOBODY).gid(NOBODY);
            NOBODY
        } else {
            own.as_raw()
        };
        let socket = home.path().join("admin.sock");
        let process = command
            .arg("dev")
            .current_dir(home.path())
            .env_clear()
            .envs(environment.iter().copied())
            .env("MINTMARK_ISSUER", "http://localhost:8080")
            .env("MINTMARK_PUBLIC__LISTEN", "127.0.0.1:0")
            .env("MINTMARK_ADMIN__SOCKET", &socket)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut running = Self { process, home };
        let mut line = String::new();
        let out = running.process.stdout.as_mut().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "it ended before it was open");
        (running, user)
    }

    /// `mintmark audit tail` beside it, once it has printed its first line: the record of this run.
    fn followed(&self) -> (Child, BufReader<ChildStdout>) {
        let mut process = Command::new(env!("CARGO_BIN_EXE_mintmark"))
            .args(["audit", "tail", "--last", "1", "-o", "json", "--admin"])
            .arg(format!("unix:{}", self.home.path().join("admin.sock").display()))
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert!(line.contains("audit.read"), "{line}");
        (process, out)
    }
}

/// The exit code, and what went to standard error.
fn ended(process: Child) -> (Option<i32>, String) {
    let ended = process.wait_with_output().unwrap();
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has met by then.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_running_issuer_leaves_no_core_and_lets_nobody_read_its_memory() {
    let (running, user) = Running::start();
    let place = format!("/proc/{}", running.process.id());
    let place = Path::new(&place);
    let limits = fs::read_to_string(place.join("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let values: Vec<_> = core.split_whitespace().skip(4).take(2).collect();
    assert_eq!(values, ["0", "0"], "{core}");

    // proc(5): what belongs to a process that may not be dumped belongs to root, not to its user.
    let runs_as = fs::read_to_string(place.join("status")).unwrap();
    let uid = runs_as.lines().find(|line| line.starts_with("Uid:")).unwrap();
    assert_eq!(uid.split_whitespace().nth(2), Some(user.to_string().as_str()), "{uid}");
    let owner = fs::metadata(place.join("mem")).unwrap().uid();
    assert_ne!(owner, user, "its memory is open to its user's other processes");
}

#[test]
fn whoever_follows_the_log_stops_with_ctrl_c_or_with_its_reader() {
    let (running, _) = Running::start();
    let (process, _out) = running.followed();
    kill_process(Pid::from_child(&process), Signal::INT).unwrap();
    assert_eq!(ended(process), (Some(0), String::new()));

    // Nothing happens here any more, so no further line would tell that the reader has gone.
    let (process, out) = running.followed();
    drop(out);
    assert_eq!(ended(process), (Some(0), String::new()));
}
