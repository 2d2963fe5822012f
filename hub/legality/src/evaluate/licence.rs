//! Licences: was the one that the placement names in force on the day?

use simpul_proto::{
    registry::{LicenceKind, LicenceRecorded},
    v1::RequirementState,
};

use super::{Case, Finding, Origin, Weight, evidence::absent};
use crate::{
    book::{Bilingual, Missing, Requirement},
    day::Day,
    text::Limit,
};

/// What the rule asks for.
pub(super) struct Wanted {
    pub(super) kind: LicenceKind,
    pub(super) missing: Missing,
    pub(super) expired: Missing,
    pub(super) of_the_placer: bool,
    pub(super) for_the_destination: bool,
}

pub(super) fn judge<'a>(case: &Case<'a>, requirement: &'a Requirement, wanted: &Wanted) -> Finding<'a> {
    let texts = &case.book.texts;
    let finding = |(state, weight): (RequirementState, Weight), text: &'a Bilingual| Finding {
        state,
        weight,
        text,
        what: &requirement.name,
        limit: None,
        origin: None,
    };
    let (number, licence) = match wanted.kind {
        LicenceKind::Sip3mi | LicenceKind::UkpsPermit => {
            (&case.record.placer_licence_no, &case.episode.placer)
        }
        LicenceKind::Sip2mi => (&case.record.recruitment_permit_no, &case.episode.permit),
        LicenceKind::Unspecified => return case.no_rule(requirement),
    };
    if number.trim().is_empty() {
        return finding(absent(wanted.missing), &texts.licence_missing);
    }
    let Some(licence) = licence.as_ref().filter(|licence| licence.value.kind() == wanted.kind) else {
        return finding((RequirementState::Unknown, Weight::Open), &texts.licence_off_record);
    };
    let origin = Some(Origin::of(licence));
    match defect(case, &licence.value, wanted) {
        Some((state_and_weight, text, limit)) => Finding { limit, origin, ..finding(state_and_weight, text) },
        None => Finding { origin, ..finding((RequirementState::Met, Weight::Fine), &texts.licence_met) },
    }
}

type Defect<'a> = ((RequirementState, Weight), &'a Bilingual, Option<Limit<'a>>);

/// The first thing that is wrong with it, the gravest first.
fn defect<'a>(case: &Case<'a>, licence: &LicenceRecorded, wanted: &Wanted) -> Option<Defect<'a>> {
    const AGAINST: (RequirementState, Weight) = (RequirementState::NotMet, Weight::Against);
    let texts = &case.book.texts;
    let day = case.day;
    let revoked = Day::parse(&licence.revoked_on);
    if let Some(on) = revoked.date().filter(|on| *on <= day) {
        return Some((AGAINST, &texts.licence_revoked, Some(Limit::Day(on))));
    }
    let mut unclear = revoked == Day::Malformed;
    for suspension in &licence.suspensions {
        match (Day::parse(&suspension.from), Day::parse(&suspension.until)) {
            (Day::On(from), Day::Absent) if from <= day => {
                return Some((AGAINST, &texts.licence_suspended, Some(Limit::Day(from))));
            }
            (Day::On(from), Day::On(until)) if from <= day && day <= until => {
                return Some((AGAINST, &texts.licence_suspended, Some(Limit::Day(from))));
            }
            (Day::On(_), Day::Absent | Day::On(_)) => {}
            (Day::On(from), Day::Malformed) if day < from => {}
            _ => unclear = true,
        }
    }
    let (from, until) = (Day::parse(&licence.valid_from), Day::parse(&licence.valid_until));
    let outdated = (RequirementState::Expired, absent(wanted.expired).1);
    if let Some(until) = until.date().filter(|until| *until < day) {
        return Some((outdated, &texts.licence_expired, Some(Limit::Day(until))));
    }
    if let Some(from) = from.date().filter(|from| day < *from) {
        return Some((outdated, &texts.licence_not_yet, Some(Limit::Day(from))));
    }
    let parent = &licence.parent_licence_no;
    if wanted.of_the_placer && !parent.trim().is_empty() && !same(parent, &case.record.placer_licence_no) {
        return Some((AGAINST, &texts.licence_other_company, None));
    }
    let covers = &licence.destinations;
    if wanted.for_the_destination && !covers.is_empty() && !covers.contains(&case.record.destination) {
        return Some((AGAINST, &texts.licence_other_destination, None));
    }
    if unclear || from.date().is_none() || until.date().is_none() {
        return Some(((RequirementState::Unknown, Weight::Open), &texts.licence_unclear, None));
    }
    None
}

/// Licence numbers are decision texts, typed by hand: case and punctuation say nothing.
fn same(one: &str, other: &str) -> bool {
    let normal = |text: &'_ str| {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>()
    };
    normal(one) == normal(other)
}
