//! Opening a log: find the acknowledged head, complete the derived files, refuse what cannot be explained.
//!
//! Only an incomplete tail frame is ever removed, and only by filling it with zeros (LOG-5): a frame counts as incomplete
//! when no later frame stands behind it, the checkpoint file does not speak of it, and its damage is that of a write that
//! was cut off ([`Frame::looks_torn`]). Anything else is corruption, reported with its place and left as it is.

use std::{
    fs::TryLockError,
    io,
    num::NonZero,
    path::Path,
    sync::{Arc, Mutex, RwLock},
    thread,
    time::Duration,
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
    damage::{Damage, Damages},
    disk::{self, File, point, seeded},
    fence::{self, FenceError},
    frame::{Frame, FrameFault, FrameHeader, HEADER_BYTES},
    head::Head,
    index::{EventEntry, FrozenIndex, Index, LeafEntry, SealedIndex, stream_key},
    keystore::{KeyError, Keystore},
    pieces::{Gap, Piece, Pieces},
    reader::{Reader, Shared, stored_leaves},
    schema::Schema,
    segment::{self, FrameRef, Segment, SegmentHeader, SegmentWalk, Step},
    tree::TreeStore,
};

/// How often, and how far apart, a reader looks again at a frame that a live hub may be writing.
const WRITING_ATTEMPTS: u32 = 10;
const WRITING_PAUSE: Duration = Duration::from_millis(20);

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
    #[error("the log is open in another process; stop that hub first")]
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
    /// A newer version wrote it.
    #[error(
        "segment {segment} was written by a newer version (format {version}, this one knows 1); use that version"
    )]
    Newer {
        /// File name.
        segment: String,
        /// Its format.
        version: u32,
    },
    /// The data keys.
    #[error("data keys")]
    Keys(#[from] KeyError),
    /// Which keys are dead.
    #[error("erasures")]
    Fence(#[source] Box<FenceError>),
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
    let segments_dir = config.dir.join("segments");
    disk::create_dir_all(&segments_dir).map_err(io_error("making the log's folder"))?;
    // A crash may have left names that no flush covers yet.
    for folder in [config.dir.parent().filter(|above| !above.as_os_str().is_empty()), Some(&segments_dir)] {
        folder.map_or(Ok(()), disk::sync_dir).map_err(io_error("flushing the log's folder"))?;
    }
    point!("open.folder-made");
    let lock = lock(&config.dir)?;
    point!("open.locked");
    let verifier = keys.signer.verifier();
    let access = Access::Write { prepared: config.zero_ahead_bytes, damaged: config.open_damaged };
    let recovered = recover(&config.dir, &config.origin, schema, &verifier, access)?;
    let Recovered { segments, index, tree, frontier, last, offset, damages, index_whole } = recovered;
    let used = index_whole.then(|| index.slots_used());
    let keystore = Keystore::open(&config.dir, keys.wrap, config.key_pool, used)?;
    point!("open.keys-ready");
    let epoch = next_epoch(&config.dir, last.epoch)?;
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
        damages: Mutex::new(damages),
        _lock: lock,
    });
    let build = Build {
        signer: keys.signer,
        frontier,
        next_position: last.end - u64::from(seeded!(ReusePosition) && last.end > 0),
        last_admitted: last.admitted_at,
        previous_signature: if last.size == 0 { [0; 64] } else { signature },
        epoch,
        open: None,
    };
    let reader = Reader { shared: Arc::clone(&shared) };
    // KEY-1: before anything is served or sealed.
    if schema == Schema::Submissions {
        fence::replay(&reader, true).map_err(|error| OpenError::Fence(Box::new(error)))?;
    }
    point!("open.fenced");
    let disk = Disk { commit, segment: active, offset };
    let appender = Appender::start(config, shared, clock, build, disk)
        .map_err(io_error("starting the log's threads"))?;
    point!("open.ready");
    Ok((appender, reader))
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
    let Recovered { segments, index, tree, frontier, last, damages, .. } = recovered;
    let note = checkpoint_note(dir).map_err(io_error("reading the checkpoint file"))?;
    let head = Head {
        size: LeafIndex::new(frontier.size()),
        end: Position::new(last.end),
        root: frontier.root(),
        // Only the writer can sign: this is the newest checkpoint it left, which may be a little behind the head.
        checkpoint: note,
    };
    let wrap = wrap.into();
    // Without the key-encryption key nothing is served, and the erasures cannot be read.
    let fenced = schema == Schema::Submissions && wrap.is_some();
    let shared = Shared {
        dir: dir.to_path_buf(),
        schema,
        verifier: verifier.clone(),
        segments: RwLock::new(segments),
        head: watch::channel(Arc::new(head)).0,
        tree: Mutex::new(tree),
        index: RwLock::new(index),
        keystore: Keystore::open_read_only(dir, wrap)?,
        damages: Mutex::new(damages),
        _lock: File::open(dir).map_err(io_error("opening the log's folder"))?,
    };
    let reader = Reader { shared: Arc::new(shared) };
    if fenced {
        fence::replay(&reader, false).map_err(|error| OpenError::Fence(Box::new(error)))?;
    }
    Ok(reader)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    /// With the bytes that a first segment is prepared for, and whether damage may be there.
    Write {
        prepared: u64,
        damaged: bool,
    },
}

struct Recovered {
    segments: Vec<Arc<Segment>>,
    index: Index,
    tree: TreeStore,
    frontier: Frontier,
    last: Last,
    offset: u64,
    damages: Damages,
    /// Whether every id, stream and sequence of the log is in the index.
    index_whole: bool,
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
    let write = matches!(access, Access::Write { .. });
    let mut recovery = Recovery {
        schema,
        write,
        tolerant: matches!(access, Access::Write { damaged: true, .. }),
        index: Index::default(),
        index_whole: true,
        last: Last::default(),
        floor,
        damages: Damages::default(),
    };
    let tree_path = dir.join("tree");
    let tree_file = if write { File::open_or_create(&tree_path, 0o644) } else { File::open(&tree_path) };
    let tree_file = tree_file.map_err(io_error("opening the tree file"))?;
    let held = tree_file.size().map_err(io_error("reading the tree file"))? / 32;
    let mut tree = TreeStore::new(tree_file, held, !write);
    let mut segments = recovery.open_segments(dir, origin, name, &tree)?;
    point!("open.segments-read");
    let mut rebuilt = Vec::new();
    let tables = load_tables(segments.split_last().map_or(&[], |(_, sealed)| sealed));
    recovery.index.reserve_streams(&tables);
    for (at, loaded) in tables.into_iter().enumerate() {
        if let Some(index) = recovery.sealed(&segments[at], &segments[at + 1].header, loaded)? {
            rebuilt.push((at, index));
        }
    }
    let (frontier, offset) = match segments.last() {
        None => {
            tree.reset(0).map_err(io_error("making the tree file"))?;
            let frontier = Frontier::empty();
            if let Access::Write { prepared, .. } = access {
                let header =
                    SegmentHeader { first_leaf: 0, first_position: 0, root: frontier.root(), origin };
                let segment = Segment::create(dir, header, prepared).map_err(io_error("making a segment"))?;
                segments.push(Arc::new(segment));
            }
            (frontier, segment::PAGE_BYTES)
        }
        Some(active) => {
            let unflushed = rebuilt.first().map(|(at, _)| *at).filter(|_| recovery.index_whole);
            let mut frontier = recover_frontier(dir, &mut tree, &segments, unflushed, recovery.tolerant)?;
            point!("open.tree-known");
            for (at, index) in rebuilt.into_iter().filter(|_| write) {
                let path = segments[at].path.with_extension("idx");
                index.write(&path).map_err(io_error("writing a segment's index"))?;
                point!("open.index-rebuilt");
            }
            let offset = recovery.active(active, &mut frontier, &mut tree)?;
            (frontier, offset)
        }
    };
    let Recovery { index, last, mut damages, index_whole, .. } = recovery;
    if !index_whole && schema == Schema::Submissions && damages.read_only.is_none() {
        damages.read_only = Some(
            "ids and connector sequences of damaged leaves are not known, so that a duplicate could not be told from \
             news; repair the log from a copy (`simpul audit repair`)"
                .into(),
        );
    }
    if last.size < floor && damages.read_only.is_none() && !seeded!(TruncateOnChecksumError) {
        return Err(OpenError::Corrupt {
            segment: segments.last().map(|segment| segment.name()).unwrap_or_default(),
            leaf: last.size,
            position: last.end,
            what: format!("the checkpoint file acknowledges {floor} leaves"),
        });
    }
    Ok(Recovered { segments, index, tree, frontier, last, offset, damages, index_whole })
}

/// The index files of sealed segments, by all processors; `None` where one is missing, not whole or another segment's.
fn load_tables(sealed: &[Arc<Segment>]) -> Vec<Option<SealedIndex>> {
    let load = |segment: &Arc<Segment>| {
        let SegmentHeader { first_leaf, first_position, .. } = segment.header;
        SealedIndex::load(&segment.path.with_extension("idx")).filter(|index| {
            index.is_of(first_leaf, first_position)
                && index.frames.first().is_some_and(|first| {
                    (first.first_leaf, first.first_position) == (first_leaf, first_position)
                })
        })
    };
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let share = sealed.len().div_ceil(workers).max(1);
    thread::scope(|scope| {
        let work = |share: &[Arc<Segment>]| share.iter().map(load).collect::<Vec<_>>();
        let threads: Vec<_> = sealed.chunks(share).map(|share| scope.spawn(move || work(share))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("loading panics nowhere")).collect()
    })
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

/// The next epoch, durable before it is used: nonces of one epoch are never repeated by another. The file is not believed
/// where frames were sealed in a later epoch.
fn next_epoch(dir: &Path, sealed_in: u32) -> Result<u32, OpenError> {
    let path = dir.join("epoch");
    let last = match disk::read(&path) {
        Ok(text) => {
            let text = std::str::from_utf8(&text).map_err(|_| OpenError::Epoch)?;
            text.trim().parse::<u32>().map_err(|_| OpenError::Epoch)?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(source) => return Err(OpenError::Io { what: "reading the epoch", source }),
    };
    let epoch = last.max(sealed_in).checked_add(1).ok_or(OpenError::Epoch)?;
    let write = || {
        let temporary = dir.join("epoch.tmp");
        let file = File::create(&temporary)?;
        file.write_all_at(format!("{epoch}\n").as_bytes(), 0)?;
        point!("open.epoch-written");
        file.sync_all()?;
        point!("open.epoch-flushed");
        disk::rename(&temporary, &path)?;
        point!("open.epoch-renamed");
        disk::sync_dir(dir)
    };
    write().map_err(io_error("writing the epoch"))?;
    Ok(epoch)
}

/// The tree up to the active segment: from the tree file if that gives the roots in the segments' headers. The hashes of
/// leaves from the segment `unflushed` on, the first that had no index, may never have been flushed and are made anew where
/// its leaves can be read; all of them, in a new file, where the others are not right.
fn recover_frontier(
    dir: &Path,
    tree: &mut TreeStore,
    segments: &[Arc<Segment>],
    unflushed: Option<usize>,
    tolerant: bool,
) -> Result<Frontier, OpenError> {
    let tree_io = io_error("rebuilding the tree file");
    let (active, sealed) = segments.split_last().expect("a log has at least one segment");
    let mut trusted = unflushed.is_none();
    if let Some(from) = unflushed
        && let Some(mut frontier) = tree.frontier(sealed[from].header.first_leaf, &sealed[from].header.root)
    {
        tree.go_on_from(stored::stored_count(frontier.size()));
        match grow(&mut frontier, tree, &sealed[from..], &active.header) {
            Ok(()) => return tree.flush().map(|()| frontier).map_err(&tree_io),
            // Damaged leaves: the hashes that are stored lead over them.
            Err(OpenError::Corrupt { .. }) if tolerant => trusted = true,
            Err(error) => return Err(error),
        }
    }
    if trusted && let Some(frontier) = tree.frontier(active.header.first_leaf, &active.header.root) {
        tree.go_on_from(stored::stored_count(frontier.size()));
        return Ok(frontier);
    }
    tracing::info!(leaves = active.header.first_leaf, "rebuilding the tree file from the log");
    tree.begin_anew(&dir.join("tree.new")).map_err(&tree_io)?;
    let mut frontier = Frontier::empty();
    grow(&mut frontier, tree, sealed, &active.header)?;
    tree.flush().map_err(&tree_io)?;
    tree.take_name(&dir.join("tree.new"), &dir.join("tree")).map_err(&tree_io)?;
    Ok(frontier)
}

/// Puts the leaves of sealed segments on the tree, up to the root that the active one's header names.
fn grow(
    frontier: &mut Frontier,
    tree: &mut TreeStore,
    sealed: &[Arc<Segment>],
    active: &SegmentHeader,
) -> Result<(), OpenError> {
    for segment in sealed {
        for at in segment.frames() {
            let frame = segment.read_frame(at).map_err(io_error("reading a segment"))?;
            let frame = frame.map_err(|fault| corrupt(segment, at, fault))?;
            let mut hashes = Vec::new();
            for leaf in frame.leaves() {
                let leaf = leaf.map_err(|fault| corrupt(segment, at, fault))?;
                frontier.push(simpul_tlog::leaf_hash(&leaf.bytes), &mut hashes);
            }
            tree.push(&hashes);
            tree.write().map_err(io_error("rebuilding the tree file"))?;
        }
    }
    if frontier.root() == active.root {
        return Ok(());
    }
    Err(OpenError::Corrupt {
        segment: sealed.last().map(|segment| segment.name()).unwrap_or_default(),
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
    /// The latest that a frame was sealed in.
    epoch: u32,
}

struct Recovery {
    schema: Schema,
    write: bool,
    /// Damage is named and passed over.
    tolerant: bool,
    index: Index,
    index_whole: bool,
    last: Last,
    floor: u64,
    damages: Damages,
}

impl Recovery {
    /// Takes note of damage, or refuses it.
    fn damaged(&mut self, damage: Damage) -> Result<(), OpenError> {
        if self.tolerant {
            self.damages.add(damage);
            return Ok(());
        }
        let Damage { file: segment, leaf, position, what, .. } = damage;
        Err(OpenError::Corrupt { segment, leaf, position, what })
    }

    fn open_segments(
        &mut self,
        dir: &Path,
        origin: Digest,
        name: &str,
        tree: &TreeStore,
    ) -> Result<Vec<Arc<Segment>>, OpenError> {
        let mut segments: Vec<Arc<Segment>> = Vec::new();
        for path in segment::list(dir).map_err(io_error("listing the segments"))? {
            let file = if self.write { File::open_to_write(&path) } else { File::open(&path) };
            let file = file.map_err(io_error("opening a segment"))?;
            let mut page = vec![0; segment::PAGE_BYTES as usize];
            let whole = file.read_exact_at(&mut page, 0).is_ok();
            let file_name =
                path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let corrupt = |what: &str| OpenError::Corrupt {
                segment: file_name.clone(),
                leaf: file_name.trim_end_matches(".seg").parse().unwrap_or(0),
                position: segments.last().map_or(0, |last| last.header.first_position),
                what: what.into(),
            };
            if let Some(version) = SegmentHeader::newer(&page) {
                return Err(OpenError::Newer { segment: file_name, version });
            }
            let header = match SegmentHeader::parse(&page).filter(|_| whole) {
                Some(header) => header,
                None => {
                    let derived = self.tolerant.then(|| derive_header(&file, &path, origin, tree)).flatten();
                    let header = derived.ok_or_else(|| corrupt("segment header"))?;
                    let (leaf, position) = (header.first_leaf, header.first_position);
                    self.damaged(Damage {
                        file: file_name.clone(),
                        leaves: leaf..leaf,
                        positions: position..position,
                        leaf,
                        position,
                        what: "segment header".into(),
                    })?;
                    header
                }
            };
            if header.origin != origin {
                return Err(OpenError::Origin(name.into()));
            }
            if Segment::path(dir, header.first_leaf) != path {
                return Err(corrupt("the file's name is not its first leaf"));
            }
            if segments.is_empty() && header.first_leaf != 0 {
                if !self.tolerant {
                    return Err(corrupt("segments before this one are missing"));
                }
                self.missing(0, 0, &header)?;
            }
            segments.push(Arc::new(Segment::new(header, path, file, Vec::new())));
        }
        Ok(segments)
    }

    /// Whole segment files are not there.
    fn missing(&mut self, leaf: u64, position: u64, next: &SegmentHeader) -> Result<(), OpenError> {
        self.index_whole = false;
        self.damaged(Damage {
            file: format!("{leaf:020}.seg"),
            leaves: leaf..next.first_leaf,
            positions: position..next.first_position,
            leaf,
            position,
            what: "the segment file is missing".into(),
        })
    }

    /// Takes a sealed segment: its index file where it is whole, else its frames. Returns an index that has no file yet; it
    /// gets one when the tree file is durable.
    fn sealed(
        &mut self,
        segment: &Arc<Segment>,
        next: &SegmentHeader,
        loaded: Option<SealedIndex>,
    ) -> Result<Option<Arc<SealedIndex>>, OpenError> {
        let mut is_new = false;
        let sealed = match loaded {
            Some(sealed) => sealed,
            None => {
                tracing::info!(segment = segment.name(), "rebuilding a segment's index");
                let walk = SegmentWalk::new(&segment.file).map_err(io_error("reading a segment"))?;
                let mut gathered = Gathered::new(&segment.header);
                let (leaf, position) = (segment.header.first_leaf, segment.header.first_position);
                let next = Some((next.first_leaf, next.first_position));
                let mut pieces = Pieces::new(walk, leaf, position, next);
                let mut whole = true;
                while let Some(piece) = pieces.next().map_err(io_error("reading a segment"))? {
                    match piece {
                        Piece::Frame(at, frame) => gathered
                            .take(&frame, at, self.schema)
                            .map_err(|fault| corrupt(segment, at, fault))?,
                        // Leaves without a byte here stood in a file that is missing.
                        Piece::Gap(gap) if gap.offsets.is_empty() => break,
                        Piece::Gap(gap) => {
                            whole = false;
                            self.damaged(damage_of(segment, &gap))?;
                            gathered.pass_over(&gap);
                        }
                        Piece::Rest { .. } => {}
                    }
                }
                self.index_whole &= whole;
                let Gathered { events, leaves, frames, next_leaf, next_position, .. } = gathered;
                let frozen = FrozenIndex::gathered(events, leaves, leaf..next_leaf, position..next_position);
                is_new = whole;
                frozen.build(frames)
            }
        };
        for frame in &sealed.frames {
            segment.push_frame(*frame);
        }
        if let Some(last) = sealed.frames.last() {
            match segment.read_frame(*last).map_err(io_error("reading a segment"))? {
                Ok(frame) => {
                    let size = last.first_leaf + u64::from(frame.header.leaves);
                    let end = last.first_position + u64::from(frame.header.records);
                    self.last.epoch = self.last.epoch.max(frame.header.epoch);
                    if (size, end) != (next.first_leaf, next.first_position) {
                        if !self.tolerant || size >= next.first_leaf || end >= next.first_position {
                            return Err(OpenError::Corrupt {
                                segment: segment.name(),
                                leaf: size,
                                position: end,
                                what: "the next segment does not go on where this one ends".into(),
                            });
                        }
                        self.missing(size, end, next)?;
                    }
                }
                Err(fault) => self.damaged(Damage {
                    file: segment.name(),
                    leaves: last.first_leaf..next.first_leaf,
                    positions: last.first_position..next.first_position,
                    leaf: last.first_leaf,
                    position: last.first_position,
                    what: fault.to_string(),
                })?,
            }
            (self.last.size, self.last.end) = (next.first_leaf, next.first_position);
        }
        let sealed = Arc::new(sealed);
        self.index.adopt(Arc::clone(&sealed));
        Ok(is_new.then_some(sealed))
    }

    /// Walks the active segment with every check, extends the tree, and finds the end. Returns its offset.
    fn active(
        &mut self,
        segment: &Arc<Segment>,
        frontier: &mut Frontier,
        tree: &mut TreeStore,
    ) -> Result<u64, OpenError> {
        let read = io_error("reading a segment");
        let walk = SegmentWalk::new(&segment.file).map_err(&read)?;
        let mut gathered = Gathered::new(&segment.header);
        let mut pieces = Pieces::new(walk, gathered.next_leaf, gathered.next_position, None);
        let mut cut = None;
        while let Some(piece) = pieces.next().map_err(&read)? {
            match piece {
                Piece::Gap(gap) if seeded!(TruncateOnChecksumError) => {
                    cut = Some(gap.offsets.start);
                    break;
                }
                Piece::Frame(at, frame) => {
                    gathered.take(&frame, at, self.schema).map_err(|fault| corrupt(segment, at, fault))?;
                    extend(frontier, tree, &frame).map_err(|fault| corrupt(segment, at, fault))?;
                    self.last.epoch = self.last.epoch.max(frame.header.epoch);
                }
                Piece::Gap(gap) => {
                    self.damaged(damage_of(segment, &gap))?;
                    // The stored hashes lead over it; the next frame's root shows whether they are right.
                    *frontier = over(frontier, tree, gap.leaves.end).ok_or_else(|| OpenError::Corrupt {
                        segment: segment.name(),
                        leaf: gap.leaf,
                        position: gap.position,
                        what: format!("{}, and the stored hashes do not lead over it", gap.fault),
                    })?;
                    self.index_whole = false;
                    gathered.pass_over(&gap);
                }
                Piece::Rest { .. } => {}
            }
        }
        tree.write().map_err(io_error("writing the tree file"))?;
        let end = cut.unwrap_or(pieces.offset());
        self.tail(segment, pieces.walk(), end, &gathered)?;
        point!("open.tail-judged");
        if let Some(last) = gathered.frames.last() {
            self.write_again(segment, *last)?;
        }
        for frame in &gathered.frames {
            segment.push_frame(*frame);
        }
        let Gathered { events, leaves, next_leaf, next_position, admitted_at, .. } = gathered;
        events.into_iter().for_each(|entry| self.index.push_event(entry));
        leaves.into_iter().for_each(|entry| self.index.push_leaf(entry));
        self.last = Last { size: next_leaf, end: next_position, admitted_at, ..self.last };
        Ok(end)
    }

    /// The last frame may never have been flushed, or its flush may have failed, after which the system holds it for clean:
    /// it counts as acknowledged from now on, so it is written and flushed again (LOG-2).
    fn write_again(&self, segment: &Segment, last: FrameRef) -> Result<(), OpenError> {
        if !self.write || self.damages.read_only.is_some() || seeded!(TrustUnflushedTail) {
            return Ok(());
        }
        let write = || {
            let bytes = segment.read(last.offset, last.length as usize)?;
            segment.file.write_all_at(&bytes, last.offset)?;
            segment.file.sync_data()
        };
        write().map_err(io_error("flushing the last frame"))?;
        point!("open.head-flushed");
        Ok(())
    }

    /// Judges what stands behind the last whole frame, and clears it if it is the rest of a write that was cut off.
    fn tail(
        &mut self,
        segment: &Arc<Segment>,
        walk: &SegmentWalk<'_>,
        offset: u64,
        gathered: &Gathered,
    ) -> Result<(), OpenError> {
        let read = io_error("reading a segment");
        let used = walk.used_behind(offset).map_err(&read)?;
        let bytes = walk.peek(used - offset).map_err(&read)?;
        let torn = used == offset || Frame::looks_torn(&bytes, offset);
        if !torn
            && !self.write
            && gathered.next_leaf >= self.floor
            && written_meanwhile(segment, offset).map_err(&read)?
        {
            return Ok(());
        }
        // LOG-5: nothing below the acknowledged head is ever truncated.
        if (gathered.next_leaf < self.floor || !torn) && !seeded!(TruncateOnChecksumError) {
            let (leaf, position) = (gathered.next_leaf, gathered.next_position);
            let what = match Frame::parse(bytes) {
                Err(fault) => fault.to_string(),
                Ok(frame) => crate::pieces::whole(&frame).err().unwrap_or(FrameFault::Header).to_string(),
            };
            self.damaged(Damage {
                file: segment.name(),
                leaves: leaf..u64::MAX,
                positions: position..u64::MAX,
                leaf,
                position,
                what,
            })?;
            self.damages.read_only = Some(format!(
                "the newest frame, from leaf {leaf}, position {position} on, is damaged, so that the end of the log is not \
                 known; repair the log from a copy (`simpul audit repair`)"
            ));
            return Ok(());
        }
        if used > offset && self.write {
            tracing::warn!(
                segment = segment.name(),
                bytes = used - offset,
                "clearing an incomplete tail frame that was never acknowledged"
            );
            let zeros = vec![0; (used - offset) as usize];
            segment.file.write_all_at(&zeros, offset).map_err(io_error("clearing the tail"))?;
            segment.file.sync_data().map_err(io_error("clearing the tail"))?;
            point!("open.tail-cleared");
        }
        Ok(())
    }
}

/// Whether a whole frame stands there by now. Who reads the folder of a live hub may come upon a frame that is being
/// written; its log then ends before it.
fn written_meanwhile(segment: &Segment, offset: u64) -> io::Result<bool> {
    for attempt in 0..WRITING_ATTEMPTS {
        if attempt > 0 {
            std::thread::sleep(WRITING_PAUSE);
        }
        let mut walk = SegmentWalk::new(&segment.file)?;
        walk.offset = offset;
        if let Step::Frame(_, frame) = walk.step()?
            && crate::pieces::whole(&frame).is_ok()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Puts a frame's leaves on the tree and compares with what it says itself.
fn extend(frontier: &mut Frontier, tree: &mut TreeStore, frame: &Frame) -> Result<(), FrameFault> {
    let trailer = frame.trailer()?;
    let mut hashes = Vec::new();
    for leaf in frame.leaves() {
        frontier.push(simpul_tlog::leaf_hash(&leaf?.bytes), &mut hashes);
    }
    if (frontier.size(), frontier.root()) != (trailer.tree_size, trailer.root) {
        return Err(FrameFault::Trailer);
    }
    tree.push(&hashes);
    Ok(())
}

/// The frontier behind damaged leaves, from the hashes that the tree file holds of them.
fn over(frontier: &Frontier, tree: &mut TreeStore, end: u64) -> Option<Frontier> {
    let hashes = tree.read_beyond(stored::stored_count(frontier.size())..stored::stored_count(end)).ok()?;
    tree.push(&hashes);
    Frontier::load(end, tree).ok()
}

fn damage_of(segment: &Segment, gap: &Gap) -> Damage {
    Damage {
        file: segment.name(),
        leaves: gap.leaves.clone(),
        positions: gap.positions.clone(),
        leaf: gap.leaf,
        position: gap.position,
        what: gap.fault.to_string(),
    }
}

/// What a segment's header must say, from its name, its first frame and the stored hashes.
fn derive_header(file: &File, path: &Path, origin: Digest, tree: &TreeStore) -> Option<SegmentHeader> {
    let first_leaf: u64 = path.file_stem()?.to_str()?.parse().ok()?;
    let mut head = vec![0; HEADER_BYTES];
    file.read_exact_at(&mut head, segment::PAGE_BYTES).ok()?;
    let frame = FrameHeader::parse(&head).ok().filter(|frame| frame.first_leaf == first_leaf)?;
    let root = stored::root(first_leaf, tree).ok()?;
    Some(SegmentHeader { first_leaf, first_position: frame.first_position, root, origin })
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

    /// Damaged frames keep their place, so that reading them says what is wrong; what they held is not known.
    fn pass_over(&mut self, gap: &Gap) {
        self.frames.push(FrameRef {
            offset: gap.offsets.start,
            length: u32::try_from(gap.offsets.end - gap.offsets.start).unwrap_or(u32::MAX),
            first_leaf: gap.leaves.start,
            first_position: gap.positions.start,
        });
        // The index counts on an entry for every position.
        self.events.extend(gap.positions.clone().map(|position| EventEntry {
            position,
            event_id: None,
            stream: [0xff; 16],
            slot: 0,
        }));
        (self.next_leaf, self.next_position) = (gap.leaves.end, gap.positions.end);
    }

    fn take(&mut self, frame: &Frame, at: FrameRef, schema: Schema) -> Result<(), FrameFault> {
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
        self.next_leaf += u64::from(frame.header.leaves);
        self.next_position += u64::from(frame.header.records);
        self.frames.push(at);
        Ok(())
    }
}
