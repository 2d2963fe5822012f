//! An indicator that several records name: who has seen it, when, in which records; nothing of victims.

use serde_json::{Value, json};
use simpul_proto::prevention::IndicatorClaim;
use simpul_types::{FieldClass as F, Position, Timestamp, View};

use super::{named, object, text};
use crate::{document::Document, event::entry::Entry, row::Snapshot};

/// One record that names the indicator.
pub(crate) struct SightingPart {
    pub(crate) reference: String,
    pub(crate) snapshot: Snapshot,
    /// Its payload; `None` where it does not open any more.
    pub(crate) entry: Option<Box<Entry>>,
    pub(crate) claim: Option<IndicatorClaim>,
}

/// Renders it. Kind, agencies, units and modus name nobody; the value itself and LP numbers are class `suspect`.
pub(crate) fn indicator(reference: String, total: usize, parts: &[SightingPart]) -> Document {
    let newest = parts.iter().map(|part| part.snapshot.position).max().unwrap_or_default();
    let mut document = Document::new(View::Indicator, reference, Position::new(newest));
    document.set(F::Reference, "kind", "shared_indicator");
    document.set(F::Reference, "records_total", total);
    let claim = parts.iter().rev().find_map(|part| part.claim.as_ref());
    if let Some(claim) = claim {
        document.set(F::Reference, "indicator_kind", named(claim.kind().as_str_name()));
        document.set(F::Suspect, "value", text(&claim.value));
        document.set(F::Suspect, "detail", text(&claim.detail));
    }
    for part in parts {
        document.from(&part.snapshot);
        let told = |name: &str| part.entry.as_ref().map_or(Value::Null, |entry| text(&entry.text(name)));
        let observed_at = Timestamp::from_us(part.snapshot.observed_at).to_string();
        let sighting = object([
            ("record", text(&part.reference)),
            ("source", text(&part.snapshot.source)),
            ("position", part.snapshot.position.into()),
            ("observed_at", observed_at.into()),
            ("type", part.entry.as_ref().map_or(Value::Null, |entry| entry.kind.short_name().into())),
            ("unit", told("unit")),
            ("modus", told("modus")),
            ("destination", told("destination")),
        ]);
        document.push(F::Reference, "sightings", sighting);
        let lp_number = told("lp_number");
        if !lp_number.is_null() {
            document.push(F::Suspect, "reports", json!({ "record": part.reference, "lp_number": lp_number }));
        }
    }
    document
}
