//! From bytes to an admitted event, in five stages that the types carry in this order; owns the Appender.
//!
//! ```text
//! decode      the statement's form                                          Decoded
//! verify      certificate, key, signature; then headers and commitments     Verified
//! authorize   catalogue and policy, per event type and purpose              Authorized
//! validate    times, streams, the payload's rules                           Validated
//! dedupe      ids, sequence, versions; one short lock together with the Appender
//! ```
//!
//! No stage can be left out, because each value can only be made out of the one before (ADM-1). An unverified
//! sender is told nothing about content: before the signature holds, nothing of the events is even looked at.
//!
//! Read [`admission`] first, then the stages in their order.

pub mod admission;
mod authorize;
mod config;
mod decode;
mod dedupe;
mod erasure;
mod fold;
mod lane;
pub mod metrics;
mod order;
mod payload;
mod quota;
mod refuse;
mod replay;
mod validate;
mod verify;

#[cfg(test)]
mod tests;

pub use admission::{Admission, Outcome};
pub use config::Config;
pub use fold::{FoldError, fold_directory};
pub use lane::Lane;
