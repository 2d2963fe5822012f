//! What was written stays readable: `golden.txt` holds, for every event type and every version that was ever released, a payload with every field
//! set, as it was encoded then. Each has to decode with nothing left over and to encode to the same bytes. The file only grows: a type that is
//! new or has new fields adds a line.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{fs, path::Path};

use data_encoding::HEXLOWER;
use prost::Message;
use prost_reflect::{Cardinality, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};
use simpul_proto::catalogue::{self, EVENT_TYPES};

const GOLDEN: &str = include_str!("../golden.txt");
/// Messages in messages; deeper ones are left empty.
const DEPTH_MAX: usize = 4;

/// Every field set to something that tells it from its neighbours.
fn sample(of: &MessageDescriptor, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(of.clone());
    let taken = |field: &FieldDescriptor| {
        // One way of several.
        let oneof = field.containing_oneof().filter(|oneof| !oneof.is_synthetic());
        oneof.is_none_or(|oneof| oneof.fields().next().is_some_and(|first| first.number() == field.number()))
    };
    for field in of.fields().filter(taken) {
        let Some(value) = value(&field, depth) else { continue };
        let value = match field.cardinality() {
            Cardinality::Repeated if field.is_map() => {
                Value::Map([(MapKey::String(field.name().into()), value)].into())
            }
            Cardinality::Repeated => Value::List(vec![value]),
            _ => value,
        };
        message.set_field(&field, value);
    }
    message
}

fn value(field: &FieldDescriptor, depth: usize) -> Option<Value> {
    let number = field.number();
    Some(match field.kind() {
        Kind::Double | Kind::Float => Value::F64(f64::from(number)),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(number as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(i64::from(number)),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(number),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(u64::from(number)),
        Kind::Bool => Value::Bool(true),
        Kind::String => Value::String(field.name().into()),
        Kind::Bytes => Value::Bytes(vec![number as u8; 4].into()),
        Kind::Enum(values) => Value::EnumNumber(values.values().map(|one| one.number()).max()?),
        Kind::Message(inner) if depth < DEPTH_MAX => Value::Message(sample(&inner, depth + 1)),
        Kind::Message(_) => return None,
    })
}

fn now() -> impl Iterator<Item = String> {
    EVENT_TYPES.iter().map(|name| {
        let descriptor = catalogue::event_descriptor(name).unwrap();
        let version = catalogue::kind(name).map_or(1, |kind| kind.version);
        format!("{name} {version} {}", HEXLOWER.encode(&sample(&descriptor, 0).encode_to_vec()))
    })
}

#[test]
fn every_payload_that_was_ever_released_decodes_whole_and_encodes_to_the_same_bytes() {
    fn nothing_left_over(message: &DynamicMessage, of: &str) {
        assert_eq!(message.unknown_fields().count(), 0, "{of}: a field of it is not known any more");
        for (field, value) in message.fields() {
            let inner: Vec<&Value> = match value {
                Value::List(items) => items.iter().collect(),
                Value::Map(items) => items.values().collect(),
                one => vec![one],
            };
            for one in inner.into_iter().filter_map(Value::as_message) {
                nothing_left_over(one, &format!("{of}.{}", field.name()));
            }
        }
    }
    assert!(GOLDEN.lines().count() >= EVENT_TYPES.len(), "one for each type at least");
    for line in GOLDEN.lines() {
        let [name, version, hex]: [&str; 3] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let bytes = HEXLOWER.decode(hex.as_bytes()).unwrap();
        let read = catalogue::decode_payload(name, &bytes);
        let read = read.unwrap_or_else(|| panic!("{name} is in the catalogue no more"));
        let message = read.unwrap_or_else(|error| panic!("{name} of version {version}: {error}"));
        nothing_left_over(&message, name);
        assert_eq!(message.encode_to_vec(), bytes, "{name} of version {version}");
    }
}

#[test]
fn every_type_has_its_newest_form_among_the_golden_payloads() {
    let news: Vec<String> = now().filter(|line| !GOLDEN.lines().any(|kept| kept == line)).collect();
    if news.is_empty() {
        return;
    }
    let mut lines: Vec<&str> = GOLDEN.lines().chain(news.iter().map(String::as_str)).collect();
    lines.sort_unstable();
    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden.txt");
    fs::write(&written, lines.join("\n") + "\n").unwrap();
    panic!("payloads have grown: copy {} over proto/golden.txt", written.display());
}
