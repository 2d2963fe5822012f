//! Streams of events that the options of the contract describe: every field goes to the class that its option names. A class
//! that this hub does not know is shown to nobody.

use std::collections::BTreeMap;

use prost_reflect::{DynamicMessage, Kind, ReflectMessage, Value as Proto};
use serde_json::{Map, Value};
use simpul_proto::catalogue::{Field, FieldForm, MessageRules, rules::PERSON_CLAIM};
use simpul_types::{FieldClass, Timestamp, View};

use super::{Dated, person, text};
use crate::{
    document::Document,
    event::{Payload, entry::messages},
    key::{self, Id},
    row::Snapshot,
};

/// One event of such a stream; no payload where it does not open any more.
pub(crate) struct EntryEvent {
    pub(crate) snapshot: Snapshot,
    pub(crate) payload: Option<Payload>,
}

/// What one event shows, by class.
type ByClass = BTreeMap<FieldClass, Map<String, Value>>;

/// The document of a whole stream, its events in log order.
pub(crate) fn entry(view: View, dated: &Dated<'_>, events: &[EntryEvent]) -> Document {
    let mut document = dated.document(view);
    document.addressee = events.last().map(EntryEvent::addressee).unwrap_or_default();
    let shown: Vec<_> = events.iter().filter(|event| event.is_for(&document.addressee)).collect();
    push_events(&mut document, None, shown);
    document
}

impl EntryEvent {
    fn addressee(&self) -> String {
        match &self.payload {
            Some(Payload::Entry(entry)) => entry.addressee(),
            _ => String::new(),
        }
    }

    /// Whether a document that is for this addressee shows it: what stands in the same stream for another does not become hers. One
    /// that was erased shows that it was, and nothing else.
    fn is_for(&self, addressee: &str) -> bool {
        self.payload.is_none() || self.addressee() == addressee
    }
}

/// Adds the events of a stream to a document; of a record of a case, under its reference.
pub(super) fn push_events<'a>(
    document: &mut Document,
    record: Option<&str>,
    events: impl IntoIterator<Item = &'a EntryEvent>,
) {
    for event in events {
        document.from(&event.snapshot);
        for (class, mut members) in shown(event) {
            members.insert("position".into(), event.snapshot.position.into());
            if let Some(record) = record {
                members.insert("record".into(), record.into());
            }
            document.push(class, "events", Value::Object(members));
        }
    }
}

fn shown(event: &EntryEvent) -> ByClass {
    let mut classes = ByClass::new();
    let reference = classes.entry(FieldClass::Reference).or_default();
    reference.insert("source".into(), text(&event.snapshot.source));
    let observed_at = Timestamp::from_us(event.snapshot.observed_at).to_string();
    reference.insert("observed_at".into(), observed_at.into());
    match &event.payload {
        Some(Payload::Entry(entry)) => {
            reference.insert("type".into(), entry.kind.short_name().into());
            let mut persons = key::unpack(&event.snapshot.persons);
            fields(entry.kind.rules, &entry.message, &mut persons, &mut classes);
        }
        _ => {
            reference.insert("unavailable".into(), true.into());
        }
    }
    classes
}

fn fields(
    rules: &MessageRules,
    message: &DynamicMessage,
    persons: &mut impl Iterator<Item = Id>,
    classes: &mut ByClass,
) {
    for field in rules.fields.iter().filter(|field| message.has_field_by_number(field.number)) {
        let FieldForm::Message(inner) = field.form else {
            if let (Ok(class), Some(value)) = (field.class.parse(), leaf(message, field)) {
                classes.entry(class).or_default().insert(field.name.into(), value);
            }
            continue;
        };
        for one in messages(message, field.number) {
            let mut parts = ByClass::new();
            if inner.name == PERSON_CLAIM {
                let id = persons.next();
                if let (Ok(class), Ok(claim)) = (field.class.parse(), one.transcode_to()) {
                    let mut shown = person(&claim, id);
                    shown.retain(|_, value| !value.is_null());
                    parts.insert(class, shown);
                }
            } else {
                fields(inner, &one, persons, &mut parts);
            }
            for (class, part) in parts {
                let members = classes.entry(class).or_default();
                if !field.list {
                    members.insert(field.name.into(), Value::Object(part));
                } else if let Value::Array(items) =
                    members.entry(field.name).or_insert_with(|| Value::Array(Vec::new()))
                {
                    items.push(Value::Object(part));
                }
            }
        }
    }
}

fn leaf(message: &DynamicMessage, field: &Field) -> Option<Value> {
    let value = message.get_field_by_number(field.number)?;
    let kind = message.descriptor().get_field(field.number)?.kind();
    match value.as_ref() {
        Proto::List(items) => Some(items.iter().filter_map(|item| scalar(item, &kind)).collect()),
        one => scalar(one, &kind),
    }
}

fn scalar(value: &Proto, kind: &Kind) -> Option<Value> {
    Some(match value {
        Proto::String(text) => text.as_str().into(),
        Proto::U32(number) => (*number).into(),
        Proto::U64(number) => (*number).into(),
        Proto::Bool(yes) => (*yes).into(),
        Proto::EnumNumber(number) => kind.as_enum()?.get_value(*number)?.name().into(),
        _ => return None,
    })
}
