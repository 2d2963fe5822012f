//! Why two numbers are not the same (`domain.md` §0.10): 403 and 609 may both be right.

use jiff::civil::Date;

/// What a number measures, as far as its source says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Name of a value of `simpul.statistics.v1.Unit`.
    pub unit: String,
    /// First day.
    pub from: Date,
    /// Last day.
    pub until: Date,
    /// Definition, where the source names one.
    pub code: Option<String>,
    /// How doubles are left out, where it is known.
    pub deduplicated_by: Option<String>,
    /// By which date, where it is known.
    pub dated_by: Option<String>,
    /// Who counted.
    pub source: String,
}

/// One way in which two numbers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// They count different things: reports, cases, victims, suspects.
    Unit,
    /// They cover different days.
    Period,
    /// They follow different definitions.
    Definition,
    /// They leave doubles out otherwise.
    DeduplicatedBy,
    /// They go by another date.
    DatedBy,
    /// Somebody else counted.
    Source,
    /// At least one says too little to be compared.
    Unstated,
}

impl Difference {
    /// Code, Indonesian, English.
    pub const fn texts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Unit => ("UNIT", "satuan hitung berbeda", "they count different things"),
            Self::Period => ("PERIOD", "periode berbeda", "they cover different days"),
            Self::Definition => ("DEFINITION", "definisi berbeda", "they follow different definitions"),
            Self::DeduplicatedBy => {
                ("DEDUPLICATED_BY", "cara menghapus ganda berbeda", "they leave doubles out otherwise")
            }
            Self::DatedBy => ("DATED_BY", "tanggal acuan berbeda", "they go by another date"),
            Self::Source => ("SOURCE", "sumber berbeda", "somebody else counted"),
            Self::Unstated => ("UNSTATED", "definisi tidak disebut", "at least one states no definition"),
        }
    }
}

/// Everything in which two numbers differ by what they say of themselves; empty: they measure the same, so one is wrong or newer.
pub fn differences(one: &Measure, other: &Measure) -> Vec<Difference> {
    let both = |a: &Option<String>, b: &Option<String>| a.is_some() && b.is_some() && a != b;
    let found = [
        (one.unit != other.unit, Difference::Unit),
        ((one.from, one.until) != (other.from, other.until), Difference::Period),
        (both(&one.code, &other.code), Difference::Definition),
        (both(&one.deduplicated_by, &other.deduplicated_by), Difference::DeduplicatedBy),
        (both(&one.dated_by, &other.dated_by), Difference::DatedBy),
        (one.source != other.source, Difference::Source),
        (one.code.is_none() || other.code.is_none(), Difference::Unstated),
    ];
    found.into_iter().filter(|(differs, _)| *differs).map(|(_, difference)| difference).collect()
}
