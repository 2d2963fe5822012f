//! A screening as it is read, whatever version of the event holds it (upcast on read), and the second officer's word.

use jiff::civil::Date;
use simpul_proto::{embassy, screening as wire};

/// One screening. Holds personal data: no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Screening {
    /// Number that other events name.
    pub number: String,
    /// Form and version.
    pub form_version: String,
    /// Agency that sent it, and the pseudonym of who asked: officers of two agencies may have one pseudonym.
    pub interviewer: (String, String),
    /// Day of the screening; `None` where the version does not say.
    pub screened_on: Option<Date>,
    /// First and last day of what happened.
    pub acts: (Option<Date>, Option<Date>),
    /// Of the person.
    pub born_on: Option<Date>,
    /// What was answered.
    pub answers: Vec<Answered>,
    /// Results that the officer stated, of versions where nothing is worked out.
    pub stated: Option<Stated>,
    /// Number of the screening that it follows.
    pub rescreens: String,
}

/// One answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Answered {
    /// Code of the question.
    pub question: String,
    /// Codes of choices.
    pub choices: Vec<String>,
}

/// Results that the officer stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stated {
    /// By the international definition.
    pub international: embassy::ScreeningResult,
    /// By the elements of the domestic charge.
    pub domestic: embassy::ScreeningResult,
}

/// A second officer has looked at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// Agency and pseudonym.
    pub reviewer: (String, String),
    /// `None` where it is no day.
    pub on: Option<Date>,
    /// What came of it.
    pub outcome: wire::ReviewOutcome,
    /// The event.
    pub position: u64,
}

impl Screening {
    /// Version 1: an officer's form of eleven indicators, with the results stated on it.
    pub fn from_v1(source: &str, event: &embassy::ScreeningSubmitted) -> Self {
        let answers = vec![Answered { question: "indicators".into(), choices: event.indicators.clone() }];
        Self {
            number: event.screening_no.clone(),
            form_version: event.form_version.clone(),
            interviewer: (source.into(), event.officer.clone()),
            screened_on: None,
            acts: (None, None),
            born_on: event.person.as_ref().and_then(|person| person.birth_date.parse().ok()),
            answers: answers.into_iter().filter(|one| !one.choices.is_empty()).collect(),
            stated: Some(Stated {
                international: event.result_international(),
                domestic: event.result_domestic(),
            }),
            rescreens: String::new(),
        }
    }

    /// Version 2: coded answers to a form of the hub.
    pub fn from_v2(source: &str, event: &wire::ScreeningSubmitted) -> Self {
        let answer =
            |one: &wire::Answer| Answered { question: one.question.clone(), choices: one.choices.clone() };
        Self {
            number: event.screening_no.clone(),
            form_version: event.form_version.clone(),
            interviewer: (source.into(), event.interviewer.clone()),
            screened_on: event.screened_on.parse().ok(),
            acts: (event.acts_from.parse().ok(), event.acts_until.parse().ok()),
            born_on: event.person.as_ref().and_then(|person| person.birth_date.parse().ok()),
            answers: event.answers.iter().map(answer).collect(),
            stated: None,
            rescreens: event.rescreens.clone(),
        }
    }

    /// Whether a choice was given as the answer to a question.
    pub(crate) fn answered(&self, question: &str, choice: &str) -> bool {
        let of = self.answers.iter().filter(|answer| answer.question == question);
        of.flat_map(|answer| &answer.choices).any(|given| given == choice)
    }
}

impl Review {
    /// As it stands in the log.
    pub fn from_wire(source: &str, position: u64, event: &wire::ScreeningReviewed) -> Self {
        Self {
            reviewer: (source.into(), event.reviewer.clone()),
            on: event.reviewed_on.parse().ok(),
            outcome: event.outcome(),
            position,
        }
    }
}
