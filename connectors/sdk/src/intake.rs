//! Where every kind of source hands in its records: what is new or changed goes to the spool, the rest is known already.
//!
//! A record is known by its stream; what was taken of it last is remembered as a keyed digest of the mapped payload, in the
//! same batch as the event itself. So a file that is dropped again, has grown or was renamed yields only what is new or
//! changed, and a crash between two steps is not possible.

use std::{collections::HashMap, sync::Arc};

use simpul_types::{Clock, StreamName, Timestamp};

use crate::{
    draft::EventDraft,
    map::{Mapped, Mapping, RecordError},
    quarantine::{self, Quarantine, QuarantineError},
    spool::{self, Spool, SpoolError},
    stream_key::StreamKey,
};

/// What the kinds share.
#[derive(Clone)]
pub struct Intake {
    /// Where events wait.
    pub spool: Spool,
    /// Where the rest goes.
    pub quarantine: Arc<Quarantine>,
    /// Names streams.
    pub refs: StreamKey,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// What came of one offered record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Not seen before.
    New,
    /// Seen, and something of it has changed.
    Changed,
    /// Seen, the same.
    Unchanged,
    /// A newer version of it was taken already.
    Stale,
    /// The version that was taken last, with other content.
    Conflict,
}

impl Offer {
    /// Whether it becomes an event.
    pub fn is_taken(self) -> bool {
        matches!(self, Self::New | Self::Changed)
    }
}

/// Where a record comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// File or request path.
    pub file: &'a str,
    /// Line in it, from 1.
    pub line: u64,
}

/// What is remembered of a record. Stored as digest (32) ‖ version (8, BE; 0 where none) ‖ moment (8, BE, µs).
#[derive(Clone, Copy, PartialEq, Eq)]
struct Known {
    digest: [u8; 32],
    version: u64,
    moment: i64,
}

/// Records that go to the spool together.
pub struct Batch<'a> {
    intake: &'a Intake,
    entries: Vec<spool::Entry>,
    /// What this batch would remember; later records of the batch see it.
    known: HashMap<Vec<u8>, Known>,
}

/// Why a record was not taken.
#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    /// The record is at fault.
    #[error("{0}")]
    Record(#[from] RecordError),
    /// The spool is.
    #[error("the spool")]
    Spool(#[from] SpoolError),
}

impl Intake {
    /// Starts a batch.
    pub fn batch(&self) -> Batch<'_> {
        Batch { intake: self, entries: Vec::new(), known: HashMap::new() }
    }

    /// Sets a record aside, once: the same bytes with the same fault are not listed again when their file is read
    /// again. Returns whether it was new.
    ///
    /// # Errors
    /// The spool's or the quarantine's.
    pub async fn set_aside(
        &self,
        origin: Origin<'_>,
        error: &RecordError,
        bytes: &[u8],
    ) -> Result<bool, SpoolError> {
        let parts = [error.field.as_bytes(), error.reason.as_bytes(), bytes];
        let key = [b"q", self.refs.digest("quarantine", &parts).as_slice()].concat();
        if self.spool.recall(&key)?.is_some() {
            return Ok(false);
        }
        let entry = quarantine::Entry {
            file: origin.file,
            line: origin.line,
            field: &error.field,
            reason: &error.reason,
        };
        self.put(&entry, bytes)?;
        self.spool.remember(vec![(key, Vec::new())]).await?;
        Ok(true)
    }

    fn put(&self, entry: &quarantine::Entry<'_>, bytes: &[u8]) -> Result<(), QuarantineError> {
        self.quarantine.put(entry, bytes)
    }
}

impl Batch<'_> {
    /// Offers a mapped record.
    ///
    /// # Errors
    /// [`OfferError`].
    pub fn offer(
        &mut self,
        mapping: &Mapping,
        mapped: Mapped,
        origin: Origin<'_>,
    ) -> Result<Offer, OfferError> {
        let intake = self.intake;
        let stream = intake.refs.stream(mapping.source(), &mapped.key);
        let stream: StreamName = stream.map_err(|error| RecordError::new("stream", error.to_string()))?;
        let key = [b"r", stream.as_str().as_bytes()].concat();
        let now = Known {
            digest: intake.refs.digest("record", &[&mapped.payload]),
            version: mapped.version.unwrap_or(0),
            moment: mapped.occurred_at.map_or(i64::MIN, Timestamp::as_us),
        };
        let before = match self.known.get(&key) {
            Some(known) => Some(*known),
            None => intake.spool.recall(&key)?.as_deref().and_then(Known::decode),
        };
        let offer = now.against(before);
        if !offer.is_taken() {
            return Ok(offer);
        }
        let occurred_at = mapped.occurred_at.unwrap_or_else(|| intake.clock.now());
        let mut draft = EventDraft::new(
            mapping.event_type().clone(),
            stream,
            occurred_at,
            mapping.purpose().clone(),
            mapped.payload,
        );
        draft.legal_basis = mapping.legal_basis().into();
        draft.data_category = mapping.data_category().into();
        self.known.insert(key.clone(), now);
        self.entries.push(spool::Entry {
            draft,
            file: origin.file.into(),
            line: origin.line,
            remember: Some((key, now.encode())),
        });
        Ok(offer)
    }

    /// Records in it that become events.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Puts it all into the spool; durable when this returns.
    ///
    /// # Errors
    /// The spool's.
    pub async fn commit(self) -> Result<(), SpoolError> {
        if self.entries.is_empty() { Ok(()) } else { self.intake.spool.push(self.entries).await }
    }
}

impl Known {
    fn against(&self, before: Option<Self>) -> Offer {
        let Some(before) = before else { return Offer::New };
        match self.version.cmp(&before.version) {
            std::cmp::Ordering::Less => Offer::Stale,
            _ if self.digest == before.digest => Offer::Unchanged,
            std::cmp::Ordering::Equal if self.version > 0 => Offer::Conflict,
            std::cmp::Ordering::Equal if self.moment < before.moment => Offer::Stale,
            _ => Offer::Changed,
        }
    }

    fn encode(&self) -> Vec<u8> {
        [self.digest.as_slice(), &self.version.to_be_bytes(), &self.moment.to_be_bytes()].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (digest, rest) = bytes.split_at_checked(32)?;
        let (version, moment) = rest.split_at_checked(8)?;
        Some(Self {
            digest: digest.try_into().ok()?,
            version: u64::from_be_bytes(version.try_into().ok()?),
            moment: i64::from_be_bytes(moment.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(digest: u8, version: u64, moment: i64) -> Known {
        Known { digest: [digest; 32], version, moment }
    }

    #[test]
    fn only_what_is_new_or_changed_is_taken() {
        let check = |now: Known, before: Option<Known>, expect| assert_eq!(now.against(before), expect);
        check(known(1, 0, 10), None, Offer::New);
        check(known(1, 0, 10), Some(known(1, 0, 10)), Offer::Unchanged);
        check(known(1, 0, 12), Some(known(1, 0, 10)), Offer::Unchanged);
        check(known(2, 0, 12), Some(known(1, 0, 10)), Offer::Changed);
        check(known(2, 0, 9), Some(known(1, 0, 10)), Offer::Stale);
        check(known(2, 3, 9), Some(known(1, 2, 10)), Offer::Changed);
        check(known(2, 2, 9), Some(known(1, 2, 10)), Offer::Conflict);
        check(known(2, 1, 99), Some(known(1, 2, 10)), Offer::Stale);
    }

    #[test]
    fn what_is_remembered_makes_the_round_trip() {
        let before = known(7, 3, -4);
        assert!(Known::decode(&before.encode()) == Some(before));
        assert!(Known::decode(b"short").is_none());
    }
}
