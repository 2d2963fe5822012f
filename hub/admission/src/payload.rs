//! The rules of the payload messages, walked over the encoded bytes: nothing is built, nothing is copied, and
//! what passes is certain to decode.
//!
//! The rules are data ([`rules`]): for most event types the options in `proto/`, for the first five a table held against the
//! descriptors by a test. Fields that no rule knows are skipped, so that a newer sender's additions pass.

mod forms;
mod rules;

pub(crate) use forms::check_stream;

use jiff::civil::Date;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use simpul_types::identity::imo_number_is_valid;

/// One payload message.
pub(crate) struct Message {
    /// Its full protobuf name.
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [Field],
    /// Date fields in order: the second number's is not later than the first's.
    pub(crate) ordered: &'static [(u32, u32)],
}

/// One field of a message, at most [`FIELDS_MAX`] of them.
pub(crate) struct Field {
    pub(crate) number: u32,
    pub(crate) name: &'static str,
    pub(crate) need: Need,
    pub(crate) rule: Rule,
}

/// How often a field stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Once, and not empty.
    Required,
    /// Once or not at all.
    Optional,
    /// At most so often.
    Repeated(u16),
    /// At least once, at most so often.
    Several(u16),
}

/// What a field holds.
#[derive(Clone, Copy)]
pub(crate) enum Rule {
    /// UTF-8 of at most so many bytes.
    Text(usize),
    /// So many digits.
    Digits(usize),
    /// `YYYY-MM-DD`, a day of the calendar.
    Date,
    /// ISO 3166-1 alpha-3, by its form.
    Country,
    /// Wilayah code: 2, 4, 6 or 10 digits.
    Region,
    /// IMO number of a ship: seven digits, the last a check digit.
    ImoNumber,
    /// Opaque reference of a person: 32 hexadecimal digits, small letters.
    PersonRef,
    /// A value from 1 up to this one; 0 stands for absent.
    Enum(u64),
    /// A whole number, yes or no; 0 stands for absent.
    Number,
    /// A message.
    Message(&'static Message),
}

/// A payload breaks a rule of its message. Never holds content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Path of the field within the payload; empty where the message itself is meant.
    pub(crate) path: String,
    pub(crate) rule: String,
}

/// More fields than any message has; the counts of a message lie on the stack.
const FIELDS_MAX: usize = 24;

/// Checks an encoded payload against the rules of its type.
pub(crate) fn check(event_type: &str, payload: &[u8]) -> Result<(), Fault> {
    match rules::of(event_type) {
        Some(message) => {
            walk(message, payload)?;
            forms::check_forms(event_type, payload)
        }
        // The directory's own fold checks its events; they are judged when their turn in the log is known.
        None => Ok(()),
    }
}

fn walk(message: &Message, mut bytes: &[u8]) -> Result<(), Fault> {
    let whole = bytes;
    let mut counts = [0_u16; FIELDS_MAX];
    let mut hint = 0;
    while !bytes.is_empty() {
        let (number, wire_type) = decode_key(&mut bytes).map_err(|_| undecodable(message))?;
        let Some(index) = find(message.fields, number, hint) else {
            skip_field(wire_type, number, &mut bytes, DecodeContext::default())
                .map_err(|_| undecodable(message))?;
            continue;
        };
        hint = index;
        let field = &message.fields[index];
        let present = value(message, field, wire_type, &mut bytes, counts[index])?;
        counts[index] = counts[index].saturating_add(present);
        let most = match field.need {
            Need::Required | Need::Optional => 1,
            Need::Repeated(most) | Need::Several(most) => most,
        };
        if counts[index] > most {
            return Err(Fault { path: field.name.into(), rule: format!("at most {most} times") });
        }
    }
    for (field, count) in message.fields.iter().zip(counts) {
        if count == 0 && matches!(field.need, Need::Required | Need::Several(_)) {
            return Err(Fault { path: field.name.into(), rule: "required".into() });
        }
    }
    message.ordered.iter().try_for_each(|(later, earlier)| in_order(message, whole, *later, *earlier))
}

/// Two dates of one message, both checked before; as texts they order like days. What is absent is in order.
fn in_order(message: &Message, bytes: &[u8], later: u32, earlier: u32) -> Result<(), Fault> {
    let name =
        |number| message.fields.iter().find(|field| field.number == number).map_or("", |field| field.name);
    let day = |number| text_of(bytes, number).filter(|text| !text.is_empty());
    match (day(later), day(earlier)) {
        (Some(day), Some(before)) if day < before => {
            Err(Fault { path: name(later).into(), rule: format!("not before `{}`", name(earlier)) })
        }
        _ => Ok(()),
    }
}

/// Bytes of a text field of a message that was walked before.
fn text_of(mut bytes: &[u8], wanted: u32) -> Option<&[u8]> {
    while !bytes.is_empty() {
        let (number, wire_type) = decode_key(&mut bytes).ok()?;
        if number == wanted && wire_type == WireType::LengthDelimited {
            let length = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
            return bytes.get(..length);
        }
        skip_field(wire_type, number, &mut bytes, DecodeContext::default()).ok()?;
    }
    None
}

/// Fields mostly come in order, so the search goes on from the last one.
fn find(fields: &[Field], number: u32, hint: usize) -> Option<usize> {
    let at = |index: usize| (fields[index].number == number).then_some(index);
    (hint..fields.len()).find_map(at).or_else(|| (0..hint).find_map(at))
}

/// Reads one occurrence of a field; returns how many values it held. An empty text or a zero stands for
/// absent.
fn value(
    message: &Message,
    field: &Field,
    wire_type: WireType,
    bytes: &mut &[u8],
    before: u16,
) -> Result<u16, Fault> {
    match (field.rule, wire_type) {
        (Rule::Enum(most), WireType::Varint) => enum_value(message, field, most, bytes),
        (Rule::Enum(most), WireType::LengthDelimited)
            if matches!(field.need, Need::Repeated(_) | Need::Several(_)) =>
        {
            let mut packed = slice(message, bytes)?;
            let mut count = 0_u16;
            while !packed.is_empty() {
                count = count.saturating_add(enum_value(message, field, most, &mut packed)?);
            }
            Ok(count)
        }
        (Rule::Message(inner), WireType::LengthDelimited) => {
            walk(inner, slice(message, bytes)?).map_err(|fault| fault.within(field, before)).map(|()| 1)
        }
        (Rule::Number, WireType::Varint) => {
            Ok(u16::from(decode_varint(bytes).map_err(|_| undecodable(message))? != 0))
        }
        (Rule::Enum(_) | Rule::Number | Rule::Message(_), _) => Err(undecodable(message)),
        (rule, WireType::LengthDelimited) => {
            let text = std::str::from_utf8(slice(message, bytes)?).map_err(|_| undecodable(message))?;
            let repeated = matches!(field.need, Need::Repeated(_) | Need::Several(_));
            if text.is_empty() && !repeated {
                return Ok(0);
            }
            text_fault(rule, text).map_or(Ok(1), |rule| Err(Fault { path: field.name.into(), rule }))
        }
        _ => Err(undecodable(message)),
    }
}

fn enum_value(message: &Message, field: &Field, most: u64, bytes: &mut &[u8]) -> Result<u16, Fault> {
    match decode_varint(bytes).map_err(|_| undecodable(message))? {
        0 => Ok(0),
        value if value <= most => Ok(1),
        _ => Err(Fault { path: field.name.into(), rule: "a value of the catalogue".into() }),
    }
}

fn slice<'a>(message: &Message, bytes: &mut &'a [u8]) -> Result<&'a [u8], Fault> {
    let length = decode_varint(bytes).map_err(|_| undecodable(message))?;
    let length = usize::try_from(length).ok().filter(|length| *length <= bytes.len());
    let (head, rest) = bytes.split_at(length.ok_or_else(|| undecodable(message))?);
    *bytes = rest;
    Ok(head)
}

fn text_fault(rule: Rule, text: &str) -> Option<String> {
    match rule {
        Rule::Text(most) if text.len() > most => Some(format!("at most {most} bytes")),
        Rule::Digits(count) if text.len() != count || !text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(format!("{count} digits"))
        }
        Rule::Date if !is_date(text) => Some("a date as `YYYY-MM-DD`".into()),
        Rule::Country if text.len() != 3 || !text.bytes().all(|byte| byte.is_ascii_uppercase()) => {
            Some("ISO 3166-1 alpha-3".into())
        }
        Rule::Region
            if ![2, 4, 6, 10].contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            Some("a wilayah code of 2, 4, 6 or 10 digits".into())
        }
        Rule::ImoNumber if !imo_number_is_valid(text) => {
            Some("an IMO number of 7 digits with its check digit".into())
        }
        Rule::PersonRef
            if text.len() != 32 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) =>
        {
            Some("a person reference of 32 hexadecimal digits, small letters".into())
        }
        _ => None,
    }
}

fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let number = |range: std::ops::Range<usize>| {
        let digits = &bytes[range];
        digits
            .iter()
            .all(u8::is_ascii_digit)
            .then(|| digits.iter().fold(0_i16, |value, digit| value * 10 + i16::from(digit - b'0')))
    };
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return false;
    }
    let (Some(year), Some(month), Some(day)) = (number(0..4), number(5..7), number(8..10)) else {
        return false;
    };
    let (Ok(month), Ok(day)) = (i8::try_from(month), i8::try_from(day)) else { return false };
    Date::new(year, month, day).is_ok()
}

fn undecodable(message: &Message) -> Fault {
    Fault { path: String::new(), rule: format!("not a {}", message.name) }
}

impl Fault {
    /// The same, seen from the message that holds `field`.
    fn within(mut self, field: &Field, before: u16) -> Self {
        let repeated = matches!(field.need, Need::Repeated(_) | Need::Several(_));
        let head = if repeated { format!("{}[{before}]", field.name) } else { field.name.into() };
        self.path = if self.path.is_empty() { head } else { format!("{head}.{}", self.path) };
        self
    }
}

#[cfg(test)]
#[path = "payload/tests.rs"]
mod tests;
