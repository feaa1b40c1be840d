//! Where HTTP/1 requests begin and end, and what leaves that open to doubt.
//!
//! Pure: bytes in pieces of any size, as they come; the state between them has
//! a fixed size. Refused are
//!
//! - in a head: a line that does not end with CR LF, a control character, a
//!   line that continues the one before, two lengths, two transfer codings, one
//!   of each, a length that is anything but digits behind at most one space, a
//!   coding that is not `chunked`, and in HTTP/1.1 none or two of `Host`;
//! - in a chunked body: a size that is not 1 to 8 hexadecimal digits alone, so
//!   also extensions, and trailers.
//!
//! What is no request at all passes: hyper refuses that.
//! RFC 9112 sections 2.2, 3.2, 5.2, 6.1, 6.3, 7.1.

use super::line::Line;

/// A request is read so far.
#[derive(Debug)]
pub(super) struct Message {
    place: Place,
    line: Line,
    head: Head,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The request line, or an empty one before it.
    RequestLine,
    /// A header line, or the empty one behind the last.
    Header,
    /// So many bytes of a body or a chunk, and where it goes on behind them.
    Bytes(u64, After),
    /// The line with the size of a chunk.
    ChunkSize,
    /// The end of a chunk's bytes.
    ChunkEnd,
    /// The end of a chunked body.
    LastLine,
}

/// What follows bytes that may be any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Request,
    ChunkEnd,
}

/// What the head said so far about its own message.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    length: Option<u64>,
    chunked: bool,
    hosts: u8,
    needs_host: bool,
}

/// A rule is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Breach;

impl Message {
    pub(super) fn new() -> Self {
        Self { place: Place::RequestLine, line: Line::new(), head: Head::default() }
    }

    /// Where in `bytes`, which follow those of the calls before, the first one
    /// stands that breaks a rule. After that this is of no more use.
    pub(super) fn breach(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = bytes.len() - rest.len();
            match self.step(rest) {
                Ok(taken) => rest = rest.get(taken..).unwrap_or_default(),
                Err(behind) => return Some(at + behind),
            }
        }
        None
    }

    /// Takes at least one of the bytes: how many, or which one breaks a rule.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, usize> {
        if let Place::Bytes(left, after) = self.place {
            let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            self.place = match left.saturating_sub(taken as u64) {
                0 => after.place(),
                left => Place::Bytes(left, after),
            };
            return Ok(taken);
        }
        let (taken, ended) = self.line.take(bytes)?;
        if ended {
            self.place = self.end_of_line().map_err(|Breach| taken.saturating_sub(1))?;
            self.line = Line::new();
        }
        Ok(taken)
    }

    /// Where it goes on behind the line that ended.
    fn end_of_line(&mut self) -> Result<Place, Breach> {
        match self.place {
            Place::RequestLine | Place::LastLine if self.line.is_empty() => Ok(Place::RequestLine),
            Place::RequestLine => {
                self.head = Head { needs_host: self.line.ends_with(*b"HTTP/1.1"), ..Head::default() };
                Ok(Place::Header)
            }
            Place::Header if self.line.is_empty() => self.head.body(),
            Place::Header => self.head.header(&self.line).map(|()| Place::Header),
            Place::ChunkSize => match self.line.hexadecimal().ok_or(Breach)? {
                0 => Ok(Place::LastLine),
                size => Ok(Place::Bytes(size, After::ChunkEnd)),
            },
            Place::ChunkEnd if self.line.is_empty() => Ok(Place::ChunkSize),
            Place::ChunkEnd | Place::LastLine | Place::Bytes(..) => Err(Breach),
        }
    }
}

impl After {
    fn place(self) -> Place {
        match self {
            Self::Request => Place::RequestLine,
            Self::ChunkEnd => Place::ChunkEnd,
        }
    }
}

impl Head {
    /// Notes a header line that tells where the message ends, or whom it is for.
    fn header(&mut self, line: &Line) -> Result<(), Breach> {
        if line.is_continuation() {
            return Err(Breach);
        }
        let Some((name, value)) = line.field() else { return Ok(()) };
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = line.is_whole().then(|| decimal(value)).flatten().ok_or(Breach)?;
            if self.chunked || self.length.replace(length).is_some() {
                return Err(Breach);
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let coding = value.trim_ascii();
            let only = !self.chunked && self.length.is_none();
            if !only || !line.is_whole() || !coding.eq_ignore_ascii_case(b"chunked") {
                return Err(Breach);
            }
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"host") {
            self.hosts = self.hosts.saturating_add(1);
            if self.hosts > 1 {
                return Err(Breach);
            }
        }
        Ok(())
    }

    /// What follows the head.
    fn body(&self) -> Result<Place, Breach> {
        if self.needs_host && self.hosts == 0 {
            return Err(Breach);
        }
        Ok(match self.length {
            _ if self.chunked => Place::ChunkSize,
            Some(length) if length > 0 => Place::Bytes(length, After::Request),
            _ => Place::RequestLine,
        })
    }
}

/// A length: digits alone, behind one space or none.
fn decimal(value: &[u8]) -> Option<u64> {
    let digits = value.strip_prefix(b" ").unwrap_or(value);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}
