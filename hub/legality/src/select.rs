//! Which placement is judged, and for which day.
//!
//! | | judged | day |
//! |---|---|---|
//! | departed by `valid_at` (or by today) | the one that departed last | its departure |
//! | that one has ended by now, and another is under way | the one under way | `valid_at`, or today |
//! | none departed yet | the next to depart, or the one recorded last | `valid_at`, or today |
//!
//! Cancelled placements count as none.

use jiff::civil::Date;
use simpul_proto::registry::PlacementStatus;

use crate::{day::Day, facts::PlacementFacts};

/// A placement and the day it is judged for.
pub(crate) struct Chosen<'a> {
    pub(crate) episode: &'a PlacementFacts,
    pub(crate) departure: Departure,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Departure {
    /// Departed on this day.
    On(Date),
    /// Not departed on the day that is asked for.
    Not,
    /// Departed, but when is not recorded.
    Undated,
}

pub(crate) fn select(placements: &[PlacementFacts], as_of: Date, today: Date) -> Option<Chosen<'_>> {
    let mut departed: Option<(Date, &PlacementFacts)> = None;
    let mut under_way: Option<(Option<Date>, &PlacementFacts)> = None;
    for episode in placements.iter().filter(|episode| status(episode) != PlacementStatus::Cancelled) {
        let date = Day::parse(&episode.placement.value.departure_date).date();
        match date {
            Some(date) if date <= as_of => {
                if departed.is_none_or(|best| (best.0, order(best.1)) < (date, order(episode))) {
                    departed = Some((date, episode));
                }
            }
            _ => {
                if under_way.is_none_or(|best| sooner((date, episode), best)) {
                    under_way = Some((date, episode));
                }
            }
        }
    }
    // A status says how things stand now; of an earlier day it says nothing.
    let ended = |episode: &PlacementFacts| {
        as_of >= today && matches!(status(episode), PlacementStatus::Returned | PlacementStatus::Deceased)
    };
    match (departed, under_way) {
        (Some((date, episode)), None) => Some(Chosen { episode, departure: Departure::On(date) }),
        (Some((date, episode)), Some(_)) if !ended(episode) => {
            Some(Chosen { episode, departure: Departure::On(date) })
        }
        (_, Some((date, episode))) => Some(Chosen { episode, departure: not_dated(date, status(episode)) }),
        (None, None) => None,
    }
}

/// Of two that have not departed by the day asked for: the one with the earlier date, a dated one before an undated
/// one, else the one recorded last.
fn sooner(one: (Option<Date>, &PlacementFacts), other: (Option<Date>, &PlacementFacts)) -> bool {
    match (one.0, other.0) {
        (Some(date), Some(than)) if date != than => date < than,
        (Some(_), None) => true,
        (None, Some(_)) => false,
        _ => order(one.1) > order(other.1),
    }
}

fn not_dated(date: Option<Date>, status: PlacementStatus) -> Departure {
    use PlacementStatus as S;
    let gone = matches!(status, S::Departed | S::Returned | S::Deceased);
    if date.is_none() && gone { Departure::Undated } else { Departure::Not }
}

/// Ties are broken by what was recorded later, then by reference, so that the answer does not hang on the order of facts.
fn order(episode: &PlacementFacts) -> (u64, &str) {
    (episode.placement.position.get(), &episode.reference)
}

fn status(episode: &PlacementFacts) -> PlacementStatus {
    episode.placement.value.status()
}
