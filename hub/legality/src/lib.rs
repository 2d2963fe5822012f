//! Is a placement legal, by which rules, on which evidence?
//!
//! The legal rules are dated data in `hub/legality/rules/`; the code only reads them ([`RuleBook`]) and applies them
//! ([`evaluate`]). It is pure, total and deterministic: no clock, no I/O, the same facts give the same answer for ever.
//!
//! ```text
//! Facts ─▶ which placement, which day ─▶ per requirement: first rule in force that fits ─▶ its check ─▶ state, weight
//!                                                                                        worst weight ─▶ verdict
//! ```
//!
//! A verdict never gates protection or services: whoever left by another way keeps every right.

mod after;
mod book;
mod day;
mod evaluate;
mod facts;
mod fresh;
mod select;
mod text;
mod warnings;

pub use book::{RuleBook, RuleBookError};
pub use evaluate::{Assessment, evaluate};
pub use facts::{Facts, PlacementFacts, Sourced, StayFact};
