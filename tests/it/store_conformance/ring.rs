//! The key ring: compare-and-swap, and where private halves end.

use mintmark::jose::{Algorithm, KeyPair, Kid};
use mintmark::keys::{KeyFacts, KeyRing, KeyState};
use mintmark::store::Change;

use super::{DRIVERS, Written};
use crate::harness::{START, SeededEntropy, contains};

pub(super) fn key(entropy: &SeededEntropy, state: KeyState) -> KeyFacts {
    let (pair, _) = KeyPair::generate(Algorithm::EdDsa, entropy).unwrap();
    in_state(&KeyFacts::staged(pair.public(), START), state)
}

fn in_state(key: &KeyFacts, state: KeyState) -> KeyFacts {
    let mut key = key.clone();
    key.state = state;
    for (reached, time) in [
        (KeyState::Published, &mut key.published_at),
        (KeyState::Active, &mut key.activated_at),
        (KeyState::Passive, &mut key.passive_at),
        (KeyState::Removed, &mut key.removed_at),
    ] {
        *time = (state >= reached).then_some(START);
    }
    key
}

pub(super) fn swap(expected: u64, keys: &[KeyFacts], fresh: Vec<(Kid, Vec<u8>)>) -> Change {
    let ring = KeyRing { version: expected + 1, keys: keys.to_vec() };
    Change::SwapRing { expected, ring, fresh, resealed: Vec::new() }
}

#[tokio::test]
async fn the_key_ring_is_swapped_only_from_the_version_that_was_seen() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        let entropy = SeededEntropy::new(b"ring");
        let (one, two) = (key(&entropy, KeyState::Active), key(&entropy, KeyState::Published));
        let sealed = vec![(one.kid, vec![1; 48]), (two.kid, vec![2; 48])];
        written.change(vec![swap(0, &[one.clone(), two.clone()], sealed)]).await.unwrap();
        for stale in [0, 2, 9] {
            written.assert_conflict(swap(stale, std::slice::from_ref(&one), Vec::new())).await;
        }
        written.reopen().await;
        let stored = written.store.key_ring().await.unwrap();
        assert_eq!(stored.ring, KeyRing { version: 1, keys: vec![one.clone(), two.clone()] }, "{driver}");
        assert_eq!(
            (stored.sealed[&one.kid].clone(), stored.sealed[&two.kid].clone()),
            (vec![1; 48], vec![2; 48]),
            "{driver}"
        );
    }
}

#[tokio::test]
async fn the_private_half_is_gone_once_a_key_no_longer_signs() {
    for (driver, open) in DRIVERS {
        for last in [KeyState::Passive, KeyState::Removed, KeyState::Revoked] {
            let mut written = Written::start(open).await;
            let entropy = SeededEntropy::new(b"halves");
            let (one, two) = (key(&entropy, KeyState::Active), key(&entropy, KeyState::Published));
            let private = b"a private half, sealed, of one key".to_vec();
            let sealed = vec![(one.kid, private.clone()), (two.kid, vec![2; 48])];
            written.change(vec![swap(0, &[one.clone(), two.clone()], sealed)]).await.unwrap();
            let mut retired = in_state(&one, last);
            if last == KeyState::Revoked {
                retired.revoked_at = Some(START);
                retired.reason = Some("lost \"laptop\"".to_owned());
            }
            let ring = [retired.clone(), in_state(&two, KeyState::Active)];
            written.change(vec![swap(1, &ring, Vec::new())]).await.unwrap();
            let stored = written.store.key_ring().await.unwrap();
            assert_eq!(stored.ring.keys, ring, "{driver}");
            assert_eq!(stored.sealed.keys().copied().collect::<Vec<_>>(), [two.kid], "{driver}: {last:?}");
            written.reopen().await;
            for file in std::fs::read_dir(written.folder.path()).unwrap() {
                let bytes = std::fs::read(file.unwrap().path()).unwrap();
                assert!(!contains(&bytes, &private), "{driver}: {last:?}: it is still on the disk");
            }
        }
    }
}
