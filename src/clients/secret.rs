//! A client secret: made by the server, shown once, kept as Argon2id. RFC 9106.
//!
//! `mms_`, 43 base64url characters (256 random bits), 6 characters of checksum.

use std::sync::{Mutex, PoisonError};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use secrecy::{ExposeSecret as _, SecretString};

use crate::ambient::{Entropy, EntropyFailed, random};
use crate::digest::{Digest, base64url};
use crate::policy::SecretHash;
use crate::time::Timestamp;

/// Longer ones are refused unhashed.
pub const MAX_LENGTH: usize = 256;
/// What each secret starts with, so that scanners for leaked credentials find it.
pub const PREFIX: &str = "mms_";
/// The salt of RFC 9106 section 4, in bytes.
const SALT_LENGTH: usize = 16;

/// A fresh secret. It leaves the process once, in the answer that made it.
pub fn generate(entropy: &dyn Entropy) -> Result<SecretString, EntropyFailed> {
    let random: [u8; 32] = random(entropy)?;
    let body = format!("{PREFIX}{}", base64url(&random));
    let checksum = base64url(Digest::of(&[body.as_bytes()]).as_bytes());
    Ok(SecretString::from(format!("{body}{}", checksum.get(..6).unwrap_or_default())))
}

/// 32 bits that find the one stored hash to compare with. They say nothing of
/// use about 256 random bits.
pub fn selector(secret: &SecretString) -> u32 {
    let digest = Digest::of(&[b"mintmark/selector/v1\n", secret.expose_secret().as_bytes()]);
    let first = digest.as_bytes().first_chunk::<4>().copied();
    u32::from_be_bytes(first.unwrap_or_default())
}

/// Hashing failed: the parameters or the memory were not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret could not be hashed")]
pub struct HashFailed;

/// Hashes `secret` for keeping. Takes some 20 ms and 19 MiB: run it on [`crate::workers`].
pub fn hash(secret: &SecretString, salt: [u8; SALT_LENGTH]) -> Result<String, HashFailed> {
    let salt = Salt::new(&salt).map_err(|_| HashFailed)?;
    let hash = derive(secret, &salt)?;
    Ok(PasswordHash { salt: Some(salt), hash: Some(hash), ..form()? }.to_string())
}

/// Whether `secret` is the one of `phc`, in constant time once hashed. As dear as [`hash`], whatever
/// the row says: one that asks for other parameters, such as more memory than there is, is nobody's.
pub fn verify(secret: &SecretString, phc: &str) -> bool {
    let (Ok(kept), Ok(form)) = (PasswordHash::new(phc), form()) else { return false };
    let (Some(salt), Some(hash)) = (kept.salt, kept.hash) else { return false };
    let of_ours = (kept.algorithm, kept.version, kept.params) == (form.algorithm, form.version, form.params);
    of_ours && derive(secret, &salt).is_ok_and(|derived| derived == hash)
}

/// What the hashes of all secrets have in common.
fn form() -> Result<PasswordHash, HashFailed> {
    let params = ParamsString::try_from(&Params::DEFAULT).map_err(|_| HashFailed)?;
    let (algorithm, version) = (Algorithm::default().ident(), Some(Version::default().into()));
    Ok(PasswordHash { algorithm, version, params, salt: None, hash: None })
}

fn derive(secret: &SecretString, salt: &Salt) -> Result<Output, HashFailed> {
    let mut memory = Memory::take();
    let mut out = [0; Params::DEFAULT_OUTPUT_LEN];
    Argon2::default()
        .hash_password_into_with_memory(secret.expose_secret().as_bytes(), salt, &mut out, &mut memory.0)
        .map_err(|_| HashFailed)?;
    Output::new(&out).map_err(|_| HashFailed)
}

/// The memory of one run of Argon2, wiped and kept for the next one when dropped. Given back to the allocator,
/// it would stay with each of the threads that ever hashed: hundreds of megabytes for a burst of wrong secrets.
struct Memory(Vec<Block>);

/// As much as ever ran at once, which is bounded by the workers.
static MEMORY: Mutex<Vec<Memory>> = Mutex::new(Vec::new());

impl Memory {
    fn take() -> Self {
        let kept = MEMORY.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| Self(vec![Block::default(); Params::DEFAULT.block_count()]))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let mut blocks = std::mem::take(&mut self.0);
        blocks.iter_mut().for_each(zeroize::Zeroize::zeroize);
        MEMORY.lock().unwrap_or_else(PoisonError::into_inner).push(Self(blocks));
    }
}

/// A hash that no secret opens: its salt and output are constants of the same
/// cost. Verified where there is nothing to verify, so that it takes as long.
pub const DUMMY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bWludG1hcmsvZHVtbXkvMQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A new secret with what is kept of it.
pub struct Made {
    /// To be shown once.
    pub secret: SecretString,
    /// To be stored.
    pub hash: SecretHash,
}

/// Makes a secret and its stored form. As dear as [`hash`].
pub fn make(secret: SecretString, random: [u8; SALT_LENGTH], now: Timestamp) -> Result<Made, HashFailed> {
    let phc = hash(&secret, random)?;
    let secret_id = base64url(Digest::of(&[phc.as_bytes()]).as_bytes()).chars().take(16).collect();
    let selector = selector(&secret);
    let hash = SecretHash {
        secret_id,
        selector,
        phc,
        created_at: now,
        expires_at: None,
        last_used_at: None,
        reminded_at: None,
    };
    Ok(Made { secret, hash })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambient::SystemEntropy;

    #[test]
    fn has_prefix_and_checksum() {
        let secret = generate(&SystemEntropy::new()).unwrap();
        let text = secret.expose_secret();
        assert_eq!(text.len(), 53);
        let checksum = base64url(Digest::of(&[&text.as_bytes()[..47]]).as_bytes());
        assert_eq!(&text[47..], &checksum[..6]);
        assert!(text.starts_with(PREFIX));
    }

    #[test]
    fn only_the_exact_secret_opens() {
        let secret = SecretString::from("mms_exact".to_owned());
        let phc = hash(&secret, [7; 16]).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify(&secret, &phc));
        for near in ["mms_exac", "mms_exact\0", "mms_exact\n", "mms_exact ", "MMS_exact", "mms_ex\u{ff41}ct"]
        {
            assert!(!verify(&SecretString::from(near.to_owned()), &phc), "{near:?}");
        }
        assert!(!verify(&secret, "not a hash"));
    }

    #[test]
    fn a_row_that_asks_for_other_work_is_nobodys() {
        let secret = SecretString::from("mms_exact".to_owned());
        let phc = hash(&secret, [7; 16]).unwrap();
        // Four terabytes; another number of passes; another version; no output.
        for (from, to) in
            [("m=19456", "m=4294967295"), ("t=2", "t=3"), ("v=19", "v=16"), ("argon2id", "argon2i")]
        {
            assert!(!verify(&secret, &phc.replace(from, to)), "{to}");
        }
        assert!(!verify(&secret, phc.rsplit_once('$').unwrap().0));
    }

    #[test]
    fn a_secret_that_the_library_hashed_by_itself_opens() {
        use argon2::PasswordHasher as _;
        let phc = Argon2::default().hash_password_with_salt(b"mms_exact", &[7; 16]).unwrap().to_string();
        let secret = SecretString::from("mms_exact".to_owned());
        assert_eq!(phc, hash(&secret, [7; 16]).unwrap());
        assert!(verify(&secret, &phc));
    }

    #[test]
    fn the_dummy_is_a_whole_hash_that_costs_the_same() {
        let dummy = PasswordHash::new(DUMMY).unwrap();
        let real = PasswordHash::new(&hash(&SecretString::from("x".to_owned()), [1; 16]).unwrap()).unwrap();
        assert_eq!(dummy.params, real.params);
        assert_eq!(dummy.hash.unwrap().len(), real.hash.unwrap().len());
        assert!(!verify(&SecretString::from(String::new()), DUMMY));
    }
}
