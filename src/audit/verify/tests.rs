use proptest::prelude::*;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::*;
use crate::audit::checkpoint::Origin;
use crate::audit::leaf::{CHAIN_START, Epoch, Place, Record, chain_next, encode};
use crate::audit::tree::{Subtree, Subtrees, hashes};
use crate::jose::Kid;
use crate::time::Timestamp;

mod forgeries;

const SALT: [u8; 32] = [9; 32];
const KEY: Kid = Kid(Digest([1; 32]));
const NEXT_KEY: Kid = Kid(Digest([2; 32]));

/// A whole log in memory, written as the recorder would.
#[derive(Clone)]
struct Log {
    leaves: Vec<Vec<u8>>,
    bodies: Vec<Option<String>>,
    /// Name, epoch, next sequence number and chain value of each node.
    nodes: Vec<(String, Epoch, u64, Digest)>,
    seconds: u64,
}

impl Subtrees for Log {
    fn hash(&self, subtree: Subtree) -> Option<Digest> {
        let width = 1_usize << subtree.level;
        let start = usize::try_from(subtree.index).unwrap() * width;
        let mut frontier = Frontier::new();
        for leaf in self.leaves.get(start..start + width)? {
            frontier.push(leaf_hash(leaf));
        }
        Some(frontier.root())
    }
}

impl Log {
    /// A log with `nodes` nodes and an active key: log.opened, key.activated, then node.started of the others.
    fn open(nodes: u8) -> Self {
        let node = |n: u8| (format!("node-{n}"), Epoch([n; 16]), 0, CHAIN_START);
        let nodes: Vec<_> = (0..nodes).map(node).collect();
        let mut log = Self { leaves: Vec::new(), bodies: Vec::new(), nodes, seconds: 1_795_000_000 };
        log.record(0, Record::new(EventType::LogOpened));
        log.key(EventType::KeyActivated, KEY);
        for node in 1..log.nodes.len() {
            log.record(node, Record::new(EventType::NodeStarted));
        }
        log
    }

    fn record(&mut self, node: usize, record: Record) {
        self.seconds += 1;
        let (name, epoch, sequence, chain) = &mut self.nodes[node];
        let ts = Timestamp::from_seconds(self.seconds);
        let place = Place { ts, node: name, epoch, sequence: *sequence, chain: *chain };
        let bc = record.body.as_deref().map(|body| body_commitment(&SALT, body));
        let leaf = encode(&record, &place, bc);
        *sequence += 1;
        *chain = chain_next(*chain, leaf_hash(&leaf));
        self.leaves.push(leaf);
        self.bodies.push(record.body.map(|body| String::from_utf8(body).unwrap()));
    }

    fn key(&mut self, event: EventType, kid: Kid) {
        self.record(0, Record { kid: Some(kid), ..Record::new(event) });
    }

    fn issue(&mut self, node: usize, kid: Kid, iat: u64) {
        let number = u8::try_from(self.leaves.len() % 256).unwrap();
        self.record(
            node,
            Record {
                kid: Some(kid),
                th: Some(Digest([number; 32])),
                lk: Some(Digest([3; 32])),
                iat: Some(iat),
                exp: Some(iat + 600),
                body: Some(format!("{{\"jti\":\"{number}\"}}").into_bytes()),
                ..Record::new(EventType::TokenIssued)
            },
        );
    }

    fn tokens(mut self, count: usize) -> Self {
        for number in 0..count {
            self.issue(number * 7 % self.nodes.len(), KEY, self.seconds);
        }
        self
    }

    fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    fn root(&self, size: u64) -> Digest {
        let mut frontier = Frontier::new();
        for leaf in &self.leaves[..usize::try_from(size).unwrap()] {
            frontier.push(leaf_hash(leaf));
        }
        frontier.root()
    }

    fn checkpoint(&self, size: u64) -> String {
        let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        Checkpoint { origin: vkey().origin().clone(), size, root: self.root(size) }
            .sign(vkey().public(), |text| key.sign(text).as_ref().try_into())
            .unwrap()
    }

    fn export(&self, first: u64, end: u64) -> Vec<String> {
        let (left, right) = completion(first, end, self.size()).unwrap();
        let (left, right) = (hashes(&left, self).unwrap(), hashes(&right, self).unwrap());
        let note = self.checkpoint(self.size());
        let range = Range { start: first, end };
        let mut lines = vec![Header::new("mint.example/log", range, note, left, right).line()];
        for index in first..end {
            let at = usize::try_from(index).unwrap();
            let leaf = String::from_utf8(self.leaves[at].clone()).unwrap();
            let body = self.bodies[at].clone();
            let salt = body.is_some().then_some(SALT);
            lines.push(Entry { index, leaf, body, salt }.line());
        }
        lines
    }

    fn whole(&self) -> Vec<String> {
        self.export(0, self.size())
    }
}

fn vkey() -> Vkey {
    let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    Vkey::new(Origin::parse("mint.example/log").unwrap(), key.public_key().as_ref().try_into().unwrap())
}

fn check(lines: &[String], older: Option<&str>) -> Verdict {
    verify(text(lines).as_bytes(), &vkey(), older).unwrap()
}

fn text(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

fn edit(line: &str, change: impl FnOnce(&mut Entry)) -> String {
    let mut entry = Entry::parse(line.as_bytes()).unwrap();
    change(&mut entry);
    entry.line()
}

/// Where the verdict says the fault is, for an export that is bad.
fn blamed(lines: &[String]) -> Option<u64> {
    let verdict = check(lines, None);
    assert!(!verdict.ok && verdict.reason.is_some(), "{verdict:?}");
    verdict.first_bad_index
}

#[test]
fn a_sound_log_is_found_sound() {
    let log = Log::open(3).tokens(20);
    let verdict = check(&log.whole(), None);
    assert_eq!(
        serde_json::to_string(&verdict).unwrap(),
        format!(
            concat!(
                r#"{{"ok":true,"size":24,"root_hash":"{}","entries":24,"#,
                r#""first_bad_index":null,"reason":null,"not_checked":[]}}"#
            ),
            log.root(24)
        )
    );
}

#[test]
fn a_range_names_what_it_cannot_show() {
    let log = Log::open(2).tokens(20);
    let verdict = check(&log.export(10, 15), Some(&log.checkpoint(9)));
    assert!(verdict.ok, "{verdict:?}");
    assert_eq!(
        verdict.not_checked,
        [
            "consistency with the older checkpoint of size 9, which lies outside the range",
            "node chains that begin before the range: 2",
            "tokens whose key was activated before the range: 5",
        ]
    );
}

#[test]
fn a_changed_body_is_named() {
    let log = Log::open(2).tokens(10);
    let mut lines = log.whole();
    lines[1 + 7] = edit(&lines[1 + 7], |entry| entry.body = Some("{}".to_owned()));
    assert_eq!(blamed(&lines), Some(7));
    // Erased with its salt it is in order, half of it is not.
    lines[1 + 7] = edit(&lines[1 + 7], |entry| (entry.body, entry.salt) = (None, None));
    assert_eq!(check(&lines, None).not_checked, ["erased bodies: 1"]);
    assert!(check(&lines, None).ok);
    lines[1 + 7] = edit(&lines[1 + 7], |entry| entry.salt = Some(SALT));
    assert_eq!(blamed(&lines), Some(7));
}

#[test]
fn a_changed_leaf_is_named_by_the_record_that_follows_it() {
    let log = Log::open(1).tokens(10);
    for index in 1..12 {
        let mut lines = log.whole();
        // A clock that says something else, in an otherwise canonical leaf.
        lines[1 + index] = edit(&lines[1 + index], |entry| {
            entry.leaf = entry.leaf.replace(".000000Z", ".000001Z");
        });
        assert_eq!(blamed(&lines), Some(index as u64));
    }
}

#[test]
fn a_changed_chain_value_is_blamed_on_the_leaf_that_bears_it() {
    let log = Log::open(1).tokens(10);
    let mut lines = log.whole();
    lines[1 + 5] = edit(&lines[1 + 5], |entry| {
        let mut leaf = Leaf::parse(entry.leaf.as_bytes()).unwrap();
        leaf.chain.0[3] ^= 1;
        entry.leaf = String::from_utf8(leaf.encode()).unwrap();
    });
    assert_eq!(blamed(&lines), Some(5));
}

#[test]
fn lines_that_are_lost_doubled_or_added_are_named() {
    let log = Log::open(2).tokens(10);
    let mut lost = log.whole();
    lost.remove(1 + 4);
    assert_eq!(blamed(&lost), Some(4));
    let mut doubled = log.whole();
    doubled.insert(1 + 4, doubled[1 + 4].clone());
    assert_eq!(blamed(&doubled), Some(5));
    let mut cut = log.whole();
    cut.truncate(1 + 6);
    assert_eq!(blamed(&cut), Some(6));
    let mut torn = log.whole();
    torn[1 + 3].truncate(50);
    assert_eq!(blamed(&torn), Some(3));
}

#[test]
fn a_record_withheld_by_a_node_is_a_gap_until_it_is_confirmed() {
    let mut log = Log::open(2).tokens(6);
    log.nodes[1].2 += 1;
    log.issue(1, KEY, log.seconds);
    assert_eq!(blamed(&log.whole()), Some(9));

    let mut log = Log::open(2).tokens(6);
    log.nodes[1].2 += 1;
    log.record(0, Record::new(EventType::AuditGap));
    log.issue(1, KEY, log.seconds);
    let verdict = check(&log.whole(), None);
    assert!(verdict.ok, "{verdict:?}");
    assert_eq!(verdict.not_checked, ["confirmed gaps in node chains: 1"]);

    let mut log = Log::open(2).tokens(6);
    log.nodes[1].2 -= 1;
    log.issue(1, KEY, log.seconds);
    assert_eq!(blamed(&log.whole()), Some(9));
}

#[test]
fn tokens_need_a_key_that_signs() {
    let verdict = |with: &dyn Fn(&mut Log)| {
        let mut log = Log::open(1);
        with(&mut log);
        log.record(0, Record::new(EventType::NodeAlive));
        check(&log.whole(), None)
    };
    let never = verdict(&|log| log.issue(0, NEXT_KEY, log.seconds));
    assert_eq!(
        (never.first_bad_index, never.reason.as_deref()),
        (Some(2), Some("the token's key was never active"))
    );

    let early = verdict(&|log| {
        log.key(EventType::KeyPublished, NEXT_KEY);
        log.issue(0, NEXT_KEY, log.seconds);
    });
    assert_eq!(early.first_bad_index, Some(3));

    let in_flight = |late: u64| {
        verdict(&|log| {
            log.key(EventType::KeyPassive, KEY);
            log.issue(0, KEY, log.seconds + late);
        })
    };
    assert!(in_flight(60).ok);
    assert_eq!(in_flight(61).first_bad_index, Some(3));

    let revoked = verdict(&|log| {
        log.key(EventType::KeyRevoked, KEY);
        log.issue(0, KEY, log.seconds);
    });
    assert!(revoked.ok);
    assert_eq!(
        revoked.not_checked,
        ["tokens recorded after key.revoked, unsigned intents: 1, the first at index 3"]
    );

    let back = verdict(&|log| {
        log.key(EventType::KeyRevoked, KEY);
        log.key(EventType::KeyActivated, KEY);
    });
    assert_eq!(back.first_bad_index, Some(3));
}

#[test]
fn a_log_opens_once_and_an_epoch_is_one_node_s() {
    let mut log = Log::open(1).tokens(3);
    log.record(0, Record::new(EventType::LogOpened));
    assert_eq!(blamed(&log.whole()), Some(5));
    let mut log = Log::open(1).tokens(3);
    log.nodes[0].0 = "impostor".to_owned();
    log.record(0, Record::new(EventType::NodeAlive));
    assert_eq!(blamed(&log.whole()), Some(5));
    let mut log = Log::open(2);
    log.nodes.push(("node-3".to_owned(), Epoch([3; 16]), 0, Digest([1; 32])));
    log.record(2, Record::new(EventType::NodeStarted));
    assert_eq!(blamed(&log.whole()), Some(3));
}

#[test]
fn an_older_checkpoint_holds_or_shows_another_history() {
    let log = Log::open(2).tokens(20);
    for size in 0..=log.size() {
        let verdict = check(&log.whole(), Some(&log.checkpoint(size)));
        assert!(verdict.ok && verdict.not_checked.is_empty(), "{verdict:?}");
    }
    let fork = Log::open(3).tokens(19);
    let forked = check(&log.whole(), Some(&fork.checkpoint(15)));
    assert_eq!(forked.reason.as_deref(), Some("the older checkpoint of size 15 is of another history"));
    assert_eq!(forked.first_bad_index, None);

    let longer = log.clone().tokens(1);
    let cut = check(&log.whole(), Some(&longer.checkpoint(longer.size())));
    assert_eq!(cut.reason.as_deref(), Some("the log is shorter than the older checkpoint"));

    let sibling = check(&log.export(0, 5), Some(&fork.checkpoint(log.size())));
    assert_eq!(sibling.reason.as_deref(), Some("the older checkpoint has the same size and another root"));
    assert!(!check(&log.whole(), Some("no note")).ok);
}

#[test]
fn the_checkpoint_must_be_the_log_s() {
    let log = Log::open(1).tokens(3);
    let other = Vkey::new(vkey().origin().clone(), [3; 32]);
    let text = text(&log.whole());
    let verdict = verify(text.as_bytes(), &other, None).unwrap();
    assert_eq!(verdict.reason.as_deref(), Some("the checkpoint bears no signature by the key"));
    let mut lines = log.whole();
    lines[0] = lines[0].replace("\"origin\":\"mint.", "\"origin\":\"mind.");
    assert_eq!(blamed(&lines), None);
    let mut lines = log.whole();
    lines[0] = lines[0].replace("\"end\":5", "\"end\":6");
    assert_eq!(blamed(&lines), None);
    assert_eq!(blamed(&[]), None);
}

#[test]
fn a_changed_last_leaf_is_named_when_there_is_but_one() {
    let log = Log::open(1).tokens(5);
    let mut lines = log.whole();
    let last = lines.len() - 1;
    lines[last] = edit(&lines[last], |entry| entry.leaf = entry.leaf.replace(".000000Z", ".000001Z"));
    assert_eq!(blamed(&lines), Some(last as u64 - 1));
    let log = Log::open(2).tokens(6);
    let mut lines = log.whole();
    let last = lines.len() - 1;
    lines[last] = edit(&lines[last], |entry| entry.leaf = entry.leaf.replace(".000000Z", ".000001Z"));
    assert_eq!(blamed(&lines), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_range_proves_itself(nodes in 1_u8..4, tokens in 0_usize..120, a: u64, b: u64) {
        let log = Log::open(nodes).tokens(tokens);
        let first = a % log.size();
        let end = first + 1 + b % (log.size() - first);
        let older = first + b % (end - first + 1);
        let verdict = check(&log.export(first, end), Some(&log.checkpoint(older)));
        prop_assert!(verdict.ok, "{:?}", verdict);
        prop_assert_eq!(verdict.entries, end - first);
        prop_assert!(!verdict.not_checked.iter().any(|rule| rule.starts_with("consistency")));
    }

    #[test]
    fn one_changed_character_anywhere_is_noticed(
        nodes in 1_u8..4, tokens in 1_usize..30, a: u64, at in any::<prop::sample::Index>(), to in b'0'..=b'z',
    ) {
        let log = Log::open(nodes).tokens(tokens);
        let good = text(&log.export(a % log.size(), log.size())).into_bytes();
        let mut bad = good.clone();
        let at = at.index(bad.len());
        bad[at] = to;
        let verdict = verify(bad.as_slice(), &vkey(), None).unwrap();
        prop_assert_eq!(verdict.ok, good == bad, "{:?}", String::from_utf8_lossy(&bad));
    }

    #[test]
    fn no_input_makes_it_panic(first: u64, end: u64, left in 0_usize..3, rest in ".{0,80}") {
        let log = Log::open(1);
        let range = Range { start: first, end };
        let note = log.checkpoint(2);
        let header = Header::new("mint.example/log", range, note, vec![EMPTY_ROOT; left], vec![]).line();
        prop_assert!(!check(&[header, rest], None).ok);
    }
}
