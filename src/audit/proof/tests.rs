use proptest::prelude::*;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::*;
use crate::audit::checkpoint::Origin;
use crate::audit::event::EventType;
use crate::audit::leaf::{CHAIN_START, Epoch, Place, Record, encode};
use crate::audit::tree::{EMPTY_ROOT, TreeHead, node_hash};
use crate::time::Timestamp;

const JWT: &str = "eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOiIxIn0.c2ln";

fn log() -> (Ed25519KeyPair, Vkey) {
    let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let public = key.public_key().as_ref().try_into().unwrap();
    (key, Vkey::new(Origin::parse("mint.example/log").unwrap(), public))
}

fn note(head: TreeHead) -> String {
    let (key, vkey) = log();
    let checkpoint = Checkpoint { origin: vkey.origin().clone(), size: head.size, root: head.root };
    checkpoint.sign(vkey.public(), |text| key.sign(text).as_ref().try_into()).unwrap()
}

fn place(epoch: &Epoch) -> Place<'_> {
    Place { ts: Timestamp::from_seconds(1), node: "n", epoch, sequence: 2, chain: CHAIN_START }
}

/// The token's leaf at index 2 of 3, beside two others.
fn receipt(leaf: Vec<u8>) -> Receipt {
    let before = Digest([1; 32]);
    let root = node_hash(before, leaf_hash(&leaf));
    Receipt { leaf, index: 2, path: vec![before], checkpoint: note(TreeHead { size: 3, root }) }
}

fn issued() -> Vec<u8> {
    of_the_token(EventType::TokenIssued)
}

/// A leaf of this event that names the token.
fn of_the_token(event: EventType) -> Vec<u8> {
    let th = Some(token_hash(b"eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOiIxIn0"));
    encode(&Record { th, ..Record::new(event) }, &place(&Epoch([0; 16])), None)
}

#[test]
fn a_receipt_proves_its_token_and_no_other() {
    let text = receipt(issued()).to_string();
    assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra eyJ2Ijox"), "{text}");
    assert!(text.contains("\nindex 2\nAQEB"), "{text}");
    let read = Receipt::parse(&text).unwrap();
    assert_eq!(read.to_string(), text);
    let vkey = log().1;
    assert_eq!(read.verify_token(&vkey, JWT).unwrap().checkpoint.size, 3);
    // Another spelling of the signature is the same token.
    assert!(read.verify_token(&vkey, &JWT.replace("c2ln", "b3RoZXI")).is_ok());
    for other in ["", "a.b", "a.b.c", ".e.s", "a.b.c.d", &JWT.replace("IxIn0", "IyIn0")] {
        assert_eq!(read.verify_token(&vkey, other), Err(BadReceipt::OtherToken), "{other}");
    }
}

#[test]
fn only_the_record_of_its_issuance_is_a_token_s_receipt() {
    let vkey = log().1;
    let other = receipt(encode(&Record::new(EventType::NodeAlive), &place(&Epoch([0; 16])), None));
    assert!(other.verify(&vkey).is_ok());
    assert_eq!(other.verify_token(&vkey, "no token"), Err(BadReceipt::NotIssued));
    // An alarm about a forged token names it, and proves the contrary.
    let alarm = receipt(of_the_token(EventType::TokenUnrecorded));
    assert!(alarm.verify(&vkey).is_ok());
    assert_eq!(alarm.verify_token(&vkey, JWT), Err(BadReceipt::NotIssued));
}

#[test]
fn every_part_counts() {
    let (good, vkey) = (receipt(issued()), log().1);
    let wrong = |change: &dyn Fn(&mut Receipt)| {
        let mut receipt = good.clone();
        change(&mut receipt);
        receipt.verify(&vkey).unwrap_err()
    };
    assert_eq!(wrong(&|r| r.index = 1), BadReceipt::NotIncluded);
    assert_eq!(wrong(&|r| r.index = 3), BadReceipt::NotIncluded);
    assert_eq!(wrong(&|r| r.path[0].0[0] ^= 1), BadReceipt::NotIncluded);
    assert_eq!(wrong(&|r| r.path.push(EMPTY_ROOT)), BadReceipt::NotIncluded);
    assert_eq!(wrong(&|r| r.leaf[20] ^= 1), BadReceipt::NotIncluded);
    assert_eq!(
        wrong(&|r| r.checkpoint = r.checkpoint.replace("\n3\n", "\n4\n")),
        BadReceipt::Checkpoint(BadCheckpoint::Signature)
    );
    let other = Vkey::new(vkey.origin().clone(), [3; 32]);
    assert_eq!(good.verify(&other), Err(BadReceipt::Checkpoint(BadCheckpoint::Unsigned)));
    assert_eq!(receipt(b"not a leaf".to_vec()).verify(&vkey), Err(BadReceipt::Leaf));
}

#[test]
fn other_texts_are_refused() {
    let text = receipt(issued()).to_string();
    for bad in [
        text.replace("proof@v1", "proof@v2"),
        text.replace("extra ", "extra  "),
        text.replace("index 2", "index 02"),
        text.replace("index 2", "index -2"),
        text.replace("index 2\n", ""),
        text.replace(
            "index 2\n",
            &format!("index 2\n{}", format!("{}\n", STANDARD.encode([0; 32])).repeat(64)),
        ),
        text.replace("AQEB", "AQE"),
        text.replace("\n\n", "\n"),
        text.replace('\n', "\r\n"),
        format!("{text}\n"),
        format!("\n{text}"),
        String::new(),
    ] {
        assert_eq!(Receipt::parse(&bad), Err(BadReceipt::Malformed), "{bad}");
    }
}

proptest! {
    #[test]
    fn no_input_makes_the_parser_panic(text: String, rest in "[a-z0-9 =\n]{0,80}") {
        let _ = Receipt::parse(&text);
        let _ = Receipt::parse(&format!("{FIRST_LINE}\nextra AAAA\nindex 1\n{rest}"));
    }
}
