//! Screenings in a case document: what each comes to under its own form version. Results are class `screening_result`; the answers that led
//! to them are class `screening`. A later screening stands beside an earlier one and changes nothing of it.

use prost::Message;
use serde_json::{Value, json};
use simpul_proto::screening as wire;
use simpul_screening::{Evaluation, Finding, Forms, Review, Screening, Shown, evaluate};
use simpul_types::FieldClass as F;

use super::{CaseRecord, EntryEvent, object, text};
use crate::{
    document::Document,
    event::{Payload, entry::Entry},
};

/// Adds the screenings of all records, in the order of the records.
pub(super) fn screenings(document: &mut Document, records: &[CaseRecord]) {
    for record in records {
        let Some((screening, reviews, position, rescreens)) = read(record) else { continue };
        let evaluation = evaluate(Forms::builtin(), &screening, &reviews);
        let shown =
            Subject { record: &record.reference, screening: &screening, position, rescreens: &rescreens };
        document.push(F::ScreeningResult, "results", shown.result(evaluation.as_ref()));
        if let Some(evaluation) = evaluation.filter(|_| screening.stated.is_none()) {
            document.push(F::Screening, "findings", shown.findings(&evaluation));
        }
    }
}

/// A screening record of either version, its reviews, where it stands, and what was linked to it afterwards.
fn read(record: &CaseRecord) -> Option<(Screening, Vec<Review>, u64, String)> {
    if let Some(Payload::Screening(event)) = &record.payload {
        let screening = Screening::from_v1(&record.snapshot.source, event);
        return Some((screening, Vec::new(), record.snapshot.position, String::new()));
    }
    let (mut screening, mut position, mut reviews, mut rescreens) = (None, 0, Vec::new(), String::new());
    for event in &record.events {
        let (source, at) = (&event.snapshot.source, event.snapshot.position);
        if let Some(event) =
            typed::<wire::ScreeningSubmitted>(event, "simpul.screening.v1.ScreeningSubmitted")
        {
            rescreens.clone_from(&event.rescreens);
            (screening, position) = (Some(Screening::from_v2(source, &event)), at);
        } else if let Some(event) =
            typed::<wire::ScreeningReviewed>(event, "simpul.screening.v1.ScreeningReviewed")
        {
            reviews.push(Review::from_wire(source, at, &event));
        } else if let Some(event) =
            typed::<wire::RescreeningLinked>(event, "simpul.screening.v1.RescreeningLinked")
        {
            rescreens = event.rescreens;
        }
    }
    screening.map(|screening| (screening, reviews, position, rescreens))
}

fn typed<M: Message + Default>(event: &EntryEvent, name: &str) -> Option<M> {
    match &event.payload {
        Some(Payload::Entry(entry)) if entry.kind.name() == name => message(entry),
        _ => None,
    }
}

fn message<M: Message + Default>(entry: &Entry) -> Option<M> {
    entry.message.transcode_to().ok()
}

struct Subject<'a> {
    record: &'a str,
    screening: &'a Screening,
    position: u64,
    rescreens: &'a str,
}

impl Subject<'_> {
    /// Side by side: the international definition and the charges. Thresholds of identification, never proof against anybody.
    fn result(&self, evaluation: Option<&Evaluation>) -> Value {
        let Some(evaluation) = evaluation else {
            return json!({
                "record": self.record, "position": self.position, "form_version": self.screening.form_version,
                "unknown_form_version": true,
            });
        };
        let charges = |evaluation: &Evaluation| -> Value {
            let of_charge = |finding: &Finding| {
                object([
                    ("charge", text(&finding.definition)),
                    ("threshold", finding.threshold.as_str().into()),
                    ("rule", finding.rule.into()),
                ])
            };
            evaluation.domestic.iter().map(of_charge).collect()
        };
        let worked_out = self.screening.stated.is_none();
        object([
            ("record", text(self.record)),
            ("screening_no", text(&self.screening.number)),
            ("form_version", text(&evaluation.form_version)),
            ("international", evaluation.international.threshold.as_str().into()),
            ("international_rule", evaluation.international.rule.into()),
            ("domestic", evaluation.domestic_threshold().as_str().into()),
            ("charges", if worked_out { charges(evaluation) } else { Value::Null }),
            ("reviewed", if worked_out { evaluation.confirmed.into() } else { Value::Null }),
            ("rescreens", text(self.rescreens)),
            ("position", self.position.into()),
        ])
    }

    fn findings(&self, evaluation: &Evaluation) -> Value {
        let one = |finding: &Finding| {
            let elements = finding.elements.iter().map(|element| {
                json!({ "element": element.element.as_str(), "needed": element.needed, "by": answers(&element.by) })
            });
            json!({
                "definition": finding.definition, "threshold": finding.threshold.as_str(), "rule": finding.rule,
                "elements": elements.collect::<Value>(),
            })
        };
        let ilo = evaluation.ilo.iter().map(|(code, by)| json!({ "indicator": code, "by": answers(by) }));
        let delphi = evaluation.delphi.iter().map(|set| {
            let positive = set.dimensions.iter().filter(|one| one.positive).map(|one| one.code.as_str());
            json!({ "set": set.set, "positive": positive.collect::<Value>(), "rule": set.rule, "reached": set.reached })
        });
        let flags = evaluation.flags.iter().map(|flag| json!({ "field": flag.field, "rule": flag.rule }));
        object([
            ("record", text(self.record)),
            ("form_version", text(&evaluation.form_version)),
            ("age", evaluation.age.as_str().into()),
            ("international", one(&evaluation.international)),
            ("domestic", evaluation.domestic.iter().map(one).collect()),
            ("ilo", ilo.collect()),
            ("signs", answers(&evaluation.signs)),
            ("delphi", delphi.collect()),
            ("flags", flags.collect()),
            ("position", self.position.into()),
        ])
    }
}

fn answers(by: &[Shown]) -> Value {
    by.iter().map(|shown| Value::from(format!("{}={}", shown.question, shown.choice))).collect()
}
