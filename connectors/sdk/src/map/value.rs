//! From a source text to a value of the target field: transforms, then the form, then the type.

use prost_reflect::{FieldDescriptor, Kind, Value};
use simpul_types::identity::Passport;

/// Changes of a text before anything else looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transform {
    Upper,
    Lower,
    /// Runs of white space become one blank.
    Collapse,
    /// White space, dots and dashes go.
    Compact,
    /// An Indonesian number becomes E.164: `0812…` → `+62812…`.
    Phone,
}

/// Forms a value may have to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Nik,
    /// An Indonesian passport.
    Passport,
    /// Any travel document.
    Document,
    Country,
    Village,
    Phone,
}

impl Transform {
    pub(super) const RULE: &str = "one of trim, upper, lower, collapse, compact, phone";

    /// Reads its name; `trim` is always done, and may be said.
    pub(super) fn parse(name: &str) -> Option<Option<Self>> {
        Some(match name {
            "trim" => None,
            "upper" => Some(Self::Upper),
            "lower" => Some(Self::Lower),
            "collapse" => Some(Self::Collapse),
            "compact" => Some(Self::Compact),
            "phone" => Some(Self::Phone),
            _ => return None,
        })
    }

    pub(super) fn apply(self, text: &str) -> String {
        match self {
            Self::Upper => text.to_uppercase(),
            Self::Lower => text.to_lowercase(),
            Self::Collapse => text.split_whitespace().collect::<Vec<_>>().join(" "),
            Self::Compact => compact(text),
            Self::Phone => {
                let digits = compact(text);
                match digits.strip_prefix('0') {
                    Some(rest) => format!("+62{rest}"),
                    None if digits.starts_with("62") => format!("+{digits}"),
                    None => digits,
                }
            }
        }
    }
}

fn compact(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '.' | '-')).collect()
}

impl Check {
    pub(super) const RULE: &str = "one of nik, passport, document, country, village, phone";

    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "nik" => Self::Nik,
            "passport" => Self::Passport,
            "document" => Self::Document,
            "country" => Self::Country,
            "village" => Self::Village,
            "phone" => Self::Phone,
            _ => return None,
        })
    }

    /// The rule the text breaks, if any. A NIK is held to its length only: what it says may be wrong, and the person
    /// still has to be helped.
    pub(super) fn broken_by(self, text: &str) -> Option<&'static str> {
        let digits = |count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
        let (holds, rule) = match self {
            Self::Nik => (digits(16), "must be 16 digits"),
            Self::Passport => {
                (Passport::parse(text).is_ok(), "must be one or two letters and six or seven digits")
            }
            Self::Document => (
                (4..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric()),
                "must be 4 to 20 letters and digits",
            ),
            Self::Country => (
                text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase()),
                "must be an ISO 3166-1 alpha-3 code",
            ),
            Self::Village => (digits(10), "must be a village code of 10 digits"),
            Self::Phone => {
                let number = text.strip_prefix('+').unwrap_or_default();
                let valid =
                    (7..=15).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
                (valid, "must be a telephone number")
            }
        };
        (!holds).then_some(rule)
    }
}

/// Whether a mapping may fill a field of this type.
pub(super) fn fillable(field: &FieldDescriptor) -> bool {
    !matches!(field.kind(), Kind::Message(_) | Kind::Bytes) && !field.is_map()
}

/// The text as a value of the field's type; the rule it breaks otherwise. The rule never repeats the text.
pub(super) fn typed(field: &FieldDescriptor, text: &str) -> Result<Value, &'static str> {
    match field.kind() {
        Kind::String => Ok(Value::String(text.into())),
        Kind::Enum(kind) => match kind.get_value_by_name(text) {
            Some(value) if value.number() != 0 => Ok(Value::EnumNumber(value.number())),
            _ => Err("must be one of the words that the message knows"),
        },
        Kind::Bool => match text {
            "true" | "1" => Ok(Value::Bool(true)),
            "false" | "0" => Ok(Value::Bool(false)),
            _ => Err("must be true or false"),
        },
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => number(text).map(Value::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => number(text).map(Value::I64),
        Kind::Uint32 | Kind::Fixed32 => number(text).map(Value::U32),
        Kind::Uint64 | Kind::Fixed64 => number(text).map(Value::U64),
        Kind::Float | Kind::Double | Kind::Bytes | Kind::Message(_) => Err("cannot be mapped to this type"),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|_| "must be a whole number")
}
