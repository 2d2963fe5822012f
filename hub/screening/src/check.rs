//! What is refused at the gate: form versions that do not exist or were not in force, questions and choices that are not the form's.

use jiff::civil::Date;
use simpul_proto::{embassy, screening as wire};

use crate::book::{Form, Forms, Kind, Question};

/// What any question may be answered with.
const ALWAYS: [&str; 2] = ["UNKNOWN", "REFUSED"];

/// What breaks a form. Never holds an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormFault {
    /// Path of the field within the payload.
    pub path: String,
    /// The rule.
    pub rule: String,
}

/// Whether a screening is one of its form.
///
/// # Errors
/// The first field that is not.
pub fn check(forms: &Forms, event: &wire::ScreeningSubmitted) -> Result<(), FormFault> {
    let form = form(forms, &event.form_version)?;
    if form.states_results {
        return Err(fault("form_version", "a form of coded answers; this one states results"));
    }
    let screened_on: Option<Date> = event.screened_on.parse().ok();
    if !screened_on.is_some_and(|day| form.in_force_on(day)) {
        return Err(fault("screened_on", &format!("a day on which {} is in force", form.code)));
    }
    for (index, answer) in event.answers.iter().enumerate() {
        let path = |field: &str| format!("answers[{index}].{field}");
        let Some(question) = form.question(&answer.question) else {
            return Err(fault(&path("question"), &format!("a question of {}", form.code)));
        };
        if event.answers[..index].iter().any(|before| before.question == answer.question) {
            return Err(fault(&path("question"), "answered once"));
        }
        if question.kind != Kind::Text && !answer.text.is_empty() {
            return Err(fault(&path("text"), "only of a question that takes text"));
        }
        let one_only = matches!(question.kind, Kind::One | Kind::YesNo) && answer.choices.len() > 1;
        if one_only {
            return Err(fault(&path("choices"), "one choice"));
        }
        if let Some(unknown) = answer.choices.iter().position(|choice| !takes(question, choice)) {
            let rule = format!("a choice of {} in {}", question.code, form.code);
            return Err(fault(&path(&format!("choices[{unknown}]")), &rule));
        }
    }
    if event.rescreens.is_empty() != (event.rescreen_reason() == wire::RescreenReason::Unspecified) {
        return Err(fault("rescreen_reason", "stands with `rescreens`"));
    }
    if !event.rescreens.is_empty() && event.rescreens == event.screening_no {
        return Err(fault("rescreens", "another screening"));
    }
    Ok(())
}

/// The same of version 1, whose officer states the results.
///
/// # Errors
/// The first field that is not of its form.
pub fn check_v1(forms: &Forms, event: &embassy::ScreeningSubmitted) -> Result<(), FormFault> {
    let form = form(forms, &event.form_version)?;
    let Some(question) = form.question("indicators").filter(|_| form.states_results) else {
        return Err(fault("form_version", "a form on which the officer states the results"));
    };
    match event.indicators.iter().position(|code| !takes(question, code)) {
        Some(index) => Err(fault(&format!("indicators[{index}]"), &format!("an indicator of {}", form.code))),
        None => Ok(()),
    }
}

/// Whether what is published is what the hub has.
///
/// # Errors
/// The first field that is not.
pub fn check_published(forms: &Forms, event: &wire::FormVersionPublished) -> Result<(), FormFault> {
    let form = form(forms, &event.form_version)?;
    if event.digest != form.digest {
        return Err(fault("digest", &format!("SHA-256 of the text of {} that the hub has", form.code)));
    }
    if event.in_force_from.parse::<Date>().ok() != Some(form.from) {
        return Err(fault("in_force_from", &format!("the first day of {}", form.code)));
    }
    Ok(())
}

fn form<'a>(forms: &'a Forms, code: &str) -> Result<&'a Form, FormFault> {
    forms.form(code).ok_or_else(|| fault("form_version", "a form version that the hub has"))
}

fn takes(question: &Question, choice: &str) -> bool {
    let of_kind = match question.kind {
        Kind::YesNo => ["YES", "NO"].contains(&choice),
        Kind::One | Kind::Many => question.choices.iter().any(|one| one.code == choice),
        Kind::Text | Kind::Field => false,
    };
    of_kind || ALWAYS.contains(&choice)
}

fn fault(path: &str, rule: &str) -> FormFault {
    FormFault { path: path.to_owned(), rule: rule.to_owned() }
}
