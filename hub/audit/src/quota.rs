//! How many answers were given today under agreements that limit them. The count is derived: a hub that starts counts the
//! entries of the day, each of which names the agreements that it was answered under.
//!
//! A day is one of UTC. Every answer but a refusal counts, also that nothing is on record: else a quota would not bound how
//! much can be probed.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use simpul_log::Reader;
use simpul_types::{Timestamp, grounds};

use crate::entries::{EntryError, EntryFilter, entries, first_since};

/// Class of a refusal for a quota that is used up.
pub const QUOTA_EXCEEDED: &str = "QUOTA_EXCEEDED";
const US_A_DAY: i64 = 86_400_000_000;

/// An agreement, and the answers that it allows in a day.
pub type Quota = (String, u32);

/// A quota that is used up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "agreement {agreement} allows {answers_a_day} answers a day, and they were given; more from midnight UTC on"
)]
pub struct QuotaSpent {
    /// Which.
    pub agreement: String,
    /// How many.
    pub answers_a_day: u32,
}

/// Answers of the day, by agreement.
#[derive(Default)]
pub struct Quotas(Mutex<Day>);

#[derive(Default)]
struct Day {
    number: i64,
    given: HashMap<String, u32>,
}

impl Quotas {
    /// Counts what the log has of the day. Blocking; reads no more than that day.
    ///
    /// # Errors
    /// [`EntryError`].
    pub(crate) fn count(reader: &Reader, now: Timestamp) -> Result<Self, EntryError> {
        let number = day(now);
        let mut given: HashMap<String, u32> = HashMap::new();
        let first = first_since(reader, number.saturating_mul(US_A_DAY))?;
        for entry in entries(reader, first, u64::MAX, EntryFilter::default()) {
            let (_, entry) = entry?;
            if !counts(&entry.answer) || day(Timestamp::from_us(entry.at_us)) != number {
                continue;
            }
            for agreement in entry.policies.iter().filter_map(|ground| grounds::agreement(ground)) {
                *given.entry(agreement.to_owned()).or_default() += 1;
            }
        }
        Ok(Self(Mutex::new(Day { number, given })))
    }

    /// Takes one answer from each quota, or from none.
    ///
    /// # Errors
    /// The first one that is used up.
    pub fn take(&self, quotas: &[Quota], now: Timestamp) -> Result<(), QuotaSpent> {
        if quotas.is_empty() {
            return Ok(());
        }
        let mut today = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that is set back does not open the day again.
        if day(now) > today.number {
            *today = Day { number: day(now), given: HashMap::new() };
        }
        for (agreement, answers_a_day) in quotas {
            if today.given.get(agreement).is_some_and(|given| given >= answers_a_day) {
                return Err(QuotaSpent { agreement: agreement.clone(), answers_a_day: *answers_a_day });
            }
        }
        for (agreement, _) in quotas {
            *today.given.entry(agreement.clone()).or_default() += 1;
        }
        Ok(())
    }
}

/// Whether an answer of that class counts.
pub fn counts(answer: &str) -> bool {
    !matches!(answer, "DENIED" | QUOTA_EXCEEDED)
}

fn day(at: Timestamp) -> i64 {
    at.as_us().div_euclid(US_A_DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_taken_whole_and_comes_back_with_the_next_day() {
        let quotas = Quotas::default();
        let noon = |days: i64| Timestamp::from_us(days * US_A_DAY + US_A_DAY / 2);
        let (two, one) = (("two".to_owned(), 2), ("one".to_owned(), 1));
        assert_eq!(quotas.take(&[two.clone(), one.clone()], noon(5)), Ok(()));
        let spent = QuotaSpent { agreement: "one".into(), answers_a_day: 1 };
        assert_eq!(quotas.take(&[two.clone(), one.clone()], noon(5)), Err(spent.clone()));
        // What was refused took nothing of the other.
        assert_eq!(quotas.take(std::slice::from_ref(&two), noon(5)), Ok(()));
        assert!(quotas.take(std::slice::from_ref(&two), noon(5)).is_err());
        // A clock that is set back opens nothing.
        assert_eq!(quotas.take(std::slice::from_ref(&one), noon(4)), Err(spent));
        assert_eq!(quotas.take(&[two, one], noon(6)), Ok(()));
        assert_eq!(quotas.take(&[], noon(6)), Ok(()));
    }
}
