//! Forms and results, for people in two languages, or for scripts.

use std::io::Write;

use serde_json::{Value, json};
use simpul_screening::{Evaluation, Finding, Form, Forms, Kind, Shown};

use crate::output::json_line;

pub fn form_line(form: &Form, out: &mut dyn Write) -> anyhow::Result<()> {
    json_line(out, &about(form))
}

fn about(form: &Form) -> Value {
    json!({
        "form": form.code, "title_id": form.title.id, "title_en": form.title.en, "from": form.from.to_string(),
        "until": form.until.map(|until| until.to_string()), "follows": form.follows, "questions": form.questions.len(),
        "digest": form.digest, "source": form.source, "confidence": form.confidence,
    })
}

pub fn form(form: &Form, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if json {
        let choice = |one: &simpul_screening::Choice| json!({ "code": one.code, "id": one.id, "en": one.en, "shows": one.shows });
        let question = |one: &std::sync::Arc<simpul_screening::Question>| {
            json!({
                "code": one.code, "kind": kind(one.kind), "id": one.id, "en": one.en, "required": one.required,
                "choices": one.choices.iter().map(choice).collect::<Vec<_>>(), "shows": one.shows,
            })
        };
        let mut value = about(form);
        value["questions"] = form.questions.iter().map(question).collect();
        return json_line(out, &value);
    }
    writeln!(out, "{}  {}", form.code, form.title.id)?;
    writeln!(out, "{:width$}  {}", "", form.title.en, width = form.code.chars().count())?;
    let until = form.until.map_or("-".into(), |until| until.to_string());
    writeln!(out, "  from {} until {until}   source: {} ({})", form.from, form.source, form.confidence)?;
    writeln!(out, "  sha256 {}", form.digest)?;
    for (number, question) in form.questions.iter().enumerate() {
        let needed = if question.required { " *" } else { "" };
        writeln!(out, "\n{:>3}  {}  [{}{needed}]", number + 1, question.code, kind(question.kind))?;
        writeln!(out, "     {}", question.id)?;
        writeln!(out, "     {}", question.en)?;
        for choice in &question.choices {
            writeln!(out, "       {:<32} {} / {}", choice.code, choice.id, choice.en)?;
        }
    }
    Ok(())
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::YesNo => "YES, NO",
        Kind::One => "one",
        Kind::Many => "several",
        Kind::Text => "text",
        Kind::Field => "field of the event",
    }
}

pub fn evaluation(
    forms: &Forms,
    form: &Form,
    evaluation: &Evaluation,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if json {
        return json_line(out, &as_json(evaluation));
    }
    writeln!(out, "{}  {} / {}", form.code, form.title.id, form.title.en)?;
    writeln!(out, "  usia / age: {}", evaluation.age.as_str())?;
    writeln!(out, "\nDefinisi internasional / International definition")?;
    finding(forms, form, &evaluation.international, out)?;
    writeln!(out, "\nUnsur pidana domestik / Domestic charges")?;
    for one in &evaluation.domestic {
        finding(forms, form, one, out)?;
    }
    writeln!(out, "\nILO {} / 11", evaluation.ilo.len())?;
    for (code, by) in &evaluation.ilo {
        let name = forms.indicator(code).map_or(String::new(), |one| format!("{} / {}", one.id, one.en));
        writeln!(out, "  {code:<40} {name}  ({} answers)", by.len())?;
    }
    for set in &evaluation.delphi {
        let reached = if set.reached { "reached" } else { "not reached" };
        writeln!(out, "\nDelphi {}: {} {reached}", set.set, set.rule)?;
        for one in set.dimensions.iter().filter(|one| !one.by.is_empty()) {
            let [strong, medium, weak] = one.found;
            let mark = if one.positive { '+' } else { ' ' };
            writeln!(out, "  {mark} {:<32} {strong} strong, {medium} medium, {weak} weak", one.code)?;
        }
    }
    writeln!(out, "\nTanda umum / General signs (UNODC): {}", evaluation.signs.len())?;
    for flag in &evaluation.flags {
        writeln!(out, "! {}: {}", flag.field, flag.rule)?;
    }
    writeln!(
        out,
        "\nAmbang identifikasi, bukan pembuktian pidana. / A threshold of identification, no proof against anybody."
    )?;
    Ok(())
}

fn finding(forms: &Forms, form: &Form, finding: &Finding, out: &mut dyn Write) -> anyhow::Result<()> {
    let title = forms
        .definition(&finding.definition)
        .map_or(String::new(), |one| format!("{} / {}", one.title_id, one.title_en));
    writeln!(out, "  {:<14} {}  {title}", finding.threshold.as_str(), finding.definition)?;
    if let Some(rule) = forms.rule(finding.rule) {
        writeln!(out, "    {}: {} / {}", finding.rule, rule.id, rule.en)?;
    }
    for element in &finding.elements {
        let state = match (element.by.is_empty(), element.needed) {
            (false, _) => "shown",
            (true, true) => "not shown",
            (true, false) => "not needed",
        };
        writeln!(out, "    {:<8} {state}", element.element.as_str())?;
        for shown in &element.by {
            writeln!(out, "      {}={}  {}", shown.question, shown.choice, choice(form, shown))?;
        }
    }
    Ok(())
}

/// The words of a choice; a YES has those of its question.
fn choice(form: &Form, shown: &Shown) -> String {
    let Some(question) = form.question(&shown.question) else { return String::new() };
    match question.choices.iter().find(|one| one.code == shown.choice) {
        Some(one) => format!("{} / {}", one.id, one.en),
        None => format!("{} / {}", question.id, question.en),
    }
}

fn as_json(evaluation: &Evaluation) -> Value {
    let by = |by: &[Shown]| -> Value {
        by.iter().map(|one| Value::from(format!("{}={}", one.question, one.choice))).collect()
    };
    let finding = |finding: &Finding| {
        let elements = finding
            .elements
            .iter()
            .map(|one| json!({ "element": one.element.as_str(), "needed": one.needed, "by": by(&one.by) }));
        json!({
            "definition": finding.definition, "threshold": finding.threshold.as_str(), "rule": finding.rule,
            "elements": elements.collect::<Value>(),
        })
    };
    let delphi = evaluation.delphi.iter().map(|set| {
        let positive = set.dimensions.iter().filter(|one| one.positive).map(|one| one.code.as_str());
        json!({ "set": set.set, "positive": positive.collect::<Vec<_>>(), "rule": set.rule, "reached": set.reached })
    });
    json!({
        "form_version": evaluation.form_version, "age": evaluation.age.as_str(),
        "international": finding(&evaluation.international),
        "domestic": evaluation.domestic.iter().map(finding).collect::<Vec<_>>(),
        "ilo": evaluation.ilo.iter().map(|(code, shown)| json!({ "indicator": code, "by": by(shown) })).collect::<Vec<_>>(),
        "signs": by(&evaluation.signs), "delphi": delphi.collect::<Vec<_>>(), "confirmed": evaluation.confirmed,
        "flags": evaluation.flags.iter().map(|flag| json!({ "field": flag.field, "rule": flag.rule })).collect::<Vec<_>>(),
    })
}
