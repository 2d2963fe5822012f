//! Chains of access entries: every entry names whom it concerns, with its number among the entries about that subject and
//! the index of the one before. So a person can be shown everybody who looked, and that nobody was left out.
//!
//! ```text
//! entry 4  {A: 1, -}      entry 9  {A: 2, 4} {B: 1, -}      entry 12  {B: 2, 9}
//!          ▲───────────────────────────┘          ▲───────────────────────┘
//! ```
//!
//! What is kept in memory is the newest of each chain; it is derived. A snapshot in the log's folder saves reading the whole
//! log at start, and is believed only where the log has the root that it names.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use simpul_log::Reader;
use simpul_proto::v1;
use simpul_types::{Digest, LeafIndex};

use crate::entries::{EntryError, EntryFilter, entries};

/// Whom an access concerns: an opaque id of a person, or of an identifier that may lead to one. A keyed hash.
pub type SubjectId = [u8; 16];

/// Stands for everybody on record: what discloses a whole history, or more than [`SUBJECTS_MAX`] persons.
pub const EVERYBODY: SubjectId = [0; 16];

/// Subjects of one entry; a leaf has to stay below the 65,535 bytes of a tile entry.
pub const SUBJECTS_MAX: usize = 1_000;

/// Entries after a snapshot from which on a new one is worth its while.
const SNAPSHOT_EVERY: u64 = 1 << 20;
/// Entries that are read at start without leaving a snapshot.
const SNAPSHOT_MIN: u64 = 1 << 14;
const FILE: &str = "subjects";
const MAGIC: &[u8] = b"simpul-access-subjects@v1\n";
const RECORD_BYTES: usize = 16 + 8 + 8;

/// The newest entry about one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Entries about it.
    pub count: u64,
    /// Index of the newest.
    pub newest: u64,
}

/// The newest entries about all subjects, up to a size of the log.
#[derive(Default)]
pub(crate) struct Chains {
    heads: HashMap<SubjectId, Chain>,
    size: u64,
    snapshot_at: u64,
}

impl Chains {
    /// From the snapshot in a log's folder and the entries after it. Blocking.
    ///
    /// # Errors
    /// [`EntryError`] where an entry cannot be read.
    pub(crate) fn load(dir: &Path, reader: &Reader) -> Result<Self, EntryError> {
        let mut chains = read(&dir.join(FILE), reader).unwrap_or_default();
        let (from, until) = (chains.size, reader.head().size.get());
        for entry in entries(reader, from, until, EntryFilter::default()) {
            let (index, entry) = entry?;
            chains.take(index, &entry.links);
        }
        chains.size = until;
        if chains.size - from >= SNAPSHOT_MIN {
            chains.save(dir, reader);
        }
        Ok(chains)
    }

    /// Saves what is new where that is much. A snapshot that fails is made another time.
    pub(crate) fn save_if_much(&mut self, dir: &Path, reader: &Reader) {
        if self.size - self.snapshot_at >= SNAPSHOT_MIN && self.size == reader.head().size.get() {
            self.save(dir, reader);
        }
    }

    /// Whether a snapshot is due, once: whoever hears yes makes it.
    pub(crate) fn is_due(&mut self) -> bool {
        let due = self.size - self.snapshot_at >= SNAPSHOT_EVERY;
        if due {
            self.snapshot_at = self.size;
        }
        due
    }

    /// Where the next entry about each of these subjects stands.
    pub(crate) fn links(&self, subjects: &[SubjectId]) -> Vec<v1::SubjectLink> {
        let link = |subject: &SubjectId| {
            let head = self.heads.get(subject);
            v1::SubjectLink {
                subject: subject.to_vec().into(),
                number: head.map_or(0, |head| head.count) + 1,
                previous: head.map(|head| head.newest),
            }
        };
        subjects.iter().map(link).collect()
    }

    /// Notes that the entry `index` is about these subjects.
    pub(crate) fn note(&mut self, index: u64, subjects: &[SubjectId]) {
        for subject in subjects {
            let head = self.heads.entry(*subject).or_insert(Chain { count: 0, newest: 0 });
            *head = Chain { count: head.count + 1, newest: index };
        }
        self.size = index + 1;
    }

    /// The newest entry about a subject.
    pub(crate) fn head(&self, subject: &SubjectId) -> Option<Chain> {
        self.heads.get(subject).copied()
    }

    /// Takes an entry that is in the log, and tells what is wrong with its links.
    pub(crate) fn take(&mut self, index: u64, links: &[v1::SubjectLink]) -> Option<String> {
        let mut wrong = None;
        for link in links {
            let Ok(subject) = SubjectId::try_from(&link.subject[..]) else {
                wrong = wrong.or(Some(format!("a subject of {} bytes, expected 16", link.subject.len())));
                continue;
            };
            let before = self.heads.insert(subject, Chain { count: link.number, newest: index });
            let (number, previous) =
                (before.map_or(0, |head| head.count) + 1, before.map(|head| head.newest));
            if (link.number, link.previous) != (number, previous) {
                let told = |index: Option<u64>| index.map_or("none".into(), |index| index.to_string());
                wrong = wrong.or(Some(format!(
                    "says number {} after entry {} of its subject, expected {number} after {}",
                    link.number,
                    told(link.previous),
                    told(previous)
                )));
            }
        }
        self.size = index + 1;
        wrong
    }

    fn save(&mut self, dir: &Path, reader: &Reader) {
        match write(&dir.join(FILE), self, reader) {
            Ok(()) => self.snapshot_at = self.size,
            Err(error) => {
                tracing::warn!(%error, "the chains of access entries were not saved; the next start reads more")
            }
        }
    }
}

/// Makes a snapshot beside the chains in use, which go on meanwhile.
pub(crate) fn snapshot(dir: PathBuf, reader: Reader) {
    let made = Chains::load(&dir, &reader);
    if let Err(error) = made {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "no snapshot of the chains of access entries");
    }
}

/// Each subject once; everybody in place of too many.
pub(crate) fn of_entry(mut subjects: Vec<SubjectId>) -> Vec<SubjectId> {
    subjects.sort_unstable();
    subjects.dedup();
    if subjects.len() > SUBJECTS_MAX {
        subjects = vec![EVERYBODY];
    }
    subjects
}

fn write(path: &Path, chains: &Chains, reader: &Reader) -> io::Result<()> {
    let root = reader.root_at(LeafIndex::new(chains.size)).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(MAGIC.len() + 48 + chains.heads.len() * RECORD_BYTES + 32);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&chains.size.to_le_bytes());
    bytes.extend_from_slice(&root);
    for (subject, head) in &chains.heads {
        bytes.extend_from_slice(subject);
        bytes.extend_from_slice(&head.count.to_le_bytes());
        bytes.extend_from_slice(&head.newest.to_le_bytes());
    }
    let digest = simpul_signing::sha256(&[&bytes]);
    bytes.extend_from_slice(&digest);
    let unfinished = path.with_extension("new");
    fs::write(&unfinished, &bytes)?;
    fs::File::open(&unfinished)?.sync_all()?;
    fs::rename(&unfinished, path)
}

/// `None` where there is none, or none of this log.
fn read(path: &Path, reader: &Reader) -> Option<Chains> {
    let bytes = fs::read(path).ok()?;
    let (body, digest) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    if simpul_signing::sha256(&[body]) != digest {
        return None;
    }
    let rest = body.strip_prefix(MAGIC)?;
    let (size, rest) = rest.split_first_chunk::<8>()?;
    let (root, records) = rest.split_first_chunk::<32>()?;
    let size = u64::from_le_bytes(*size);
    if size > reader.head().size.get() || reader.root_at(LeafIndex::new(size)).ok()? != *root as Digest {
        return None;
    }
    let number = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_le_bytes);
    let mut heads = HashMap::with_capacity(records.len() / RECORD_BYTES);
    for record in records.chunks_exact(RECORD_BYTES) {
        let chain = Chain { count: number(&record[16..24])?, newest: number(&record[24..])? };
        heads.insert(record[..16].try_into().ok()?, chain);
    }
    Some(Chains { heads, size, snapshot_at: size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qry_2_a_link_that_does_not_go_on_from_the_one_before_is_told() {
        let link = |number, previous| vec![v1::SubjectLink { subject: vec![7; 16].into(), number, previous }];
        let mut chains = Chains::default();
        assert_eq!(chains.take(3, &link(1, None)), None);
        assert_eq!(chains.take(5, &link(2, Some(3))), None);
        for (number, previous) in [(2, Some(3)), (4, Some(5)), (3, Some(3)), (1, None)] {
            let mut chains = Chains { heads: chains.heads.clone(), ..Chains::default() };
            let wrong = chains.take(9, &link(number, previous)).expect("told");
            assert!(wrong.ends_with("expected 3 after 5"), "{wrong}");
        }
        let short = v1::SubjectLink { subject: vec![7; 4].into(), number: 3, previous: Some(5) };
        assert_eq!(chains.take(9, &[short]).as_deref(), Some("a subject of 4 bytes, expected 16"));
    }
}
