//! Screening: forms as dated data, what answers come to under them, and who reviewed it. Pure: no clock, no I/O, no panic.
//!
//! ```text
//! forms/*.toml ─▶ Forms ─▶ Form (version) ─┐
//! ScreeningSubmitted, version 1 or 2 ─▶ Screening ─┴▶ evaluate ─▶ Evaluation: international · domestic · ILO · UNODC · Delphi
//! ScreeningReviewed ─▶ Review ──────────────────────────▲
//! ```
//!
//! A result is a threshold of identification, INDICATION and then IDENTIFIED, and never proof against anybody. It names the form version, the
//! answers that led to it and the rule. An older screening keeps its result for ever; a later one stands beside it.

mod book;
mod check;
mod delphi;
mod evaluate;
mod screening;

pub use book::{
    Bilingual, Choice, Definition, DefinitionKind, Form, Forms, FormsError, Indicator, Kind, Question,
};
pub use check::{FormFault, check, check_published, check_v1};
pub use delphi::{DelphiResult, DimensionResult};
pub use evaluate::{AgeGroup, Element, ElementResult, Evaluation, Finding, Flag, Shown, Threshold, evaluate};
pub use screening::{Answered, Review, Screening, Stated};
