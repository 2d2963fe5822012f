//! Sea crew: the agreement (PKL) must name vessel, number, flag and so on, and the seafarer's papers must be good.

use simpul_proto::{registry::SeaContract, v1::RequirementState};
use simpul_types::identity::imo_number_is_valid;

use super::{Case, Finding, Origin, Weight, evidence};
use crate::{
    book::{Missing, Need, Requirement, SeaPart},
    text::Limit,
    warnings::Warnings,
};

/// What the rule asks for.
pub(super) struct Wanted<'a> {
    pub(super) documents: &'a [Need],
    pub(super) must_name: &'a [SeaPart],
    pub(super) leaves_open: &'a [SeaPart],
    /// Hours in any 24, and in any seven days.
    pub(super) hours: (u32, u32),
}

pub(super) fn judge<'a>(
    case: &Case<'a>,
    requirement: &'a Requirement,
    wanted: &Wanted<'a>,
    warnings: &mut Warnings,
) -> Finding<'a> {
    let texts = &case.book.texts;
    let finding = |state, weight, text, limit| Finding {
        state,
        weight,
        text,
        what: &requirement.name,
        limit,
        origin: Some(Origin::of(&case.episode.placement)),
    };
    let Some(contract) = &case.record.sea_contract else {
        return Finding {
            origin: None,
            ..finding(RequirementState::NotMet, Weight::Against, &texts.sea_missing, None)
        };
    };
    if contract.hours_per_day_max > wanted.hours.0 || contract.hours_per_week_max > wanted.hours.1 {
        warnings.add("EXPLOITATION_INDICATOR_HOURS");
    }
    let lacking = |parts: &[SeaPart]| parts.iter().copied().find(|part| !names(contract, *part));
    let name = |part| case.book.sea_parts.get(&part).map(Limit::Part);
    if let Some(part) = lacking(wanted.must_name) {
        return finding(RequirementState::NotMet, Weight::Against, &texts.sea_lacks, name(part));
    }
    let open = lacking(wanted.leaves_open)
        .map(|part| finding(RequirementState::Unknown, Weight::Open, &texts.sea_lacks, name(part)));
    let papers = evidence::judge(case, requirement, wanted.documents, Missing::NotMet, warnings);
    match open {
        _ if papers.weight == Weight::Against => papers,
        Some(open) => open,
        None if papers.weight == Weight::Open => papers,
        None => finding(RequirementState::Met, Weight::Fine, &texts.sea_met, None),
    }
}

fn names(contract: &SeaContract, part: SeaPart) -> bool {
    let said = |text: &str| !text.trim().is_empty();
    match part {
        SeaPart::VesselName => said(&contract.vessel_name),
        SeaPart::ShipNumber => imo_number_is_valid(&contract.imo_number) || said(&contract.registry_no),
        SeaPart::Flag => said(&contract.flag),
        SeaPart::Rank => said(&contract.rank),
        SeaPart::Wage => contract.wage_month > 0,
        SeaPart::Repatriation => said(&contract.repatriation_by),
        SeaPart::Endorsement => said(&contract.endorsed_by),
    }
}
