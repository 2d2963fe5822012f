//! Questions about trees, proofs, notes, checkpoints, tiles and signatures, with our answers, for verifiers that other
//! people wrote. `tests/foreign/README.md` says which, `tests/examples/foreign` asks them.
//!
//! ```text
//! questions::all(seed) ──▶ Question { ask, ours } ──▶ a crate in this process, or a program by JSON lines
//!                                    └──────────────▶ compare::Tally ◀── its answers
//! ```

pub mod compare;
pub mod notes;
pub mod paths;
pub mod program;
pub mod published;
pub mod question;
pub mod tiles;
pub mod trees;

pub use question::{Answer, Ask, Question};

/// Every question: the published ones, and those of trees, notes and paths made from this seed.
///
/// # Panics
/// Where the published vectors cannot be read.
pub fn questions(seed: u64) -> Vec<Question> {
    let mut list = question::List::default();
    published::ask(&mut list);
    trees::ask(&mut list, seed);
    notes::ask(&mut list, seed);
    paths::ask(&mut list, seed);
    list.questions
}
