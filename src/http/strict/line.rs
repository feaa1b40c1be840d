//! One line of a head or of a chunked body, in pieces: its beginning, its end, its length.
//!
//! Pure, and of a fixed size: of a long line the middle is not kept.

/// Enough for each field whose value is looked at, and for a chunk's size.
const START: usize = 48;
/// Enough for a version.
const END: usize = 8;
/// Digits of a chunk's size: 4 GiB are beyond every cap.
const SIZE_DIGITS: usize = 8;

/// The line under way.
#[derive(Debug)]
pub(super) struct Line {
    start: [u8; START],
    end: [u8; END],
    length: usize,
    /// Its last byte was a CR, which is not counted.
    returned: bool,
}

impl Line {
    pub(super) fn new() -> Self {
        Self { start: [0; START], end: [0; END], length: 0, returned: false }
    }

    /// Takes bytes up to the line's end, or all: how many, and whether the line ended. The error is which byte is a
    /// control character, a CR without a LF, or a LF without a CR.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(usize, bool), usize> {
        let mut at = 0;
        for byte in bytes {
            match (byte, self.returned) {
                (b'\n', true) => return Ok((at + 1, true)),
                (b'\r', false) => self.returned = true,
                (b'\t', false) => self.keep(b'\t'),
                (_, true) => return Err(at),
                (byte, false) if byte.is_ascii_control() => return Err(at),
                (byte, false) => self.keep(*byte),
            }
            at += 1;
        }
        Ok((at, false))
    }

    fn keep(&mut self, byte: u8) {
        if let Some(place) = self.start.get_mut(self.length) {
            *place = byte;
        }
        if let Some(place) = self.end.get_mut(self.length % END) {
            *place = byte;
        }
        self.length = self.length.saturating_add(1);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether [`field`](Self::field) has all of the value.
    pub(super) fn is_whole(&self) -> bool {
        self.length <= START
    }

    /// Whether it goes on with the line before. RFC 9112 section 5.2.
    pub(super) fn is_continuation(&self) -> bool {
        matches!(self.kept(), [b' ' | b'\t', ..])
    }

    /// The name and the beginning of the value; `None` when no name ends in what is kept.
    pub(super) fn field(&self) -> Option<(&[u8], &[u8])> {
        let kept = self.kept();
        let colon = kept.iter().position(|byte| *byte == b':')?;
        Some((kept.get(..colon)?, kept.get(colon + 1..)?))
    }

    /// The number that the line is in hexadecimal digits, and nothing else.
    pub(super) fn hexadecimal(&self) -> Option<u64> {
        let digits = self.kept();
        if self.length > SIZE_DIGITS || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    }

    /// Whether its last bytes are these.
    pub(super) fn ends_with(&self, end: [u8; END]) -> bool {
        self.length >= END && (0..END).all(|nth| self.end.get((self.length + nth) % END) == end.get(nth))
    }

    fn kept(&self) -> &[u8] {
        self.start.get(..self.length).unwrap_or(&self.start)
    }
}
