//! Offline verification of an export: on the file, the log's key and nothing else.
//!
//! Pure, line by line: memory does not grow with the number of entries. It
//! recomputes the tree's root, checks the checkpoint's signature, an older
//! checkpoint, each node's chain, each body's commitment and the order of
//! events, and goes on after a fault, since a later entry may tell that an
//! earlier one was changed. What the range does not show it lists and does not guess.
//! It never trusts what a file says of itself before the signed root agrees.

mod chains;
mod form;
mod order;

use std::io::{self, BufRead, Read as _};

use serde::Serialize;

use crate::audit::checkpoint::{BadCheckpoint, Checkpoint, Note, Vkey};
use crate::audit::event::EventType;
use crate::audit::export::{Entry, Header, completion};
use crate::audit::leaf::{Leaf, body_commitment};
use crate::audit::tree::{EMPTY_ROOT, Frontier, Range, TreeHead, leaf_hash};
use crate::digest::Digest;

use chains::Chains;
use order::Order;

/// A longer line is no line of an export; what is over counts as the next one.
const MAX_LINE: u64 = 4 * 1024 * 1024;

/// What the verification found, as `audit verify` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Nothing is wrong with what could be checked.
    pub ok: bool,
    /// The checkpoint's tree size; `None` when the file has no readable checkpoint.
    pub size: Option<u64>,
    /// The checkpoint's root hash, base64url.
    pub root_hash: Option<String>,
    /// How many entries were read.
    pub entries: u64,
    /// The least index that is known to be bad.
    pub first_bad_index: Option<u64>,
    /// What is wrong there, or with the whole.
    pub reason: Option<String>,
    /// Rules that need what the file does not hold, each with its extent.
    pub not_checked: Vec<String>,
}

/// Verifies an export against the log's key, and its consistency with an
/// `older` checkpoint (a signed note) that somebody kept. An error is one of reading.
pub fn verify(export: impl BufRead, vkey: &Vkey, older: Option<&str>) -> io::Result<Verdict> {
    let mut lines = Lines { input: export, line: Vec::new() };
    let header = lines.next_line()?.unwrap_or_default();
    let begun = match Header::parse(header) {
        Ok(header) => Verification::begin(header, vkey, older),
        Err(bad) => Err(refused(None, bad.to_string())),
    };
    let mut verification = match begun {
        Ok(verification) => verification,
        Err(verdict) => return Ok(verdict),
    };
    while let Some(line) = lines.next_line()? {
        match Entry::parse(line) {
            Ok(entry) => verification.add(&entry),
            Err(_) => verification.unreadable(),
        }
    }
    Ok(verification.finish())
}

struct Lines<R> {
    input: R,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// The next line without its line feed. What ends without one is given as an empty
    /// line, which is no line of an export: a file that was cut there is not whole.
    fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        let read = (&mut self.input).take(MAX_LINE).read_until(b'\n', &mut self.line)?;
        let line = self.line.strip_suffix(b"\n").unwrap_or_default();
        Ok((read > 0).then_some(line))
    }
}

/// What is wrong, kept as it is told: at most one fault with an index and one without.
#[derive(Default)]
struct Faults {
    first: Option<(u64, &'static str)>,
    whole: Option<String>,
}

impl Faults {
    /// The entry at `index` is bad. The least index stays.
    fn at(&mut self, index: u64, reason: &'static str) {
        if self.first.is_none_or(|(least, _)| index < least) {
            self.first = Some((index, reason));
        }
    }

    /// The file is bad, and nobody can say where. The first reason stays.
    fn whole(&mut self, reason: impl Into<String>) {
        self.whole.get_or_insert_with(|| reason.into());
    }
}

/// What the comparison with the older checkpoint gave.
enum Older {
    NotGiven,
    Pending(TreeHead),
    Agrees(u64),
    Differs(u64),
}

/// A verification under way: the entries of the header's range go in one by one.
/// For whoever has the entries at hand and no file of them; [`verify`] is this, line by line.
pub struct Verification {
    header: Header,
    head: TreeHead,
    frontier: Frontier,
    older: Older,
    chains: Chains,
    order: Order,
    faults: Faults,
    entries: u64,
    erased: u64,
    /// The event of the record before.
    before: Option<EventType>,
    /// The range begins with a `log.opened` that must follow a `log.closed`.
    opened_after_what: bool,
}

impl Verification {
    /// Begins with the header of an export, as [`verify`] does. The error is the verdict on
    /// a header that no entry can be checked against.
    pub fn begin(header: Header, vkey: &Vkey, older: Option<&str>) -> Result<Self, Verdict> {
        let note = Note::parse(&header.checkpoint).map_err(|bad| refused(None, bad.to_string()))?;
        let head = note.unverified().head();
        let mut faults = Faults::default();
        if let Err(bad) = note.verify(vkey) {
            faults.whole(bad.to_string());
        }
        if header.origin != note.unverified().origin.as_str() {
            faults.whole("the header and the checkpoint name different logs");
        }
        let nodes = completion(header.first, header.end, head.size)
            .filter(|(left, right)| left.len() == header.left.len() && right.len() == header.right.len());
        let Some((left, _)) = nodes else {
            return Err(refused(Some(head), "the header's range does not complete to the tree".to_owned()));
        };
        let older = older.map(|note| kept(note, vkey)).transpose().unwrap_or_else(|bad| {
            faults.whole(format!("the older checkpoint: {bad}"));
            None
        });
        let whole_log = header.first == 0;
        let mut walk = Self {
            header,
            head,
            frontier: Frontier::new(),
            older: older.map_or(Older::NotGiven, |older| Older::Pending(older.head())),
            chains: Chains::new(whole_log),
            order: Order::new(whole_log),
            faults,
            entries: 0,
            erased: 0,
            before: None,
            opened_after_what: false,
        };
        walk.start_from(&left);
        Ok(walk)
    }

    fn start_from(&mut self, left: &[Range]) {
        self.compare_with_older();
        for (range, hash) in left.iter().zip(self.header.left.clone()) {
            // What lies left of something is complete, so each fits by construction.
            let fits = range.subtrees().first().is_some_and(|subtree| {
                let level = subtree.level;
                self.frontier.push_subtree(level, hash)
            });
            if !fits {
                self.faults.whole("the header's range does not complete to the tree");
            }
            self.compare_with_older();
        }
    }

    /// The next place in the range, unless there is none left.
    fn next_index(&mut self) -> Option<u64> {
        let index = self.header.first + self.entries;
        if index >= self.header.end {
            self.faults.at(self.header.end, "more entries than the header tells");
            return None;
        }
        self.entries += 1;
        Some(index)
    }

    /// Something stands where the next entry should.
    fn unreadable(&mut self) {
        if let Some(index) = self.next_index() {
            self.faults.at(index, "not an entry of an export");
            self.frontier.push(EMPTY_ROOT);
        }
    }

    /// Checks the next entry.
    pub fn add(&mut self, entry: &Entry) {
        let Some(index) = self.next_index() else { return };
        if entry.index != index {
            self.faults.at(index, "the entry is missing or out of order");
        }
        let hash = leaf_hash(entry.leaf.as_bytes());
        self.frontier.push(hash);
        self.compare_with_older();
        match Leaf::parse(entry.leaf.as_bytes()) {
            Ok(leaf) => self.record(index, entry, &leaf, hash),
            Err(_) => self.faults.at(index, "the leaf is not in its canonical form"),
        }
    }

    fn record(&mut self, index: u64, entry: &Entry, leaf: &Leaf, hash: Digest) {
        self.opened_in_order(index, leaf.event);
        if !form::has_its_members(leaf) {
            self.faults.at(index, "the leaf's members are not those of its event");
        }
        match (leaf.bc, &entry.body, &entry.salt) {
            (None, None, None) => {}
            (Some(_), None, None) => self.erased += 1,
            (Some(bc), Some(body), Some(salt)) if body_commitment(salt, body.as_bytes()) == bc => {
                if !form::is_body(body) {
                    self.faults.at(index, "the body is not one line of JSON in printable ASCII");
                }
            }
            _ => self.faults.at(index, "the body is not the one that the leaf commits to"),
        }
        self.chains.record(index, leaf, hash, &mut self.faults);
        self.order.record(index, leaf, &mut self.faults);
    }

    /// The log begins with `log.opened`, and so does one that goes on after `log.closed`; nothing else does.
    fn opened_in_order(&mut self, index: u64, event: EventType) {
        let opens = event == EventType::LogOpened;
        match self.before.replace(event) {
            None if index == 0 && !opens => self.faults.at(index, "the record at index 0 is not log.opened"),
            None if index > 0 && opens => self.opened_after_what = true,
            Some(EventType::LogClosed) if !opens => {
                self.faults.at(index, "after log.closed comes log.opened and nothing else");
            }
            Some(before) if opens && before != EventType::LogClosed => {
                self.faults.at(index, "log.opened comes at index 0, or after log.closed");
            }
            _ => {}
        }
    }

    /// The older checkpoint can be recomputed when the walk passes its size.
    fn compare_with_older(&mut self) {
        if let Older::Pending(older) = self.older
            && older.size == self.frontier.size()
        {
            let agrees = older.root == self.frontier.root();
            self.older = if agrees { Older::Agrees(older.size) } else { Older::Differs(older.size) };
        }
    }

    /// The verdict on what was added; a range that is not whole is a fault.
    pub fn finish(mut self) -> Verdict {
        let missing = self.header.first + self.entries < self.header.end;
        if missing {
            self.faults.at(self.header.first + self.entries, "the export ends before its last entry");
        }
        self.chains.finish(&mut self.faults);
        let root = self.frontier.root_with(&self.header.right, self.head.size);
        if !missing && root != Some(self.head.root) {
            self.root_differs();
        }
        let mut not_checked = Vec::new();
        match self.older {
            Older::NotGiven | Older::Agrees(_) => {}
            Older::Differs(size) => {
                self.faults.whole(format!("the older checkpoint of size {size} is of another history"));
            }
            Older::Pending(older) if older.size > self.head.size => {
                self.faults.whole("the log is shorter than the older checkpoint");
            }
            Older::Pending(older) if older.size == self.head.size => {
                if older.root != self.head.root {
                    self.faults.whole("the older checkpoint has the same size and another root");
                }
            }
            Older::Pending(older) => not_checked.push(format!(
                "consistency with the older checkpoint of size {}, which lies outside the range",
                older.size
            )),
        }
        self.chains.tell(&mut not_checked);
        self.order.tell(&mut not_checked);
        if self.opened_after_what {
            not_checked
                .push("whether log.closed comes before the first record, which opens a log".to_owned());
        }
        if self.erased > 0 {
            not_checked.push(format!("erased bodies: {}", self.erased));
        }
        let (first_bad_index, reason) = match (self.faults.first, self.faults.whole) {
            (Some((index, reason)), _) => (Some(index), Some(reason.to_owned())),
            (None, whole) => (None, whole),
        };
        Verdict {
            ok: reason.is_none(),
            size: Some(self.head.size),
            root_hash: Some(self.head.root.to_string()),
            entries: self.entries,
            first_bad_index,
            reason,
            not_checked,
        }
    }

    /// The root is wrong. A changed leaf breaks the chain of the record after it, so when no
    /// chain is broken it is one that no other follows; with a single such leaf it is that one.
    fn root_differs(&mut self) {
        const REASON: &str = "the entries do not give the checkpoint's root";
        let sound = if let Older::Agrees(size) = self.older { size } else { 0 };
        let complete = self.header.left.is_empty() && self.header.right.is_empty();
        match self.chains.only_last_record(sound) {
            Some(index) if complete && self.faults.first.is_none() && self.faults.whole.is_none() => {
                self.faults.at(index, REASON);
            }
            _ => self.faults.whole(REASON),
        }
    }
}

fn kept(note: &str, vkey: &Vkey) -> Result<Checkpoint, BadCheckpoint> {
    Note::parse(note)?.verify(vkey).cloned()
}

fn refused(head: Option<TreeHead>, reason: String) -> Verdict {
    Verdict {
        ok: false,
        size: head.map(|head| head.size),
        root_hash: head.map(|head| head.root.to_string()),
        entries: 0,
        first_bad_index: None,
        reason: Some(reason),
        not_checked: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
