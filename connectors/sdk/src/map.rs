//! Mapping files: what an agency's row or document becomes. An agency is data here, not code.
//!
//! ```text
//! NIK;NAMA_LENGKAP;TGL_LAHIR;…        [[field]] to = "person.birth_date"  from = "TGL_LAHIR"  date = "dd/mm/yyyy"
//! 3201…;SUTARMI;17/08/1995;…      ──▶ PlacementRecorded { person { birth_date: "1995-08-17" … } … }
//! ```
//!
//! Everything in the file is checked when it is read: paths against the message's descriptor, constants and maps against
//! the target's type. So a record can only fail for what it holds, and its [`RecordError`] names field and rule and never
//! repeats the value.

mod date;
mod file;
mod record;
mod value;

use std::collections::HashMap;

use bytes::Bytes;
use jiff::tz::Offset;
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use simpul_proto::catalogue;
use simpul_types::{EventType, Purpose, Timestamp};

use date::Pattern;
use file::{FieldFile, GroupFile, MappingFile};
use record::Found;
use value::{Check, Transform};

pub use record::{Record, Row};

/// A checked mapping file.
#[derive(Clone)]
pub struct Mapping {
    event_type: EventType,
    source: String,
    purpose: Purpose,
    legal_basis: String,
    data_category: String,
    delimiter: u8,
    descriptor: MessageDescriptor,
    key: Vec<String>,
    version: Option<String>,
    mrz: Option<String>,
    occurred_at: Option<Moment>,
    empty: Vec<String>,
    fields: Vec<Field>,
    groups: Vec<Group>,
}

#[derive(Clone)]
struct Moment {
    from: Vec<String>,
    patterns: Vec<Pattern>,
    offset: Offset,
}

#[derive(Clone)]
struct Field {
    to: String,
    path: Vec<FieldDescriptor>,
    from: Vec<String>,
    constant: Option<Value>,
    default: Option<Value>,
    required: bool,
    transforms: Vec<Transform>,
    patterns: Vec<Pattern>,
    map: HashMap<String, Value>,
    otherwise: Option<Value>,
    split: Option<String>,
    check: Option<Check>,
}

#[derive(Clone)]
struct Group {
    to: String,
    list: FieldDescriptor,
    element: MessageDescriptor,
    each: Option<String>,
    when: Vec<String>,
    fields: Vec<Field>,
}

/// Why a mapping file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// Not TOML, or a key that is not known. The message names line and key.
    #[error("{0}")]
    Parse(#[from] toml::de::Error),
    /// A value that cannot be.
    #[error("{at}: {key} must be {rule}")]
    Value {
        /// Which entry, by its target.
        at: String,
        /// Which key.
        key: &'static str,
        /// The rule, as a sentence's end.
        rule: String,
    },
}

/// Why one record cannot become an event. Never holds a value of the record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct RecordError {
    /// Source column or pointer; the target's path where no source field is to blame.
    pub field: String,
    /// The rule that it breaks.
    pub reason: String,
}

impl RecordError {
    /// A refusal of one field.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}

/// A mapped record. Holds personal data: no `Debug`.
#[derive(Clone)]
pub struct Mapped {
    /// Values that name the source record.
    pub key: Vec<String>,
    /// Its version, where the source counts them.
    pub version: Option<u64>,
    /// When it happened, where the source says so.
    pub occurred_at: Option<Timestamp>,
    /// Encoded payload message.
    pub payload: Bytes,
}

impl Mapping {
    /// Reads and checks a mapping file.
    ///
    /// # Errors
    /// [`MappingError`], naming entry and key.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let file: MappingFile = toml::from_str(text)?;
        let head = |key: &'static str, rule: &str| wrong("mapping", key, rule);
        let descriptor = catalogue::event_descriptor(&file.event_type)
            .ok_or_else(|| head("event_type", "an event type of the catalogue"))?;
        if file.key.is_empty() {
            return Err(head("key", "at least one source field"));
        }
        if file.data_category != "general" && file.data_category != "specific" {
            return Err(head("data_category", "`general` or `specific`"));
        }
        if !(1..=128).contains(&file.legal_basis.len()) {
            return Err(head("legal_basis", "1 to 128 bytes"));
        }
        // The ref is the SDK's; so a probe tells whether the source can stand before it.
        format!("{}/0", file.source)
            .parse::<simpul_types::StreamName>()
            .map_err(|_| head("source", "1 to 32 characters of a-z, 0-9 and '-'"))?;
        let delimiter = u8::try_from(file.csv.delimiter)
            .ok()
            .filter(|byte| byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r'))
            .ok_or_else(|| head("csv.delimiter", "one ASCII character"))?;
        let occurred_at = match file.occurred_at {
            None => None,
            Some(moment) => Some(Moment {
                from: moment.from.into_vec(),
                patterns: patterns("occurred_at", moment.date.into_vec())?,
                offset: offset(&moment.offset).ok_or_else(|| head("occurred_at.offset", "like `+07:00`"))?,
            }),
        };
        let fields = compile_all(&descriptor, file.field)?;
        let groups = file.group.into_iter().map(|group| compile_group(&descriptor, group));
        Ok(Self {
            event_type: file.event_type.parse().map_err(|_| head("event_type", "an event type"))?,
            purpose: file.purpose.parse().map_err(|_| head("purpose", "1 to 32 of A-Z, 0-9 and '_'"))?,
            groups: groups.collect::<Result<_, _>>()?,
            source: file.source,
            legal_basis: file.legal_basis,
            data_category: file.data_category,
            delimiter,
            descriptor,
            key: file.key,
            version: file.version,
            mrz: file.mrz,
            occurred_at,
            empty: file.empty,
            fields,
        })
    }

    /// Type of the events it makes.
    pub fn event_type(&self) -> &EventType {
        &self.event_type
    }

    /// First part of their streams.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Purpose of their processing.
    pub fn purpose(&self) -> &Purpose {
        &self.purpose
    }

    /// The norm that allows it.
    pub fn legal_basis(&self) -> &str {
        &self.legal_basis
    }

    /// `general` or `specific`.
    pub fn data_category(&self) -> &str {
        &self.data_category
    }

    /// What separates the fields of a row.
    pub fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Where a document's machine readable zone stands.
    pub fn mrz(&self) -> Option<&str> {
        self.mrz.as_deref()
    }

    /// Columns that a flat file's header must have: those of the key and of required fields.
    pub fn required_columns(&self) -> impl Iterator<Item = &str> {
        let required = self.fields.iter().filter(|field| field.required && field.from.len() == 1);
        self.key.iter().chain(required.flat_map(|field| &field.from)).map(String::as_str)
    }

    /// Maps one record.
    ///
    /// # Errors
    /// [`RecordError`] for the first field that breaks its rule.
    pub fn map(&self, record: Record<'_>) -> Result<Mapped, RecordError> {
        let mut message = DynamicMessage::new(self.descriptor.clone());
        for field in &self.fields {
            self.fill(&mut message, field, record, "")?;
        }
        for group in &self.groups {
            self.fill_group(&mut message, group, record)?;
        }
        let mut key = Vec::with_capacity(self.key.len());
        for name in &self.key {
            let text = self
                .text(record, std::slice::from_ref(name))
                .map_err(|reason| RecordError::new(name, reason))?;
            key.push(text.ok_or_else(|| RecordError::new(name, "is required, it names the record"))?);
        }
        Ok(Mapped {
            key,
            version: self.version_of(record)?,
            occurred_at: self.moment_of(record)?,
            payload: message.encode_to_vec().into(),
        })
    }

    fn version_of(&self, record: Record<'_>) -> Result<Option<u64>, RecordError> {
        let Some(name) = &self.version else { return Ok(None) };
        let failed = |reason: &str| RecordError::new(name, reason);
        let text = self.text(record, std::slice::from_ref(name)).map_err(failed)?;
        let text = text.ok_or_else(|| failed("is required, it tells versions apart"))?;
        text.parse().map(Some).map_err(|_| failed("must be a whole number"))
    }

    fn moment_of(&self, record: Record<'_>) -> Result<Option<Timestamp>, RecordError> {
        let Some(moment) = &self.occurred_at else { return Ok(None) };
        let failed = |reason: &str| RecordError::new(moment.from.join(", "), reason);
        let Some(text) = self.text(record, &moment.from).map_err(failed)? else { return Ok(None) };
        let found = moment.patterns.iter().find_map(|pattern| pattern.moment(&text, moment.offset));
        found.map(Some).ok_or_else(|| failed("is not a time in the expected form"))
    }

    fn fill_group(
        &self,
        message: &mut DynamicMessage,
        group: &Group,
        record: Record<'_>,
    ) -> Result<(), RecordError> {
        let mut elements = Vec::new();
        match &group.each {
            None => elements.extend(self.element(group, record, "")?),
            Some(pointer) => {
                let found = record.elements(pointer);
                let values = found.ok_or_else(|| RecordError::new(pointer, "must be a list"))?;
                for (index, value) in values.iter().enumerate() {
                    elements.extend(self.element(
                        group,
                        Record::Json(value),
                        &format!("{pointer}/{index}"),
                    )?);
                }
            }
        }
        if !elements.is_empty() {
            match message.get_field_mut(&group.list) {
                Value::List(list) => list.extend(elements),
                _ => return Err(RecordError::new(&group.to, "is not a list")),
            }
        }
        Ok(())
    }

    fn element(&self, group: &Group, record: Record<'_>, at: &str) -> Result<Option<Value>, RecordError> {
        let filled = |name: &String| !matches!(self.text(record, std::slice::from_ref(name)), Ok(None));
        if !group.when.is_empty() && !group.when.iter().any(filled) {
            return Ok(None);
        }
        let mut message = DynamicMessage::new(group.element.clone());
        for field in &group.fields {
            self.fill(&mut message, field, record, at)?;
        }
        Ok(Some(Value::Message(message)))
    }

    /// Sets one field. `at` is put before the pointers of an error.
    fn fill(
        &self,
        message: &mut DynamicMessage,
        field: &Field,
        record: Record<'_>,
        at: &str,
    ) -> Result<(), RecordError> {
        let name = || match field.from.as_slice() {
            [] => field.to.clone(),
            from => from.iter().map(|name| format!("{at}{name}")).collect::<Vec<_>>().join(", "),
        };
        let value = self.value(field, record).map_err(|reason| RecordError::new(name(), reason))?;
        match value {
            Some(value) => set(message, &field.path, value),
            None if field.required => return Err(RecordError::new(name(), "is required")),
            None => {}
        }
        Ok(())
    }

    fn value(&self, field: &Field, record: Record<'_>) -> Result<Option<Value>, &'static str> {
        if let Some(constant) = &field.constant {
            return Ok(Some(listed(field, constant.clone())));
        }
        let target = field.path.last().expect("a compiled path is not empty");
        if target.is_list() {
            let mut values = Vec::new();
            for part in self.parts(record, field)? {
                values.extend(self.scalar(field, target, &part)?);
            }
            return Ok(match (values.is_empty(), &field.default) {
                (false, _) => Some(Value::List(values)),
                (true, default) => default.clone().map(|value| Value::List(vec![value])),
            });
        }
        let value = match self.text(record, &field.from)? {
            Some(text) => self.scalar(field, target, &text)?,
            None => None,
        };
        Ok(value.or_else(|| field.default.clone()))
    }

    fn scalar(
        &self,
        field: &Field,
        target: &FieldDescriptor,
        text: &str,
    ) -> Result<Option<Value>, &'static str> {
        let mut text = text.to_owned();
        for transform in &field.transforms {
            text = transform.apply(&text);
        }
        if text.is_empty() {
            return Ok(None);
        }
        if !field.map.is_empty() {
            let mapped = field.map.get(&text.to_lowercase()).or(field.otherwise.as_ref());
            return mapped.cloned().map(Some).ok_or("is not one of the words that the mapping knows");
        }
        if !field.patterns.is_empty() {
            let date = field.patterns.iter().find_map(|pattern| pattern.date(&text));
            text = date.ok_or("is not a date in the expected form")?.to_string();
        }
        if let Some(rule) = field.check.and_then(|check| check.broken_by(&text)) {
            return Err(rule);
        }
        value::typed(target, &text).map(Some)
    }

    /// The first of `names` that is filled, trimmed.
    fn text(&self, record: Record<'_>, names: &[String]) -> Result<Option<String>, &'static str> {
        for name in names {
            let text = match record.find(name) {
                Found::Nothing => continue,
                Found::Text(text) => text.trim().to_owned(),
                // The machine readable zone is often a list of its lines.
                Found::List(lines) => lines.join("\n").trim().to_owned(),
                Found::Other => return Err("must be a text"),
            };
            if self.says_something(&text) {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    /// The parts of a list; from several names they come one after the other.
    fn parts(&self, record: Record<'_>, field: &Field) -> Result<Vec<String>, &'static str> {
        let mut parts = Vec::new();
        for name in &field.from {
            match record.find(name) {
                Found::Nothing => {}
                Found::Text(text) => match &field.split {
                    Some(separator) => parts.extend(text.split(separator.as_str()).map(str::to_owned)),
                    None => parts.push(text.into_owned()),
                },
                Found::List(texts) => parts.extend(texts.into_iter().map(|text| text.into_owned())),
                Found::Other => return Err("must be a list of texts"),
            }
        }
        Ok(parts
            .iter()
            .map(|part| part.trim())
            .filter(|part| self.says_something(part))
            .map(str::to_owned)
            .collect())
    }

    fn says_something(&self, text: &str) -> bool {
        !text.is_empty() && !self.empty.iter().any(|empty| empty.eq_ignore_ascii_case(text))
    }
}

fn listed(field: &Field, value: Value) -> Value {
    let list = field.path.last().is_some_and(FieldDescriptor::is_list);
    if list { Value::List(vec![value]) } else { value }
}

/// Walks to the last message of the path, making those on the way, and sets the value.
fn set(message: &mut DynamicMessage, path: &[FieldDescriptor], value: Value) {
    match path {
        [] => {}
        [last] => message.set_field(last, value),
        [first, rest @ ..] => {
            if let Value::Message(inner) = message.get_field_mut(first) {
                set(inner, rest, value);
            }
        }
    }
}

fn compile_all(descriptor: &MessageDescriptor, fields: Vec<FieldFile>) -> Result<Vec<Field>, MappingError> {
    fields.into_iter().map(|field| compile(descriptor, field)).collect()
}

fn compile_group(descriptor: &MessageDescriptor, group: GroupFile) -> Result<Group, MappingError> {
    let rule = "a repeated message of the event's type";
    let list = descriptor.get_field_by_name(&group.to).filter(FieldDescriptor::is_list);
    let list = list.ok_or_else(|| wrong(&group.to, "to", rule))?;
    let Kind::Message(element) = list.kind() else { return Err(wrong(&group.to, "to", rule)) };
    let fields = compile_all(&element, group.field)?;
    Ok(Group { to: group.to, list, element, each: group.each, when: group.when, fields })
}

fn compile(descriptor: &MessageDescriptor, file: FieldFile) -> Result<Field, MappingError> {
    let to = file.to;
    let path = resolve(descriptor, &to).ok_or_else(|| wrong(&to, "to", "a field of the event's type"))?;
    let target = path.last().filter(|target| value::fillable(target));
    let target = target.ok_or_else(|| wrong(&to, "to", "a text, a number or a word"))?.clone();
    let typed = |key: &'static str, text: &String| {
        value::typed(&target, text).map_err(|rule| wrong(&to, key, rule.trim_start_matches("must be ")))
    };
    let from = file.from.into_vec();
    if from.is_empty() == file.r#const.is_none() {
        return Err(wrong(&to, "from", "given, or else const; not both"));
    }
    let mut transforms = Vec::new();
    for name in &file.transform {
        let known = Transform::parse(name).ok_or_else(|| wrong(&to, "transform", Transform::RULE))?;
        transforms.extend(known);
    }
    let mut map = HashMap::with_capacity(file.map.len());
    for (text, becomes) in &file.map {
        map.insert(text.trim().to_lowercase(), typed("map", becomes)?);
    }
    if file.otherwise.is_some() && map.is_empty() {
        return Err(wrong(&to, "otherwise", "given together with map"));
    }
    if file.split.as_deref() == Some("") || (file.split.is_some() && !target.is_list()) {
        return Err(wrong(&to, "split", "a separator, for a repeated field"));
    }
    let check = match &file.check {
        None => None,
        Some(name) => Some(Check::parse(name).ok_or_else(|| wrong(&to, "check", Check::RULE))?),
    };
    Ok(Field {
        constant: file.r#const.as_ref().map(|text| typed("const", text)).transpose()?,
        default: file.default.as_ref().map(|text| typed("default", text)).transpose()?,
        otherwise: file.otherwise.as_ref().map(|text| typed("otherwise", text)).transpose()?,
        patterns: patterns(&to, file.date.into_vec())?,
        required: file.required,
        split: file.split,
        to,
        path,
        from,
        transforms,
        map,
        check,
    })
}

fn resolve(descriptor: &MessageDescriptor, path: &str) -> Option<Vec<FieldDescriptor>> {
    let mut message = Some(descriptor.clone());
    let mut fields = Vec::new();
    for name in path.split('.') {
        let field = message?.get_field_by_name(name)?;
        message = match field.kind() {
            Kind::Message(inner) if !field.is_list() => Some(inner),
            _ => None,
        };
        fields.push(field);
    }
    Some(fields)
}

fn patterns(at: &str, texts: Vec<String>) -> Result<Vec<Pattern>, MappingError> {
    texts
        .iter()
        .map(|text| Pattern::parse(text).ok_or_else(|| wrong(at, "date", date::PATTERN_RULE)))
        .collect()
}

/// `+07:00`.
fn offset(text: &str) -> Option<Offset> {
    let (sign, rest) = text.split_at_checked(1)?;
    let (hours, minutes) = rest.split_once(':')?;
    let seconds = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
    let seconds = match sign {
        "+" => seconds,
        "-" => -seconds,
        _ => return None,
    };
    Offset::from_seconds(seconds).ok()
}

fn wrong(at: &str, key: &'static str, rule: &str) -> MappingError {
    MappingError::Value { at: at.into(), key, rule: rule.into() }
}

#[cfg(test)]
mod tests;
