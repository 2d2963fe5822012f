//! The rule book: the dated rules of `hub/legality/rules/`, read once and checked as a whole.

use jiff::civil::Date;

mod check;
mod model;

pub(crate) use model::{
    AfterDeparture, Bilingual, CardGrace, Check, Contract, Missing, Need, Outcome, Requirement, Rule,
    RuleSet, SeaPart, Situation, Situations, Texts, When,
};
use model::{File, Names, SeaParts};

/// The rules as they stand in this build, one after another; each file has tables of its own, so that together they are
/// one document.
const BUILTIN: &str = concat!(
    include_str!("../rules/sets.toml"),
    "\n",
    include_str!("../rules/texts.toml"),
    "\n",
    include_str!("../rules/person.toml"),
    "\n",
    include_str!("../rules/documents.toml"),
    "\n",
    include_str!("../rules/placement.toml"),
    "\n",
    include_str!("../rules/special.toml"),
);

/// Why a document is no rule book.
#[derive(Debug, thiserror::Error)]
pub enum RuleBookError {
    /// Not TOML of the expected shape; the source names line and key.
    #[error("the rules cannot be read")]
    Read(#[from] toml::de::Error),
    /// Well-formed, but the rules contradict each other.
    #[error("the rules do not hold together: {0}")]
    Inconsistent(String),
}

/// Dated rules, checked. Parse it once and share it.
#[derive(Debug)]
pub struct RuleBook {
    pub(crate) sets: Vec<RuleSet>,
    pub(crate) schemes: Vec<simpul_proto::v1::Scheme>,
    /// In the order of a verdict.
    pub(crate) requirements: Vec<Requirement>,
    pub(crate) situations: Situations,
    pub(crate) outside_law: Vec<simpul_proto::embassy::StayCategory>,
    pub(crate) child_under_years: i16,
    /// Days without a word from a source.
    pub(crate) stale_after_days: i32,
    pub(crate) card_grace: Vec<CardGrace>,
    pub(crate) after_departure: AfterDeparture,
    pub(crate) texts: Texts,
    pub(crate) names: Names,
    pub(crate) sea_parts: SeaParts,
}

impl RuleBook {
    /// The rules of this build.
    ///
    /// # Panics
    /// Never: a test reads them.
    pub fn builtin() -> Self {
        Self::from_toml(BUILTIN).expect("the rules of this build are tested")
    }

    /// Rules from one TOML document of the shape of the files in `hub/legality/rules/`, one after another.
    ///
    /// # Errors
    /// [`RuleBookError`], naming line and key or the rule that does not fit.
    pub fn from_toml(document: &str) -> Result<Self, RuleBookError> {
        let file: File = toml::from_str(document)?;
        check::assemble(file).map_err(RuleBookError::Inconsistent)
    }

    /// The rules of this build as text: two builds with the same text judge alike, as far as the rules go.
    pub const fn builtin_text() -> &'static str {
        BUILTIN
    }

    /// Name of the rule set in force on a day, for example `id-pmi-2023-08`. `None` before the first.
    pub fn set_on(&self, day: Date) -> Option<&str> {
        self.sets.iter().rev().find(|set| set.from <= day).map(|set| set.name.as_str())
    }
}
