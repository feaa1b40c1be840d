//! Sends requests over many connections and times each answer, by its status. For `load/overload`, which
//! compiles it with `rustc` alone: a thread for each connection, nothing but the standard library.
//!
//! A line of standard input is a group of connections: name, connections, requests a second of each (0 for
//! the next one when the last is answered), path, and for a POST the value of Authorization and the body;
//! separated by tabs. No secret stands in a process list. Arguments: port, seconds, and `at-once` or
//! `as-told` for who comes again after a refusal. Prints one JSON object, a line for each group and one
//! for `all` together.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

/// What is told of time is told in steps of this length.
const STEP: Duration = Duration::from_millis(500);
/// An answer that takes longer counts as none.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Group {
    name: String,
    connections: usize,
    rate: f64,
    request: Vec<u8>,
}

struct Answer {
    /// When it came, since the start.
    at: Duration,
    took: Duration,
    status: u16,
    retry_after: Option<u64>,
}

#[derive(Default)]
struct Seen {
    answers: Vec<(Duration, Duration, u16)>,
    untold: usize,
    broken: usize,
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.answers.extend(other.answers);
        self.untold += other.untold;
        self.broken += other.broken;
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, port, seconds, again] = arguments.as_slice() else { panic!("port, seconds, at-once|as-told") };
    let (port, seconds): (u16, f64) = (port.parse().unwrap(), seconds.parse().unwrap());
    let groups: Vec<Group> = io::stdin().lines().map(|line| group(&line.unwrap())).collect();
    let all: usize = groups.iter().map(|group| group.connections).sum();
    let ready = Arc::new(Barrier::new(all));
    let mut threads = Vec::new();
    for group in &groups {
        for number in 0..group.connections {
            let (group, ready, as_told) = (group.clone(), ready.clone(), again == "as-told");
            let run = move || {
                let stream = connect(port);
                ready.wait();
                let begin = Instant::now();
                let end = begin + Duration::from_secs_f64(seconds);
                // Those that keep a rate do not all begin together.
                thread::sleep(Duration::from_secs_f64(if group.rate > 0.0 { number as f64 / 97.0 % 1.0 } else { 0.0 }));
                Connection { port, stream: stream.ok(), group, as_told }.run(begin, end)
            };
            threads.push(thread::Builder::new().stack_size(64 * 1024).spawn(run).unwrap());
        }
    }
    let mut threads = threads.into_iter();
    let (mut told, mut everybody) = (Vec::new(), Seen::default());
    for group in &groups {
        let mut seen = Seen::default();
        for thread in threads.by_ref().take(group.connections) {
            seen.add(thread.join().unwrap());
        }
        told.push(format!("{:?}: {}", group.name, figures(&seen)));
        everybody.add(seen);
    }
    told.push(format!("\"all\": {}", figures(&everybody)));
    println!("{{{}}}", told.join(",\n"));
}

fn group(line: &str) -> Group {
    let fields: Vec<&str> = line.split('\t').collect();
    let (name, connections, rate, path) = (fields[0], fields[1], fields[2], fields[3]);
    let request = match fields[4..] {
        [authorization, body] => format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
        _ => format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    };
    Group {
        name: name.to_owned(),
        connections: connections.parse().unwrap(),
        rate: rate.parse().unwrap(),
        request: request.into_bytes(),
    }
}

struct Connection {
    port: u16,
    stream: Option<TcpStream>,
    group: Group,
    as_told: bool,
}

impl Connection {
    fn run(mut self, begin: Instant, end: Instant) -> Seen {
        let mut seen = Seen::default();
        let mut buffer = vec![0; 16 * 1024];
        let mut due = Instant::now();
        while Instant::now() < end {
            if self.group.rate > 0.0 {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                due = (due + Duration::from_secs_f64(1.0 / self.group.rate)).max(Instant::now() - Duration::from_millis(100));
            }
            let Ok(answer) = self.ask(begin, &mut buffer) else {
                seen.broken += 1;
                self.stream = None;
                thread::sleep(Duration::from_millis(10));
                continue;
            };
            seen.answers.push((answer.at, answer.took, answer.status));
            if matches!(answer.status, 429 | 503) {
                seen.untold += usize::from(answer.retry_after.is_none());
                if let Some(seconds) = answer.retry_after.filter(|_| self.as_told) {
                    thread::sleep(Duration::from_secs(seconds).min(end.saturating_duration_since(Instant::now())));
                }
            }
        }
        seen
    }

    fn ask(&mut self, begin: Instant, buffer: &mut Vec<u8>) -> io::Result<Answer> {
        if self.stream.is_none() {
            self.stream = Some(connect(self.port)?);
        }
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let asked = Instant::now();
        stream.write_all(&self.group.request)?;
        let (mut filled, mut whole) = (0, None);
        while whole.is_none_or(|whole| filled < whole) {
            if filled == buffer.len() {
                buffer.resize(filled * 2, 0);
            }
            let read = stream.read(&mut buffer[filled..])?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += read;
            if whole.is_none() {
                whole = end_of_head(&buffer[..filled]).map(|end| end + number(&buffer[..end], b"\r\ncontent-length: ").unwrap_or(0));
            }
        }
        let status = std::str::from_utf8(&buffer[9..12]).ok().and_then(|status| status.parse().ok()).unwrap_or(0);
        let head = &buffer[..end_of_head(&buffer[..filled]).unwrap_or(filled)];
        let retry_after = number(head, b"\r\nretry-after: ").map(|seconds| seconds as u64);
        Ok(Answer { at: begin.elapsed(), took: asked.elapsed(), status, retry_after })
    }
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// The number in a header field, whose name hyper writes in small letters.
fn number(head: &[u8], name: &[u8]) -> Option<usize> {
    let at = head.windows(name.len()).position(|part| part == name)? + name.len();
    let digits = head[at..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0')))
}

fn figures(seen: &Seen) -> String {
    let mut by_status: BTreeMap<u16, Vec<Duration>> = BTreeMap::new();
    let mut by_step: BTreeMap<u128, Vec<Duration>> = BTreeMap::new();
    for (at, took, status) in &seen.answers {
        by_status.entry(*status).or_default().push(*took);
        let step = by_step.entry(at.as_millis() / STEP.as_millis()).or_default();
        if *status == 200 {
            step.push(*took);
        }
    }
    let mut out = format!("{{\"broken\": {}, \"without_retry_after\": {}, \"statuses\": {{", seen.broken, seen.untold);
    let statuses = by_status.into_iter().map(|(status, mut took)| format!("\"{status}\": {}", summary(&mut took)));
    let _ = write!(out, "{}}}, \"steps\": [", statuses.collect::<Vec<_>>().join(", "));
    let last = by_step.keys().next_back().copied().unwrap_or(0);
    let steps = (0..=last).map(|step| summary(by_step.entry(step).or_default()));
    let _ = write!(out, "{}]}}", steps.collect::<Vec<_>>().join(", "));
    out
}

fn summary(took: &mut [Duration]) -> String {
    took.sort_unstable();
    let at = |share: f64| {
        let place = (took.len() as f64 * share) as usize;
        took.get(place.min(took.len().saturating_sub(1))).map_or(0.0, |took| took.as_secs_f64() * 1e3)
    };
    format!("{{\"count\": {}, \"p50_ms\": {:.2}, \"p99_ms\": {:.2}, \"max_ms\": {:.2}}}", took.len(), at(0.5), at(0.99), at(1.0))
}
