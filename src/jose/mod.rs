//! Keys, thumbprints and signatures of the JOSE RFCs: the only callers of
//! jsonwebtoken and of ring's signatures. Pure.

pub mod algorithm;

pub use algorithm::{Algorithm, Kid};
