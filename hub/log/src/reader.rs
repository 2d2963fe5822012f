//! Everything that reads: by position, by leaf, by stream, in order, live, and the proofs.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use bytes::Bytes;
use simpul_signing::seal::WrapKey;
use simpul_tlog::{
    note::NoteVerifier,
    stored::{self, HashReader},
};
use simpul_types::{Digest, EventId, LeafIndex, Position, Receipt, StreamName, erasure::Executed};
use tokio::sync::watch;

use crate::{
    damage::{Condition, Damage, Damages},
    disk::File,
    draft::AppendError,
    fence::{self, FenceError},
    frame::{self, Frame, FrameFault, FrameParts, FrameRecord},
    head::Head,
    index::{self, Index},
    keystore::{KeyError, Keystore, LiveKeys},
    schema::Schema,
    segment::{FrameRef, Segment},
    tree::TreeStore,
};

type ReadAt<'a> = &'a dyn Fn(u64, usize) -> io::Result<Bytes>;

/// Bytes of consecutive frames that a scan reads at once.
const SCAN_BYTES: u64 = 1 << 20;
/// Stored hashes read under one lock; some tens of microseconds.
const HASHES_AT_ONCE: usize = 32;

/// One leaf with its events as they stand in the log.
#[derive(Clone)]
pub struct StoredLeaf {
    /// Index in the Merkle tree.
    pub index: LeafIndex,
    /// Encoded leaf; its hash is that of the tree.
    pub bytes: Bytes,
    /// Position of its first event.
    pub first_position: Position,
    /// Its events; a scan from the middle of a leaf leaves out those before its start.
    pub events: Vec<StoredEvent>,
}

/// One event as it stands in the log.
#[derive(Clone)]
pub struct StoredEvent {
    /// Gapless number.
    pub position: Position,
    /// Public part, as signed.
    pub header: Bytes,
    /// Which data key it is sealed under.
    pub slot: u64,
    /// Epoch of its nonce.
    pub epoch: u32,
    /// Commitment of the data key.
    pub key_commitment: Digest,
    /// Ciphertext and tag.
    pub sealed: Bytes,
}

/// An event's private part in clear. Holds personal data: no `Debug`.
pub struct Opened {
    /// 32 bytes.
    pub salt: Bytes,
    /// Encoded payload message.
    pub payload: Bytes,
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk.
    #[error("segment {segment} could not be read")]
    Io {
        /// File name.
        segment: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A stored byte is not what was written. Nothing else is affected.
    #[error("segment {segment} is corrupt at leaf {leaf}, position {position}: {fault}")]
    Corrupt {
        /// File name.
        segment: String,
        /// First leaf affected.
        leaf: u64,
        /// First position affected.
        position: u64,
        /// Which part.
        fault: FrameFault,
    },
    /// Beyond the acknowledged head.
    #[error("{what} {number} is not in the log, which ends at {end}")]
    Beyond {
        /// `leaf`, `position` or `tree size`.
        what: &'static str,
        /// What was asked for.
        number: u64,
        /// The end, exclusive.
        end: u64,
    },
    /// The data key is gone or wrong.
    #[error("data key")]
    Key(#[from] KeyError),
    /// Ciphertext, header and key do not belong together.
    #[error("the payload at position {0} does not open")]
    Sealed(u64),
    /// The hashes of the tree could not be read.
    #[error("tree file")]
    Tree(#[source] io::Error),
}

impl ReadError {
    /// Position of the execution that erased what was to be read.
    pub fn erased_by(&self) -> Option<Position> {
        match self {
            Self::Key(KeyError::Erased { by }) => Some(Position::new(*by)),
            _ => None,
        }
    }
}

pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) schema: Schema,
    pub(crate) verifier: NoteVerifier,
    pub(crate) segments: RwLock<Vec<Arc<Segment>>>,
    pub(crate) head: watch::Sender<Arc<Head>>,
    pub(crate) tree: Mutex<TreeStore>,
    pub(crate) index: RwLock<Index>,
    pub(crate) keystore: Keystore,
    pub(crate) damages: Mutex<Damages>,
    /// Held as long as the log is open, so that no second hub opens it.
    pub(crate) _lock: File,
}

impl Shared {
    pub(crate) fn tree(&self) -> MutexGuard<'_, TreeStore> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn damages(&self) -> MutexGuard<'_, Damages> {
        self.damages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaf and position with which the segment behind this one begins.
    pub(crate) fn start_after(&self, segment: &Segment) -> Option<(u64, u64)> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        let next = segments.iter().find(|other| other.header.first_leaf > segment.header.first_leaf)?;
        Some((next.header.first_leaf, next.header.first_position))
    }

    /// A frame that was read and is not what was written: from now on it is known to be damaged.
    fn corrupt(&self, segment: &Segment, at: FrameRef, place: (u64, u64), fault: FrameFault) -> ReadError {
        let (leaf, position) = place;
        let behind = segment.frame_behind(at.first_leaf).map(|next| (next.first_leaf, next.first_position));
        let end = behind.or_else(|| self.start_after(segment));
        let (end_leaf, end_position) = end.unwrap_or((leaf + 1, position + 1));
        let (leaves, positions) = match fault {
            FrameFault::Record(_) => (leaf..leaf + 1, position..position + 1),
            FrameFault::Leaf(_) => (leaf..leaf + 1, position..end_position),
            _ => (at.first_leaf..end_leaf, at.first_position..end_position),
        };
        let (file, what) = (segment.name(), fault.to_string());
        self.damages().add(Damage { file, leaves, positions, leaf, position, what });
        ReadError::Corrupt { segment: segment.name(), leaf, position, fault }
    }

    /// Why a number below or beyond the head gives nothing: damage, or it is not there.
    fn absent(&self, what: &'static str, number: u64, end: u64) -> ReadError {
        let damages = self.damages();
        let damage = if what == "leaf" {
            damages.at(number, |damage| &damage.leaves)
        } else {
            damages.at(number, |damage| &damage.positions)
        };
        match damage {
            Some(damage) => ReadError::Corrupt {
                segment: damage.file.clone(),
                leaf: damage.leaf,
                position: damage.position,
                fault: FrameFault::Missing,
            },
            None => ReadError::Beyond { what, number, end },
        }
    }

    fn segment_where(&self, number: u64, key: impl Fn(&Segment) -> u64) -> Option<Arc<Segment>> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        let after = segments.partition_point(|segment| key(segment) <= number);
        after.checked_sub(1).map(|at| Arc::clone(&segments[at]))
    }

    /// The frame that holds a position, and its segment.
    fn frame_of(&self, position: u64) -> Option<(Arc<Segment>, FrameRef)> {
        let segment = self.segment_where(position, |segment| segment.header.first_position)?;
        let at = segment.frame_with(position, |frame| frame.first_position)?;
        Some((segment, at))
    }

    /// Receipt of a leaf under a head that covers it.
    pub(crate) fn receipt_at(
        &self,
        head: &Head,
        leaf_index: LeafIndex,
        leaf: Bytes,
        first_position: Position,
        event_count: u32,
    ) -> Result<Receipt, AppendError> {
        // Invariant LOG-3: no receipt beyond the signed tree.
        assert!(leaf_index < head.size, "LOG-3: receipt beyond the signed tree");
        let inclusion_proof = stored::inclusion_proof(leaf_index.get(), head.size.get(), &*self.tree())
            .map_err(|error| AppendError::Poisoned(format!("tree file: {error}")))?;
        Ok(Receipt {
            leaf_index,
            leaf,
            inclusion_proof,
            checkpoint: head.checkpoint.clone(),
            first_position,
            event_count,
            duplicate: false,
        })
    }
}

/// Reads the log up to its acknowledged head. Cheap to clone; calls that read the disk block.
#[derive(Clone)]
pub struct Reader {
    pub(crate) shared: Arc<Shared>,
}

impl Reader {
    /// The acknowledged head.
    pub fn head(&self) -> Arc<Head> {
        Arc::clone(&self.shared.head.borrow())
    }

    /// The acknowledged head, live.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Head>> {
        self.shared.head.subscribe()
    }

    /// Whoever checks this log's checkpoints needs this.
    pub fn verifier(&self) -> NoteVerifier {
        self.shared.verifier.clone()
    }

    /// One leaf with its events.
    ///
    /// # Errors
    /// [`ReadError::Beyond`] past the head; disk and corruption.
    pub fn leaf(&self, index: LeafIndex) -> Result<StoredLeaf, ReadError> {
        let head = self.head();
        if index >= head.size {
            return Err(self.shared.absent("leaf", index.get(), head.size.get()));
        }
        self.leaf_in(
            "leaf",
            |segment| segment.header.first_leaf,
            |frame| frame.first_leaf,
            index.get(),
            |leaf, number| leaf.index.get() == number,
        )
    }

    /// The bytes of leaves `from` to `until` (exclusive), without reading their events.
    ///
    /// # Errors
    /// [`ReadError::Beyond`] past the head; disk and corruption.
    pub fn leaf_bytes(&self, from: LeafIndex, until: LeafIndex) -> Result<Vec<Bytes>, ReadError> {
        let head = self.head();
        if until > head.size {
            return Err(ReadError::Beyond { what: "leaf", number: until.get() - 1, end: head.size.get() });
        }
        let (mut next, until) = (from.get(), until.get());
        let mut leaves = Vec::with_capacity(until.saturating_sub(next) as usize);
        while next < until {
            let missing = || self.shared.absent("leaf", next, next);
            let segment = self.shared.segment_where(next, |segment| segment.header.first_leaf);
            let segment = segment.ok_or_else(missing)?;
            let at = segment.frame_with(next, |frame| frame.first_leaf).ok_or_else(missing)?;
            let frame = self.read_leaves(&segment, at)?;
            let skip = (next - at.first_leaf) as usize;
            let before = leaves.len();
            leaves.extend(frame.into_iter().skip(skip).take((until - next) as usize));
            if leaves.len() == before {
                return Err(missing());
            }
            next += (leaves.len() - before) as u64;
        }
        Ok(leaves)
    }

    /// The bytes of all leaves of the frame that holds a position, in order, without reading their events.
    ///
    /// # Errors
    /// As [`Self::leaf`].
    pub fn leaves_around(&self, position: Position) -> Result<Vec<Bytes>, ReadError> {
        let (number, end) = (position.get(), self.head().end);
        let beyond = || self.shared.absent("position", number, end.get());
        if position >= end {
            return Err(beyond());
        }
        let segment = self.shared.segment_where(number, |segment| segment.header.first_position);
        let segment = segment.ok_or_else(beyond)?;
        let at = segment.frame_with(number, |frame| frame.first_position).ok_or_else(beyond)?;
        self.read_leaves(&segment, at)
    }

    /// The leaf that a position belongs to.
    ///
    /// # Errors
    /// As [`Self::leaf`].
    pub fn leaf_of(&self, position: Position) -> Result<StoredLeaf, ReadError> {
        let head = self.head();
        if position >= head.end {
            return Err(self.shared.absent("position", position.get(), head.end.get()));
        }
        self.leaf_in(
            "position",
            |segment| segment.header.first_position,
            |frame| frame.first_position,
            position.get(),
            |leaf, number| leaf.events.iter().any(|event| event.position.get() == number),
        )
    }

    fn leaf_in(
        &self,
        what: &'static str,
        segment_key: impl Fn(&Segment) -> u64,
        frame_key: impl Fn(&FrameRef) -> u64,
        number: u64,
        wanted: impl Fn(&StoredLeaf, u64) -> bool,
    ) -> Result<StoredLeaf, ReadError> {
        let missing = || self.shared.absent(what, number, number);
        let segment = self.shared.segment_where(number, segment_key).ok_or_else(missing)?;
        let at = segment.frame_with(number, frame_key).ok_or_else(missing)?;
        let frame = match segment.read_frame(at) {
            Ok(Ok(frame)) => frame,
            Ok(Err(fault)) => {
                return Err(self.shared.corrupt(&segment, at, (at.first_leaf, at.first_position), fault));
            }
            Err(source) => return Err(ReadError::Io { segment: segment.name(), source }),
        };
        self.leaves_of(&segment, at, &frame)?
            .into_iter()
            .find(|leaf| wanted(leaf, number))
            .ok_or_else(missing)
    }

    /// One event. Reads the frame's tables and the record, not the whole frame.
    ///
    /// # Errors
    /// [`ReadError::Beyond`] past the head; disk and corruption.
    pub fn event(&self, position: Position) -> Result<StoredEvent, ReadError> {
        let head = self.head();
        let beyond = || self.shared.absent("position", position.get(), head.end.get());
        if position >= head.end {
            return Err(beyond());
        }
        let (segment, at) = self.shared.frame_of(position.get()).ok_or_else(beyond)?;
        let number = u32::try_from(position.get() - at.first_position).map_err(|_| beyond())?;
        let (epoch, record) = self.parts(&segment, at, position, |parts| {
            let record = parts.record(number)?;
            Ok(record.map(|record| (parts.header().epoch, record)))
        })?;
        Ok(StoredEvent::new(position, epoch, record))
    }

    /// The leaf that the first of these positions belongs to, with those of its events that are named. Positions ascend; no
    /// event is read that is not wanted.
    ///
    /// # Errors
    /// As [`Self::leaf`].
    pub fn leaf_with(&self, positions: &[Position]) -> Result<StoredLeaf, ReadError> {
        let head = self.head();
        let first = positions.first().copied().unwrap_or(head.end);
        let beyond = || self.shared.absent("position", first.get(), head.end.get());
        let last = positions.last().copied().unwrap_or(head.end);
        if last >= head.end {
            return Err(beyond());
        }
        let (segment, at) = self.shared.frame_of(first.get()).ok_or_else(beyond)?;
        let number =
            |position: Position| u32::try_from(position.get() - at.first_position).unwrap_or(u32::MAX);
        self.parts(&segment, at, first, |parts| {
            let (leaf, from, until) = match parts.leaf_of(number(first)) {
                Ok(found) => found,
                Err(fault) => return Ok(Err(fault)),
            };
            let bytes = match parts.leaf(leaf)? {
                Ok(bytes) => bytes,
                Err(fault) => return Ok(Err(fault)),
            };
            let mut events = Vec::new();
            for position in positions.iter().copied().take_while(|position| number(*position) < until) {
                match parts.record(number(position))? {
                    Ok(record) => events.push(StoredEvent::new(position, parts.header().epoch, record)),
                    Err(fault) => return Ok(Err(fault)),
                }
            }
            let index = LeafIndex::new(at.first_leaf + u64::from(leaf));
            let first_position = Position::new(at.first_position + u64::from(from));
            Ok(Ok(StoredLeaf { index, bytes, first_position, events }))
        })
    }

    /// Reads parts of a frame; a fault is reported at `position`.
    fn parts<T>(
        &self,
        segment: &Segment,
        at: FrameRef,
        position: Position,
        take: impl FnOnce(&FrameParts<ReadAt<'_>>) -> io::Result<Result<T, FrameFault>>,
    ) -> Result<T, ReadError> {
        let read = |from: u64, length: usize| segment.read(at.offset + from, length);
        let taken = match FrameParts::open(at.length, &read as ReadAt<'_>) {
            Ok(Ok(parts)) => take(&parts),
            Ok(Err(fault)) => Ok(Err(fault)),
            Err(error) => Err(error),
        };
        match taken {
            Ok(Ok(taken)) => Ok(taken),
            Ok(Err(fault)) => Err(self.shared.corrupt(segment, at, (at.first_leaf, position.get()), fault)),
            Err(source) => Err(ReadError::Io { segment: segment.name(), source }),
        }
    }

    /// What is known to be damaged, whether anything is appended, and how far the background scrub is.
    pub fn condition(&self) -> Condition {
        self.shared.damages().condition()
    }

    fn read_leaves(&self, segment: &Segment, at: FrameRef) -> Result<Vec<Bytes>, ReadError> {
        let read = frame::read_leaves(at.length, |from, length| segment.read(at.offset + from, length));
        let read = read.map_err(|source| ReadError::Io { segment: segment.name(), source })?;
        read.map_err(|fault| {
            let number = if let FrameFault::Leaf(number) = fault { number.into() } else { 0 };
            self.shared.corrupt(segment, at, (at.first_leaf + number, at.first_position), fault)
        })
    }

    /// All leaves of a frame with their events.
    fn leaves_of(
        &self,
        segment: &Segment,
        at: FrameRef,
        frame: &Frame,
    ) -> Result<Vec<StoredLeaf>, ReadError> {
        stored_leaves(frame).map_err(|fault| self.shared.corrupt(segment, at, frame.place_of(fault), fault))
    }

    /// All leaves from the one that holds `from` on, frame by frame, up to the acknowledged head and, called again later, on.
    pub fn scan(&self, from: Position) -> Scan {
        Scan { reader: self.clone(), next: from, buffered: Vec::new().into_iter() }
    }

    /// Positions of a stream's events, in order; the version of the stream is their number.
    pub fn stream(&self, stream: &StreamName) -> Vec<Position> {
        let end = self.head().end.get();
        let index = self.shared.index.read().unwrap_or_else(PoisonError::into_inner);
        index.stream(&index::stream_key(stream), end).into_iter().map(Position::new).collect()
    }

    /// Position of the execution that made this event's key dead; `None` where nothing did.
    pub fn erased_by(&self, event: &StoredEvent) -> Option<Position> {
        self.shared.keystore.erased_by(event.slot).map(Position::new)
    }

    /// Begins a key epoch: wraps every live data key anew under `wrap`, which MUST also unwrap what was wrapped before, and tells which
    /// they are. Durable when it returns; where it fails it can be called again. Blocking, some microseconds a key; the log goes on.
    ///
    /// # Errors
    /// [`KeyError`]: a row is damaged and has to be mended first, the disk failed, or the log is open for reading only.
    pub fn rewrap_keys(&self, wrap: WrapKey) -> Result<LiveKeys, KeyError> {
        let keystore = &self.shared.keystore;
        let slots = keystore.rewrap(wrap)?;
        keystore.live_keys(slots, keystore.erased_until())
    }

    /// Forgets the key that [`Self::rewrap_keys`] left behind.
    pub fn settle_keys(&self, wrap: WrapKey) {
        self.shared.keystore.settle(wrap);
    }

    /// Which of the first `slots` data keys were there once everything before `erased_until` was executed.
    ///
    /// # Errors
    /// [`KeyError`] where a row is damaged or missing.
    pub fn live_keys(&self, slots: u64, erased_until: Position) -> Result<LiveKeys, KeyError> {
        self.shared.keystore.live_keys(slots, erased_until.get())
    }

    /// Executed erasures from a position on, up to the acknowledged head, in order.
    ///
    /// # Errors
    /// [`FenceError`] where one cannot be read.
    pub fn executions(&self, from: Position) -> Result<Vec<(Position, Executed)>, FenceError> {
        fence::executions(self, from)
    }

    /// Position of an event that is acknowledged.
    pub fn find_event(&self, id: &EventId) -> Option<Position> {
        let index = self.shared.index.read().unwrap_or_else(PoisonError::into_inner);
        let position = index.event(id).map(Position::new);
        position.filter(|position| *position < self.head().end)
    }

    /// Unseals an event.
    ///
    /// # Errors
    /// [`ReadError::Key`] where the key is gone or does not match the record's commitment, [`ReadError::Sealed`] where
    /// ciphertext and header do not belong together.
    pub fn open_payload(&self, event: &StoredEvent) -> Result<Opened, ReadError> {
        let key = self.shared.keystore.key(event.slot)?;
        // AES-GCM is not key-committing: the commitment is checked before anything is opened.
        if key.commitment() != event.key_commitment {
            return Err(ReadError::Key(KeyError::Slot(event.slot)));
        }
        event.open(&key).ok_or(ReadError::Sealed(event.position.get()))
    }

    /// Receipt of a leaf under the newest checkpoint.
    ///
    /// # Errors
    /// As [`Self::leaf`].
    pub fn receipt(&self, index: LeafIndex) -> Result<Receipt, ReadError> {
        let leaf = self.leaf(index)?;
        let head = self.head();
        let inclusion_proof = self.inclusion_proof(index, head.size)?;
        Ok(Receipt {
            leaf_index: index,
            leaf: leaf.bytes,
            inclusion_proof,
            checkpoint: head.checkpoint.clone(),
            first_position: leaf.first_position,
            event_count: leaf.events.len() as u32,
            duplicate: false,
        })
    }

    /// RFC 6962 inclusion proof of a leaf in the tree of `size` leaves.
    ///
    /// # Errors
    /// [`ReadError::Beyond`] where leaf or size lie past the head.
    pub fn inclusion_proof(&self, index: LeafIndex, size: LeafIndex) -> Result<Vec<Digest>, ReadError> {
        self.check_size(size)?;
        if index >= size {
            return Err(ReadError::Beyond { what: "leaf", number: index.get(), end: size.get() });
        }
        stored::inclusion_proof(index.get(), size.get(), &*self.shared.tree()).map_err(ReadError::Tree)
    }

    /// RFC 6962 consistency proof between two sizes.
    ///
    /// # Errors
    /// [`ReadError::Beyond`] where they are not in order or lie past the head.
    pub fn consistency_proof(&self, old: LeafIndex, new: LeafIndex) -> Result<Vec<Digest>, ReadError> {
        self.check_size(new)?;
        if old > new {
            return Err(ReadError::Beyond { what: "tree size", number: old.get(), end: new.get() });
        }
        stored::consistency_proof(old.get(), new.get(), &*self.shared.tree()).map_err(ReadError::Tree)
    }

    /// Root of the tree of `size` leaves.
    ///
    /// # Errors
    /// [`ReadError::Beyond`] where the size lies past the head.
    pub fn root_at(&self, size: LeafIndex) -> Result<Digest, ReadError> {
        self.check_size(size)?;
        stored::root(size.get(), &*self.shared.tree()).map_err(ReadError::Tree)
    }

    /// Hashes of the stored array of [`simpul_tlog::stored`], in the order asked for.
    ///
    /// # Errors
    /// [`ReadError::Beyond`] where one belongs to leaves past the head.
    pub fn stored_hashes(&self, indexes: &[u64]) -> Result<Vec<Digest>, ReadError> {
        let end = stored::stored_count(self.head().size.get());
        if let Some(number) = indexes.iter().copied().find(|index| *index >= end) {
            return Err(ReadError::Beyond { what: "stored hash", number, end });
        }
        let mut hashes = Vec::with_capacity(indexes.len());
        // The writer needs the tree with every frame: many reads give way to it in between.
        for some in indexes.chunks(HASHES_AT_ONCE) {
            hashes.extend(self.shared.tree().read(some).map_err(ReadError::Tree)?);
        }
        Ok(hashes)
    }

    fn check_size(&self, size: LeafIndex) -> Result<(), ReadError> {
        let end = self.head().size;
        if size > end {
            return Err(ReadError::Beyond { what: "tree size", number: size.get(), end: end.get() });
        }
        Ok(())
    }

    /// Waits until a leaf is acknowledged.
    ///
    /// # Errors
    /// [`AppendError::Closed`] where the log closes before.
    pub async fn wait_committed(&self, index: LeafIndex) -> Result<(), AppendError> {
        let mut heads = self.subscribe();
        heads.wait_for(|head| head.size > index).await.map(|_| ()).map_err(|_| AppendError::Closed)
    }
}

impl StoredEvent {
    pub(crate) fn new(position: Position, epoch: u32, record: FrameRecord) -> Self {
        let FrameRecord { slot, key_commitment, header, sealed } = record;
        Self { position, header, slot, epoch, key_commitment, sealed }
    }

    /// Opens it with a key whose commitment was checked.
    pub(crate) fn open(&self, key: &simpul_signing::seal::Sealer) -> Option<Opened> {
        let nonce = simpul_signing::seal::nonce(self.epoch, self.position.get());
        let aad = simpul_signing::sha256(&[&self.header]);
        let clear = Bytes::from(key.open(nonce, &aad, &self.sealed).ok()?);
        let salt_bytes = simpul_types::limits::SALT_BYTES.min(clear.len());
        Some(Opened { salt: clear.slice(..salt_bytes), payload: clear.slice(salt_bytes..) })
    }
}

/// Walks the log in order. Blocking.
pub struct Scan {
    reader: Reader,
    next: Position,
    buffered: std::vec::IntoIter<Vec<StoredLeaf>>,
}

impl Scan {
    /// Position of the event that comes next.
    pub fn position(&self) -> Position {
        self.next
    }

    /// The leaves of the next frame; `None` at the acknowledged end, from where it goes on when called again later.
    ///
    /// # Errors
    /// Disk and corruption, naming the place.
    pub fn next_frame(&mut self) -> Result<Option<Vec<StoredLeaf>>, ReadError> {
        loop {
            if let Some(mut leaves) = self.buffered.next() {
                for leaf in &mut leaves {
                    leaf.events.retain(|event| event.position >= self.next);
                }
                leaves.retain(|leaf| !leaf.events.is_empty());
                let last = leaves.last().and_then(|leaf| leaf.events.last());
                let Some(last) = last.map(|event| event.position) else { continue };
                self.next = last.plus(1);
                return Ok(Some(leaves));
            }
            if self.next >= self.reader.head().end {
                return Ok(None);
            }
            self.buffered = self.read_run()?.into_iter();
        }
    }

    fn read_run(&self) -> Result<Vec<Vec<StoredLeaf>>, ReadError> {
        let missing = || self.reader.shared.absent("position", self.next.get(), self.next.get());
        let key = |segment: &Segment| segment.header.first_position;
        let segment = self.reader.shared.segment_where(self.next.get(), key).ok_or_else(missing)?;
        let run = segment.run_from(self.next.get(), SCAN_BYTES);
        let (first, last) = run.first().zip(run.last()).ok_or_else(missing)?;
        let length = (last.offset + u64::from(last.length) - first.offset) as usize;
        let bytes = segment.read(first.offset, length);
        let bytes = bytes.map_err(|source| ReadError::Io { segment: segment.name(), source })?;
        let frames: Vec<Vec<StoredLeaf>> = run
            .iter()
            .map(|at| {
                let from = (at.offset - first.offset) as usize;
                let frame = Frame::parse(bytes.slice(from..from + at.length as usize));
                let frame = frame.map_err(|fault| {
                    let place = (at.first_leaf, at.first_position);
                    self.reader.shared.corrupt(&segment, *at, place, fault)
                })?;
                self.reader.leaves_of(&segment, *at, &frame)
            })
            .collect::<Result<_, _>>()?;
        // What was asked for stood in a segment that is missing.
        let reached =
            frames.iter().flatten().flat_map(|leaf| &leaf.events).any(|event| event.position >= self.next);
        if reached { Ok(frames) } else { Err(missing()) }
    }
}

pub(crate) fn stored_leaves(frame: &Frame) -> Result<Vec<StoredLeaf>, FrameFault> {
    let mut records = frame.records();
    let mut position = Position::new(frame.header.first_position);
    let mut leaves = Vec::with_capacity(frame.header.leaves as usize);
    for (number, leaf) in frame.leaves().enumerate() {
        let leaf = leaf?;
        let first_position = position;
        let mut events = Vec::with_capacity(leaf.records as usize);
        for record in records.by_ref().take(leaf.records as usize) {
            events.push(StoredEvent::new(position, frame.header.epoch, record?));
            position = position.plus(1);
        }
        let index = LeafIndex::new(frame.header.first_leaf + number as u64);
        leaves.push(StoredLeaf { index, bytes: leaf.bytes, first_position, events });
    }
    Ok(leaves)
}
