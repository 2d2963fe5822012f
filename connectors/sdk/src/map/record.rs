//! What a mapping reads from: a row by column name, or a JSON document by pointer.

use std::{borrow::Cow, collections::HashMap};

/// One source record. Holds personal data: no `Debug`.
#[derive(Clone, Copy)]
pub enum Record<'a> {
    /// A row of a flat file.
    Row(&'a Row<'a>),
    /// A JSON document, or a part of it.
    Json(&'a serde_json::Value),
}

/// A row: the header's columns and this row's fields.
pub struct Row<'a> {
    /// Column name → place in the row. Names are trimmed.
    pub columns: &'a HashMap<String, usize>,
    /// Fields in the order of the header.
    pub fields: Vec<Cow<'a, str>>,
}

/// What stands at one name.
pub(super) enum Found<'a> {
    Nothing,
    Text(Cow<'a, str>),
    List(Vec<Cow<'a, str>>),
    /// An object, or a list that holds more than texts.
    Other,
}

impl<'a> Record<'a> {
    /// What stands at a column or pointer.
    pub(super) fn find(self, name: &str) -> Found<'a> {
        match self {
            Self::Row(row) => match row.columns.get(name).and_then(|&place| row.fields.get(place)) {
                Some(text) => Found::Text(Cow::Borrowed(text.as_ref())),
                None => Found::Nothing,
            },
            Self::Json(document) => match document.pointer(name) {
                None | Some(serde_json::Value::Null) => Found::Nothing,
                Some(serde_json::Value::Array(values)) => {
                    let texts: Option<Vec<_>> = values.iter().map(scalar).collect();
                    texts.map_or(Found::Other, Found::List)
                }
                Some(value) => scalar(value).map_or(Found::Other, Found::Text),
            },
        }
    }

    /// The elements of an array; none where there is nothing, `None` where it is no array.
    pub(super) fn elements(self, pointer: &str) -> Option<&'a [serde_json::Value]> {
        match self {
            Self::Row(_) => None,
            Self::Json(document) => match document.pointer(pointer) {
                None | Some(serde_json::Value::Null) => Some(&[]),
                Some(serde_json::Value::Array(values)) => Some(values),
                Some(_) => None,
            },
        }
    }
}

fn scalar(value: &serde_json::Value) -> Option<Cow<'_, str>> {
    match value {
        serde_json::Value::String(text) => Some(Cow::Borrowed(text)),
        serde_json::Value::Number(number) => Some(Cow::Owned(number.to_string())),
        serde_json::Value::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
        _ => None,
    }
}
