//! Erasing what the log says of a client or subject. The leaves stay, and with them every proof.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Actor, Admin, Answer, Refusal};
use crate::audit::about::About;
use crate::audit::directory::term::Term;
use crate::audit::event::EventType;
use crate::audit::leaf::{Leaf, Record};
use crate::audit::walk::{Walk, Wanted};
use crate::audit::{body, catalogue};
use crate::policy::ClientId;
use crate::store::{Change, StoredEntry};

/// Bodies of one transaction.
const SLICE: usize = 500;
/// Bodies of one act; whoever asked asks again for the rest.
const MOST: u64 = 10_000;

/// Whose bodies are erased. In this issuer a token's subject is its client, so both find the same records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Of the client with this id.
    Client(String),
    /// Of this subject.
    Subject(String),
}

/// What an erasure did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Bodies that were erased just now.
    pub erased: u64,
    /// There are more: ask again.
    pub more: bool,
    /// A client of this name is registered, so the policy still names it.
    pub registered: bool,
}

/// The body of an `audit.erased` record; members in this order. It never names whom it was about.
#[derive(Serialize)]
struct ErasedBody<'a> {
    actor: &'a str,
    via: &'static str,
    request_id: &'a str,
    object: &'static str,
    count: usize,
    entries: String,
}

impl Admin {
    /// Erases what is remembered of answers that name `whose`, and the bodies and salts of all entries that do, some thousand at a time, each slice in one
    /// transaction with its record. With the last of them the database's files no longer hold the bodies.
    /// A crash in between leaves the rest, and the same act again goes on.
    pub async fn erase(&self, actor: &Actor, whose: &Whose) -> Result<Erased, Refusal> {
        let (Whose::Client(name) | Whose::Subject(name)) = whose;
        let _erasing = self.erasing.lock().await;
        let registered = self.policy().clients.values().any(|client| client.client.id.as_str() == name);
        self.erase_answers(name).await?;
        let store = &*self.parts.store;
        let wanted = Wanted { body: vec![Term::name(name)], ..Wanted::default() };
        let mut walk = Walk::from_the_newest(store, wanted).await?;
        let mut erased = 0;
        while let Some(candidates) = walk.next().await? {
            for some in candidates.chunks(SLICE) {
                let named = store.entries_at(some).await?.into_iter().filter(|entry| names(entry, name));
                let indices: BTreeSet<u64> = named.map(|entry| entry.index).collect();
                erased += indices.len() as u64;
                self.erase_slice(actor, whose, indices).await?;
                if erased >= MOST {
                    return self.erased(actor, Erased { erased, more: true, registered }).await;
                }
            }
        }
        store.flush().await?;
        self.erased(actor, Erased { erased, more: false, registered }).await
    }

    /// The only act of several transactions: asked again before its end, it goes on, and what is erased stays so.
    async fn erased(&self, actor: &Actor, erased: Erased) -> Result<Erased, Refusal> {
        self.remember_alone(actor, &Answer::done(&erased), BTreeSet::new()).await?;
        Ok(erased)
    }

    /// Answers need no record: they go within a day anyway.
    async fn erase_answers(&self, name: &str) -> Result<(), Refusal> {
        // What no client can be called is in none.
        if let Ok(client) = ClientId::parse(name) {
            self.parts.recorder.act(Vec::new(), vec![Change::EraseAnswers(client)]).await?;
        }
        Ok(())
    }

    async fn erase_slice(&self, actor: &Actor, whose: &Whose, indices: BTreeSet<u64>) -> Result<(), Refusal> {
        if indices.is_empty() {
            return Ok(());
        }
        let Actor { name, via, request_id, .. } = actor;
        let object = match whose {
            Whose::Client(_) => "client",
            Whose::Subject(_) => "subject",
        };
        let (count, entries) = (indices.len(), spans(&indices));
        let told = ErasedBody { actor: name, via, request_id, object, count, entries };
        let record = Record::of(EventType::AuditErased, body::line(&told));
        let (store, mut records) = (&*self.parts.store, vec![record]);
        let entries: Vec<u64> = indices.iter().copied().collect();
        loop {
            let length = store.directory_length().await?;
            let pages = catalogue::without(store, &indices).await?;
            let change = Change::Erase { entries: entries.clone(), pages };
            self.parts.recorder.act(std::mem::take(&mut records), vec![change]).await?;
            // A page that became full meanwhile was written with the name: it is mended as well.
            if store.directory_length().await? == length {
                return Ok(());
            }
        }
    }
}

fn names(entry: &StoredEntry, name: &str) -> bool {
    let Some((_, body)) = &entry.body else { return false };
    let Ok(leaf) = Leaf::parse(&entry.leaf) else { return false };
    About::read(leaf.event, body).names().any(|named| named == name)
}

/// Ascending numbers as a person would write them: `3,5-9,12`.
fn spans(indices: &BTreeSet<u64>) -> String {
    let mut spans: Vec<(u64, u64)> = Vec::new();
    for &index in indices {
        match spans.last_mut() {
            Some((_, end)) if *end + 1 == index => *end = index,
            _ => spans.push((index, index)),
        }
    }
    let text = |(first, end)| if first == end { format!("{first}") } else { format!("{first}-{end}") };
    spans.into_iter().map(text).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_entries_are_told_as_spans() {
        let spans = |numbers: &[u64]| spans(&numbers.iter().copied().collect());
        assert_eq!(spans(&[]), "");
        assert_eq!(spans(&[7]), "7");
        assert_eq!(spans(&[3, 5, 6, 7, 9, 12, 13]), "3,5-7,9,12-13");
    }
}
