//! Their answers beside ours. A disagreement must stand in `tests/foreign/disagreements.toml`, and what stands there must
//! be met: neither a new one nor a stale one passes.

use std::{collections::BTreeMap, fmt, path::Path};

use serde::Deserialize;

use super::{Answer, Question};

/// The documented disagreements.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Documented {
    disagreement: Vec<Disagreement>,
}

/// One: the verifier answers every question of these classes otherwise than we do, or some of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Disagreement {
    verifiers: Vec<String>,
    classes: Vec<String>,
    #[serde(rename = "why")]
    _why: String,
}

impl Documented {
    /// Reads the table.
    ///
    /// # Panics
    /// Where it cannot be read.
    pub fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign/disagreements.toml");
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn classes_of(&self, verifier: &str) -> Vec<&str> {
        let of = |entry: &&Disagreement| entry.verifiers.iter().any(|name| name == verifier);
        self.disagreement.iter().filter(of).flat_map(|entry| &entry.classes).map(String::as_str).collect()
    }
}

/// One verifier's answers, counted.
#[derive(Debug, Default)]
pub struct Tally {
    verifier: String,
    agreed: usize,
    skipped: BTreeMap<String, usize>,
    /// By class: how often, and the first.
    disagreed: BTreeMap<String, (usize, String)>,
}

impl Tally {
    /// Compares. `answers` are in the order of the questions.
    ///
    /// # Panics
    /// Where there are fewer answers than questions, or more.
    pub fn new(verifier: &str, questions: &[Question], answers: &[Answer]) -> Self {
        assert_eq!(questions.len(), answers.len(), "{verifier}: one answer to each question");
        let mut tally = Self { verifier: verifier.into(), ..Self::default() };
        for (question, theirs) in questions.iter().zip(answers) {
            match theirs {
                Answer::Skip(why) => *tally.skipped.entry(why.clone()).or_default() += 1,
                theirs if *theirs == question.ours => tally.agreed += 1,
                theirs => {
                    let example = format!("we {}, they {theirs}: {:?}", question.ours, question.ask);
                    let entry = tally.disagreed.entry(question.class.clone()).or_insert((0, example));
                    entry.0 += 1;
                }
            }
        }
        tally
    }

    /// What is wrong, if anything: undocumented disagreements, and documented ones that were not met.
    pub fn faults(&self, documented: &Documented) -> Vec<String> {
        let known = documented.classes_of(&self.verifier);
        let new = self.disagreed.iter().filter(|(class, _)| !known.contains(&class.as_str()));
        let new = new.map(|(class, (count, example))| {
            let example: String = example.chars().take(600).collect();
            format!("{}: {count} undocumented, class `{class}`, for example {example}", self.verifier)
        });
        let stale = known.iter().filter(|class| !self.disagreed.contains_key(**class));
        let stale =
            stale.map(|class| format!("{}: agrees on `{class}`, documented as differing", self.verifier));
        new.chain(stale).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let disagreed: usize = self.disagreed.values().map(|(count, _)| count).sum();
        let skipped: usize = self.skipped.values().sum();
        let Self { verifier, agreed, .. } = self;
        write!(f, "{verifier:<12} {agreed:>6} agreed, {disagreed:>4} differed, {skipped:>6} not asked")?;
        for (class, (count, _)) in &self.disagreed {
            write!(f, "\n  differs {count:>5}  {class}")?;
        }
        for (why, count) in &self.skipped {
            write!(f, "\n  skipped {count:>5}  {why}")?;
        }
        Ok(())
    }
}
