//! Golden runs: what a policy and a configuration come to, as files that a person reviews. Pure.
//!
//! An upgrade or a change of the policy is looked at as a difference of tokens
//! before it is deployed. Nothing is issued, signed, charged or recorded here.
//! `trial` is the issuer that never issues, `requests` what its clients are made
//! to ask for, `rotation` the life of its keys; `recorded` is what a folder of
//! goldens holds, `differences` tells two of them apart, `words` says so.

pub mod compare;
pub mod differences;
mod facets;
pub mod manifest;
pub mod recorded;
pub mod requests;
pub mod rotation;
pub mod simulation;
pub mod stand_in;
pub mod trial;
pub mod words;
