//! How things stand after departure; kept apart from the verdict, which speaks of the departure itself.

use jiff::{civil::Date, tz::Offset};
use simpul_proto::registry::{EvidenceKind, EvidenceResult, PlacementStatus};

use crate::{
    book::RuleBook,
    day::Day,
    select::{Chosen, Departure},
    warnings::Warnings,
};

/// ACTIVE, EXPIRED, RETURNED, DECEASED, or empty where not known. CHANGED needs a second source that names another
/// employer or country; no payload carries one yet.
pub(crate) fn state(book: &RuleBook, chosen: &Chosen, as_of: Date, warnings: &mut Warnings) -> &'static str {
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
    let mut ends = book.after_departure.runs_until.iter().filter_map(|kind| end_of(chosen, *kind));
    match ends.next() {
        Some(end) if as_of <= end => "ACTIVE",
        Some(_) => "EXPIRED",
        None => "",
    }
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
