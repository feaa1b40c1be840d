//! Golden runs: what a policy and a configuration come to, as files that a person reviews. Pure.
//!
//! An upgrade or a change of the policy is looked at as a difference of tokens
//! before it is deployed. Nothing is issued, signed, charged or recorded here.

pub mod compare;
