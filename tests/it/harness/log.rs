//! The log as a test reads it: by the store, without leaving a trace of the reading.

use mintmark::audit::event::EventType;
use mintmark::audit::leaf::Leaf;
use serde_json::Value;

use super::TestMint;

/// One record.
#[derive(Clone, Debug)]
pub struct Logged {
    /// The public part.
    pub leaf: Leaf,
    /// The other part; null where there is none.
    pub body: Value,
}

impl TestMint {
    /// The whole log, oldest first.
    pub async fn log(&self) -> Vec<Logged> {
        super::settle(self.app()).await;
        let entries = self.app().store.entries(0..u64::MAX >> 1).await.unwrap();
        let logged = entries.into_iter().map(|entry| Logged {
            leaf: Leaf::parse(&entry.leaf).unwrap(),
            body: entry.body.map_or(Value::Null, |(_, body)| serde_json::from_slice(&body).unwrap()),
        });
        logged.collect()
    }

    /// The records of one event, oldest first.
    pub async fn logged(&self, event: EventType) -> Vec<Logged> {
        let mut all = self.log().await;
        all.retain(|entry| entry.leaf.event == event);
        all
    }

    /// How many tokens were recorded.
    pub async fn issued(&self) -> usize {
        self.logged(EventType::TokenIssued).await.len()
    }

    /// Every byte of the store's files, one after the other.
    pub fn store_bytes(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.data_dir()).unwrap().map(|file| file.unwrap().path());
        let mut bytes = Vec::new();
        for file in files.filter(|path| path.is_file()) {
            bytes.extend(std::fs::read(file).unwrap());
        }
        bytes
    }
}

/// Whether `bytes` hold `needle` anywhere.
pub fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}
