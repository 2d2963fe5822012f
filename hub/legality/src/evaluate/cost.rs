//! Costs charged to the worker. They never change a verdict: the prohibition binds who charged them.

use simpul_proto::{
    registry::{CostKind, CostMeans},
    v1::RequirementState,
};

use super::{Case, Finding, Origin, Weight};
use crate::{book::Requirement, warnings::Warnings};

pub(super) fn judge<'a>(
    case: &Case<'a>,
    requirement: &'a Requirement,
    forbidden: &[CostKind],
    debt: &[CostMeans],
    warnings: &mut Warnings,
) -> Finding<'a> {
    let texts = &case.book.texts;
    let costs = &case.record.costs;
    let charged = costs
        .iter()
        .any(|cost| cost.amount_idr > 0 && (forbidden.is_empty() || forbidden.contains(&cost.kind())));
    if charged {
        warnings.add("OVERCHARGE");
    }
    // A debt ties the worker whatever it was made for.
    if costs.iter().any(|cost| cost.amount_idr > 0 && debt.contains(&cost.means())) {
        warnings.add("DEBT_BONDAGE_INDICATOR");
    }
    let (state, text) = match (charged, costs.is_empty()) {
        (true, _) => (RequirementState::NotMet, &texts.cost_charged),
        (false, true) => (RequirementState::Unknown, &texts.cost_none),
        (false, false) => (RequirementState::Met, &texts.cost_allowed),
    };
    let origin = Some(Origin::of(&case.episode.placement));
    Finding { state, weight: Weight::Fine, text, what: &requirement.name, limit: None, origin }
}
