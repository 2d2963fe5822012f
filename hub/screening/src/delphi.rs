//! The six dimensions of the ILO/EC indicators: how strong each indicator is in each set, when a dimension is positive, and what positive
//! dimensions come to together.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    book::{FormsError, Question, parse},
    evaluate::{AgeGroup, Shown},
    screening::Screening,
};

/// The whole survey, as data.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Delphi {
    #[allow(dead_code, reason = "for the reader of the file")]
    source: String,
    #[allow(dead_code, reason = "for the reader of the file")]
    confidence: String,
    rule: Rule,
    combination: Vec<Combination>,
    dimension: Vec<Dimension>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    #[allow(dead_code, reason = "for the reader of the file")]
    code: String,
    #[allow(dead_code, reason = "for the reader of the file")]
    text_id: String,
    #[allow(dead_code, reason = "for the reader of the file")]
    text_en: String,
    /// Numbers of strong, medium and weak.
    positive: Vec<[usize; 3]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Combination {
    code: String,
    age: String,
    #[serde(default)]
    intended: bool,
    #[allow(dead_code, reason = "for the reader of the file")]
    text_id: String,
    #[allow(dead_code, reason = "for the reader of the file")]
    text_en: String,
    all: Vec<String>,
    groups: Vec<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dimension {
    code: String,
    #[allow(dead_code, reason = "for the reader of the file")]
    id: String,
    #[allow(dead_code, reason = "for the reader of the file")]
    en: String,
    question: String,
    /// By choice: one letter a set.
    strength: BTreeMap<String, String>,
}

/// What one set comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelphiResult {
    /// `ADULT_LABOUR`, `CHILD_LABOUR`, `ADULT_SEXUAL`, `CHILD_SEXUAL`.
    pub set: &'static str,
    /// Each dimension.
    pub dimensions: Vec<DimensionResult>,
    /// Rule that combines them.
    pub rule: String,
    /// Whether it holds.
    pub reached: bool,
}

/// What one dimension comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DimensionResult {
    /// For example `DECEPTIVE_RECRUITMENT`.
    pub code: String,
    /// Numbers of strong, medium and weak indicators found.
    pub found: [usize; 3],
    /// Whether that is enough.
    pub positive: bool,
    /// The answers.
    pub by: Vec<Shown>,
}

/// Sets in the order of the letters.
const SETS: [&str; 4] = ["ADULT_LABOUR", "CHILD_LABOUR", "ADULT_SEXUAL", "CHILD_SEXUAL"];

impl Delphi {
    pub(crate) fn read(text: &str) -> Result<Self, FormsError> {
        parse("delphi.toml", text)
    }

    /// Whether every indicator is a choice of its question, and every letter one of S, M, W and -.
    pub(crate) fn fits<'a>(
        &self,
        question: impl Fn(&str) -> Option<&'a std::sync::Arc<Question>>,
    ) -> Result<(), String> {
        for dimension in &self.dimension {
            let asked = question(&dimension.question)
                .ok_or_else(|| format!("{}: no question {}", dimension.code, dimension.question))?;
            for (code, letters) in &dimension.strength {
                if !asked.choices.iter().any(|choice| choice.code == *code) {
                    return Err(format!("{}: {code} is no choice of {}", dimension.code, asked.code));
                }
                if letters.len() != SETS.len() || !letters.bytes().all(|letter| b"SMW-".contains(&letter)) {
                    return Err(format!("{}: {code} has no four letters", dimension.code));
                }
            }
        }
        let known = |code: &String| self.dimension.iter().any(|dimension| dimension.code == *code);
        let named = self.combination.iter().flat_map(|one| one.all.iter().chain(one.groups.iter().flatten()));
        match named.into_iter().find(|code| !known(code)) {
            Some(code) => Err(format!("{code} is no dimension")),
            None => Ok(()),
        }
    }

    /// The sets that apply to a person: by age, and by what they were used for. Where nothing says what for, both.
    pub(crate) fn measure(&self, screening: &Screening, age: AgeGroup) -> Vec<DelphiResult> {
        let for_what = |code: &str| screening.answered("exploitation", code);
        let sexual = for_what("SEXUAL");
        let labour = [
            "FORCED_LABOUR",
            "DOMESTIC_SERVITUDE",
            "FORCED_CRIMINALITY",
            "FISHERIES",
            "SLAVERY",
            "BEGGING",
            "EXTORTION",
        ]
        .into_iter()
        .any(for_what);
        let child = usize::from(age == AgeGroup::Child);
        let mut sets = Vec::new();
        if labour || !sexual {
            sets.push(child);
        }
        if sexual || !labour {
            sets.push(2 + child);
        }
        sets.into_iter().map(|set| self.measure_set(screening, age, set)).collect()
    }

    fn measure_set(&self, screening: &Screening, age: AgeGroup, set: usize) -> DelphiResult {
        let dimensions: Vec<_> =
            self.dimension.iter().map(|one| self.measure_dimension(one, screening, set)).collect();
        let positive = |code: &String| dimensions.iter().any(|one| one.code == *code && one.positive);
        let intended = screening.answered("exploitation-happened", "INTENDED");
        let rule = self.combination.iter().find(|one| one.age == age.as_str() && one.intended == intended);
        let reached = rule.is_some_and(|rule| {
            rule.all.iter().all(&positive) && rule.groups.iter().all(|group| group.iter().any(&positive))
        });
        let rule = rule.map(|rule| rule.code.clone()).unwrap_or_default();
        DelphiResult { set: SETS[set], dimensions, rule, reached }
    }

    fn measure_dimension(&self, dimension: &Dimension, screening: &Screening, set: usize) -> DimensionResult {
        let (mut found, mut by) = ([0; 3], Vec::new());
        for (choice, letters) in &dimension.strength {
            let grade = match letters.as_bytes()[set] {
                b'S' => 0,
                b'M' => 1,
                b'W' => 2,
                _ => continue,
            };
            if screening.answered(&dimension.question, choice) {
                found[grade] += 1;
                by.push(Shown { question: dimension.question.clone(), choice: choice.clone() });
            }
        }
        let positive = self.rule.positive.iter().any(|needed| enough(found, *needed));
        DimensionResult { code: dimension.code.clone(), found, positive, by }
    }
}

/// Whether what was found covers what is needed; what is stronger may stand for what is weaker.
fn enough(found: [usize; 3], needed: [usize; 3]) -> bool {
    let (mut have, mut need) = (0, 0);
    found.into_iter().zip(needed).all(|(found, needed)| {
        have += found;
        need += needed;
        have >= need
    })
}
