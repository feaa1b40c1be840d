//! A signing key that somebody made elsewhere: PKCS#8 in PEM, read strictly and judged.
//!
//! Pure: it takes a key or says in a sentence what to do about it. It never
//! stores a key, never repeats a byte of the input and wipes what it decodes.
//! RFC 7468 section 10, RFC 5958, RFC 8410, RFC 5480, RFC 8017.

use pkcs8::der::asn1::ObjectIdentifier;
use pkcs8::der::pem::Decoder;
use pkcs8::{AlgorithmIdentifierRef, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use super::rsa_strength::{self, Weak};
use super::{Algorithm, KeyPair, Pkcs8};

/// The longest text that is read, in bytes; an RSA key of 4096 bits takes 3.3 KiB.
pub const MAX_BYTES: usize = 16 * 1024;

/// Why a key is not taken. The text is fit for whoever brought it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadImport {
    /// Longer than [`MAX_BYTES`].
    #[error("the text is longer than 16 KiB; send one private key and nothing else")]
    TooLong,
    /// No PEM at all.
    #[error(
        "there is no PEM block; a private key begins with -----BEGIN PRIVATE KEY-----, \
         and one in DER is converted by: openssl pkey -inform DER -in key.der -out key.pem"
    )]
    NoPem,
    /// More than one PEM block.
    #[error("there are several PEM blocks; send the private key's alone")]
    Several,
    /// Sealed by a passphrase.
    #[error("the key is encrypted; decrypt it first: openssl pkey -in key.pem -out plain.pem")]
    Encrypted,
    /// SEC1 or PKCS#1.
    #[error(
        "the key is in an older form than PKCS#8; convert it: \
         openssl pkcs8 -topk8 -nocrypt -in key.pem -out pkcs8.pem"
    )]
    OlderForm,
    /// A public key, a certificate or a request for one.
    #[error(
        "that holds a public key only; send the private key, which begins with -----BEGIN PRIVATE KEY-----"
    )]
    Public,
    /// Some other PEM block.
    #[error("that is no private key in PKCS#8, which begins with -----BEGIN PRIVATE KEY-----")]
    OtherBlock,
    /// The block's lines or its base64 are wrong, or there is text around it.
    #[error(
        "the PEM block is damaged or has text around it; \
         send it as openssl writes it: openssl pkey -in key.pem -out new.pem"
    )]
    Damaged,
    /// The block's content is no PKCS#8.
    #[error("the PEM block holds no PKCS#8 document; make one: openssl pkey -in key.pem -out new.pem")]
    NotPkcs8,
    /// A kind of key that nothing here signs with.
    #[error("the key's type or curve is not supported; use P-256, Ed25519 or RSA (rsaEncryption)")]
    Unsupported,
    /// The key cannot sign with the algorithm that was asked for.
    #[error("{kind} key signs with {signs}, not with {asked}")]
    OtherAlgorithm {
        /// What it is, with its article.
        kind: &'static str,
        /// What it can sign with.
        signs: &'static str,
        /// What was asked for.
        asked: Algorithm,
    },
    /// An RSA key of a length that is not used.
    #[error(
        "the RSA key has {0} bits; make one of 2048 to 4096: openssl genpkey -algorithm RSA -out key.pem"
    )]
    Bits(usize),
    /// An RSA key that can be factored, or of an unusual form. It must not be used elsewhere either.
    #[error("the RSA key is weak: {0}; make a new one: openssl genpkey -algorithm RSA -out key.pem")]
    Weak(&'static str),
    /// Its numbers do not belong together, or its public half is missing.
    #[error(
        "the key's parts do not belong together, or its public half is missing; \
         write it anew: openssl pkey -in key.pem -out new.pem"
    )]
    Inconsistent,
}

/// What a key is, by what its document says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    P256,
    Ed25519,
    Rsa,
}

/// Reads one private key. Without an `algorithm`, a P-256 key is for ES256, an
/// Ed25519 key for EdDSA and an RSA key for RS256.
pub fn import(pem: &[u8], algorithm: Option<Algorithm>) -> Result<(KeyPair, Pkcs8), BadImport> {
    let der = decode(pem)?;
    let info = PrivateKeyInfoRef::try_from(der.as_slice()).map_err(|_| BadImport::NotPkcs8)?;
    let kind = Kind::of(&info.algorithm).ok_or(BadImport::Unsupported)?;
    let algorithm = kind.algorithm(algorithm)?;
    if kind == Kind::Rsa {
        rsa_strength::check(&der)?;
    }
    let pair = KeyPair::from_pkcs8(algorithm, &der).map_err(|_| BadImport::Inconsistent)?;
    // Some parts of an RSA key are not looked at before they are used.
    let signature = pair.sign(b"import").map_err(|_| BadImport::Inconsistent)?;
    if !pair.public().verify(b"import", &signature) {
        return Err(BadImport::Inconsistent);
    }
    Ok((pair, Pkcs8::new(der)))
}

/// The content of the one PEM block there is.
fn decode(pem: &[u8]) -> Result<Zeroizing<Vec<u8>>, BadImport> {
    const BEGIN: &str = "-----BEGIN ";
    if pem.len() > MAX_BYTES {
        return Err(BadImport::TooLong);
    }
    let text = str::from_utf8(pem).map_err(|_| BadImport::NoPem)?.trim_ascii();
    let mut blocks = text.match_indices(BEGIN).map(|(start, _)| start + BEGIN.len());
    let block = blocks.next().and_then(|start| text.get(start..)).ok_or(BadImport::NoPem)?;
    if blocks.next().is_some() {
        return Err(BadImport::Several);
    }
    let (label, _) = block.split_once("-----").ok_or(BadImport::Damaged)?;
    match label {
        "PRIVATE KEY" => {}
        "ENCRYPTED PRIVATE KEY" => return Err(BadImport::Encrypted),
        "EC PRIVATE KEY" | "RSA PRIVATE KEY" | "DSA PRIVATE KEY" | "OPENSSH PRIVATE KEY" => {
            return Err(BadImport::OlderForm);
        }
        "PUBLIC KEY" | "RSA PUBLIC KEY" | "CERTIFICATE" | "X509 CERTIFICATE" | "CERTIFICATE REQUEST" => {
            return Err(BadImport::Public);
        }
        _ => return Err(BadImport::OtherBlock),
    }
    if !text.starts_with(BEGIN) {
        return Err(BadImport::Damaged);
    }
    let mut decoder = Decoder::new_detect_wrap(text.as_bytes()).map_err(|_| BadImport::Damaged)?;
    let mut der = Zeroizing::new(vec![0; decoder.remaining_len()]);
    decoder.decode(&mut der).map_err(|_| BadImport::Damaged)?;
    Ok(der)
}

impl Kind {
    fn of(algorithm: &AlgorithmIdentifierRef<'_>) -> Option<Self> {
        const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
        const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
        const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
        const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
        match algorithm.oid {
            EC => (algorithm.parameters_oid() == Ok(P256)).then_some(Self::P256),
            ED25519 => Some(Self::Ed25519),
            RSA => Some(Self::Rsa),
            _ => None,
        }
    }

    /// The algorithm that is asked for if it fits, else the usual one.
    fn algorithm(self, asked: Option<Algorithm>) -> Result<Algorithm, BadImport> {
        let (kind, usual, signs) = match self {
            Self::P256 => ("a P-256", Algorithm::Es256, "ES256"),
            Self::Ed25519 => ("an Ed25519", Algorithm::EdDsa, "EdDSA"),
            Self::Rsa => ("an RSA", Algorithm::Rs256, "RS256 or PS256"),
        };
        let asked = asked.unwrap_or(usual);
        let fits = asked == usual || (self == Self::Rsa && asked.is_rsa());
        if fits { Ok(asked) } else { Err(BadImport::OtherAlgorithm { kind, signs, asked }) }
    }
}

impl From<Weak> for BadImport {
    fn from(weak: Weak) -> Self {
        match weak {
            Weak::Bits(bits) => Self::Bits(bits),
            Weak::Form => Self::Weak("it has not two primes"),
            Weak::Exponent => Self::Weak("its exponent is not an odd number from 65537 to 2^33"),
            Weak::ClosePrimes => Self::Weak("its primes are so close to each other that it can be factored"),
            Weak::Roca => Self::Weak("a faulty chip made it, so that it can be factored (CVE-2017-15361)"),
        }
    }
}

#[cfg(test)]
mod tests;
