//! Opening a log: find the acknowledged head, complete the derived files, refuse what cannot be explained.
//!
//! Only an incomplete tail frame is ever removed, and only by filling it with zeros (LOG-5): a frame counts as incomplete
//! when no later frame stands behind it, the checkpoint file does not speak of it, and its damage is that of a write that
//! was cut off ([`Frame::looks_torn`]). Anything else is corruption, reported with its place and left as it is.

use std::{
    fs::TryLockError,
    io,
    path::Path,
    sync::{Arc, Mutex, RwLock},
};

use simpul_signing::{seal::WrapKey, sha256};
use simpul_tlog::{
    checkpoint::{self, Checkpoint},
    note::NoteVerifier,
    stored::{self, Frontier},
};
use simpul_types::{Clock, Digest, LeafIndex, Position, Timestamp};
use tokio::sync::watch;

use crate::{
    append::{Appender, Build, Disk},
    commit::{Commit, LocalDisk},
    config::{Config, Keys},
    disk::{self, File},
    frame::{Frame, FrameFault, FrameTrailer},
    head::Head,
    index::{EventEntry, FrozenIndex, Index, LeafEntry, SealedIndex, stream_key},
    keystore::{KeyError, Keystore},
    reader::{Reader, Shared, stored_leaves},
    schema::Schema,
    segment::{self, FrameRef, Segment, SegmentHeader, SegmentWalk, Step},
    tree::TreeStore,
};

/// Why a log did not open. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file or folder of the log.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another process has it open.
    #[error("the log is open in another process")]
    Locked,
    /// Stored bytes are not what was written.
    #[error("segment {segment} is corrupt at leaf {leaf}, position {position}: {what}")]
    Corrupt {
        /// File name.
        segment: String,
        /// First leaf affected.
        leaf: u64,
        /// First position affected.
        position: u64,
        /// What is wrong.
        what: String,
    },
    /// The data keys.
    #[error("data keys")]
    Keys(#[from] KeyError),
    /// The signer's name is not the log's origin, or the log belongs to another origin.
    #[error("the log's origin is not `{0}`")]
    Origin(String),
    /// Epochs are used up.
    #[error("the epoch file is not a number below 2^32 - 1")]
    Epoch,
}

fn io_error(what: &'static str) -> impl Fn(io::Error) -> OpenError {
    move |source| OpenError::Io { what, source }
}

/// Opens a log, or makes a new one where the folder is empty.
///
/// # Errors
/// [`OpenError`]; the log is then as it was.
pub fn open(
    config: Config,
    schema: Schema,
    keys: Keys,
    clock: Arc<dyn Clock>,
) -> Result<(Appender, Reader), OpenError> {
    open_with(config, schema, keys, clock, Box::new(LocalDisk))
}

/// The same with another commit step.
///
/// # Errors
/// As [`open`].
pub fn open_with(
    config: Config,
    schema: Schema,
    keys: Keys,
    clock: Arc<dyn Clock>,
    commit: Box<dyn Commit>,
) -> Result<(Appender, Reader), OpenError> {
    if keys.signer.name() != config.origin {
        return Err(OpenError::Origin(config.origin));
    }
    disk::create_dir_all(&config.dir.join("segments")).map_err(io_error("making the log's folder"))?;
    let lock = lock(&config.dir)?;
    let verifier = keys.signer.verifier();
    let recovered =
        recover(&config.dir, &config.origin, schema, &verifier, Access::Write(config.zero_ahead_bytes))?;
    let Recovered { segments, index, tree, frontier, last, offset } = recovered;
    let keystore = Keystore::open(&config.dir, keys.wrap, config.key_pool, index.slots_used())?;
    let epoch = next_epoch(&config.dir)?;
    let checkpoint =
        Checkpoint { origin: config.origin.clone(), size: frontier.size(), root: frontier.root() };
    let signature = keys.signer.raw_sign(&checkpoint.body());
    let head = Head {
        size: LeafIndex::new(frontier.size()),
        end: Position::new(last.end),
        root: frontier.root(),
        checkpoint: checkpoint.with_signature(&verifier, &signature),
    };
    let active = Arc::clone(segments.last().expect("a log has at least one segment"));
    let shared = Arc::new(Shared {
        dir: config.dir.clone(),
        schema,
        verifier,
        segments: RwLock::new(segments),
        head: watch::channel(Arc::new(head)).0,
        tree: Mutex::new(tree),
        index: RwLock::new(index),
        keystore,
        _lock: lock,
    });
    let build = Build {
        signer: keys.signer,
        frontier,
        next_position: last.end,
        last_admitted: last.admitted_at,
        previous_signature: if last.size == 0 { [0; 64] } else { signature },
        epoch,
        open: None,
    };
    let disk = Disk { commit, segment: active, offset };
    let appender = Appender::start(config, Arc::clone(&shared), clock, build, disk)
        .map_err(io_error("starting the log's threads"))?;
    Ok((appender, Reader { shared }))
}

/// Opens a log for reading beside or without its writer; changes nothing. The head is what stands on disk now. Without
/// `wrap`, payloads stay sealed.
///
/// # Errors
/// As [`open`]; [`OpenError::Locked`] never.
pub fn open_reader(
    dir: &Path,
    schema: Schema,
    verifier: &NoteVerifier,
    wrap: impl Into<Option<WrapKey>>,
) -> Result<Reader, OpenError> {
    let recovered = recover(dir, verifier.name(), schema, verifier, Access::Read)?;
    let Recovered { segments, index, tree, frontier, last, .. } = recovered;
    let note = checkpoint_note(dir).map_err(io_error("reading the checkpoint file"))?;
    let head = Head {
        size: LeafIndex::new(frontier.size()),
        end: Position::new(last.end),
        root: frontier.root(),
        // Only the writer can sign: this is the newest checkpoint it left, which may be a little behind the head.
        checkpoint: note,
    };
    let shared = Shared {
        dir: dir.to_path_buf(),
        schema,
        verifier: verifier.clone(),
        segments: RwLock::new(segments),
        head: watch::channel(Arc::new(head)).0,
        tree: Mutex::new(tree),
        index: RwLock::new(index),
        keystore: Keystore::open_read_only(dir, wrap.into())?,
        _lock: File::open(dir).map_err(io_error("opening the log's folder"))?,
    };
    Ok(Reader { shared: Arc::new(shared) })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    /// With the bytes that a first segment is prepared for.
    Write(u64),
}

struct Recovered {
    segments: Vec<Arc<Segment>>,
    index: Index,
    tree: TreeStore,
    frontier: Frontier,
    last: Last,
    offset: u64,
}

/// Brings segments, indexes and tree into memory and finds the acknowledged head.
fn recover(
    dir: &Path,
    name: &str,
    schema: Schema,
    verifier: &NoteVerifier,
    access: Access,
) -> Result<Recovered, OpenError> {
    let note = checkpoint_note(dir).map_err(io_error("reading the checkpoint file"))?;
    // A file that a power cut tore, or none, says nothing of what was acknowledged.
    let floor = checkpoint::open(&note, verifier).map_or(0, |checkpoint| checkpoint.size);
    let origin = sha256(&[name.as_bytes()]);
    let mut segments = open_segments(dir, origin, name, access)?;
    let mut recovery = Recovery { schema, access, index: Index::default(), last: Last::default(), floor };
    let write = matches!(access, Access::Write(_));
    let tree_path = dir.join("tree");
    let tree_file = if write { File::open_or_create(&tree_path, 0o644) } else { File::open(&tree_path) };
    let tree_file = tree_file.map_err(io_error("opening the tree file"))?;
    let held = tree_file.size().map_err(io_error("reading the tree file"))? / 32;
    let mut tree = TreeStore::new(tree_file, held, !write);
    for at in 0..segments.len().saturating_sub(1) {
        recovery.sealed(&segments[at], &segments[at + 1].header)?;
    }
    let (frontier, offset) = match segments.last() {
        None => {
            tree.reset(0).map_err(io_error("making the tree file"))?;
            let frontier = Frontier::empty();
            if let Access::Write(prepared) = access {
                let header =
                    SegmentHeader { first_leaf: 0, first_position: 0, root: frontier.root(), origin };
                let segment = Segment::create(dir, header, prepared).map_err(io_error("making a segment"))?;
                segments.push(Arc::new(segment));
            }
            (frontier, segment::PAGE_BYTES)
        }
        Some(active) => {
            let mut frontier = recover_frontier(&mut tree, &segments, &active.header)?;
            let offset = recovery.active(active, &mut frontier, &mut tree)?;
            (frontier, offset)
        }
    };
    let Recovery { index, last, .. } = recovery;
    if last.size < floor {
        return Err(OpenError::Corrupt {
            segment: segments.last().map(|segment| segment.name()).unwrap_or_default(),
            leaf: last.size,
            position: last.end,
            what: format!("the checkpoint file acknowledges {floor} leaves"),
        });
    }
    Ok(Recovered { segments, index, tree, frontier, last, offset })
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let file = File::create(&dir.join("lock")).map_err(io_error("opening the lock file"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { what: "locking the log", source }),
    }
}

/// What the checkpoint file holds; nothing where there is none. One that cannot be read is an error: it may be the floor.
fn checkpoint_note(dir: &Path) -> io::Result<String> {
    match disk::read(&dir.join("checkpoint")) {
        Ok(bytes) => Ok(String::from_utf8(bytes).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

/// The next epoch, durable before it is used: nonces of one epoch are never repeated by another.
fn next_epoch(dir: &Path) -> Result<u32, OpenError> {
    let path = dir.join("epoch");
    let last = match disk::read(&path) {
        Ok(text) => {
            let text = std::str::from_utf8(&text).map_err(|_| OpenError::Epoch)?;
            text.trim().parse::<u32>().map_err(|_| OpenError::Epoch)?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(source) => return Err(OpenError::Io { what: "reading the epoch", source }),
    };
    let epoch = last.checked_add(1).ok_or(OpenError::Epoch)?;
    let write = || {
        let temporary = dir.join("epoch.tmp");
        let file = File::create(&temporary)?;
        file.write_all_at(format!("{epoch}\n").as_bytes(), 0)?;
        file.sync_all()?;
        disk::rename(&temporary, &path)?;
        disk::sync_dir(dir)
    };
    write().map_err(io_error("writing the epoch"))?;
    Ok(epoch)
}

fn open_segments(
    dir: &Path,
    origin: Digest,
    name: &str,
    access: Access,
) -> Result<Vec<Arc<Segment>>, OpenError> {
    let mut segments: Vec<Arc<Segment>> = Vec::new();
    for path in segment::list(dir).map_err(io_error("listing the segments"))? {
        let write = matches!(access, Access::Write(_));
        let file = if write { File::open_to_write(&path) } else { File::open(&path) };
        let file = file.map_err(io_error("opening a segment"))?;
        let mut page = vec![0; segment::PAGE_BYTES as usize];
        let whole = file.read_exact_at(&mut page, 0).is_ok();
        let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let corrupt = |what: &str| OpenError::Corrupt {
            segment: file_name.clone(),
            leaf: file_name.trim_end_matches(".seg").parse().unwrap_or(0),
            position: segments.last().map_or(0, |last| last.header.first_position),
            what: what.into(),
        };
        let header =
            SegmentHeader::parse(&page).filter(|_| whole).ok_or_else(|| corrupt("segment header"))?;
        if header.origin != origin {
            return Err(OpenError::Origin(name.into()));
        }
        if Segment::path(dir, header.first_leaf) != path {
            return Err(corrupt("the file's name is not its first leaf"));
        }
        if segments.is_empty() && header.first_leaf != 0 {
            return Err(corrupt("segments before this one are missing"));
        }
        segments.push(Arc::new(Segment::new(header, path, file, Vec::new())));
    }
    Ok(segments)
}

/// The tree up to the active segment: from the tree file if that gives the root in the segment's header, else anew from
/// all leaves.
fn recover_frontier(
    tree: &mut TreeStore,
    segments: &[Arc<Segment>],
    active: &SegmentHeader,
) -> Result<Frontier, OpenError> {
    let tree_io = io_error("rebuilding the tree file");
    if let Some(frontier) = tree.frontier(active.first_leaf, &active.root) {
        tree.reset(stored::stored_count(active.first_leaf)).map_err(tree_io)?;
        return Ok(frontier);
    }
    tracing::info!(leaves = active.first_leaf, "rebuilding the tree file from the log");
    tree.reset(0).map_err(&tree_io)?;
    let mut frontier = Frontier::empty();
    for segment in &segments[..segments.len() - 1] {
        for at in segment.frames() {
            let frame = segment.read_frame(at).map_err(io_error("reading a segment"))?;
            let frame = frame.map_err(|fault| corrupt(segment, at, fault))?;
            let mut hashes = Vec::new();
            for leaf in frame.leaves() {
                let leaf = leaf.map_err(|fault| corrupt(segment, at, fault))?;
                frontier.push(simpul_tlog::leaf_hash(&leaf.bytes), &mut hashes);
            }
            tree.push(&hashes);
            tree.write().map_err(&tree_io)?;
        }
    }
    if frontier.root() == active.root {
        return Ok(frontier);
    }
    Err(OpenError::Corrupt {
        segment: segments.last().map(|segment| segment.name()).unwrap_or_default(),
        leaf: active.first_leaf,
        position: active.first_position,
        what: "the leaves before this segment do not give the root in its header".into(),
    })
}

fn corrupt(segment: &Segment, at: FrameRef, fault: FrameFault) -> OpenError {
    OpenError::Corrupt {
        segment: segment.name(),
        leaf: at.first_leaf,
        position: at.first_position,
        what: fault.to_string(),
    }
}

#[derive(Default)]
struct Last {
    size: u64,
    end: u64,
    admitted_at: Timestamp,
}

struct Recovery {
    schema: Schema,
    access: Access,
    index: Index,
    last: Last,
    floor: u64,
}

impl Recovery {
    /// Takes a sealed segment: its index file where it is whole, else its frames.
    fn sealed(&mut self, segment: &Arc<Segment>, next: &SegmentHeader) -> Result<(), OpenError> {
        let path = segment.path.with_extension("idx");
        let loaded = SealedIndex::load(&path).filter(|index| {
            index.frames.first().is_some_and(|first| {
                first.first_leaf == segment.header.first_leaf
                    && first.first_position == segment.header.first_position
            })
        });
        let sealed = match loaded {
            Some(sealed) => sealed,
            None => {
                tracing::info!(segment = segment.name(), "rebuilding a segment's index");
                let mut walk = SegmentWalk::new(&segment.file).map_err(io_error("reading a segment"))?;
                let mut gathered = Gathered::new(&segment.header);
                let end = gathered.walk(&mut walk, self.schema, |_, _| Ok(()))?;
                if let Some((fault, at)) = end {
                    return Err(corrupt(segment, at, fault));
                }
                let Gathered { events, leaves, frames, next_leaf, next_position, .. } = gathered;
                let (leaf_range, position_range) =
                    (segment.header.first_leaf..next_leaf, segment.header.first_position..next_position);
                let frozen = FrozenIndex::gathered(events, leaves, leaf_range, position_range);
                let sealed = frozen.build(frames);
                if matches!(self.access, Access::Write(_)) {
                    sealed.write(&path).map_err(io_error("writing a segment's index"))?;
                }
                sealed
            }
        };
        for frame in &sealed.frames {
            segment.push_frame(*frame);
        }
        if let Some(last) = sealed.frames.last() {
            let frame = segment.read_frame(*last).map_err(io_error("reading a segment"))?;
            let frame = frame.map_err(|fault| corrupt(segment, *last, fault))?;
            let size = last.first_leaf + u64::from(frame.header.leaves);
            let end = last.first_position + u64::from(frame.header.records);
            if (size, end) != (next.first_leaf, next.first_position) {
                return Err(OpenError::Corrupt {
                    segment: segment.name(),
                    leaf: size,
                    position: end,
                    what: "the next segment does not go on where this one ends".into(),
                });
            }
            (self.last.size, self.last.end) = (size, end);
        }
        let sealed = Arc::new(sealed);
        self.index.adopt(sealed);
        Ok(())
    }

    /// Walks the active segment with every check, extends the tree, and finds the end. Returns its offset.
    fn active(
        &mut self,
        segment: &Arc<Segment>,
        frontier: &mut Frontier,
        tree: &mut TreeStore,
    ) -> Result<u64, OpenError> {
        let mut walk = SegmentWalk::new(&segment.file).map_err(io_error("reading a segment"))?;
        let mut gathered = Gathered::new(&segment.header);
        let broken = gathered.walk(&mut walk, self.schema, |frame, trailer| {
            let mut hashes = Vec::new();
            for leaf in frame.leaves() {
                frontier.push(simpul_tlog::leaf_hash(&leaf?.bytes), &mut hashes);
            }
            if (frontier.size(), frontier.root()) != (trailer.tree_size, trailer.root) {
                return Err(FrameFault::Trailer);
            }
            tree.push(&hashes);
            Ok(())
        })?;
        tree.write().map_err(io_error("writing the tree file"))?;
        let end = walk.offset;
        self.tail(segment, &walk, &gathered, broken)?;
        for frame in &gathered.frames {
            segment.push_frame(*frame);
        }
        let Gathered { events, leaves, next_leaf, next_position, admitted_at, .. } = gathered;
        events.into_iter().for_each(|entry| self.index.push_event(entry));
        leaves.into_iter().for_each(|entry| self.index.push_leaf(entry));
        self.last = Last { size: next_leaf, end: next_position, admitted_at };
        Ok(end)
    }

    /// Judges what stands behind the last whole frame, and clears it if it is the rest of a write that was cut off.
    fn tail(
        &self,
        segment: &Arc<Segment>,
        walk: &SegmentWalk<'_>,
        gathered: &Gathered,
        broken: Option<(FrameFault, FrameRef)>,
    ) -> Result<(), OpenError> {
        let read = io_error("reading a segment");
        let behind = walk.frame_behind(walk.offset + 1, gathered.next_leaf).map_err(&read)?;
        let used = walk.used_behind(walk.offset).map_err(&read)?;
        let bytes = walk.peek(used - walk.offset).map_err(&read)?;
        let torn = Frame::looks_torn(&bytes, walk.offset);
        let at = |fault| {
            let at = FrameRef {
                offset: walk.offset,
                length: 0,
                first_leaf: gathered.next_leaf,
                first_position: gathered.next_position,
            };
            broken.map_or_else(|| corrupt(segment, at, fault), |(fault, at)| corrupt(segment, at, fault))
        };
        // LOG-5: nothing below the acknowledged head is ever truncated.
        if behind || gathered.next_leaf < self.floor || (broken.is_some() && !torn) {
            return Err(at(FrameFault::Header));
        }
        if used > walk.offset && matches!(self.access, Access::Write(_)) {
            tracing::warn!(
                segment = segment.name(),
                bytes = used - walk.offset,
                "clearing an incomplete tail frame that was never acknowledged"
            );
            let zeros = vec![0; (used - walk.offset) as usize];
            segment.file.write_all_at(&zeros, walk.offset).map_err(io_error("clearing the tail"))?;
            segment.file.sync_data().map_err(io_error("clearing the tail"))?;
        }
        Ok(())
    }
}

/// What a walk through a segment's frames gathers.
struct Gathered {
    events: Vec<EventEntry>,
    leaves: Vec<LeafEntry>,
    frames: Vec<FrameRef>,
    next_leaf: u64,
    next_position: u64,
    admitted_at: Timestamp,
}

impl Gathered {
    fn new(header: &SegmentHeader) -> Self {
        Self {
            events: Vec::new(),
            leaves: Vec::new(),
            frames: Vec::new(),
            next_leaf: header.first_leaf,
            next_position: header.first_position,
            admitted_at: Timestamp::default(),
        }
    }

    /// Takes whole frames until the first that is not; that one's fault and place, or `None` at a clean end.
    fn walk(
        &mut self,
        walk: &mut SegmentWalk<'_>,
        schema: Schema,
        mut check: impl FnMut(&Frame, &FrameTrailer) -> Result<(), FrameFault>,
    ) -> Result<Option<(FrameFault, FrameRef)>, OpenError> {
        loop {
            let start = walk.offset;
            let here = |leaf, position| FrameRef {
                offset: start,
                length: 0,
                first_leaf: leaf,
                first_position: position,
            };
            let (at, frame) = match walk.step().map_err(io_error("reading a segment"))? {
                Step::End => return Ok(None),
                Step::Broken(fault) => return Ok(Some((fault, here(self.next_leaf, self.next_position)))),
                Step::Frame(at, frame) => (at, frame),
            };
            let taken = self.take(&frame, at, schema).and_then(|()| check(&frame, &frame.trailer()?));
            if let Err(fault) = taken {
                walk.offset = start;
                let (leaf, position) = frame.place_of(fault);
                self.frames.retain(|frame| frame.offset != start);
                return Ok(Some((fault, here(leaf, position))));
            }
            self.next_leaf += u64::from(frame.header.leaves);
            self.next_position += u64::from(frame.header.records);
            self.frames.push(at);
        }
    }

    fn take(&mut self, frame: &Frame, at: FrameRef, schema: Schema) -> Result<(), FrameFault> {
        if (at.first_leaf, at.first_position) != (self.next_leaf, self.next_position) {
            return Err(FrameFault::Header);
        }
        frame.trailer()?;
        let stored = stored_leaves(frame)?;
        let (mut events, mut leaves) = (Vec::new(), Vec::new());
        for (number, leaf) in stored.iter().enumerate() {
            let ids = schema.leaf_ids(&leaf.bytes).ok_or(FrameFault::Leaf(number as u32))?;
            leaves.push(LeafEntry {
                leaf: leaf.index.get(),
                submission_id: ids.submission_id,
                chain: ids.chain,
            });
            for event in &leaf.events {
                let record = (event.position.get() - at.first_position) as u32;
                let (event_id, stream) =
                    schema.record_ids(&event.header).ok_or(FrameFault::Record(record))?;
                let (position, slot) = (event.position.get(), event.slot);
                events.push(EventEntry { position, event_id, stream: stream_key(&stream), slot });
            }
        }
        if schema == Schema::Submissions
            && let Some(last) = stored.last()
            && let Ok(leaf) = simpul_types::Leaf::decode(&last.bytes)
        {
            self.admitted_at = self.admitted_at.max(leaf.admitted_at);
        }
        self.events.extend(events);
        self.leaves.extend(leaves);
        Ok(())
    }
}
