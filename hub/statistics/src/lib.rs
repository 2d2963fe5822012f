//! What is counted and how. Pure: no clock, no I/O; the same log prefix gives the same figures for ever.
//!
//! ```text
//! definitions/*.toml ─▶ Definition ─┐
//! events of a log prefix ───────────┴▶ Counter ─▶ Table ─▶ hide_small_cells ─▶ Published
//! figures that agencies stated ──────▶ differences: why two numbers are not the same
//! ```
//!
//! A figure means nothing without its definition: unit, what counts, how doubles are left out, which date puts it in a period,
//! and up to which position of the log it was counted.

mod compare;
mod count;
mod definition;
mod fields;
mod hide;

pub use compare::{Difference, Measure, differences};
pub use count::{Cell, Counter, Period, Table};
pub use definition::{DatedBy, Definition, DefinitionError, Definitions, Of};
pub use hide::{CELL_MIN, Published, hide_small_cells};
