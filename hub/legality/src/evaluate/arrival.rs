//! The report of arrival: a note about the time after departure, never a defect of it.

use simpul_proto::v1::RequirementState;

use super::{Case, Finding, Origin, Weight};
use crate::{book::Requirement, day::Day, text::Limit, warnings::Warnings};

pub(super) fn judge<'a>(
    case: &Case<'a>,
    requirement: &'a Requirement,
    warnings: &mut Warnings,
) -> Finding<'a> {
    let texts = &case.book.texts;
    let reported =
        case.record.arrival_report.as_ref().and_then(|report| Day::parse(&report.reported_on).date());
    let reported = reported.filter(|day| *day <= case.as_of);
    let (state, text) = match (reported, case.departed) {
        (Some(_), true) => (RequirementState::Met, &texts.arrival_reported),
        (None, true) => {
            warnings.add("NOT_YET_REPORTED");
            (RequirementState::Unknown, &texts.arrival_open)
        }
        (_, false) => (RequirementState::NotApplicable, &texts.arrival_not_due),
    };
    let limit = reported.map(Limit::Day);
    let origin = reported.map(|_| Origin::of(&case.episode.placement));
    Finding { state, weight: Weight::Fine, text, what: &requirement.name, limit, origin }
}
