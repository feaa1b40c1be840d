//! Keys, thumbprints and signatures of the JOSE RFCs: the only callers of
//! jsonwebtoken and of ring's signatures. Pure.

pub mod algorithm;
pub mod client_keys;
pub mod ed25519;
mod ed25519_point;
pub mod import;
pub mod jwk;
pub mod jwk_set;
pub mod key_pair;
mod nobody;
pub mod provider;
mod published;
pub mod rsa;
mod rsa_strength;
pub mod strict_json;
pub mod unread;
pub mod verify;

pub use algorithm::{Algorithm, Kid};
pub use client_keys::ClientKeys;
pub use jwk::PublicJwk;
pub use jwk_set::JwkSet;
pub use key_pair::{KeyPair, Pkcs8};
