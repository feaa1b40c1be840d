//! The clock and the source of randomness: the only places that ask for "now" or for random bytes.
//!
//! Everything else receives a [`Clock`] and an [`Entropy`] as a parameter, so
//! that tests and golden runs can put their own in.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::time::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Wall-clock time. A clock set before 1970 reads as the epoch, which every caller treats as insane.
    fn now(&self) -> Timestamp;
    /// Time since some fixed point in this process; never steps back, never follows the wall clock.
    fn monotonic(&self) -> Duration;
}

/// The source of random bytes failed. Nothing may be issued then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system's source of random bytes failed")]
pub struct EntropyFailed;

/// Gives unpredictable bytes.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `out` with random bytes, or fails and leaves it unspecified.
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyFailed>;

    /// A fresh P-256 key pair as PKCS#8 DER. It stands here because ring takes
    /// no randomness but its own for it.
    fn p256_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, EntropyFailed>;

    /// A fresh RSA key pair of 2048 bits as PKCS#8 DER. It stands here because
    /// aws-lc takes no randomness but its own for it. Without the feature `rsa`
    /// it always fails, which nobody meets: no algorithm then asks for it.
    fn rsa_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, EntropyFailed>;
}

/// `N` random bytes.
pub fn random<const N: usize>(entropy: &dyn Entropy) -> Result<[u8; N], EntropyFailed> {
    let mut out = [0; N];
    entropy.fill(&mut out)?;
    Ok(out)
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// Starts the monotonic clock at zero.
    #[expect(clippy::new_without_default, reason = "a clock is started, not defaulted")]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clocks")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clocks")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::default().plus(since)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// The operating system's random bytes, by ring.
#[derive(Debug)]
pub struct SystemEntropy(SystemRandom);

impl SystemEntropy {
    /// Costs nothing until it is asked.
    #[expect(clippy::new_without_default, reason = "named like the clock beside it")]
    #[expect(clippy::disallowed_methods, reason = "the one place that asks for randomness")]
    pub fn new() -> Self {
        Self(SystemRandom::new())
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyFailed> {
        self.0.fill(out).map_err(|_| EntropyFailed)
    }

    fn p256_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, EntropyFailed> {
        use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.0)
            .map_err(|_| EntropyFailed)?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    #[cfg(feature = "rsa")]
    fn rsa_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, EntropyFailed> {
        use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
        use aws_lc_rs::rsa::{KeyPair, KeySize};
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| EntropyFailed)?;
        let document: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| EntropyFailed)?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    #[cfg(not(feature = "rsa"))]
    fn rsa_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, EntropyFailed> {
        Err(EntropyFailed)
    }
}

/// The generator that ring blinds and randomises ECDSA signatures with. It has
/// no seam: ring takes no randomness but its own.
#[expect(clippy::disallowed_methods, reason = "the one place that asks for randomness")]
pub fn signature_random() -> SystemRandom {
    SystemRandom::new()
}
