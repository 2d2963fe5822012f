//! Judging again.

use jiff::{civil::Date, tz::Offset};
use simpul_legality::{Assessment, Facts, RuleBook, evaluate};
use simpul_projection::{PersonId, ReadModels, StateError};
use simpul_proto::{
    hub::VerdictSuperseded,
    v1::{RequirementState, VerdictKind},
};
use simpul_types::{Clock, Position};

use crate::{
    Word,
    answers::{Answer, Id},
};

/// Hours that Jakarta is ahead of UTC; the laws' days are its days.
const JAKARTA: Offset = jiff::tz::offset(7);

/// What is known of a person, and on which licences it rests.
pub(crate) struct Known {
    pub(crate) facts: Facts,
    pub(crate) licences: Vec<Id>,
}

/// Facts of a person now.
pub(crate) fn known(models: &ReadModels, person: &PersonId) -> Result<Known, StateError> {
    let facts = models.facts(person)?;
    let mut licences = Vec::new();
    for placement in &facts.placements {
        let named = &placement.placement.value;
        for number in [&named.placer_licence_no, &named.recruitment_permit_no] {
            if !number.trim().is_empty() {
                licences.push(models.licence_id(number));
            }
        }
    }
    Ok(Known { facts, licences })
}

/// The word to be said about an answer, where it would be another now.
pub(crate) fn again(
    answer: &Answer,
    facts: &Facts,
    rules: &RuleBook,
    clock: &dyn Clock,
    cause: Option<Position>,
) -> Option<Word> {
    let time = jiff::Timestamp::from_microsecond(clock.now().as_us()).unwrap_or(jiff::Timestamp::MIN);
    let today = JAKARTA.to_datetime(time).date();
    let valid_at: Option<Date> = answer.valid_at.parse().ok();
    let assessment = evaluate(rules, facts, valid_at, today);
    (assessment.kind != answer.kind()).then(|| word(answer, &assessment, cause))
}

fn word(answer: &Answer, now: &Assessment, cause: Option<Position>) -> Word {
    let decides = now.requirements.iter().filter(|row| row.decides).map(|row| {
        let state = RequirementState::try_from(row.state).map_or("UNKNOWN", |state| state.as_str_name());
        format!("{} {state}", row.id)
    });
    let superseded = VerdictSuperseded {
        agency: answer.agency.clone(),
        subject_ref: answer.subject_ref.clone(),
        old_kind: answer.row.kind,
        new_kind: now.kind.into(),
        valid_at: answer.valid_at.clone(),
        access_entry: Some(answer.row.access_entry),
        cause_position: cause.map(Position::get),
        // Before the first rule set there is none; the field says so rather than nothing.
        rule_set: if now.rule_set.is_empty() { "none".into() } else { now.rule_set.clone() },
        decides: decides.collect(),
        asked_for_case: answer.case_ref.clone(),
        asked_for_purpose: answer.purpose.clone(),
    };
    Word { stream: answer.stream(), version: answer.row.words, superseded }
}

/// The newest fact of these: what an answer that came too late to be followed can only have been changed by.
pub(crate) fn newest(facts: &Facts) -> Option<Position> {
    let placements = facts.placements.iter().flat_map(|placement| {
        let licences = [&placement.placer, &placement.permit].into_iter().flatten().map(|one| one.position);
        licences.chain([placement.placement.position])
    });
    let claims = facts.claims.iter().map(|claim| claim.position);
    claims.chain(facts.stays.iter().map(|stay| stay.position)).chain(placements).max()
}

/// The kind that an access entry's answer names; `None` where it is no verdict. Nobody on record was answered with open evidence.
pub(crate) fn kind_of(answer: &str) -> Option<VerdictKind> {
    match answer {
        "NO_RECORD" => Some(VerdictKind::InsufficientEvidence),
        _ => VerdictKind::from_str_name(answer).filter(|kind| *kind != VerdictKind::Unspecified),
    }
}
