//! What the log can be searched by, kept beside the tree and in its shape.
//!
//! Pure. A page of level 0 says of 256 entries which of them hold a term, such
//! as one client or one key; a page of a level above says it of 256 pages. A
//! page is made once, when its last entry comes, and written with that entry:
//! one more row at the end of a table for 256 tokens, wherever their clients
//! lie in the alphabet. Pages of leaves stay for ever, as leaves do; pages of
//! bodies go with the bodies.
//!
//! A page may say too much, since terms are four bytes of a hash, and never
//! too little. Who searches looks at the entries themselves.

pub mod edge;
pub mod page;
pub mod term;

/// Which entries' facts a page tells, and where it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Facts {
    /// Of the leaves: event, key, times. Kept for ever.
    Leaves,
    /// Of the bodies: clients and scopes. Kept with the bodies of this month, `YYYYMM`.
    Bodies(u32),
}

/// A page as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPage {
    /// What it tells.
    pub facts: Facts,
    /// 0 over entries, 1 over pages of level 0, and so on.
    pub level: u8,
    /// Position among the pages of this level, from 0.
    pub index: u64,
    /// See [`page::Page::encode`].
    pub bytes: Vec<u8>,
}
