//! The index of answers: sled, derived, by keyed hashes. It keeps where an answer stands in the access log and what has
//! become of it; to whom it was given, and about what, is read there when there is a word to be said.
//!
//! | key | value |
//! |---|---|
//! | `a` ‖ answer | [`Row`] |
//! | `p` ‖ person ‖ answer | – |
//! | `u` ‖ identifier ‖ answer | –, where the identifier led to nobody |
//! | `l` ‖ licence ‖ person | –, where a person's placement named the licence |
//! | `m` | [`Progress`] |
//! | `v` | number of this layout; an index of another one is made again |

use std::path::Path;

use prost::Message;
use simpul_projection::PersonId;
use simpul_proto::v1::VerdictKind;
use simpul_signing::sha256;
use simpul_types::StreamName;
use sled::{Batch, Db};

const LAYOUT: &[u8] = b"2";

/// An opaque id.
pub(crate) type Id = [u8; 16];

/// The index could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// sled.
    #[error("the index of answers failed")]
    Sled(#[from] sled::Error),
    /// A row is not one.
    #[error("a row of the index of answers does not decode; delete the folder `standing`, it is made again")]
    Row(#[from] prost::DecodeError),
}

/// What the index keeps of an answer.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Row {
    /// Kind of the verdict that the agency has heard last.
    #[prost(enumeration = "simpul_proto::v1::VerdictKind", tag = "1")]
    pub kind: i32,
    /// Entry of the access log that records it; the newest, where the same was asked again.
    #[prost(uint64, tag = "2")]
    pub access_entry: u64,
    /// Words said about it.
    #[prost(uint64, tag = "3")]
    pub words: u64,
    /// Who it was about; empty where nobody was found.
    #[prost(bytes = "vec", tag = "4")]
    pub person: Vec<u8>,
    /// The identifier asked for, where nobody was found.
    #[prost(bytes = "vec", tag = "5")]
    pub identifier: Vec<u8>,
}

/// An answer that somebody got.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) agency: String,
    pub(crate) subject_ref: String,
    /// Day asked about; empty where none.
    pub(crate) valid_at: String,
    pub(crate) case_ref: String,
    pub(crate) purpose: String,
    pub(crate) row: Row,
}

/// How far the followers have come.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Progress {
    /// Next entry of the access log.
    #[prost(uint64, tag = "1")]
    pub access: u64,
    /// Next position of the log.
    #[prost(uint64, tag = "2")]
    pub log: u64,
    /// Digest of the rules by which everybody was judged last.
    #[prost(bytes = "vec", tag = "3")]
    pub rules: Vec<u8>,
    /// While other rules are applied: everybody below this person has been judged by them.
    #[prost(bytes = "vec", tag = "4")]
    pub rules_from: Vec<u8>,
    /// Digest of those other rules.
    #[prost(bytes = "vec", tag = "5")]
    pub rules_to: Vec<u8>,
}

impl Answer {
    /// What tells one answer from another: to whom, about which identifier, for which day.
    pub(crate) fn id(&self) -> Id {
        let parts =
            [self.agency.as_bytes(), b"\n", self.subject_ref.as_bytes(), b"\n", self.valid_at.as_bytes()];
        let digest = sha256(&parts);
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        id
    }

    /// Its stream.
    pub(crate) fn stream(&self) -> StreamName {
        let reference = data_encoding::HEXLOWER.encode(&self.id());
        format!("hub-verdict/{reference}").parse().expect("hexadecimal digits are a stream reference")
    }

    /// The kind that the agency has heard last.
    pub(crate) fn kind(&self) -> VerdictKind {
        self.row.kind()
    }
}

/// The index.
pub(crate) struct Answers {
    db: Db,
}

impl Answers {
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        let config = sled::Config::new().path(dir).cache_capacity(16 << 20).flush_every_ms(Some(5_000));
        let db = config.mode(sled::Mode::HighThroughput).open()?;
        if db.get(b"v")?.is_none_or(|layout| layout != LAYOUT) {
            db.clear()?;
            db.insert(b"v", LAYOUT)?;
        }
        Ok(Self { db })
    }

    pub(crate) fn progress(&self) -> Result<Progress, StoreError> {
        Ok(self.db.get(b"m")?.map(|row| Progress::decode(&row[..])).transpose()?.unwrap_or_default())
    }

    pub(crate) fn set_progress(&self, progress: &Progress) -> Result<(), StoreError> {
        self.db.insert(b"m", progress.encode_to_vec())?;
        Ok(())
    }

    /// Whether nobody was told anything yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.db.scan_prefix(b"a").next().is_none()
    }

    pub(crate) fn row(&self, id: &Id) -> Result<Option<Row>, StoreError> {
        Ok(self.db.get(key(b'a', &[id]))?.map(|row| Row::decode(&row[..])).transpose()?)
    }

    /// Puts a row in the place of the older one of the same answer.
    pub(crate) fn put(&self, id: &Id, row: &Row) -> Result<(), StoreError> {
        let older = self.row(id)?.map(|older| place(&older, id));
        let now = place(row, id);
        let mut batch = Batch::default();
        if older.as_ref() != Some(&now) {
            older.into_iter().for_each(|older| batch.remove(older));
            batch.insert(now, &[]);
        }
        batch.insert(key(b'a', &[id]), row.encode_to_vec());
        self.db.apply_batch(batch)?;
        Ok(())
    }

    /// Notes that what is known of a person rests on these licences too.
    pub(crate) fn rests_on(&self, person: &PersonId, licences: &[Id]) -> Result<(), StoreError> {
        for licence in licences {
            let key = key(b'l', &[licence, person.as_bytes()]);
            if !self.db.contains_key(&key)? {
                self.db.insert(key, &[])?;
            }
        }
        Ok(())
    }

    pub(crate) fn of_person(&self, person: &PersonId) -> Result<Vec<(Id, Row)>, StoreError> {
        self.listed(&key(b'p', &[person.as_bytes()]))
    }

    pub(crate) fn of_unknown(&self, identifier: &Id) -> Result<Vec<(Id, Row)>, StoreError> {
        self.listed(&key(b'u', &[identifier]))
    }

    /// Persons whose placement names a licence.
    pub(crate) fn resting_on(&self, licence: &Id) -> Result<Vec<PersonId>, StoreError> {
        let mut persons = Vec::new();
        for item in self.db.scan_prefix(key(b'l', &[licence])) {
            let (key, _) = item?;
            persons.extend(id_at(&key, 17).map(PersonId::from_bytes));
        }
        Ok(persons)
    }

    /// The next persons whom an answer is about, at most `limit`, by their ids and from one on.
    pub(crate) fn persons_from(&self, from: &[u8], limit: usize) -> Result<Vec<PersonId>, StoreError> {
        let mut persons: Vec<PersonId> = Vec::new();
        for item in self.db.range(key(b'p', &[from])..vec![b'p' + 1]) {
            let person = id_at(&item?.0, 1).map(PersonId::from_bytes);
            let new = person.filter(|person| persons.last() != Some(person));
            if new.is_some() && persons.len() == limit {
                break;
            }
            persons.extend(new);
        }
        Ok(persons)
    }

    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        self.db.flush()?;
        Ok(())
    }

    fn listed(&self, prefix: &[u8]) -> Result<Vec<(Id, Row)>, StoreError> {
        let mut answers = Vec::new();
        for item in self.db.scan_prefix(prefix) {
            let (key, _) = item?;
            if let Some(id) = id_at(&key, 17) {
                answers.extend(self.row(&id)?.map(|row| (id, row)));
            }
        }
        Ok(answers)
    }
}

/// Under whom an answer is listed.
fn place(row: &Row, id: &Id) -> Vec<u8> {
    match row.person.is_empty() {
        true => key(b'u', &[&row.identifier, id]),
        false => key(b'p', &[&row.person, id]),
    }
}

fn key(family: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![family];
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

fn id_at(key: &[u8], at: usize) -> Option<Id> {
    key.get(at..at + 16)?.try_into().ok()
}
