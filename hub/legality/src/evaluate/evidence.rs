//! Documents: is each one that the rule asks for good on the day?
//!
//! Of several pieces of one kind the best counts, so that one more valid document never makes an answer worse. A piece
//! found wrong, or withdrawn, takes valid ones of the same number with it, unless they were issued later.

use jiff::{ToSpan, civil::Date};
use simpul_proto::{
    registry::{Evidence, EvidenceResult},
    v1::RequirementState,
};

use super::{Case, Finding, Origin, Weight};
use crate::{
    book::{Bilingual, Missing, Need, Requirement},
    day::Day,
    text::Limit,
    warnings::Warnings,
};

pub(super) fn judge<'a>(
    case: &Case<'a>,
    requirement: &'a Requirement,
    all_of: &'a [Need],
    missing: Missing,
    warnings: &mut Warnings,
) -> Finding<'a> {
    let mut worst: Option<Finding<'a>> = None;
    for need in all_of {
        let finding = one(case, requirement, need, missing, warnings);
        if worst.as_ref().is_none_or(|worst| finding.weight > worst.weight) {
            worst = Some(finding);
        }
    }
    // `check` of the book refuses a rule that asks for nothing.
    worst.unwrap_or_else(|| case.no_rule(requirement))
}

/// What a piece of evidence, or its absence, amounts to.
struct Judged<'a> {
    state: RequirementState,
    weight: Weight,
    text: &'a Bilingual,
    limit: Option<Limit<'a>>,
}

fn one<'a>(
    case: &Case<'a>,
    requirement: &'a Requirement,
    need: &'a Need,
    missing: Missing,
    warnings: &mut Warnings,
) -> Finding<'a> {
    let what = case.book.names.get(&(need.evidence as i32)).unwrap_or(&requirement.name);
    let pieces = || case.record.evidence.iter().filter(|piece| piece.kind() == need.evidence);
    let mut best: Option<(Judged<'a>, &Evidence)> = None;
    for piece in pieces() {
        let judged = match pieces().find(|other| knocks_out(other, piece)) {
            Some(other) => judge_piece(case, need, missing, other),
            None => judge_piece(case, need, missing, piece),
        };
        let better = |(best, of): &(Judged, &Evidence)| {
            (judged.weight, judged.state != RequirementState::Met, std::cmp::Reverse(&piece.issued_on))
                < (best.weight, best.state != RequirementState::Met, std::cmp::Reverse(&of.issued_on))
        };
        if best.as_ref().is_none_or(better) {
            best = Some((judged, piece));
        }
    }
    let Some((judged, piece)) = best else {
        let texts = &case.book.texts;
        let (state, weight) = absent(missing);
        return match case.silent_since.filter(|_| weight == Weight::Against) {
            None => Finding { state, weight, text: &texts.evidence_missing, what, limit: None, origin: None },
            Some(heard) => Finding {
                state: RequirementState::Unknown,
                weight: Weight::Open,
                text: &texts.evidence_silent,
                what,
                limit: Some(Limit::Day(heard)),
                origin: None,
            },
        };
    };
    if piece.result() == EvidenceResult::Unverified {
        warnings.add("ISSUER_NOT_REACHED");
    }
    if judged.state == RequirementState::Met && pieces().any(wrong) {
        warnings.add("INVALID_EVIDENCE_ON_RECORD");
    }
    if let Some(warning) = need.warn.get(&piece.detail) {
        warnings.add(warning);
    }
    Finding {
        state: judged.state,
        weight: judged.weight,
        text: judged.text,
        what,
        limit: judged.limit,
        origin: Some(Origin::of(&case.episode.placement)),
    }
}

fn judge_piece<'a>(case: &Case<'a>, need: &Need, missing: Missing, piece: &Evidence) -> Judged<'a> {
    let texts = &case.book.texts;
    let judged = |state, weight, text| Judged { state, weight, text, limit: None };
    // Evidence that was not valid on the day is as good as none.
    let outdated = |text, limit| Judged {
        state: RequirementState::Expired,
        weight: absent(missing).1,
        text,
        limit: Some(Limit::Day(limit)),
    };
    match piece.result() {
        EvidenceResult::Invalid => {
            return judged(RequirementState::NotMet, Weight::Against, &texts.evidence_invalid);
        }
        EvidenceResult::Revoked => {
            return judged(RequirementState::NotMet, Weight::Against, &texts.evidence_revoked);
        }
        EvidenceResult::Unverified | EvidenceResult::Unspecified => {
            return judged(RequirementState::Unknown, Weight::Open, &texts.evidence_unverified);
        }
        EvidenceResult::Valid => {}
    }
    let days = [&piece.issued_on, &piece.valid_from, &piece.valid_until].map(|text| Day::parse(text));
    let [issued, from, until] = days;
    let start = from.date().or(issued.date());
    let usable_until = match (need.months, issued.date().or(start)) {
        (None, _) => Ok(None),
        (Some(months), Some(issued)) => Ok(Some(months_later(issued, months))),
        (Some(_), None) => Err(()),
    };
    let Ok(usable_until) = usable_until else {
        return judged(RequirementState::Unknown, Weight::Open, &texts.evidence_undated);
    };
    if days.contains(&Day::Malformed) {
        return judged(RequirementState::Unknown, Weight::Open, &texts.evidence_undated);
    }
    if let Some(start) = start.filter(|start| case.day < *start) {
        return outdated(&texts.evidence_not_yet, start);
    }
    if let Some(until) = until.date().filter(|until| *until < case.day) {
        return outdated(&texts.evidence_expired, until);
    }
    if let Some(until) = usable_until.filter(|until| *until < case.day) {
        return outdated(&texts.evidence_too_old, until);
    }
    if need.refused.contains(&piece.detail) {
        return judged(RequirementState::NotMet, Weight::Against, &texts.evidence_refused);
    }
    if !need.accepted.is_empty() && !need.accepted.contains(&piece.detail) {
        return judged(RequirementState::Unknown, Weight::Open, &texts.evidence_doubtful);
    }
    judged(RequirementState::Met, Weight::Fine, &texts.evidence_met)
}

/// State and weight of a piece that is not there.
pub(super) fn absent(missing: Missing) -> (RequirementState, Weight) {
    match missing {
        Missing::NotMet => (RequirementState::NotMet, Weight::Against),
        Missing::Unknown => (RequirementState::Unknown, Weight::Open),
        Missing::NotApplicable => (RequirementState::NotApplicable, Weight::Fine),
    }
}

fn wrong(piece: &Evidence) -> bool {
    matches!(piece.result(), EvidenceResult::Invalid | EvidenceResult::Revoked)
}

fn knocks_out(other: &Evidence, piece: &Evidence) -> bool {
    wrong(other)
        && piece.result() == EvidenceResult::Valid
        && !piece.number.is_empty()
        && piece.number == other.number
        && Day::parse(&piece.issued_on).date() <= Day::parse(&other.issued_on).date()
}

fn months_later(day: Date, months: i32) -> Date {
    day.checked_add(months.months()).unwrap_or(Date::MAX)
}
