//! A case with what missions and police have recorded in it.

use serde_json::{Map, Value, json};
use simpul_proto::{
    embassy::{IntakeRecorded, ScreeningSubmitted},
    police::{CaseRole, CaseUpdated},
    v1::PersonClaim,
};
use simpul_types::{FieldClass as F, Position, StreamName, View};

use super::{
    entry::{EntryEvent, push_events},
    mechanism::mechanism,
    named, object, person, provenance,
    screening::screenings,
    text,
};
use crate::{
    document::Document,
    event::Payload,
    key::{self, Id},
    row::Snapshot,
};

/// What a case document is made of.
pub(crate) struct CaseParts {
    pub(crate) reference: String,
    /// Empty where the case is that of one report.
    pub(crate) case_ref: String,
    pub(crate) opened: u64,
    /// Number of records, of which `records` may be the newest only.
    pub(crate) records_total: usize,
    /// The case that took over, and since when.
    pub(crate) moved_to: Option<(String, Position)>,
    pub(crate) records: Vec<CaseRecord>,
}

/// One record of a case; no payload where it does not open any more.
pub(crate) struct CaseRecord {
    pub(crate) reference: String,
    pub(crate) snapshot: Snapshot,
    pub(crate) history: Vec<Position>,
    pub(crate) payload: Option<Payload>,
    /// Its stream, and how many events it had then: what a further event of it is submitted with.
    pub(crate) stream: Option<(StreamName, u64)>,
    /// All events of a stream that the options of the contract describe; empty for other records.
    pub(crate) events: Vec<EntryEvent>,
}

/// Renders it. Every entry names the opaque reference of its record, so that the classes can be put together again.
pub(crate) fn case(parts: &CaseParts) -> Document {
    let newest = parts.records.iter().map(|record| record.snapshot.position).max().unwrap_or(parts.opened);
    let moved_at = parts.moved_to.as_ref().map_or(0, |(_, position)| position.get());
    let mut document =
        Document::new(View::Case, parts.reference.clone(), Position::new(newest.max(moved_at)));
    document.set(F::Reference, "case_ref", text(&parts.case_ref));
    document.set(F::Reference, "opened_position", parts.opened);
    document.set(F::Reference, "records_total", parts.records_total);
    if let Some((reference, position)) = &parts.moved_to {
        document.set(F::Reference, "moved_to", reference.clone());
        document.set(F::Reference, "moved_position", position.get());
    }
    for record in &parts.records {
        document.from(&record.snapshot);
        let mut entry = provenance(&record.snapshot, &record.history);
        entry.insert("record".into(), record.reference.clone().into());
        if let Some((stream, version)) = &record.stream {
            entry.insert("stream".into(), stream.to_string().into());
            entry.insert("stream_version".into(), (*version).into());
        }
        let persons: Vec<Id> = key::unpack(&record.snapshot.persons).collect();
        match &record.payload {
            Some(Payload::Intake(payload)) => intake(&mut document, &mut entry, record, payload, &persons),
            Some(Payload::Screening(payload)) => {
                screening(&mut document, &mut entry, record, payload, &persons)
            }
            Some(Payload::Report(payload)) => report(&mut document, &mut entry, record, payload, &persons),
            Some(Payload::Entry(newest)) => {
                entry.insert("kind".into(), newest.kind.view.into());
                entry.insert("type".into(), newest.kind.short_name().into());
                push_events(&mut document, Some(&record.reference), &record.events);
            }
            _ => {
                entry.insert("unavailable".into(), true.into());
            }
        }
        entry.retain(|_, value| !value.is_null());
        document.push(F::Reference, "records", Value::Object(entry));
    }
    screenings(&mut document, &parts.records);
    mechanism(&mut document, &parts.records);
    document
}

fn intake(
    document: &mut Document,
    entry: &mut Map<String, Value>,
    record: &CaseRecord,
    intake: &IntakeRecorded,
    persons: &[Id],
) {
    let of = record.reference.as_str();
    entry.insert("kind".into(), "intake".into());
    entry.insert("mission".into(), text(&intake.mission));
    entry.insert("intake_no".into(), text(&intake.intake_no));
    entry.insert("contact_date".into(), text(&intake.contact_date));
    entry.insert("location_country".into(), text(&intake.location_country));
    identity(document, of, intake.person.as_ref(), persons.first().copied());
    let stay = named(intake.stay_category().as_str_name());
    if !stay.is_null() {
        document.push(F::Placement, "stays", json!({ "record": of, "stay_category": stay }));
    }
    if !intake.narrative.is_empty() {
        document.push(F::Screening, "narratives", json!({ "record": of, "narrative": intake.narrative }));
    }
    if !intake.urgent_needs.is_empty() {
        document.push(F::Health, "urgent_needs", json!({ "record": of, "needs": intake.urgent_needs }));
    }
    if !intake.shelter_address.is_empty() {
        let shelter = json!({ "record": of, "address": intake.shelter_address });
        document.push(F::ShelterLocation, "shelters", shelter);
    }
    if !intake.recruiter_contact.is_empty() {
        let contact = json!({ "record": of, "contact": intake.recruiter_contact });
        document.push(F::Suspect, "recruiter_contacts", contact);
    }
}

fn screening(
    document: &mut Document,
    entry: &mut Map<String, Value>,
    record: &CaseRecord,
    screening: &ScreeningSubmitted,
    persons: &[Id],
) {
    let of = record.reference.as_str();
    entry.insert("kind".into(), "screening".into());
    entry.insert("screening_no".into(), text(&screening.screening_no));
    entry.insert("intake_no".into(), text(&screening.intake_no));
    entry.insert("form_version".into(), text(&screening.form_version));
    identity(document, of, screening.person.as_ref(), persons.first().copied());
    let answers = object([
        ("record", text(of)),
        ("officer", text(&screening.officer)),
        ("indicators", json!(screening.indicators)),
        ("exploitation", named(screening.exploitation().as_str_name())),
        ("narrative", text(&screening.narrative)),
    ]);
    document.push(F::Screening, "screenings", answers);
}

fn report(
    document: &mut Document,
    entry: &mut Map<String, Value>,
    record: &CaseRecord,
    report: &CaseUpdated,
    persons: &[Id],
) {
    let of = record.reference.as_str();
    entry.insert("kind".into(), "report".into());
    entry.insert("report_type".into(), named(report.report_type().as_str_name()));
    entry.insert("stage".into(), named(report.stage().as_str_name()));
    entry.insert("stage_date".into(), text(&report.stage_date));
    entry.insert("unit".into(), text(&report.unit));
    let matter = object([
        ("record", text(of)),
        ("lp_number", text(&report.lp_number)),
        ("articles", json!(report.articles)),
    ]);
    document.push(F::Suspect, "reports", matter);
    let mut ids = persons.iter();
    for one in &report.persons {
        let Some(claim) = &one.person else { continue };
        let id = ids.next().copied();
        // One person may be victim and suspect at once: each class shows its own roles and not the other's.
        let (suspect, other): (Vec<CaseRole>, Vec<CaseRole>) =
            one.roles().partition(|role| matches!(role, CaseRole::Suspect | CaseRole::Recruiter));
        for (class, roles) in [(F::Suspect, &suspect), (F::Identity, &other)] {
            // A person without any role is nobody's suspect.
            if roles.is_empty() && !(class == F::Identity && suspect.is_empty()) {
                continue;
            }
            let mut shown = person(claim, id);
            shown.insert("record".into(), of.into());
            shown.insert("roles".into(), roles.iter().map(|role| role.as_str_name()).collect());
            if class == F::Suspect {
                shown.insert("stage".into(), named(one.stage().as_str_name()));
            }
            shown.retain(|_, value| !value.is_null());
            document.push(class, "persons", Value::Object(shown));
        }
    }
}

fn identity(document: &mut Document, record: &str, claim: Option<&PersonClaim>, id: Option<Id>) {
    let Some(claim) = claim else { return };
    let mut shown = person(claim, id);
    shown.insert("record".into(), record.into());
    document.push(F::Identity, "persons", Value::Object(shown));
}
