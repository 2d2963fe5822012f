//! From payloads to documents by field class. Pure; nothing that names a person goes into class `reference`.

use serde_json::{Map, Value, json};
use simpul_proto::{registry, v1::PersonClaim};
use simpul_types::{FieldClass, Position, Timestamp, View};

use crate::{
    document::Document,
    key::{self, Id},
    row::Snapshot,
};

mod case;
mod entry;
mod indicator;
mod mechanism;
mod placement;
mod screening;

pub(crate) use case::{CaseParts, CaseRecord, case};
pub(crate) use entry::{EntryEvent, entry};
pub(crate) use indicator::{SightingPart, indicator};
pub(crate) use mechanism::{facts, facts_of};
pub(crate) use placement::placement;

/// A snapshot under the reference it is shown by.
pub(crate) struct Dated<'a> {
    pub(crate) reference: String,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) history: &'a [Position],
}

impl Dated<'_> {
    /// A document with what every view of one record says of itself.
    fn document(&self, view: View) -> Document {
        let mut document = Document::new(view, self.reference.clone(), self.snapshot.at());
        document.from(self.snapshot);
        for (name, value) in provenance(self.snapshot, self.history) {
            document.set(FieldClass::Reference, &name, value);
        }
        document
    }
}

/// A document whose payload does not open any more.
pub(crate) fn unavailable(view: View, dated: &Dated<'_>) -> Document {
    let mut document = dated.document(view);
    document.set(FieldClass::Reference, "unavailable", true);
    document
}

/// A document that has nothing left to show.
pub(crate) fn empty(view: View, id: &Id, position: Position) -> Document {
    let mut document = Document::new(view, key::text(id), position);
    document.set(FieldClass::Reference, "unavailable", true);
    document
}

/// A licence. It names no person, but a holder's name may be one: all of it is class `placement`.
pub(crate) fn licence(dated: &Dated<'_>, licence: &registry::LicenceRecorded) -> Document {
    let mut document = dated.document(View::Licence);
    let suspensions: Vec<Value> = licence
        .suspensions
        .iter()
        .map(|one| {
            object([
                ("from", text(&one.from)),
                ("until", text(&one.until)),
                ("decision_no", text(&one.decision_no)),
            ])
        })
        .collect();
    let mut set = |name: &str, value: Value| document.set(FieldClass::Placement, name, value);
    set("licence_no", text(&licence.licence_no));
    set("kind", named(licence.kind().as_str_name()));
    set("holder", text(&licence.holder));
    set("valid_from", text(&licence.valid_from));
    set("valid_until", text(&licence.valid_until));
    set("suspensions", Value::Array(suspensions));
    set("revoked_on", text(&licence.revoked_on));
    set("parent_licence_no", text(&licence.parent_licence_no));
    set("destinations", json!(licence.destinations));
    document
}

/// Where a record comes from and where it stands.
fn provenance(snapshot: &Snapshot, history: &[Position]) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("source".into(), text(&snapshot.source));
    out.insert("observed_at".into(), Timestamp::from_us(snapshot.observed_at).to_string().into());
    out.insert("position".into(), snapshot.position.into());
    out.insert("positions".into(), history.iter().map(|position| position.get()).collect());
    out
}

/// What a source says about a person, with the person's opaque id.
fn person(claim: &PersonClaim, id: Option<Id>) -> Map<String, Value> {
    let id = id.map(|id| key::text(&id)).unwrap_or_default();
    let Value::Object(person) = object([
        ("person", text(&id)),
        ("name", text(&claim.name)),
        ("nik", text(&claim.nik)),
        ("passport", text(&claim.passport)),
        ("card", text(&claim.card)),
        ("birth_date", text(&claim.birth_date)),
        ("sex", named(claim.sex().as_str_name())),
        ("nationality", text(&claim.nationality)),
        ("mrz", text(&claim.mrz)),
        ("origin_village", text(&claim.origin_village)),
        ("phone", text(&claim.phone)),
    ]) else {
        return Map::new();
    };
    person
}

/// An object without its empty members.
fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let full = members.into_iter().filter(|(_, value)| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        _ => true,
    });
    Value::Object(full.map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Text, or null where it is empty.
fn text(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

/// Name of an enum's value, or null where it says that nothing is specified.
fn named(name: &'static str) -> Value {
    if name.ends_with("_UNSPECIFIED") { Value::Null } else { name.into() }
}
