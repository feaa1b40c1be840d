//! A clock that stands still until the test moves it, and randomness that repeats.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use mintmark::ambient::{Clock, Entropy, EntropyFailed};
use mintmark::digest::Digest;
use mintmark::time::Timestamp;
use zeroize::Zeroizing;

/// Both clocks, moved by hand.
pub struct FakeClock(Mutex<(Timestamp, Duration)>);

impl FakeClock {
    /// Starts at `now`; the monotonic clock at a thousand seconds.
    pub fn at(now: Timestamp) -> Self {
        Self(Mutex::new((now, Duration::from_secs(1_000))))
    }

    /// Time passes.
    pub fn advance(&self, span: Duration) {
        let mut time = self.0.lock().unwrap();
        *time = (time.0.plus(span), time.1 + span);
    }

    /// Somebody sets the wall clock; no time passes.
    pub fn set_wall(&self, now: Timestamp) {
        self.0.lock().unwrap().0 = now;
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().0
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().unwrap().1
    }
}

/// A stream of bytes that follows from its seed, and the public keys of `keys/golden` in their order.
pub struct SeededEntropy {
    seed: Vec<u8>,
    blocks: Mutex<u64>,
    next_p256: AtomicUsize,
    next_rsa: AtomicUsize,
}

impl SeededEntropy {
    /// The stream of this seed, from its beginning.
    pub fn new(seed: &[u8]) -> Self {
        Self::from_key(seed, 0)
    }

    /// The same with the keys from this one on, so that two streams never give the same key.
    pub fn from_key(seed: &[u8], first: usize) -> Self {
        Self {
            seed: seed.to_vec(),
            blocks: Mutex::new(0),
            next_p256: AtomicUsize::new(first),
            next_rsa: AtomicUsize::new(first),
        }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyFailed> {
        let mut blocks = self.blocks.lock().unwrap();
        for chunk in out.chunks_mut(32) {
            let block = Digest::of(&[&self.seed, &blocks.to_be_bytes()]);
            chunk.copy_from_slice(&block.as_bytes()[..chunk.len()]);
            *blocks += 1;
        }
        Ok(())
    }

    fn p256_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, EntropyFailed> {
        next(include_str!("../../../keys/golden/p256.txt"), &self.next_p256)
    }

    fn rsa_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, EntropyFailed> {
        next(include_str!("../../../keys/golden/rsa.txt"), &self.next_rsa)
    }
}

fn next(keys: &str, number: &AtomicUsize) -> Result<Zeroizing<Vec<u8>>, EntropyFailed> {
    let line = keys.lines().nth(number.fetch_add(1, Ordering::Relaxed)).ok_or(EntropyFailed)?;
    Ok(Zeroizing::new(base64::engine::general_purpose::STANDARD.decode(line).unwrap()))
}
