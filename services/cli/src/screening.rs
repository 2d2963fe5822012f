//! `simpul screening`: the forms, and what answers come to under them. No hub is asked: forms are data that come with this tool, and the hub
//! works results out by the same code.

mod print;

use std::{fs, io::Write, path::PathBuf, process::ExitCode};

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use prost::Message;
use prost_reflect::DynamicMessage;
use serde_json::Value;
use simpul_proto::{catalogue, screening as wire};
use simpul_screening::{Evaluation, Form, Forms, Review, Screening};

use crate::output::table;

#[derive(Subcommand)]
pub enum Command {
    /// Which form versions there are, from when to when
    Forms,
    /// All questions of a form version, in Indonesian and English
    Show(Show),
    /// What the answers in a file come to, with the rule and the answers that led to it
    Evaluate(Evaluate),
}

#[derive(Args)]
pub struct Show {
    /// Form and version, for example simpul-tppo/2
    form: String,
}

#[derive(Args)]
pub struct Evaluate {
    /// Payload of a `simpul.screening.v1.ScreeningSubmitted` as JSON, alone or in a line as `simpul submit` takes it
    file: PathBuf,

    /// Payload of a `ScreeningReviewed` of it, the same way; several in their order
    #[arg(long, value_name = "FILE")]
    review: Vec<PathBuf>,
}

pub fn run(command: &Command, json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let forms = Forms::builtin();
    match command {
        Command::Forms => list(forms, json, out)?,
        Command::Show(command) => {
            let form = forms.form(&command.form);
            print::form(form.ok_or_else(|| anyhow!("{}: no such form version", command.form))?, json, out)?;
        }
        Command::Evaluate(command) => {
            let (form, evaluation) = evaluate(forms, command)?;
            print::evaluation(forms, form, &evaluation, json, out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(forms: &Forms, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if json {
        return forms.all().iter().try_for_each(|form| print::form_line(form, out));
    }
    let row = |form: &Form| {
        let until = form.until.map_or("-".into(), |until| until.to_string());
        let questions = form.questions.len().to_string();
        [form.code.clone(), form.from.to_string(), until, questions, form.title.id.clone()]
    };
    let rows: Vec<_> = forms.all().iter().map(row).collect();
    table(out, ["form", "from", "until", "questions", "title"], &rows)
}

fn evaluate<'a>(forms: &'a Forms, command: &Evaluate) -> anyhow::Result<(&'a Form, Evaluation)> {
    let event: wire::ScreeningSubmitted = read(&command.file, "simpul.screening.v1.ScreeningSubmitted")?;
    if let Err(fault) = simpul_screening::check(forms, &event) {
        bail!("{}: {}", fault.path, fault.rule);
    }
    // A file tells no agency: interviewer and reviewers are taken to be of one.
    let screening = Screening::from_v2("", &event);
    let review = |file: &PathBuf| {
        let event = read::<wire::ScreeningReviewed>(file, "simpul.screening.v1.ScreeningReviewed")?;
        anyhow::Ok(Review::from_wire("", 0, &event))
    };
    let reviews = command.review.iter().map(review).collect::<anyhow::Result<Vec<_>>>()?;
    let form = forms.form(&event.form_version).context("the form was found before")?;
    let evaluation = simpul_screening::evaluate(forms, &screening, &reviews);
    Ok((form, evaluation.context("the form was found before")?))
}

/// Errors name the file and never what stands in it: answers are personal.
fn read<M: Message + Default>(file: &PathBuf, event_type: &str) -> anyhow::Result<M> {
    let shown = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("reading {shown}"))?;
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| anyhow!("{shown}: not JSON, at line {} column {}", error.line(), error.column()))?;
    let payload = value.get("payload").cloned().unwrap_or(value);
    let descriptor = catalogue::event_descriptor(event_type).context("an event type of the catalogue")?;
    let message = DynamicMessage::deserialize(descriptor, payload)
        .map_err(|_| anyhow!("{shown}: not a {event_type}; `simpul submit --check` names the field"))?;
    Ok(message.transcode_to()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_a_file_come_to_two_results_with_rule_and_answers() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("screening.json");
        let payload = serde_json::json!({ "payload": {
            "screening_no": "SC-1", "case_ref": "C-1", "form_version": "simpul-tppo/2", "interviewer": "officer-7",
            "acts_from": "2026-01-10", "interviewed_on": "2026-03-01", "screened_on": "2026-03-01",
            "answers": [
                { "question": "acts", "choices": ["RECRUITED"] },
                { "question": "promise-broken", "choices": ["JOB", "WAGES"] },
            ],
        }});
        fs::write(&file, payload.to_string()).unwrap();
        let mut out = Vec::new();
        let command = Command::Evaluate(Evaluate { file: file.clone(), review: Vec::new() });
        run(&command, false, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for part in [
            "simpul-tppo/2",
            "INDICATION",
            "TWO_ELEMENTS",
            "kuhp-2023-455",
            "Jenis pekerjaan, tempat, atau majikan",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }

        fs::write(&file, payload.to_string().replace("WAGES", "PAY")).unwrap();
        let error = run(&command, false, &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "answers[1].choices[1]: a choice of promise-broken in simpul-tppo/2");
    }

    #[test]
    fn every_form_is_shown_in_both_languages() {
        for form in Forms::builtin().all() {
            let mut out = Vec::new();
            run(&Command::Show(Show { form: form.code.clone() }), false, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            for question in &form.questions {
                assert!(text.contains(&question.id) && text.contains(&question.en), "{}", question.code);
            }
        }
    }
}
