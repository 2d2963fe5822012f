//! Age on the day, from the birth dates that sources give.
//!
//! | birth dates on record | state |
//! |---|---|
//! | all mean old enough | MET |
//! | all mean too young | NOT_MET |
//! | some mean this, some that | UNKNOWN, the civil registry can tell |
//! | none, and the NIK's date means old enough | MET |
//! | none, and the NIK's date means too young, or there is no NIK | UNKNOWN |
//!
//! The NIK's date is never corrected when the birth date is, so it counts only where nothing else does.

use jiff::civil::Date;
use simpul_proto::v1::{PersonClaim, RequirementState};
use simpul_types::identity::{Mrz, Nik};

use super::{Case, Finding, Origin, Weight};
use crate::{
    book::Requirement,
    day::{Day, years_between},
    text::Limit,
    warnings::Warnings,
};

/// Nobody who departs is older; it rules out one of a NIK's two centuries.
const PLAUSIBLE_YEARS: i16 = 100;

pub(super) fn judge<'a>(
    case: &Case<'a>,
    requirement: &'a Requirement,
    min_years: i16,
    warnings: &mut Warnings,
) -> Finding<'a> {
    let texts = &case.book.texts;
    let mut old_enough = None;
    let mut too_young = None;
    for (claim, origin) in claims(case) {
        let Some(born) = born(claim) else { continue };
        let found = if years_between(born, case.day) < min_years { &mut too_young } else { &mut old_enough };
        found.get_or_insert(origin);
    }
    let (state, weight, text, origin) = match (old_enough, too_young) {
        (Some(origin), None) => (RequirementState::Met, Weight::Fine, &texts.age_met, Some(origin)),
        (None, Some(origin)) => (RequirementState::NotMet, Weight::Against, &texts.age_under, Some(origin)),
        (Some(_), Some(origin)) => {
            warnings.add("BIRTH_DATES_DIFFER");
            (RequirementState::Unknown, Weight::Open, &texts.age_disputed, Some(origin))
        }
        (None, None) => match by_nik(case) {
            Some((years, origin)) if years >= min_years => {
                (RequirementState::Met, Weight::Fine, &texts.age_met, Some(origin))
            }
            Some((_, origin)) => {
                (RequirementState::Unknown, Weight::Open, &texts.age_by_nik_only, Some(origin))
            }
            None => (RequirementState::Unknown, Weight::Open, &texts.age_unknown, None),
        },
    };
    Finding { state, weight, text, what: &requirement.name, limit: Some(Limit::Years(min_years)), origin }
}

/// A child is a child whatever R1 says: one source is enough for the warning.
pub(super) fn warn_of_child(case: &Case, warnings: &mut Warnings) {
    let under = |years: i16| years < case.book.child_under_years;
    let mut dates = claims(case).filter_map(|(claim, _)| born(claim)).peekable();
    let child = if dates.peek().is_some() {
        dates.any(|born| under(years_between(born, case.day)))
    } else {
        by_nik(case).is_some_and(|(years, _)| under(years))
    };
    if child {
        warnings.add("CHILD_AT_DEPARTURE");
    }
}

/// The placement's own claim first, then what all sources say.
fn claims<'a>(case: &Case<'a>) -> impl Iterator<Item = (&'a PersonClaim, Origin<'a>)> + use<'a> {
    let own = case.record.person.as_ref().map(|claim| (claim, Origin::of(&case.episode.placement)));
    own.into_iter().chain(case.facts.claims.iter().map(|claim| (&claim.value, Origin::of(claim))))
}

fn born(claim: &PersonClaim) -> Option<Date> {
    match Day::parse(&claim.birth_date) {
        Day::On(date) => Some(date),
        Day::Malformed => None,
        Day::Absent if claim.mrz.is_empty() => None,
        Day::Absent => Mrz::parse(&claim.mrz).ok().and_then(|mrz| mrz.birth_date()),
    }
}

/// Youngest plausible age by a NIK.
fn by_nik<'a>(case: &Case<'a>) -> Option<(i16, Origin<'a>)> {
    claims(case)
        .filter_map(|(claim, origin)| Some((Nik::parse(&claim.nik).ok()?, origin)))
        .flat_map(|(nik, origin)| nik.birth_dates().into_iter().map(move |born| (born, origin)))
        .filter(|(born, _)| *born <= case.day)
        .map(|(born, origin)| (years_between(born, case.day), origin))
        .filter(|(years, _)| *years <= PLAUSIBLE_YEARS)
        .min_by_key(|(years, _)| *years)
}
