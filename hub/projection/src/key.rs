//! Keys of the one tree. A key is a family byte and opaque ids; what names a person, a case or a report stands in it only
//! as the first 16 bytes of a keyed hash (PII-1).
//!
//! | family | rest of the key | row |
//! |---|---|---|
//! | `M` | name | [`crate::row::Tracking`], [`crate::row::Trim`] |
//! | `S` | record | newest snapshot of a source record ([`crate::row::Record`]) |
//! | `E` | record ‖ position | an earlier snapshot ([`crate::row::Snapshot`]) |
//! | `P` | person or identifier | person, or alias of one ([`crate::row::Node`]) |
//! | `Q` | person ‖ record | a further record that speaks of the person |
//! | `X` | person ‖ other person | identifiers that hit both ([`crate::row::Conflict`]) |
//! | `T` | name key ‖ person | a person of such a name ([`crate::row::Named`]) |
//! | `Y` | person ‖ other person | what was said about their being one ([`crate::row::Tie`]) |
//! | `L` | licence number | the record that holds it |
//! | `C` | case | [`crate::row::Case`] |
//! | `K` | case ‖ record | member of the case, now or once |
//! | `N` | LP number | the record that holds it |
//! | `I` | indicator | a telephone, an account, a vessel that records name ([`crate::row::Indicator`]) |
//! | `J` | indicator ‖ record | a record that names it ([`crate::row::Sighting`]) |
//! | `W` | list ‖ id ‖ record | that there is such a record ([`crate::listed`]) |
//! | `D` | agency, connector, key or policy | directory rows, and when an agency was last heard of ([`crate::row::Heard`]); they name no person |
//! | `F` | first position of a leaf ‖ chunk | [`crate::row::Changes`] |
//! | `G` | position | [`crate::row::Gap`] |
//!
//! Positions are big-endian, so that byte order is log order.

use data_encoding::HEXLOWER;
use simpul_signing::IndexKey;
use simpul_types::Position;

/// Families whose rows are looked up by their whole key, of 17 bytes, and never walked.
pub(crate) const POINT_FAMILIES: &[u8] = b"CILNPS";

/// Families whose rows are walked, and never looked up by their whole key.
const WALKED_FAMILIES: &[u8] = b"EFGT";

/// Whether anybody looks for a row by this whole key.
pub(crate) fn is_sought(key: &[u8]) -> bool {
    key.first().is_some_and(|family| !WALKED_FAMILIES.contains(family))
}

/// An opaque id: the first 16 bytes of a keyed hash.
pub(crate) type Id = [u8; 16];

pub(crate) const TRACKING: &[u8] = b"Mtracking";
pub(crate) const TRIM: &[u8] = b"Mtrim";
pub(crate) const POLICY: &[u8] = b"Dp";

/// Makes opaque ids.
#[derive(Clone)]
pub(crate) struct Blind(pub(crate) IndexKey);

impl Blind {
    /// Id of a value in a field.
    pub(crate) fn id(&self, field: &str, value: &str) -> Id {
        let digest = self.0.blind(field, value);
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        id
    }
}

/// An id as it is shown outside.
pub(crate) fn text(id: &Id) -> String {
    HEXLOWER.encode(id)
}

/// An id from its text.
pub(crate) fn parse(text: &str) -> Option<Id> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// Splits a row's packed ids.
pub(crate) fn unpack(bytes: &[u8]) -> impl Iterator<Item = Id> + '_ {
    bytes.chunks_exact(16).map(|chunk| {
        let mut id = [0; 16];
        id.copy_from_slice(chunk);
        id
    })
}

/// One id out of a row's field; `None` where the field is empty.
pub(crate) fn one(bytes: &[u8]) -> Option<Id> {
    bytes.try_into().ok()
}

/// Key of a row that is never walked: family and id.
pub(crate) type PointKey = [u8; 17];

fn point(family: u8, id: &Id) -> PointKey {
    let mut key = [family; 17];
    key[1..].copy_from_slice(id);
    key
}

fn join(family: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(family);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

pub(crate) fn record(id: &Id) -> PointKey {
    point(b'S', id)
}

pub(crate) fn earlier(id: &Id, position: Position) -> Vec<u8> {
    join(b'E', &[id, &position.get().to_be_bytes()])
}

pub(crate) fn earlier_of(id: &Id) -> Vec<u8> {
    join(b'E', &[id])
}

pub(crate) fn node(id: &Id) -> PointKey {
    point(b'P', id)
}

pub(crate) fn person_record(person: &Id, record: &Id) -> Vec<u8> {
    join(b'Q', &[person, record])
}

pub(crate) fn person_records(person: &Id) -> Vec<u8> {
    join(b'Q', &[person])
}

pub(crate) fn conflict(person: &Id, other: &Id) -> Vec<u8> {
    join(b'X', &[person, other])
}

pub(crate) fn conflicts(person: &Id) -> Vec<u8> {
    join(b'X', &[person])
}

/// That a person has a name of which this is a key.
pub(crate) fn named(name_key: &Id, person: &Id) -> Vec<u8> {
    join(b'T', &[name_key, person])
}

pub(crate) fn named_so(name_key: &Id) -> Vec<u8> {
    join(b'T', &[name_key])
}

/// What was said about two persons being one; stands under both.
pub(crate) fn tie(person: &Id, other: &Id) -> Vec<u8> {
    join(b'Y', &[person, other])
}

pub(crate) fn ties(person: &Id) -> Vec<u8> {
    join(b'Y', &[person])
}

pub(crate) fn licence(id: &Id) -> PointKey {
    point(b'L', id)
}

pub(crate) fn case(id: &Id) -> PointKey {
    point(b'C', id)
}

pub(crate) fn member(case: &Id, record: &Id) -> Vec<u8> {
    join(b'K', &[case, record])
}

pub(crate) fn members(case: &Id) -> Vec<u8> {
    join(b'K', &[case])
}

pub(crate) fn indicator(id: &Id) -> PointKey {
    point(b'I', id)
}

pub(crate) fn sighting(indicator: &Id, record: &Id) -> Vec<u8> {
    join(b'J', &[indicator, record])
}

pub(crate) fn sightings(indicator: &Id) -> Vec<u8> {
    join(b'J', &[indicator])
}

/// A record of a list, under what the list is ordered by.
pub(crate) fn listed(list: u8, of: &Id, record: &Id) -> Vec<u8> {
    join(b'W', &[&[list], of, record])
}

/// All records of a list, or those under one id.
pub(crate) fn list(list: u8, of: Option<&Id>) -> Vec<u8> {
    join(b'W', &[&[list], of.map_or(&[][..], |of| of)])
}

pub(crate) fn report(id: &Id) -> PointKey {
    point(b'N', id)
}

pub(crate) fn agency(code: &str) -> Vec<u8> {
    join(b'D', &[b"a/", code.as_bytes()])
}

pub(crate) fn connector(agency: &str, connector: &str) -> Vec<u8> {
    join(b'D', &[b"c/", agency.as_bytes(), b"/", connector.as_bytes()])
}

pub(crate) fn public_key(id: &str) -> Vec<u8> {
    join(b'D', &[b"k/", id.as_bytes()])
}

pub(crate) fn proposal(reference: &str) -> Vec<u8> {
    join(b'D', &[b"x/", reference.as_bytes()])
}

/// When an agency was last heard of.
pub(crate) fn heard(agency: &str) -> Vec<u8> {
    join(b'D', &[b"h/", agency.as_bytes()])
}

pub(crate) fn directory(kind: u8) -> Vec<u8> {
    vec![b'D', kind, b'/']
}

pub(crate) fn changes(first: Position, chunk: u16) -> Vec<u8> {
    join(b'F', &[&first.get().to_be_bytes(), &chunk.to_be_bytes()])
}

pub(crate) const CHANGES: &[u8] = b"F";

pub(crate) fn gap(position: Position) -> Vec<u8> {
    join(b'G', &[&position.get().to_be_bytes()])
}

pub(crate) const GAPS: &[u8] = b"G";

/// The big-endian position at `at` of a key.
pub(crate) fn position_at(key: &[u8], at: usize) -> Option<Position> {
    let bytes = key.get(at..at + 8)?.try_into().ok()?;
    Some(Position::new(u64::from_be_bytes(bytes)))
}

/// Numbers that people type: case, and the amount of white space, do not matter.
pub(crate) fn normal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.extend(word.chars().flat_map(char::to_uppercase));
    }
    out
}
