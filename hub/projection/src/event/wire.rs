//! The fields of a protobuf message, where they lie: nothing is copied, and what nobody asks for is stepped over.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// The value of a field.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    /// Integers, enumerations, booleans.
    Number(u64),
    /// Texts, bytes, messages.
    Bytes(&'a [u8]),
    /// Anything else.
    Other,
}

impl<'a> Value<'a> {
    pub(crate) fn number(self) -> Option<u64> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }

    pub(crate) fn bytes(self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    pub(crate) fn text(self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }
}

/// Tells every field with its number, in the order in which they are written. `None` where the bytes are no message, or
/// `tell` says so.
pub(crate) fn each<'a>(
    mut bytes: &'a [u8],
    mut tell: impl FnMut(u32, Value<'a>) -> Option<()>,
) -> Option<()> {
    while !bytes.is_empty() {
        let (number, wire_type) = decode_key(&mut bytes).ok()?;
        let value = match wire_type {
            WireType::Varint => Value::Number(decode_varint(&mut bytes).ok()?),
            WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Value::Bytes(value)
            }
            _ => {
                skip_field(wire_type, number, &mut bytes, DecodeContext::default()).ok()?;
                Value::Other
            }
        };
        tell(number, value)?;
    }
    Some(())
}
