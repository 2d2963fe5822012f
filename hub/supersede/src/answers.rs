//! The index of answers: sled, derived, by keyed hashes.
//!
//! | key | value |
//! |---|---|
//! | `a` ‖ answer | [`Answer`] |
//! | `p` ‖ person ‖ answer | – |
//! | `u` ‖ identifier ‖ answer | –, where the identifier led to nobody |
//! | `l` ‖ licence ‖ person | –, where a person's placement named the licence |
//! | `m` | [`Progress`] |

use std::path::Path;

use prost::Message;
use simpul_projection::PersonId;
use simpul_signing::sha256;
use simpul_types::StreamName;
use sled::{Batch, Db};

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

/// An answer that somebody got.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Answer {
    #[prost(string, tag = "1")]
    pub agency: String,
    #[prost(string, tag = "2")]
    pub subject_ref: String,
    /// Kind of the verdict that the agency has heard last.
    #[prost(enumeration = "simpul_proto::v1::VerdictKind", tag = "3")]
    pub kind: i32,
    /// Day asked about; empty where none.
    #[prost(string, tag = "4")]
    pub valid_at: String,
    #[prost(uint64, tag = "5")]
    pub access_entry: u64,
    #[prost(string, tag = "6")]
    pub case_ref: String,
    #[prost(string, tag = "7")]
    pub purpose: String,
    /// Words said about it.
    #[prost(uint64, tag = "8")]
    pub words: u64,
    /// Who it was about; empty where nobody was found.
    #[prost(bytes = "vec", tag = "9")]
    pub person: Vec<u8>,
    /// The identifier asked for.
    #[prost(bytes = "vec", tag = "10")]
    pub identifier: Vec<u8>,
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
        let reference: String = self.id().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("hub-verdict/{reference}").parse().expect("hexadecimal digits are a stream reference")
    }
}

/// The index.
pub(crate) struct Answers {
    db: Db,
}

impl Answers {
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        let config = sled::Config::new().path(dir).cache_capacity(16 << 20).flush_every_ms(Some(1_000));
        Ok(Self { db: config.mode(sled::Mode::HighThroughput).open()? })
    }

    pub(crate) fn progress(&self) -> Result<Progress, StoreError> {
        Ok(self.db.get(b"m")?.map(|row| Progress::decode(&row[..])).transpose()?.unwrap_or_default())
    }

    pub(crate) fn set_progress(&self, progress: &Progress) -> Result<(), StoreError> {
        self.db.insert(b"m", progress.encode_to_vec())?;
        Ok(())
    }

    /// Whether nobody was told anything yet. Beside answers the index holds one row, its progress.
    pub(crate) fn is_empty(&self) -> bool {
        self.db.scan_prefix(b"a").next().is_none()
    }

    pub(crate) fn get(&self, id: &Id) -> Result<Option<Answer>, StoreError> {
        Ok(self.db.get(key(b'a', &[id]))?.map(|row| Answer::decode(&row[..])).transpose()?)
    }

    /// Puts an answer in the place of an older one of the same id; how many words were said about it stays.
    pub(crate) fn put(&self, answer: &Answer) -> Result<(), StoreError> {
        let id = answer.id();
        let mut batch = Batch::default();
        if let Some(older) = self.get(&id)?
            && older.person != answer.person
        {
            batch.remove(place(&older, &id));
        }
        batch.insert(place(answer, &id), &[]);
        batch.insert(key(b'a', &[&id]), answer.encode_to_vec());
        self.db.apply_batch(batch)?;
        Ok(())
    }

    /// Notes that what is known of a person rests on these licences too.
    pub(crate) fn rests_on(&self, person: &PersonId, licences: &[Id]) -> Result<(), StoreError> {
        for licence in licences {
            self.db.insert(key(b'l', &[licence, person.as_bytes()]), &[])?;
        }
        Ok(())
    }

    pub(crate) fn of_person(&self, person: &PersonId) -> Result<Vec<Answer>, StoreError> {
        self.listed(&key(b'p', &[person.as_bytes()]))
    }

    pub(crate) fn of_unknown(&self, identifier: &Id) -> Result<Vec<Answer>, StoreError> {
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

    /// Everybody whom an answer is about.
    pub(crate) fn persons(&self) -> Result<Vec<PersonId>, StoreError> {
        let mut persons: Vec<PersonId> = Vec::new();
        for item in self.db.scan_prefix(b"p") {
            let person = id_at(&item?.0, 1).map(PersonId::from_bytes);
            persons.extend(person.filter(|person| persons.last() != Some(person)));
        }
        Ok(persons)
    }

    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        self.db.flush()?;
        Ok(())
    }

    fn listed(&self, prefix: &[u8]) -> Result<Vec<Answer>, StoreError> {
        let mut answers = Vec::new();
        for item in self.db.scan_prefix(prefix) {
            let (key, _) = item?;
            if let Some(id) = id_at(&key, 17) {
                answers.extend(self.get(&id)?);
            }
        }
        Ok(answers)
    }
}

/// Under whom an answer is listed.
fn place(answer: &Answer, id: &Id) -> Vec<u8> {
    match answer.person.is_empty() {
        true => key(b'u', &[&answer.identifier, id]),
        false => key(b'p', &[&answer.person, id]),
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
