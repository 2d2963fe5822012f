//! One form: parsing, the machine readable zone, and where in the file a field stands.

use serde_json::{Map, Value, json};
use simpul_connector::{
    Mapping, RecordError,
    map::{Mapped, Record},
};
use simpul_proto::v1::Sex;
use simpul_types::identity::{Mrz, MrzWarning};

/// Name under which a mapping finds what the zone says: `/@mrz/document_number`, `/@mrz/name`, `/@mrz/birth_date`,
/// `/@mrz/sex` (`F` or `M`), `/@mrz/nationality`.
const ZONE: &str = "@mrz";

/// A form that can be offered.
pub(crate) struct Form {
    pub mapped: Mapped,
    /// Fields of the zone whose check digit does not fit.
    pub warnings: Vec<&'static str>,
}

/// Why a file is no form.
pub(crate) enum Fault {
    /// Not JSON (yet).
    Syntax { line: u64, error: RecordError },
    /// JSON, but a field is at fault.
    Field { line: u64, error: RecordError },
}

/// Reads one document.
pub(crate) fn read(mapping: &Mapping, bytes: &[u8]) -> Result<Form, Fault> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut document: Value = serde_json::from_slice(text).map_err(|error| Fault::Syntax {
        line: error.line() as u64,
        error: RecordError::new("document", format!("is not JSON, column {}", error.column())),
    })?;
    let at_field = |error: RecordError| Fault::Field { line: line_of(text, &error.field), error };
    let warnings = match mapping.mrz() {
        Some(pointer) => add_zone(&mut document, pointer).map_err(at_field)?,
        None => Vec::new(),
    };
    let mapped = mapping.map(Record::Json(&document)).map_err(at_field)?;
    Ok(Form { mapped, warnings })
}

/// Reads the zone at `pointer`, where there is one, and puts its fields into the document.
fn add_zone(document: &mut Value, pointer: &str) -> Result<Vec<&'static str>, RecordError> {
    let text = match document.pointer(pointer) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(Vec::new()),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(lines)) => {
            let lines: Option<Vec<&str>> = lines.iter().map(Value::as_str).collect();
            lines
                .map(|lines| lines.join("\n"))
                .ok_or_else(|| RecordError::new(pointer, "must be lines of text"))?
        }
        Some(_) => return Err(RecordError::new(pointer, "must be a text")),
    };
    let zone = match Mrz::parse(&text) {
        Ok(zone) => zone,
        // The officer still has the person in front of them: the zone is passed on as it was read, and the hub warns.
        Err(error) if error.field == "mrz.document_number" => return Ok(vec!["document number"]),
        Err(error) => {
            return Err(RecordError::new(pointer, format!("{} must be {}", error.field, error.rule)));
        }
    };
    let mut fields = Map::new();
    fields.insert("document_number".into(), zone.document_number().into());
    let name = [zone.given_names(), zone.surname()].join(" ");
    fields.insert("name".into(), name.trim().into());
    // Some codes of ICAO 9303 are shorter and no ISO codes, such as `D`.
    if zone.nationality().len() == 3 {
        fields.insert("nationality".into(), zone.nationality().into());
    }
    if let Some(date) = zone.birth_date() {
        fields.insert("birth_date".into(), json!(date.to_string()));
    }
    let sex = match zone.sex() {
        Sex::Female => "F",
        Sex::Male => "M",
        Sex::Unspecified => "",
    };
    fields.insert("sex".into(), sex.into());
    match document.as_object_mut() {
        Some(document) => document.insert(ZONE.into(), Value::Object(fields)),
        None => return Err(RecordError::new("document", "must be an object")),
    };
    Ok(zone.warnings().iter().map(|warning| word(*warning)).collect())
}

fn word(warning: MrzWarning) -> &'static str {
    match warning {
        MrzWarning::BirthDate => "birth date",
        MrzWarning::ExpiryDate => "expiry date",
        MrzWarning::PersonalNumber => "personal number",
        MrzWarning::Composite => "whole second line",
    }
}

/// The line where a pointer's last name stands, looking for its names one after the other; where one is missing, the line
/// of the last that was found. `first, second`: of the first.
fn line_of(text: &[u8], field: &str) -> u64 {
    let text = String::from_utf8_lossy(text);
    let pointer = field.split(", ").next().unwrap_or_default();
    let mut at = 0;
    for name in pointer.split('/').filter(|name| !name.is_empty() && name.parse::<u32>().is_err()) {
        match text[at..].find(&format!("\"{name}\"")) {
            Some(found) => at += found,
            None => break,
        }
    }
    1 + text[..at].matches('\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_field_is_found() {
        let text = b"{\n  \"orang\": {\n    \"nama\": \"X\",\n    \"lahir\": 1\n  }\n}";
        assert_eq!(line_of(text, "/orang/lahir"), 4);
        assert_eq!(line_of(text, "/orang/paspor"), 2);
        assert_eq!(line_of(text, "/tidak/ada"), 1);
        assert_eq!(line_of(text, "/orang/nama, /@mrz/name"), 3);
    }
}
