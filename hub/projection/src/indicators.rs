//! What leads to recruiters: which records name the same telephone, handle, account or vessel. At rest only keyed hashes; the value
//! itself stays in the payloads.
//!
//! A record that names what another record has named before changes the shared indicator's document, so that everybody who is
//! sent indicators hears of it. The document tells who else has seen it and in which records, and nothing of victims.

use simpul_proto::prevention::{IndicatorClaim, IndicatorKind};
use simpul_types::View;

use crate::{
    error::StateError,
    event::{Event, gist::Content},
    key::{self, Blind, Id},
    overlay::Overlay,
    projection::{Outcome, Projection},
    row::{Indicator, Sighting},
};

/// The indicator read model.
pub(crate) struct Indicators;

/// Indicators of one event that are looked at.
const INDICATORS_MAX: usize = 64;

/// Id of an indicator; `None` where nothing of its value is left to compare.
pub(crate) fn id(blind: &Blind, claim: &IndicatorClaim) -> Option<Id> {
    let value = normal(claim.kind(), &claim.value);
    let field = format!("indicator/{}", claim.kind().as_str_name());
    (!value.is_empty()).then(|| blind.id(&field, &value))
}

/// Telephone numbers as digits with their country, Indonesia's where none is written; anything else as letters and digits
/// without case.
fn normal(kind: IndicatorKind, value: &str) -> String {
    if kind == IndicatorKind::Phone {
        let digits: String = value.chars().filter(char::is_ascii_digit).collect();
        return match digits.strip_prefix('0') {
            Some(local) if !value.trim_start().starts_with('+') && !local.starts_with('0') => {
                format!("62{local}")
            }
            _ => digits.strip_prefix("00").map_or(digits.clone(), str::to_owned),
        };
    }
    value.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

impl Projection for Indicators {
    fn fold(&self, event: &Event, store: &mut Overlay<'_>, outcome: &mut Outcome) -> Result<(), StateError> {
        let (Content::Entry(entry), Some(record)) = (&event.content, outcome.record) else { return Ok(()) };
        let blind = store.blind().clone();
        let mut seen: Vec<Id> = Vec::new();
        for indicator in entry.indicators.iter().take(INDICATORS_MAX).filter_map(|claim| id(&blind, claim)) {
            if seen.contains(&indicator) || store.has(&key::sighting(&indicator, &record))? {
                continue;
            }
            seen.push(indicator);
            let before: Indicator = store.row(&key::indicator(&indicator))?.unwrap_or_default();
            store.put_row(&key::indicator(&indicator), &Indicator { records: before.records + 1 });
            let sighting = Sighting { position: event.position.get() };
            store.put_row(&key::sighting(&indicator, &record), &sighting);
            if before.records > 0 {
                outcome.changes.push((View::Indicator, indicator));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_telephone_is_one_however_it_is_written() {
        for written in ["+62 812-0000-0001", "0812 0000 0001", "62812 00000001", "0062812.0000.0001"] {
            assert_eq!(normal(IndicatorKind::Phone, written), "6281200000001", "{written}");
        }
        assert_eq!(normal(IndicatorKind::Handle, "@Loker_Malaysia 99"), "lokermalaysia99");
        assert_eq!(normal(IndicatorKind::Handle, "@__"), "");
    }
}
