//! What happens when a day is over: an offer that nobody answered lapses, a bed that nobody came for is free again, a deadline that was
//! missed goes to the next level of task forces. Who does it is told when; nothing here knows what day it is.

use jiff::{ToSpan, civil::Date};
use simpul_proto::nrm::Stage;

use crate::{
    case::{Bed, BedState, Case, Referral, ReferralState},
    clock::{Clock, ClockBook},
};

/// Something that is due, and has not happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due<'a> {
    /// The last day to answer is over.
    Lapse(&'a Referral),
    /// The last day of the hold is over.
    Release(&'a Bed),
    /// A level of task forces is to hear that a deadline was missed.
    Breach {
        /// Which.
        clock: &'a Clock,
        /// Last day in time.
        due: Date,
        /// `KAB_KOTA`, `PROVINSI`, `PUSAT`.
        level: &'a str,
    },
}

impl Case {
    /// Everything that is due sooner or later, with the first day of it, in the order of those days.
    pub fn due<'a>(&'a self, book: &'a ClockBook) -> Vec<(Date, Due<'a>)> {
        let mut due = Vec::new();
        let offered = self.referrals.iter().filter(|referral| referral.state == ReferralState::Offered);
        due.extend(offered.filter_map(|one| Some((day_after(&one.answer_by)?, Due::Lapse(one)))));
        let held = self.beds.iter().filter(|bed| bed.state == BedState::Held);
        due.extend(held.filter_map(|one| Some((day_after(&one.until)?, Due::Release(one)))));
        // Whoever has closed a case is not reminded of its clocks.
        let open = self.stage().is_none_or(|entry| entry.stage != Stage::Closed);
        for clock in self.clocks.iter().filter(|_| open) {
            for (day, last, level) in book.escalation(clock) {
                let mut told = self.breaches.iter();
                if !told.any(|breach| breach.clock == clock.position && breach.level == level) {
                    due.push((day, Due::Breach { clock, due: last, level }));
                }
            }
        }
        due.sort_by_key(|(day, _)| *day);
        due
    }
}

fn day_after(day: &str) -> Option<Date> {
    day.parse::<Date>().ok()?.checked_add(1.day()).ok()
}
