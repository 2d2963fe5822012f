//! What the rows hold: pointers into the log, never a copy of a payload.
//!
//! A row is one version byte and a protobuf message; sealed as a whole before it meets the disk. Because a row says where
//! a fact stands and not what it says, read models stay small, and destroying a stream's data key erases its facts here too.
//!
//! | byte | what |
//! |---|---|
//! | 0 | [`VERSION`] |
//! | 1.. | the message, fields in the order of their tags |

use prost::Message;

use crate::{error::StateError, key::Id};

/// Version of every row.
pub const VERSION: u8 = 5;

/// Encodes a row.
pub(crate) fn encode(row: &impl Message) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + row.encoded_len());
    append(row, &mut bytes);
    bytes
}

/// The same, behind what the buffer holds.
pub(crate) fn append(row: &impl Message, buffer: &mut Vec<u8>) {
    buffer.push(VERSION);
    row.encode_raw(buffer);
}

/// Decodes a row.
pub(crate) fn decode<R: Message + Default>(bytes: &[u8]) -> Result<R, StateError> {
    match bytes.split_first() {
        Some((&VERSION, message)) => R::decode(message).map_err(|_| StateError::Row),
        _ => Err(StateError::Row),
    }
}

/// How far the state has come, and of which log and keys it is (PRJ-1).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Tracking {
    /// Position of the next event to fold.
    #[prost(uint64, tag = "1")]
    pub position: u64,
    /// SHA-256 of the leaf before that position; empty at the beginning.
    #[prost(bytes = "vec", tag = "2")]
    pub leaf: Vec<u8>,
    /// Blind hash of a fixed text: other under another index key.
    #[prost(bytes = "vec", tag = "3")]
    pub keys: Vec<u8>,
    /// Events whose payload could not be read.
    #[prost(uint64, tag = "4")]
    pub gaps: u64,
}

/// From where on the feed of changes is kept.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Trim {
    #[prost(uint64, tag = "1")]
    pub below: u64,
}

/// Kinds of source records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum Kind {
    None = 0,
    Placement = 1,
    Licence = 2,
    Report = 3,
    Intake = 4,
    Screening = 5,
    /// A stream of events that the options of the contract describe: all of them together are the record.
    Entry = 6,
}

/// One event of a source record.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Snapshot {
    #[prost(uint64, tag = "1")]
    pub position: u64,
    /// Agency that submitted it.
    #[prost(string, tag = "2")]
    pub source: String,
    /// `occurred_at` of the event.
    #[prost(int64, tag = "3")]
    pub observed_at: i64,
    /// Persons it speaks of, 16 bytes each, in the order of its claims.
    #[prost(bytes = "vec", tag = "4")]
    pub persons: Vec<u8>,
    /// Case it belongs to; empty where none.
    #[prost(bytes = "vec", tag = "5")]
    pub case: Vec<u8>,
    /// Licence number it holds; empty where none.
    #[prost(bytes = "vec", tag = "6")]
    pub licence: Vec<u8>,
}

/// A source record: the newest snapshot stands for it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Record {
    #[prost(enumeration = "Kind", tag = "1")]
    pub kind: i32,
    /// Number of snapshots so far.
    #[prost(uint64, tag = "2")]
    pub versions: u64,
    #[prost(message, required, tag = "3")]
    pub newest: Snapshot,
}

/// A person, or an identifier that leads to one.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Node {
    /// The person this identifier belongs to; empty where this is the person itself.
    #[prost(bytes = "vec", tag = "1")]
    pub alias: Vec<u8>,
    /// Whether a NIK of the person is known.
    #[prost(bool, tag = "2")]
    pub has_nik: bool,
    /// The first records that speak of the person, 16 bytes each; further ones have rows of their own.
    #[prost(bytes = "vec", tag = "3")]
    pub records: Vec<u8>,
    /// Whether there are such rows.
    #[prost(bool, tag = "4")]
    pub more: bool,
    /// Whether any identifier leads here.
    #[prost(bool, tag = "5")]
    pub linked: bool,
    /// Names and birth dates that have their keys, eight bytes of a keyed hash each.
    #[prost(bytes = "vec", tag = "6")]
    pub names: Vec<u8>,
    /// Whether anybody has said with whom the person is one, or is not.
    #[prost(bool, tag = "7")]
    pub tied: bool,
}

/// That a person has a name, and the event that first told it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Named {
    #[prost(uint64, tag = "1")]
    pub position: u64,
}

/// What was said about two persons being one, oldest word first. Stands on both.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Tie {
    #[prost(message, repeated, tag = "1")]
    pub said: Vec<Said>,
}

/// One word of it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Said {
    #[prost(uint64, tag = "1")]
    pub position: u64,
    #[prost(enumeration = "Sameness", tag = "2")]
    pub sameness: i32,
}

/// Whether two persons are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum Sameness {
    /// Nobody says so any more.
    Open = 0,
    /// They are.
    Same = 1,
    /// They are not.
    Other = 2,
}

/// Identifiers of one event that lead to two persons. Stands on both.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Conflict {
    #[prost(uint64, tag = "1")]
    pub first: u64,
    #[prost(uint64, tag = "2")]
    pub last: u64,
    #[prost(uint64, tag = "3")]
    pub times: u64,
}

/// What may lead to a recruiter.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Indicator {
    /// Number of records that name it.
    #[prost(uint64, tag = "1")]
    pub records: u64,
}

/// That a record names an indicator.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Sighting {
    /// Position of its first event that does.
    #[prost(uint64, tag = "1")]
    pub position: u64,
}

/// Where something stands: a record's id.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Pointer {
    #[prost(bytes = "vec", tag = "1")]
    pub record: Vec<u8>,
}

/// A case.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct Case {
    /// The agencies' reference; empty where the case is that of one record.
    #[prost(string, tag = "1")]
    pub case_ref: String,
    /// The one record whose own case this is; empty where agencies named it.
    #[prost(bytes = "vec", tag = "2")]
    pub own: Vec<u8>,
    /// Position of the event that opened it.
    #[prost(uint64, tag = "3")]
    pub opened: u64,
}

/// Documents that the events of a leaf changed, in order.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Changes {
    #[prost(message, repeated, tag = "1")]
    pub entries: Vec<ChangeRow>,
}

/// One change.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ChangeRow {
    #[prost(uint64, tag = "1")]
    pub position: u64,
    /// Number among the changes of the same event.
    #[prost(uint32, tag = "2")]
    pub n: u32,
    /// Index in `View::ALL`.
    #[prost(uint32, tag = "3")]
    pub view: u32,
    /// Which document.
    #[prost(bytes = "vec", tag = "4")]
    pub id: Vec<u8>,
    /// The record whose event it is; empty where that is the document itself.
    #[prost(bytes = "vec", tag = "5")]
    pub record: Vec<u8>,
    /// The one agency that may be shown it; empty where policy alone decides.
    #[prost(string, tag = "6")]
    pub addressee: String,
}

/// An event that could not be folded.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Gap {
    /// Event type; empty where the header does not say.
    #[prost(string, tag = "1")]
    pub event_type: String,
    #[prost(string, tag = "2")]
    pub reason: String,
}

/// When the log last took something from an agency.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Heard {
    #[prost(int64, tag = "1")]
    pub admitted_at: i64,
}

/// An agency, or a connector of one.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Participant {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub kind: String,
    #[prost(uint64, tag = "3")]
    pub position: u64,
}

/// A change of the directory that was proposed.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Change {
    #[prost(string, tag = "1")]
    pub r#type: String,
    #[prost(bytes = "vec", tag = "2")]
    pub payload: Vec<u8>,
}

/// A registered key.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PublicKey {
    #[prost(string, tag = "1")]
    pub agency: String,
    #[prost(string, tag = "2")]
    pub connector: String,
    #[prost(bytes = "vec", tag = "3")]
    pub public_key: Vec<u8>,
    #[prost(int64, tag = "4")]
    pub valid_from: i64,
    #[prost(int64, tag = "5")]
    pub valid_until: i64,
    #[prost(int64, tag = "6")]
    pub revoked_at: i64,
    #[prost(uint64, tag = "7")]
    pub position: u64,
}

impl Node {
    pub(crate) fn alias_of(person: &Id) -> Self {
        Self { alias: person.to_vec(), ..Self::default() }
    }
}

impl Tie {
    /// The newest word below a position.
    pub(crate) fn then(&self, until: u64) -> Option<&Said> {
        self.said.iter().rev().find(|said| said.position < until)
    }
}

impl Pointer {
    pub(crate) fn to(record: &Id) -> Self {
        Self { record: record.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_its_version_in_front_and_makes_the_round_trip() {
        let row = Conflict { first: 3, last: 9, times: 2 };
        let bytes = encode(&row);
        assert_eq!(bytes, [VERSION, 0x08, 3, 0x10, 9, 0x18, 2], "golden vector of the row format");
        assert_eq!(decode::<Conflict>(&bytes).unwrap(), row);
        assert!(decode::<Conflict>(&[]).is_err());
        assert!(decode::<Conflict>(&[VERSION + 1, 0x08, 3]).is_err(), "a version of tomorrow");
    }
}
