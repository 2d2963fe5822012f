//! Which sources have been heard of lately. A stale source changes nothing of what its evidence says: it gets a stamp, and
//! only what it does not have is no longer taken for missing.

use jiff::{civil::Date, tz::Offset};
use simpul_proto::v1::{Freshness, RequirementResult};
use simpul_types::{AgencyCode, Timestamp};

use crate::{book::RuleBook, facts::Facts, warnings::Warnings};

/// The day, in UTC, on which a source was last heard of, where it is stale by `today`.
pub(crate) fn silent_since(book: &RuleBook, facts: &Facts, source: &AgencyCode, today: Date) -> Option<Date> {
    let day = day_of(*facts.heard.get(source)?)?;
    let span = today.since(day).ok()?;
    (span.get_days() > book.stale_after_days).then_some(day)
}

/// Stamps every requirement by its source; one that cites none by the source of the record that lacks it.
pub(crate) fn stamp(
    book: &RuleBook,
    facts: &Facts,
    record: Option<&AgencyCode>,
    today: Date,
    rows: &mut [RequirementResult],
    warnings: &mut Warnings,
) {
    for row in rows {
        let cited = row.source.parse::<AgencyCode>().ok();
        let Some(source) = cited.as_ref().or(record) else { continue };
        let Some(heard) = facts.heard.get(source) else { continue };
        row.source_heard_at_us = heard.as_us();
        let stale = silent_since(book, facts, source, today).is_some();
        row.set_freshness(if stale { Freshness::Stale } else { Freshness::Fresh });
        if stale {
            warnings.add("SOURCE_STALE");
        }
    }
}

fn day_of(time: Timestamp) -> Option<Date> {
    let time = jiff::Timestamp::from_microsecond(time.as_us()).ok()?;
    Some(Offset::UTC.to_datetime(time).date())
}
