//! The fields of an encoded `EventHeader`, borrowed from its bytes: a hub decodes hundreds of thousands of headers a
//! second, and most of their texts are compared and dropped. What is read is what `prost` would read
//! (`tests::fields_are_what_prost_reads`).

use prost::{
    DecodeError,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};

use super::ExpectedVersion;

/// One header as it stands, nothing checked but its encoding.
#[derive(Clone, Copy, Default)]
pub(super) struct Fields<'a> {
    pub(super) version: u32,
    pub(super) event_id: &'a [u8],
    pub(super) event_type: &'a str,
    pub(super) stream: &'a str,
    pub(super) expected: Option<ExpectedVersion>,
    pub(super) occurred_at_us: i64,
    pub(super) purpose: &'a str,
    pub(super) legal_basis: &'a str,
    pub(super) data_category: &'a str,
    pub(super) correlation_id: &'a [u8],
    pub(super) causation_id: &'a [u8],
    pub(super) traceparent: &'a str,
    pub(super) payload_commitment: &'a [u8],
}

/// The bytes are not the encoded message.
pub(super) struct Malformed;

impl From<DecodeError> for Malformed {
    fn from(_: DecodeError) -> Self {
        Self
    }
}

impl<'a> Fields<'a> {
    pub(super) fn read(mut bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Self::default();
        while !bytes.is_empty() {
            let (number, wire_type) = decode_key(&mut bytes)?;
            match (number, wire_type) {
                // A uint32 keeps the low half of its varint.
                (1, WireType::Varint) => fields.version = decode_varint(&mut bytes)? as u32,
                (6, WireType::Varint) => fields.occurred_at_us = decode_varint(&mut bytes)? as i64,
                (5, WireType::LengthDelimited) => {
                    let expected = delimited(&mut bytes)?;
                    fields.expected = expected_version(expected, fields.expected)?;
                }
                (2..=13, WireType::LengthDelimited) if number != 6 => {
                    fields.set(number, delimited(&mut bytes)?)?;
                }
                (1..=13, _) => return Err(Malformed),
                _ => skip_field(wire_type, number, &mut bytes, DecodeContext::default())?,
            }
        }
        Ok(fields)
    }

    fn set(&mut self, number: u32, value: &'a [u8]) -> Result<(), Malformed> {
        match number {
            2 => self.event_id = value,
            3 => self.event_type = text(value)?,
            4 => self.stream = text(value)?,
            7 => self.purpose = text(value)?,
            8 => self.legal_basis = text(value)?,
            9 => self.data_category = text(value)?,
            10 => self.correlation_id = value,
            11 => self.causation_id = value,
            12 => self.traceparent = text(value)?,
            _ => self.payload_commitment = value,
        }
        Ok(())
    }
}

fn text(value: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(value).map_err(|_| Malformed)
}

fn delimited<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let length = usize::try_from(decode_varint(bytes)?).map_err(|_| Malformed)?;
    let (value, rest) = bytes.split_at_checked(length).ok_or(Malformed)?;
    *bytes = rest;
    Ok(value)
}

/// The kind that an `ExpectedVersion` names; the last one counts, and one that names none leaves what was there.
/// `Exactly(0)` is kept for the caller to refuse.
fn expected_version(
    mut bytes: &[u8],
    before: Option<ExpectedVersion>,
) -> Result<Option<ExpectedVersion>, Malformed> {
    let mut kind = before;
    while !bytes.is_empty() {
        let (number, wire_type) = decode_key(&mut bytes)?;
        match (number, wire_type) {
            (1 | 2, WireType::LengthDelimited) => {
                empty(delimited(&mut bytes)?)?;
                kind = Some(if number == 1 { ExpectedVersion::Any } else { ExpectedVersion::NoStream });
            }
            (3, WireType::Varint) => kind = Some(ExpectedVersion::Exactly(decode_varint(&mut bytes)?)),
            (1..=3, _) => return Err(Malformed),
            _ => skip_field(wire_type, number, &mut bytes, DecodeContext::default())?,
        }
    }
    Ok(kind)
}

/// A message without known fields.
fn empty(mut bytes: &[u8]) -> Result<(), Malformed> {
    while !bytes.is_empty() {
        let (number, wire_type) = decode_key(&mut bytes)?;
        skip_field(wire_type, number, &mut bytes, DecodeContext::default())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;
    use simpul_proto::v1::{self, expected_version::Kind};

    use super::*;

    fn same(bytes: &[u8]) -> Result<(), TestCaseError> {
        match (Fields::read(bytes), v1::EventHeader::decode(bytes)) {
            (Err(Malformed), Err(_)) => Ok(()),
            (Ok(fields), Ok(wire)) => {
                let expected = wire.expected.and_then(|expected| expected.kind).map(|kind| match kind {
                    Kind::Any(_) => ExpectedVersion::Any,
                    Kind::NoStream(_) => ExpectedVersion::NoStream,
                    Kind::Exactly(version) => ExpectedVersion::Exactly(version),
                });
                prop_assert_eq!((fields.version, fields.expected), (wire.version, expected));
                prop_assert_eq!(fields.occurred_at_us, wire.occurred_at_us);
                prop_assert_eq!(
                    [fields.event_id, fields.correlation_id, fields.causation_id, fields.payload_commitment],
                    [
                        wire.event_id.as_ref(),
                        &wire.correlation_id,
                        &wire.causation_id,
                        &wire.payload_commitment
                    ]
                );
                prop_assert_eq!(
                    [fields.event_type, fields.stream, fields.purpose, fields.legal_basis],
                    [wire.r#type.as_str(), &wire.stream, &wire.purpose, &wire.legal_basis]
                );
                prop_assert_eq!(
                    [fields.data_category, fields.traceparent],
                    [wire.data_category.as_str(), &wire.traceparent]
                );
                Ok(())
            }
            (fields, wire) => {
                Err(TestCaseError::fail(format!("read: {}, prost: {}", fields.is_ok(), wire.is_ok())))
            }
        }
    }

    fn header() -> impl Strategy<Value = v1::EventHeader> {
        let kind = prop_oneof![
            Just(None),
            Just(Some(Kind::Any(v1::expected_version::Any {}))),
            Just(Some(Kind::NoStream(v1::expected_version::NoStream {}))),
            any::<u64>().prop_map(|version| Some(Kind::Exactly(version))),
        ];
        let bytes = || proptest::collection::vec(any::<u8>(), 0..20);
        let texts = proptest::array::uniform6(".{0,12}");
        (any::<u32>(), any::<i64>(), kind, proptest::array::uniform4(bytes()), texts).prop_map(
            |(version, occurred_at_us, kind, ids, texts)| {
                let [event_id, correlation_id, causation_id, payload_commitment] = ids.map(Into::into);
                let [r#type, stream, purpose, legal_basis, data_category, traceparent] = texts;
                v1::EventHeader {
                    version,
                    event_id,
                    r#type,
                    stream,
                    expected: Some(v1::ExpectedVersion { kind }),
                    occurred_at_us,
                    purpose,
                    legal_basis,
                    data_category,
                    correlation_id,
                    causation_id,
                    traceparent,
                    payload_commitment,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn fields_are_what_prost_reads(header in header(), other in header(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = header.encode_to_vec();
            same(&bytes)?;
            // Twice the message is the two merged; one byte changed may be anything.
            bytes.extend(other.encode_to_vec());
            same(&bytes)?;
            let at = at.index(bytes.len().max(1));
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            same(&bytes)?;
            same(&bytes[..at])?;
        }
    }
}
