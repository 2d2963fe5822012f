//! Definitions as data, checked against the contract when they are read.

use std::{collections::BTreeSet, sync::LazyLock};

use prost_reflect::MessageDescriptor;
use serde::Deserialize;
use simpul_proto::{catalogue, statistics::Unit};

use crate::fields;

static BUILTIN: LazyLock<Definitions> = LazyLock::new(|| {
    Definitions::read(include_str!("../definitions/tppo.toml"))
        .expect("a test reads the definitions beside this crate")
});

/// All definitions that the hub counts by, by code.
pub struct Definitions(Vec<Definition>);

/// One definition.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// For example `tppo-police-reports`; never given another meaning.
    pub code: String,
    /// Name of a value of `simpul.statistics.v1.Unit`.
    pub unit: String,
    /// Short name in Indonesian.
    pub title_id: String,
    /// Short name in English.
    pub title_en: String,
    /// What counts, in Indonesian.
    pub text_id: String,
    /// What counts, in English.
    pub text_en: String,
    /// Full name of the payload message.
    pub event: String,
    /// All must hold.
    #[serde(default)]
    pub r#where: Vec<Condition>,
    /// The first of these fields that is not empty is what is counted once; none: each source record once.
    #[serde(default)]
    pub distinct: Vec<String>,
    /// People are counted, each once.
    #[serde(default)]
    pub persons: Option<Persons>,
    /// Every event counts, in place of the newest of its stream.
    #[serde(default)]
    pub every: bool,
    /// Whole-number field that is added up in place of counting.
    #[serde(default)]
    pub sum: Option<String>,
    /// Which date puts a record in a period.
    pub dated_by: DatedBy,
    /// Fields that a reader may ask to group by.
    pub group_by: Vec<String>,
}

/// A condition on a field; of a list, one value is enough.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    pub(crate) field: String,
    /// One of these.
    #[serde(default)]
    pub(crate) is: Vec<String>,
    /// Or beginning with one of these, without regard to case.
    #[serde(default)]
    pub(crate) begins: Vec<String>,
}

/// Where the people stand.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Persons {
    /// List of messages, or empty for the payload itself.
    pub(crate) r#in: String,
    /// Field that holds the `PersonClaim`.
    pub(crate) claim: String,
    /// Field that must have one of `is`; empty: none must.
    #[serde(default)]
    pub(crate) field: String,
    #[serde(default)]
    pub(crate) is: Vec<String>,
}

/// The date of a record.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatedBy {
    /// Date field; absent: when the event occurred by its header.
    #[serde(default)]
    pub field: Option<String>,
    /// Of which event of the stream.
    pub of: Of,
}

/// Which event of a stream dates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Of {
    /// The first.
    First,
    /// The newest.
    Newest,
}

/// Why definitions are not taken.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// Not a file of definitions.
    #[error("not a file of definitions: {0}")]
    Form(#[from] toml::de::Error),
    /// Two have one code.
    #[error("definition {0} stands twice")]
    Twice(String),
    /// It speaks of what the contract does not have.
    #[error("definition {code}: {what}")]
    Contract {
        /// The definition.
        code: String,
        /// What is amiss.
        what: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    definition: Vec<Definition>,
}

impl Definitions {
    /// Those that come with the hub.
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// Reads and checks a file of definitions.
    ///
    /// # Errors
    /// Names the definition and the field that the contract does not have.
    pub fn read(text: &str) -> Result<Self, DefinitionError> {
        let File { definition: all } = toml::from_str(text)?;
        let mut codes = BTreeSet::new();
        for one in &all {
            if !codes.insert(one.code.as_str()) {
                return Err(DefinitionError::Twice(one.code.clone()));
            }
            one.check().map_err(|what| DefinitionError::Contract { code: one.code.clone(), what })?;
        }
        Ok(Self(all))
    }

    /// By code.
    pub fn get(&self, code: &str) -> Option<&Definition> {
        self.0.iter().find(|definition| definition.code == code)
    }

    /// All, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Definition> {
        self.0.iter()
    }
}

impl Definition {
    /// What doubles are left out by: a field, `PERSON`, `RECORD` or `NONE`.
    pub fn deduplicated_by(&self) -> String {
        match (&self.persons, self.every, self.distinct.is_empty()) {
            (Some(_), ..) => "PERSON".into(),
            (None, true, _) => "NONE".into(),
            (None, false, true) => "RECORD".into(),
            (None, false, false) => self.distinct.join(" or "),
        }
    }

    /// Which date puts a record in a period, in words.
    pub fn dated_by(&self) -> String {
        let of = if self.dated_by.of == Of::First { "first" } else { "newest" };
        format!("{} of the {of} event", self.dated_by.field.as_deref().unwrap_or("occurred_at"))
    }

    fn check(&self) -> Result<(), String> {
        if Unit::from_str_name(&self.unit).is_none() {
            return Err(format!("unit {} is not one of the contract", self.unit));
        }
        let message =
            catalogue::event_descriptor(&self.event).ok_or(format!("{} is no event type", self.event))?;
        let paths = self
            .distinct
            .iter()
            .chain(&self.group_by)
            .chain(self.sum.as_ref())
            .chain(self.dated_by.field.as_ref());
        for path in paths.chain(self.r#where.iter().map(|condition| &condition.field)) {
            known(&message, path)?;
        }
        if let Some(persons) = &self.persons {
            let of = |name: &str| match (persons.r#in.as_str(), name) {
                ("", name) => name.to_owned(),
                (list, name) => format!("{list}.{name}"),
            };
            known(&message, &of(&persons.claim))?;
            if !persons.field.is_empty() {
                known(&message, &of(&persons.field))?;
            }
        }
        Ok(())
    }
}

fn known(message: &MessageDescriptor, path: &str) -> Result<(), String> {
    fields::exists(message, path)
        .then_some(())
        .ok_or_else(|| format!("{} has no field {path}", message.full_name()))
}
