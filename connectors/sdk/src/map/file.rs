//! The mapping file as it is written, TOML. `connectors/README.md` explains it by example.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MappingFile {
    pub event_type: String,
    /// First part of the stream name.
    pub source: String,
    pub purpose: String,
    pub legal_basis: String,
    #[serde(default = "general")]
    pub data_category: String,
    /// Source fields that name the record; hashed into the stream's ref.
    pub key: Vec<String>,
    /// Source field with the record's version, a whole number that only grows.
    pub version: Option<String>,
    /// Texts that mean nothing is recorded, beside the empty one.
    #[serde(default)]
    pub empty: Vec<String>,
    pub occurred_at: Option<OccurredAt>,
    #[serde(default)]
    pub csv: CsvForm,
    /// JSON only: where the machine readable zone stands; `/@mrz/…` then gives its fields.
    pub mrz: Option<String>,
    #[serde(default)]
    pub field: Vec<FieldFile>,
    #[serde(default)]
    pub group: Vec<GroupFile>,
}

fn general() -> String {
    "general".into()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OccurredAt {
    pub from: OneOrMany,
    pub date: OneOrMany,
    /// `+07:00`; how far the source's clock is ahead of UTC.
    #[serde(default = "utc")]
    pub offset: String,
}

fn utc() -> String {
    "+00:00".into()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CsvForm {
    #[serde(default = "semicolon")]
    pub delimiter: char,
}

impl Default for CsvForm {
    fn default() -> Self {
        Self { delimiter: semicolon() }
    }
}

fn semicolon() -> char {
    ';'
}

/// One value of the target message.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FieldFile {
    /// Path in the target message, `person.birth_date`.
    pub to: String,
    /// Source column or JSON pointer; of several the first that is filled.
    #[serde(default)]
    pub from: OneOrMany,
    /// A value that does not come from the source.
    pub r#const: Option<String>,
    /// Used where the source has nothing.
    pub default: Option<String>,
    #[serde(default)]
    pub required: bool,
    #[serde(default)]
    pub transform: Vec<String>,
    /// Patterns of the source's dates; the target is `YYYY-MM-DD`.
    #[serde(default)]
    pub date: OneOrMany,
    /// Source text (case does not matter) → target text.
    #[serde(default)]
    pub map: BTreeMap<String, String>,
    /// Target text for what `map` does not have; without it that is an error.
    pub otherwise: Option<String>,
    /// Repeated targets: what separates the parts.
    pub split: Option<String>,
    /// Form that the value must have.
    pub check: Option<String>,
}

/// One element of a repeated message, emitted where it has something to say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupFile {
    pub to: String,
    /// JSON only: one element per element of this array; the group's pointers start there.
    pub each: Option<String>,
    /// Emit it only where one of these is filled. Without it: always.
    #[serde(default)]
    pub when: Vec<String>,
    pub field: Vec<FieldFile>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl OneOrMany {
    pub(super) fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}
