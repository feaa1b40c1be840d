//! The log judged by programs that nobody here wrote: they agree with ours on every size, and refuse what was tampered with.
//!
//! `signed_note` and `tlog_tiles` are ports of Go's `sumdb`, `ct-merkle` is a tree of its own making.
//! RFC 9162 section 2.1; C2SP signed-note, tlog-checkpoint, tlog-tiles.

mod agreement;
mod judges;
mod notes;
mod tampering;
mod written;
