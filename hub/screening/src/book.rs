//! The forms beside this crate, read once and checked as a whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
};

use data_encoding::HEXLOWER;
use jiff::civil::Date;
use serde::Deserialize;

use crate::delphi::Delphi;

static BUILTIN: LazyLock<Forms> =
    LazyLock::new(|| Forms::read(VERSIONS, BLOCKS).expect("a test reads the forms beside this crate"));

const VERSIONS: &str = include_str!("../forms/versions.toml");

macro_rules! blocks {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../forms/questions/", $name, ".toml")))),+]
    };
}

/// Files of questions by name.
const BLOCKS: &[(&str, &str)] = blocks![
    "indicators-2024",
    "opening",
    "recruitment",
    "control",
    "exploitation",
    "scam",
    "fisheries",
    "sexual",
    "child",
    "signs",
    "closing",
];

/// Elements, indicators and purposes that a choice may show.
const SHOWN_KINDS: &[&str] = &["act", "means", "purpose", "ilo"];

/// All form versions, and what their answers are measured by.
pub struct Forms {
    forms: Vec<Form>,
    pub(crate) definitions: Vec<Definition>,
    pub(crate) rules: BTreeMap<String, Bilingual>,
    pub(crate) ilo: Vec<Indicator>,
    pub(crate) delphi: Delphi,
}

/// One released version of a form.
#[derive(Clone, Debug)]
pub struct Form {
    /// Form and version, for example `simpul-tppo/2`.
    pub code: String,
    /// What it is.
    pub title: Bilingual,
    /// First day of use.
    pub from: Date,
    /// Last day of use; `None`: goes on.
    pub until: Option<Date>,
    /// The version that it follows.
    pub follows: Option<String>,
    /// The officer states the results; they are not worked out.
    pub states_results: bool,
    /// In the order in which they are asked.
    pub questions: Vec<Arc<Question>>,
    /// SHA-256 of its text, hex: who publishes a version says by it which text is meant.
    pub digest: String,
    /// Where it comes from.
    pub source: String,
    /// `high`, `medium` or `low`.
    pub confidence: String,
}

/// A text in both languages.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bilingual {
    /// Indonesian.
    pub id: String,
    /// English.
    pub en: String,
}

/// One question.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Code that answers name.
    pub code: String,
    /// How it is answered.
    pub kind: Kind,
    /// Indonesian.
    pub id: String,
    /// English.
    pub en: String,
    /// An answer without it is flagged.
    #[serde(default)]
    pub required: bool,
    /// Field of the event that holds the answer, where no code does.
    #[serde(default)]
    pub field: String,
    /// Its choices are counted as general signs: `unodc`.
    #[serde(default)]
    pub counted_as: String,
    /// What a YES shows: `means.FORCE`, `ilo.DECEPTION`, …
    #[serde(default)]
    pub shows: Vec<String>,
    /// Of `one` and `many`.
    #[serde(default)]
    pub choices: Vec<Choice>,
}

/// How a question is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `YES` or `NO`; like every question, also `UNKNOWN` or `REFUSED`.
    YesNo,
    /// One choice.
    One,
    /// Any number of choices.
    Many,
    /// Text.
    Text,
    /// Another field of the event.
    Field,
}

/// One choice of a question.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Code that answers name.
    pub code: String,
    /// Indonesian.
    pub id: String,
    /// English.
    pub en: String,
    /// What it shows.
    #[serde(default)]
    pub shows: Vec<String>,
}

/// One of ILO's eleven.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Indicator {
    /// For example `DEBT_BONDAGE`.
    pub code: String,
    /// Indonesian.
    pub id: String,
    /// English.
    pub en: String,
}

/// What a person can be identified under.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// For example `palermo`, `kuhp-2023-455`.
    pub code: String,
    /// The international definition, or a domestic charge.
    pub kind: DefinitionKind,
    /// Indonesian.
    pub title_id: String,
    /// English.
    pub title_en: String,
    from: toml::value::Datetime,
    #[serde(default)]
    until: Option<toml::value::Datetime>,
    /// Where it stands.
    pub source: String,
    /// `high`, `medium` or `low`.
    pub confidence: String,
    /// Whether the means must be shown for a child too.
    pub means_for_children: bool,
    /// Of children alone.
    #[serde(default)]
    pub children_only: bool,
    /// Beside the elements, a combination of Delphi dimensions identifies.
    #[serde(default)]
    pub delphi: bool,
    pub(crate) acts: Vec<String>,
    pub(crate) means: Vec<String>,
    pub(crate) purposes: Vec<String>,
}

/// Which of the two results a definition belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DefinitionKind {
    /// The international definition.
    International,
    /// A domestic charge.
    Domestic,
}

/// Why files are no forms.
#[derive(Debug, thiserror::Error)]
pub enum FormsError {
    /// Not TOML of the expected shape.
    #[error("{0}: {1}")]
    Form(String, #[source] toml::de::Error),
    /// Well-formed, and something does not fit.
    #[error("{0}")]
    Inconsistent(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionsFile {
    form: Vec<VersionEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionEntry {
    code: String,
    title_id: String,
    title_en: String,
    from: toml::value::Datetime,
    #[serde(default)]
    until: Option<toml::value::Datetime>,
    #[serde(default)]
    follows: Option<String>,
    #[serde(default)]
    states_results: bool,
    questions: Vec<String>,
    source: String,
    confidence: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    question: Vec<Question>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DefinitionsFile {
    definition: Vec<Definition>,
    rules: BTreeMap<String, Bilingual>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IndicatorsFile {
    ilo: Vec<Indicator>,
}

impl Forms {
    /// The forms that come with the hub.
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// A form version by its code.
    pub fn form(&self, code: &str) -> Option<&Form> {
        self.forms.iter().find(|form| form.code == code)
    }

    /// All versions, in the order of their files.
    pub fn all(&self) -> &[Form] {
        &self.forms
    }

    /// Text of a rule that a result names.
    pub fn rule(&self, code: &str) -> Option<&Bilingual> {
        self.rules.get(code)
    }

    /// A definition that a finding names.
    pub fn definition(&self, code: &str) -> Option<&Definition> {
        self.definitions.iter().find(|one| one.code == code)
    }

    /// One of ILO's eleven.
    pub fn indicator(&self, code: &str) -> Option<&Indicator> {
        self.ilo.iter().find(|one| one.code == code)
    }

    /// What the answers of every form are measured by, each with the SHA-256 of its text: were one of them changed, results that were given
    /// before would change with it. A definition's last day may be added, when a law ends.
    pub fn measures(&self) -> Vec<(String, String)> {
        let digest = |text: &str| {
            HEXLOWER.encode(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref())
        };
        let definition = |one: &Definition| {
            let Definition {
                kind,
                from,
                means_for_children,
                children_only,
                delphi,
                acts,
                means,
                purposes,
                ..
            } = one;
            let said = format!(
                "{kind:?} {from} {means_for_children} {children_only} {delphi} {acts:?} {means:?} {purposes:?}"
            );
            (one.code.clone(), digest(&said))
        };
        let delphi = ("delphi".to_owned(), digest(include_str!("../forms/delphi.toml")));
        self.definitions.iter().map(definition).chain([delphi]).collect()
    }

    fn read(versions: &str, blocks: &[(&str, &str)]) -> Result<Self, FormsError> {
        let versions: VersionsFile = parse("versions.toml", versions)?;
        let definitions: DefinitionsFile =
            parse("definitions.toml", include_str!("../forms/definitions.toml"))?;
        let indicators: IndicatorsFile = parse("indicators.toml", include_str!("../forms/indicators.toml"))?;
        let delphi = Delphi::read(include_str!("../forms/delphi.toml"))?;
        let mut questions: BTreeMap<&str, (&str, Vec<Arc<Question>>)> = BTreeMap::new();
        for (name, text) in blocks {
            let block = parse::<Block>(name, text)?.question.into_iter().map(Arc::new).collect();
            questions.insert(name, (text, block));
        }
        let mut forms = Vec::new();
        for entry in versions.form {
            forms.push(form(entry, &questions)?);
        }
        let forms = Self {
            forms,
            definitions: definitions.definition,
            rules: definitions.rules,
            ilo: indicators.ilo,
            delphi,
        };
        forms.hold_together()?;
        Ok(forms)
    }

    fn hold_together(&self) -> Result<(), FormsError> {
        let wrong = |what: String| Err(FormsError::Inconsistent(what));
        let mut codes = BTreeSet::new();
        for form in &self.forms {
            if !codes.insert(&form.code) {
                return wrong(format!("form {} stands twice", form.code));
            }
            let mut questions = BTreeSet::new();
            for question in &form.questions {
                if !questions.insert(&question.code) {
                    return wrong(format!("{}: question {} stands twice", form.code, question.code));
                }
                self.question_fits(question).map_err(FormsError::Inconsistent)?;
            }
        }
        for one in &self.definitions {
            if one.first_day().is_none() || (one.until.is_some() && one.last_day().is_none()) {
                return wrong(format!("definition {}: its days are not days", one.code));
            }
        }
        let question = |code: &str| {
            self.forms.iter().flat_map(|form| &form.questions).find(|question| question.code == code)
        };
        self.delphi.fits(question).map_err(FormsError::Inconsistent)
    }

    fn question_fits(&self, question: &Question) -> Result<(), String> {
        let code = &question.code;
        let with_choices = matches!(question.kind, Kind::One | Kind::Many);
        if with_choices == question.choices.is_empty() {
            return Err(format!("{code}: choices do not fit its kind"));
        }
        if (question.kind == Kind::Field) == question.field.is_empty() {
            return Err(format!("{code}: `field` does not fit its kind"));
        }
        let mut codes = BTreeSet::new();
        if let Some(twice) = question.choices.iter().find(|choice| !codes.insert(&choice.code)) {
            return Err(format!("{code}: choice {} stands twice", twice.code));
        }
        let shown = question.choices.iter().flat_map(|choice| &choice.shows).chain(&question.shows);
        for shows in shown {
            let known = shows.split_once('.').is_some_and(|(kind, code)| {
                SHOWN_KINDS.contains(&kind) && (kind != "ilo" || self.indicator(code).is_some())
            });
            if !known {
                return Err(format!("{code}: {shows} is nothing that an answer can show"));
            }
        }
        Ok(())
    }
}

impl Form {
    /// Whether it may be used on a day.
    pub fn in_force_on(&self, day: Date) -> bool {
        self.from <= day && self.until.is_none_or(|until| day <= until)
    }

    /// A question by its code.
    pub fn question(&self, code: &str) -> Option<&Question> {
        self.questions.iter().map(AsRef::as_ref).find(|question| question.code == code)
    }
}

impl Definition {
    /// First day of acts that it covers.
    pub fn first_day(&self) -> Option<Date> {
        day(&self.from)
    }

    /// Last day of acts that it covers; `None`: goes on.
    pub fn last_day(&self) -> Option<Date> {
        self.until.as_ref().and_then(day)
    }
}

fn form(
    entry: VersionEntry,
    blocks: &BTreeMap<&str, (&str, Vec<Arc<Question>>)>,
) -> Result<Form, FormsError> {
    let wrong = |what: &str| FormsError::Inconsistent(format!("form {}: {what}", entry.code));
    let from = day(&entry.from).ok_or_else(|| wrong("`from` is no day"))?;
    let until = entry.until.as_ref().map(|until| day(until).ok_or_else(|| wrong("`until` is no day")));
    let until = until.transpose()?;
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    let last = until.map_or_else(String::new, |until| until.to_string());
    digest.update(format!("{}\n{from}\n{last}\n{}\n", entry.code, entry.states_results).as_bytes());
    let mut questions = Vec::new();
    for name in &entry.questions {
        let (text, block) =
            blocks.get(name.as_str()).ok_or_else(|| wrong("names a file that is not there"))?;
        digest.update(text.as_bytes());
        questions.extend(block.iter().cloned());
    }
    Ok(Form {
        code: entry.code,
        title: Bilingual { id: entry.title_id, en: entry.title_en },
        from,
        until,
        follows: entry.follows,
        states_results: entry.states_results,
        questions,
        digest: HEXLOWER.encode(digest.finish().as_ref()),
        source: entry.source,
        confidence: entry.confidence,
    })
}

pub(crate) fn parse<T: for<'de> Deserialize<'de>>(name: &str, text: &str) -> Result<T, FormsError> {
    toml::from_str(text).map_err(|error| FormsError::Form(name.to_owned(), error))
}

fn day(datetime: &toml::value::Datetime) -> Option<Date> {
    datetime.to_string().parse().ok()
}
