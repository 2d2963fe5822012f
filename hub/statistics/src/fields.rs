//! Values of a payload by the path of a field, for example `persons.roles`.

use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor, ReflectMessage, Value};

pub(crate) fn exists(message: &MessageDescriptor, path: &str) -> bool {
    let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
    match (message.get_field_by_name(head), rest) {
        (Some(_), None) => true,
        (Some(field), Some(rest)) => field.kind().as_message().is_some_and(|inner| exists(inner, rest)),
        (None, _) => false,
    }
}

/// Values as text; enum values by name, what is absent or unspecified left out.
pub(crate) fn texts(message: &DynamicMessage, path: &str) -> Vec<String> {
    let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
    let Some(field) = message.descriptor().get_field_by_name(head) else { return Vec::new() };
    match rest {
        Some(rest) => messages(message, head).iter().flat_map(|inner| texts(inner, rest)).collect(),
        None if message.has_field(&field) => match message.get_field(&field).as_ref() {
            Value::List(items) => items.iter().filter_map(|item| text(item, &field)).collect(),
            one => text(one, &field).into_iter().collect(),
        },
        None => Vec::new(),
    }
}

/// Messages of a field.
pub(crate) fn messages(message: &DynamicMessage, name: &str) -> Vec<DynamicMessage> {
    match message.get_field_by_name(name).as_deref() {
        Some(Value::Message(one)) => vec![one.clone()],
        Some(Value::List(many)) => many.iter().filter_map(Value::as_message).cloned().collect(),
        _ => Vec::new(),
    }
}

fn text(value: &Value, field: &FieldDescriptor) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::U32(number) => number.to_string(),
        Value::U64(number) => number.to_string(),
        Value::Bool(yes) => yes.to_string(),
        Value::EnumNumber(0) => String::new(),
        Value::EnumNumber(number) => field.kind().as_enum()?.get_value(*number)?.name().to_owned(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}
