//! One line of JSON to one event. What is wrong is named by field and rule, never by content: content may be personal.

use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde::Deserialize;
use serde_json::Value;
use simpul_connector::{EventDraft, StreamKey};
use simpul_proto::catalogue;
use simpul_types::{EventType, ExpectedVersion, Purpose, StreamName, Timestamp};

/// Why a line is not an event.
#[derive(Debug, PartialEq, Eq)]
pub struct LineError {
    pub field: String,
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    r#type: String,
    stream: Option<String>,
    stream_key: Option<String>,
    payload: Value,
    purpose: String,
    legal_basis: String,
    occurred_at: String,
    #[serde(default = "general")]
    data_category: String,
    #[serde(default = "any")]
    expected: Value,
}

fn general() -> String {
    "general".into()
}

fn any() -> Value {
    "any".into()
}

/// Reads one line.
///
/// # Errors
/// The first field that is wrong.
pub fn parse(text: &[u8], streams: &StreamKey) -> Result<EventDraft, LineError> {
    let line: Line = serde_json::from_slice(text).map_err(|error| shape(&error))?;
    let event_type: EventType = line.r#type.parse().map_err(|error| wrong("type", error))?;
    let descriptor = catalogue::event_descriptor(event_type.as_str())
        .ok_or_else(|| wrong("type", "not in the catalogue of event types"))?;
    let purpose: Purpose = line.purpose.parse().map_err(|error| wrong("purpose", error))?;
    let occurred_at: jiff::Timestamp =
        line.occurred_at.parse().map_err(|_| wrong("occurred_at", "not a time like 2026-02-11T08:00:00Z"))?;
    if !matches!(line.data_category.as_str(), "general" | "specific") {
        return Err(wrong("data_category", "`general` or `specific`"));
    }
    let mut draft = EventDraft::new(
        event_type,
        stream(line.stream.as_deref(), line.stream_key.as_deref(), streams)?,
        Timestamp::from_us(occurred_at.as_microsecond()),
        purpose,
        payload(&descriptor, line.payload)?.into(),
    );
    draft.expected = expected(&line.expected)?;
    draft.legal_basis = line.legal_basis.into();
    draft.data_category = line.data_category.into();
    Ok(draft)
}

/// `stream` as it stands, or `stream_key`: `<source>/<the source's own key>`, of which only a keyed hash leaves here.
fn stream(name: Option<&str>, key: Option<&str>, streams: &StreamKey) -> Result<StreamName, LineError> {
    match (name, key) {
        (Some(name), None) => name.parse().map_err(|error| wrong("stream", error)),
        (None, Some(key)) => {
            let (source, key) = key
                .split_once('/')
                .filter(|(_, key)| !key.is_empty())
                .ok_or_else(|| wrong("stream_key", "must be `<source>/<key of the record>`"))?;
            streams.stream(source, &[key]).map_err(|error| wrong("stream_key", error))
        }
        _ => Err(wrong("stream", "give either `stream` or `stream_key`")),
    }
}

fn expected(value: &Value) -> Result<ExpectedVersion, LineError> {
    match (value.as_str(), value.as_u64()) {
        (Some("any"), _) => Ok(ExpectedVersion::Any),
        (Some("none"), _) => Ok(ExpectedVersion::NoStream),
        (_, Some(version)) if version > 0 => Ok(ExpectedVersion::Exactly(version)),
        _ => Err(wrong("expected", "must be \"any\", \"none\" or a number from 1")),
    }
}

pub fn payload(descriptor: &MessageDescriptor, value: Value) -> Result<Vec<u8>, LineError> {
    match DynamicMessage::deserialize(descriptor.clone(), value.clone()) {
        Ok(message) => Ok(message.encode_to_vec()),
        // The decoder's own words may quote the value; look for the field and say only what it should be.
        Err(_) => Err(culprit(descriptor, &value, "payload")),
    }
}

fn culprit(descriptor: &MessageDescriptor, value: &Value, path: &str) -> LineError {
    let Some(object) = value.as_object() else {
        return wrong(path, format!("not a JSON object of {}", descriptor.full_name()));
    };
    for (name, value) in object {
        let path = format!("{path}.{name}");
        let field = descriptor.get_field_by_name(name).or_else(|| descriptor.get_field_by_json_name(name));
        let Some(field) = field else {
            return wrong(path, format!("{} has no such field", descriptor.full_name()));
        };
        let alone = serde_json::json!({ name.as_str(): value });
        if DynamicMessage::deserialize(descriptor.clone(), alone).is_ok() {
            continue;
        }
        return match (field.kind(), value) {
            (Kind::Message(inner), Value::Array(items)) if field.is_list() => {
                let failing = items
                    .iter()
                    .enumerate()
                    .find(|(_, item)| DynamicMessage::deserialize(inner.clone(), (*item).clone()).is_err());
                match failing {
                    Some((index, item)) => culprit(&inner, item, &format!("{path}[{index}]")),
                    None => wrong(path, kind(&field)),
                }
            }
            (Kind::Message(inner), value) if !field.is_list() => culprit(&inner, value, &path),
            _ => wrong(path, kind(&field)),
        };
    }
    wrong(path, format!("not a {}", descriptor.full_name()))
}

/// What a field takes, in words.
fn kind(field: &FieldDescriptor) -> String {
    let one = match field.kind() {
        Kind::String => "a string".into(),
        Kind::Bool => "true or false".into(),
        Kind::Bytes => "base64".into(),
        Kind::Message(message) => format!("an object of {}", message.full_name()),
        Kind::Enum(list) => format!("a name of {}", list.full_name()),
        _ => "a number".into(),
    };
    if field.is_list() { format!("must be a list, each {one}") } else { format!("must be {one}") }
}

/// serde_json's errors without the value they may quote.
fn shape(error: &serde_json::Error) -> LineError {
    let text = error.to_string();
    let quoted = |prefix: &str| {
        let rest = text.strip_prefix(prefix)?;
        rest.split('`').nth(1).map(String::from)
    };
    if let Some(field) = quoted("missing field ") {
        return wrong(field, "required");
    }
    if let Some(field) = quoted("unknown field ") {
        return wrong(field, "no such field");
    }
    if error.is_data() {
        return wrong("", "a field has a value of the wrong kind; all but payload and expected are strings");
    }
    wrong("", format!("not JSON, at column {}", error.column()))
}

fn wrong(field: impl Into<String>, reason: impl ToString) -> LineError {
    LineError { field: field.into(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line() -> Value {
        json!({
            "type": "simpul.police.v1.CaseUpdated", "stream_key": "polri-lp/LP/B/1/II/2026/X",
            "purpose": "INVESTIGATE", "legal_basis": "UU 21/2007", "occurred_at": "2026-02-11T08:00:00Z",
            "payload": {
                "lp_number": "LP/B/1/II/2026/X", "report_type": "PUBLIC_REPORT", "stage": "INQUIRY",
                "stage_date": "2026-02-11", "unit": "X", "persons": [{ "roles": ["VICTIM"], "person": { "name": "Y" } }],
            },
        })
    }

    fn read(value: &Value) -> Result<EventDraft, LineError> {
        parse(value.to_string().as_bytes(), &StreamKey::from_bytes(&[7; 32]))
    }

    fn refused(change: impl FnOnce(&mut Value)) -> (String, String) {
        let mut value = line();
        change(&mut value);
        let error = read(&value).err().expect("refused");
        (error.field, error.reason)
    }

    #[test]
    fn a_line_becomes_an_event() {
        let draft = read(&line()).expect("valid");
        assert_eq!(draft.stream.source(), "polri-lp");
        assert_eq!(draft.expected, ExpectedVersion::Any);
        let decoded = simpul_proto::police::CaseUpdated::decode(draft.payload).expect("its own type");
        assert_eq!(decoded.stage(), simpul_proto::police::JusticeStage::Inquiry);
        let mut named = line();
        named["stream"] = "polri-lp/ab_1".into();
        named.as_object_mut().expect("an object").remove("stream_key");
        named["expected"] = 3.into();
        assert_eq!(read(&named).expect("valid").expected, ExpectedVersion::Exactly(3));
    }

    #[test]
    fn pii_1_what_is_wrong_is_named_by_field_and_never_by_content() {
        let secret = "Siti Rahasia";
        for (field, change) in [
            ("payload.stage", json!({ "stage": secret })),
            ("payload.colour", json!({ "colour": secret })),
            ("payload.persons", json!({ "persons": secret })),
            ("payload.persons[1].roles", json!({ "persons": [{}, { "roles": [secret] }] })),
            ("payload.persons[0].person.sex", json!({ "persons": [{ "person": { "sex": secret } }] })),
        ] {
            let (at, reason) = refused(|line| line["payload"] = change);
            assert_eq!(at, field);
            assert!(!reason.contains(secret), "{reason}");
        }
    }

    #[test]
    fn every_field_of_the_line_is_checked() {
        let changed = |field: &str, value: Value| refused(|line| line[field] = value).0;
        assert_eq!(changed("type", "simpul.v1.Verdict".into()), "type");
        assert_eq!(changed("purpose", "why not".into()), "purpose");
        assert_eq!(changed("occurred_at", "yesterday".into()), "occurred_at");
        assert_eq!(changed("expected", 0.into()), "expected");
        assert_eq!(changed("data_category", "secret".into()), "data_category");
        assert_eq!(changed("stream", "polri-lp/a".into()), "stream");
        assert_eq!(changed("stream_key", "NIK/1".into()), "stream_key");
        assert_eq!(changed("colour", "red".into()), "colour");
        let missing = refused(|line| {
            line.as_object_mut().expect("an object").remove("purpose");
        });
        assert_eq!(missing, ("purpose".into(), "required".into()));
        assert_eq!(parse(b"{", &StreamKey::from_bytes(&[7; 32])).err().expect("refused").field, "");
    }
}
