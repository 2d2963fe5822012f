//! Gathering the evidence, in the hub.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use simpul_log::{ReadError, Reader, StoredEvent, StoredLeaf};
use simpul_proto::v1::{self, evidence_bundle::Subject};
use simpul_signing::sha256;
use simpul_tlog::{leaf_hash, path_of};
use simpul_types::{AgencyCode, Digest, Header, KeyId, Leaf, LeafIndex, Position, Sender};

use super::BUNDLE_BYTES_MAX;

/// Events in one bundle.
const EVENTS_MAX: usize = 10_000;

/// What a bundle is made from.
pub struct BundleSource<'a> {
    /// The log.
    pub reader: &'a Reader,
    /// Signed checkpoint and its number of leaves; every leaf of the bundle MUST lie below.
    pub checkpoint: (String, u64),
    /// Whether the agency that asks may see payloads of an event type that an agency brought.
    pub opens: &'a dyn Fn(&str, &AgencyCode) -> bool,
    /// Positions of the events that registered and revoked a sender's key.
    pub registered: &'a dyn Fn(&Sender, &KeyId) -> Vec<Position>,
    /// The directory authority's key.
    pub authority_key: [u8; 32],
}

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// More than one file should hold.
    #[error("{0} events are too many for one bundle, at most {EVENTS_MAX}: ask for single events or streams")]
    TooMany(usize),
    /// The same in bytes.
    #[error("the evidence is larger than {BUNDLE_BYTES_MAX} bytes: ask for single events or streams")]
    TooLarge,
    /// A leaf that is younger than the checkpoint.
    #[error("leaf {leaf} is not in the checkpoint of {size} leaves yet; ask again in a moment")]
    NotYet {
        /// Which.
        leaf: u64,
        /// Leaves of the checkpoint.
        size: u64,
    },
    /// A stored leaf does not decode.
    #[error("leaf {0} does not decode")]
    Leaf(u64),
    /// The log could not be read.
    #[error("the log could not be read")]
    Read(#[from] ReadError),
}

/// Makes the bundle of the events at these positions, with the directory extract that their signatures need. Blocking.
///
/// # Errors
/// [`BundleError`].
pub fn make_bundle(
    source: &BundleSource<'_>,
    subject: Subject,
    issued_to: &str,
    positions: &[Position],
) -> Result<v1::EvidenceBundle, BundleError> {
    if positions.len() > EVENTS_MAX {
        return Err(BundleError::TooMany(positions.len()));
    }
    let mut bytes = 0;
    let wanted: BTreeSet<_> = positions.iter().copied().collect();
    let (leaves, senders) = gather(source, &wanted, source.opens, &mut bytes)?;
    let mut of_keys = BTreeSet::new();
    let (mut senders, mut directory) = (senders, Vec::new());
    // The directory's events have senders too, whose keys were registered before.
    loop {
        let known = of_keys.len();
        of_keys.extend(senders.iter().flat_map(|(sender, key_id)| (source.registered)(sender, key_id)));
        if of_keys.len() == known {
            break;
        }
        // What the directory says of keys, every agency may read: it is disclosed with the bundle.
        (directory, senders) = gather(source, &of_keys, &|_, _| true, &mut 0)?;
    }
    bytes += directory.iter().map(prost::Message::encoded_len).sum::<usize>();
    if bytes > BUNDLE_BYTES_MAX - (1 << 20) {
        return Err(BundleError::TooLarge);
    }
    Ok(v1::EvidenceBundle {
        version: 1,
        subject: Some(subject),
        issued_to: issued_to.into(),
        access_entry: 0,
        checkpoint: source.checkpoint.0.clone(),
        leaves,
        directory,
        authority_key: Bytes::copy_from_slice(&source.authority_key),
    })
}

type Senders = BTreeSet<(Sender, KeyId)>;

fn gather(
    source: &BundleSource<'_>,
    positions: &BTreeSet<Position>,
    opens: &dyn Fn(&str, &AgencyCode) -> bool,
    bytes: &mut usize,
) -> Result<(Vec<v1::BundleLeaf>, Senders), BundleError> {
    let (mut leaves, mut senders) = (BTreeMap::new(), Senders::new());
    let mut rest = positions.iter().copied().peekable();
    while let Some(first) = rest.next() {
        let stored = source.reader.leaf_of(first)?;
        let end = stored.first_position.plus(stored.events.len() as u64);
        let mut wanted = vec![first];
        while let Some(position) = rest.next_if(|position| *position < end) {
            wanted.push(position);
        }
        let index = stored.index.get();
        let leaf = Leaf::decode(&stored.bytes).map_err(|_| BundleError::Leaf(index))?;
        let agency = leaf.statement.sender.agency.clone();
        senders.insert((leaf.statement.sender, leaf.key_id));
        let leaf = leaf_of(source, &stored, &wanted, &|event_type| opens(event_type, &agency))?;
        *bytes += prost::Message::encoded_len(&leaf);
        if *bytes > BUNDLE_BYTES_MAX - (1 << 20) {
            return Err(BundleError::TooLarge);
        }
        leaves.insert(index, leaf);
    }
    Ok((leaves.into_values().collect(), senders))
}

fn leaf_of(
    source: &BundleSource<'_>,
    stored: &StoredLeaf,
    wanted: &[Position],
    opens: &dyn Fn(&str) -> bool,
) -> Result<v1::BundleLeaf, BundleError> {
    let (index, size) = (stored.index, source.checkpoint.1);
    if index.get() >= size {
        return Err(BundleError::NotYet { leaf: index.get(), size });
    }
    let headers: Vec<_> = stored.events.iter().map(|event| leaf_hash(&event.header)).collect();
    let digests: Vec<_> = stored.events.iter().map(|event| sha256(&[&event.sealed])).collect();
    let sealed: Vec<_> = digests.iter().map(|digest| leaf_hash(digest)).collect();
    let mut events = Vec::with_capacity(wanted.len());
    for position in wanted {
        let number = (position.get() - stored.first_position.get()) as usize;
        let event = &stored.events[number];
        events.push(v1::BundleEvent {
            position: position.get(),
            header: event.header.clone(),
            header_path: wire(&path_of(&headers, number)),
            sealed_digest: Bytes::copy_from_slice(&digests[number]),
            sealed_path: wire(&path_of(&sealed, number)),
            opened: open(source.reader, event, opens)?,
        });
    }
    Ok(v1::BundleLeaf {
        leaf_index: index.get(),
        leaf: stored.bytes.clone(),
        inclusion_proof: wire(&source.reader.inclusion_proof(index, LeafIndex::new(size))?),
        events,
    })
}

/// salt ‖ payload where the type is opened; empty otherwise.
fn open(reader: &Reader, event: &StoredEvent, opens: &dyn Fn(&str) -> bool) -> Result<Bytes, BundleError> {
    let event_type = Header::decode(&event.header, "header").map(|header| header.event_type);
    match event_type {
        Ok(event_type) if opens(event_type.as_str()) => {
            match reader.open_payload(event) {
                Ok(opened) => Ok([&opened.salt[..], &opened.payload].concat().into()),
                // Sealed for ever, as for everybody; header, leaf and proofs are the evidence that is left.
                Err(error) if error.erased_by().is_some() => Ok(Bytes::new()),
                Err(error) => Err(error.into()),
            }
        }
        _ => Ok(Bytes::new()),
    }
}

fn wire(hashes: &[Digest]) -> Vec<Bytes> {
    hashes.iter().map(|hash| Bytes::copy_from_slice(hash)).collect()
}
