//! Where a case stands in the referral mechanism: the fold of `simpul-cases`, by field class.

use prost::Message;
use serde_json::{Value, json};
use simpul_cases::{Case, ClockBook, Fact, FactKind};
use simpul_proto::nrm::PersonRole;
use simpul_types::FieldClass as F;

use super::{CaseRecord, EntryEvent, object, text};
use crate::{
    document::Document,
    event::{Payload, entry::Entry},
    key,
};

/// The facts of all records together, in log order.
pub(crate) fn facts(records: &[CaseRecord]) -> Vec<Fact> {
    let of_record = |record: &CaseRecord| facts_of(&record.reference, &record.events);
    let mut facts: Vec<Fact> = records.iter().flat_map(of_record).collect();
    facts.sort_by_key(|fact| fact.position);
    facts
}

/// The facts of one stream.
pub(crate) fn facts_of(record: &str, events: &[EntryEvent]) -> Vec<Fact> {
    events.iter().filter_map(|event| fact(record, event)).collect()
}

/// Adds what the facts of all records together say. Decisions are class `screening_result`; roles of suspects are class `suspect`.
pub(super) fn mechanism(document: &mut Document, records: &[CaseRecord]) {
    let facts = facts(records);
    if facts.is_empty() {
        return;
    }
    let case = Case::of(&facts);
    if let Some(stage) = case.stage() {
        let now = object([
            ("stage", stage.stage.as_str_name().into()),
            ("since", text(&stage.since)),
            ("holder", text(&stage.holder)),
            ("unit", text(&stage.unit)),
            ("position", stage.position.into()),
        ]);
        document.set(F::Reference, "stage", now);
    }
    for stage in &case.stages {
        let entry = json!({ "stage": stage.stage.as_str_name(), "since": stage.since, "holder": stage.holder, "position": stage.position });
        document.push(F::Reference, "stages", entry);
    }
    for referral in &case.referrals {
        let entry = json!({
            "record": referral.record, "service": referral.service, "from": referral.from, "to": referral.to,
            "answer_by": referral.answer_by, "state": referral.state.as_str(), "by": referral.by, "since": referral.since,
            "position": referral.position,
        });
        document.push(F::Reference, "referrals", entry);
    }
    for consent in &case.consents {
        let entry = json!({ "for_purpose": consent.for_purpose, "given": consent.given, "on": consent.on, "position": consent.position });
        document.push(F::Reference, "consents", entry);
    }
    for bed in &case.beds {
        let entry = json!({
            "record": bed.record, "shelter_code": bed.shelter_code, "bed": bed.bed, "until": bed.until, "state": bed.state.as_str(),
            "position": bed.position,
        });
        document.push(F::Reference, "beds", entry);
    }
    for (holder, papers) in case.papers_missing() {
        let missing = papers.iter().map(|paper| {
            json!({ "kind": paper.kind, "state": paper.state.as_str_name(), "since": paper.since, "position": paper.position })
        });
        let entry = json!({ "holder": holder, "documents": missing.collect::<Vec<_>>() });
        document.push(F::Reference, "papers_missing", entry);
    }
    for flag in &case.flags {
        document.push(
            F::Reference,
            "flags",
            json!({ "position": flag.position, "field": flag.field, "rule": flag.rule }),
        );
    }
    for breach in &case.breaches {
        let entry = json!({
            "rule": breach.rule, "due": breach.due, "level": breach.level, "noticed_on": breach.noticed_on, "told": breach.told,
            "clock_position": breach.clock, "position": breach.position,
        });
        document.push(F::Reference, "breaches", entry);
    }
    clocks(document, &case);
    people(document, &case);
}

/// Without saying what is late: that depends on the day on which the document is read.
fn clocks(document: &mut Document, case: &Case) {
    let book = ClockBook::builtin();
    for clock in &case.clocks {
        let calendar = book.calendar(Some(&clock.country));
        let state = book.state(clock, &calendar, jiff::civil::Date::MIN);
        let rule = book.rule(&clock.rule);
        let entry = object([
            ("rule", text(&clock.rule)),
            ("title_id", rule.map_or(Value::Null, |rule| text(&rule.title_id))),
            ("title_en", rule.map_or(Value::Null, |rule| text(&rule.title_en))),
            ("source", rule.map_or(Value::Null, |rule| text(&rule.source))),
            ("due", state.due.map_or(Value::Null, |due| due.to_string().into())),
            ("paused", state.paused.into()),
            ("stopped", state.stopped.into()),
            ("region", text(&clock.region)),
            ("country", text(&clock.country)),
            ("position", clock.position.into()),
        ]);
        document.push(F::Reference, "clocks", entry);
    }
}

fn people(document: &mut Document, case: &Case) {
    for role in &case.roles {
        let class = match role.role {
            PersonRole::Suspect | PersonRole::Recruiter => F::Suspect,
            _ => F::Identity,
        };
        let entry = object([
            ("person", text(&role.person)),
            ("role", role.role.as_str_name().into()),
            ("from", text(&role.from)),
            ("until", text(&role.until)),
            ("decided_by", text(&role.decided_by)),
            ("non_punishment", if role.non_punishment { true.into() } else { Value::Null }),
            ("position", role.position.into()),
        ]);
        document.push(class, "roles", entry);
    }
    for decision in &case.decisions {
        let entry = json!({
            "person": decision.person, "under": decision.under.as_str_name(), "result": decision.result.as_str_name(),
            "on": decision.on, "by": decision.by, "position": decision.position,
        });
        document.push(F::ScreeningResult, "decisions", entry);
    }
}

fn fact(record: &str, event: &EntryEvent) -> Option<Fact> {
    let Some(Payload::Entry(entry)) = &event.payload else { return None };
    Some(Fact {
        position: event.snapshot.position,
        source: event.snapshot.source.clone(),
        record: record.to_owned(),
        persons: key::unpack(&event.snapshot.persons).map(|id| key::text(&id)).collect(),
        kind: kind(entry)?,
    })
}

fn kind(entry: &Entry) -> Option<FactKind> {
    fn typed<M: Message + Default>(entry: &Entry) -> Option<M> {
        entry.message.transcode_to().ok()
    }
    match entry.kind.name() {
        "simpul.nrm.v1.StageChanged" => typed(entry).map(FactKind::StageChanged),
        "simpul.nrm.v1.IdentificationDecided" => typed(entry).map(FactKind::IdentificationDecided),
        "simpul.nrm.v1.RoleAssigned" => typed(entry).map(FactKind::RoleAssigned),
        "simpul.nrm.v1.ConsentRecorded" => typed(entry).map(FactKind::ConsentRecorded),
        "simpul.nrm.v1.ClockSet" => typed(entry).map(FactKind::ClockSet),
        "simpul.nrm.v1.ReferralOffered" => typed(entry).map(FactKind::ReferralOffered),
        "simpul.nrm.v1.ReferralAccepted" => typed(entry).map(FactKind::ReferralAccepted),
        "simpul.nrm.v1.ReferralDeclined" => typed(entry).map(FactKind::ReferralDeclined),
        "simpul.nrm.v1.ReferralLapsed" => typed(entry).map(FactKind::ReferralLapsed),
        "simpul.nrm.v1.ServiceDelivered" => typed(entry).map(FactKind::ServiceDelivered),
        "simpul.nrm.v1.ReferralClosed" => typed(entry).map(FactKind::ReferralClosed),
        "simpul.shelter.v1.BedHeld" => typed(entry).map(FactKind::BedHeld),
        "simpul.shelter.v1.BedReleased" => typed(entry).map(FactKind::BedReleased),
        "simpul.shelter.v1.BedOccupied" => typed(entry).map(FactKind::BedOccupied),
        "simpul.shelter.v1.BedVacated" => typed(entry).map(FactKind::BedVacated),
        "simpul.hub.v1.ClockBreached" => typed(entry).map(FactKind::ClockBreached),
        "simpul.justice.v1.ProsecutionStepped" => typed(entry).map(FactKind::ProsecutionStepped),
        "simpul.justice.v1.JudgmentRendered" => typed(entry).map(FactKind::JudgmentRendered),
        "simpul.returns.v1.JourneyDocumentRecorded" => typed(entry).map(FactKind::JourneyDocumentRecorded),
        _ => None,
    }
}
