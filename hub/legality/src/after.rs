//! How things stand after departure; kept apart from the verdict, which speaks of the departure itself.

use jiff::{civil::Date, tz::Offset};
use simpul_proto::{
    registry::{ChangeKind, EvidenceKind, EvidenceResult, PlacementStatus},
    v1::Scheme,
};

use crate::{
    book::RuleBook,
    day::Day,
    facts::{Facts, StayFact},
    select::{Chosen, Departure},
    warnings::Warnings,
};

/// A mission's record of a worker at home says nothing of the work abroad.
const HOME: &str = "IDN";

/// ACTIVE, EXPIRED, CHANGED, RETURNED, DECEASED, or empty where not known.
///
/// | state | when |
/// |---|---|
/// | DECEASED, RETURNED | the registry says so by the day asked for |
/// | CHANGED | employer or country is another, and nobody recorded the change: the registry has heard of it, or a mission met the worker elsewhere after departure |
/// | EXPIRED, ACTIVE | the contract, or else the card, has ended by then, or not |
pub(crate) fn state(
    book: &RuleBook,
    facts: &Facts,
    chosen: &Chosen,
    as_of: Date,
    warnings: &mut Warnings,
) -> &'static str {
    if chosen.departure == Departure::Not {
        return "";
    }
    let placement = &chosen.episode.placement;
    // A status observed later says nothing about an earlier day.
    let observed = jiff::Timestamp::from_microsecond(placement.observed_at.as_us())
        .map(|time| Offset::UTC.to_datetime(time).date());
    if observed.is_ok_and(|observed| observed <= as_of) {
        match placement.value.status() {
            PlacementStatus::Returned => return "RETURNED",
            PlacementStatus::Deceased => return "DECEASED",
            _ => {}
        }
    }
    warn_of_card(book, chosen, as_of, warnings);
    if changed(facts, chosen, as_of) {
        warnings.add("CHANGED_WITHOUT_RECORD");
        return "CHANGED";
    }
    let mut ends = book.after_departure.runs_until.iter().filter_map(|kind| end_of(chosen, *kind));
    match ends.next() {
        Some(end) if as_of <= end => "ACTIVE",
        Some(_) => "EXPIRED",
        None => "",
    }
}

fn changed(facts: &Facts, chosen: &Chosen, as_of: Date) -> bool {
    let record = &chosen.episode.placement.value;
    let by = |day: &str| Day::parse(day).date().is_some_and(|day| day <= as_of);
    let of_weight = |kind| matches!(kind, ChangeKind::ChangedEmployer | ChangeKind::ChangedDestination);
    let mut known = record.contract_changes.iter().filter(|change| by(&change.changed_on));
    if known.any(|change| of_weight(change.kind()) && change.recorded_by.trim().is_empty()) {
        return true;
    }
    let Departure::On(departed) = chosen.departure else { return false };
    let recorded = |country: &str| {
        country == record.destination
            || record.contract_changes.iter().any(|change| change.destination == country)
    };
    // Crew is met wherever the vessel calls.
    record.scheme() != Scheme::SeaCrew
        && facts.stays.iter().any(|stay| {
            let StayFact { contact_date, country, .. } = &stay.value;
            let meanwhile = contact_date.is_some_and(|day| departed < day && day <= as_of);
            meanwhile && !country.is_empty() && country != HOME && !recorded(country)
        })
}

fn warn_of_card(book: &RuleBook, chosen: &Chosen, as_of: Date, warnings: &mut Warnings) {
    if end_of(chosen, EvidenceKind::WorkerCard).is_none_or(|end| as_of <= end) {
        return;
    }
    warnings.add("CARD_EXPIRED");
    if book.card_grace.iter().any(|grace| grace.from <= as_of && as_of <= grace.until) {
        warnings.add("CARD_GRACE");
    }
}

/// The latest end of the valid documents of a kind.
fn end_of(chosen: &Chosen, kind: EvidenceKind) -> Option<Date> {
    let evidence = &chosen.episode.placement.value.evidence;
    let valid =
        evidence.iter().filter(|piece| piece.kind() == kind && piece.result() == EvidenceResult::Valid);
    valid.filter_map(|piece| Day::parse(&piece.valid_until).date()).max()
}
