//! Gathering a report, in the hub.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use prost::Message;
use simpul_log::{ReadError, Reader};
use simpul_proto::v1;
use simpul_signing::{SUBJECT_REPORT_TYPE, SigningKey};
use simpul_types::{LeafIndex, Timestamp};

use super::REPORT_BYTES_MAX;
use crate::{
    AccessLog,
    entries::{EntryError, decode},
    subjects::SubjectId,
};

/// A flush takes milliseconds; whoever waits longer waits for a disk that failed.
const FLUSH_PATIENCE: Duration = Duration::from_secs(5);

/// What is reported.
pub struct Report<'a> {
    /// Every id under which somebody may have looked.
    pub subjects: BTreeSet<SubjectId>,
    /// References of the embargoes that are over.
    pub released: Vec<String>,
    /// To whom.
    pub issued_to: String,
    /// When.
    pub at: Timestamp,
    /// Nothing older; 0 for everything.
    pub since_us: i64,
    /// The entry that recorded the report itself. It MUST be durable and about every subject.
    pub access_entry: u64,
    /// Signs it.
    pub key: &'a SigningKey,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// More than one file should hold.
    #[error("the report is larger than {REPORT_BYTES_MAX} bytes: ask for a shorter time with since_us")]
    TooLarge,
    /// The log does not get on.
    #[error("entry {0} is not on the disk yet; ask again in a moment")]
    NotYet(u64),
    /// An entry could not be read.
    #[error(transparent)]
    Entry(#[from] EntryError),
}

impl From<ReadError> for ReportError {
    fn from(error: ReadError) -> Self {
        Self::Entry(error.into())
    }
}

/// An entry that came meanwhile may still be on its way to the disk.
fn wait_for(reader: &Reader, index: u64) -> Result<(), ReportError> {
    let start = Instant::now();
    while reader.head().size.get() <= index {
        if start.elapsed() > FLUSH_PATIENCE {
            return Err(ReportError::NotYet(index));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Makes the report. Blocking, and as long as reading the entries it names.
///
/// # Errors
/// [`ReportError`].
pub fn make_report(log: &AccessLog, report: &Report<'_>) -> Result<v1::SubjectReport, ReportError> {
    let reader = log.reader();
    let head = reader.head();
    let size = head.size.get();
    let mut accesses = BTreeMap::new();
    let mut bytes = 0;
    let mut chains = Vec::with_capacity(report.subjects.len());
    let open = report.subjects.iter().map(|subject| (String::new(), *subject));
    let released = report.released.iter().flat_map(|embargo| {
        let under = |subject: &SubjectId| (embargo.clone(), log.under(embargo, subject));
        report.subjects.iter().map(under)
    });
    for (embargo, subject) in open.chain(released) {
        let mut chain = v1::SubjectChain {
            subject: subject.to_vec().into(),
            released: embargo,
            ..v1::SubjectChain::default()
        };
        let mut next = log.chain(&subject).map(|chain| chain.newest);
        while let Some(index) = next {
            wait_for(reader, index)?;
            let leaf = reader.leaf(LeafIndex::new(index))?.bytes;
            let entry = decode(&leaf).ok_or(EntryError::Decode(index))?;
            let link = entry.links.iter().find(|link| link.subject[..] == subject[..]);
            let Some(link) = link else { return Err(EntryError::Decode(index).into()) };
            next = link.previous;
            if index >= size {
                continue;
            }
            if chain.newest.is_none() {
                (chain.count, chain.newest) = (link.number, Some(index));
            }
            bytes += leaf.len();
            if accesses.insert(index, leaf).is_none() && bytes > REPORT_BYTES_MAX / 2 {
                return Err(ReportError::TooLarge);
            }
            // The first that is too old shows that those behind it are too.
            if entry.at_us < report.since_us {
                break;
            }
        }
        // An embargo that had nothing to do with her is none of her business.
        if chain.newest.is_some() || chain.released.is_empty() {
            chains.push(chain);
        }
    }
    let statement = v1::SubjectStatement {
        version: 1,
        issued_to: report.issued_to.clone(),
        at_us: report.at.as_us(),
        since_us: report.since_us,
        access_entry: report.access_entry,
        access_checkpoint: head.checkpoint.clone(),
        chains,
    };
    let statement = Bytes::from(statement.encode_to_vec());
    let mut made = v1::SubjectReport {
        signature: Bytes::copy_from_slice(&report.key.sign_dsse(SUBJECT_REPORT_TYPE, &statement)),
        statement,
        key_id: report.key.key_id().to_string(),
        accesses: Vec::with_capacity(accesses.len()),
    };
    for (index, leaf) in accesses {
        let proof = reader.inclusion_proof(LeafIndex::new(index), head.size)?;
        let inclusion_proof: Vec<_> = proof.iter().map(|hash| Bytes::copy_from_slice(hash)).collect();
        bytes += inclusion_proof.len() * 34;
        if bytes > REPORT_BYTES_MAX / 2 {
            return Err(ReportError::TooLarge);
        }
        made.accesses.push(v1::ReportedAccess { index, leaf, inclusion_proof });
    }
    Ok(made)
}
