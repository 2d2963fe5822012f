//! Copies a log as it stands at its newest signed checkpoint, beside the hub that goes on writing.
//!
//! ```text
//! checkpoint file (size, root) ─▶ segments up to that size, frame by frame, every CRC and the tree checked ─▶ root compared
//! ```
//!
//! Segments are append-only, so what lies below a checkpoint does not change while it is read, and a sealed segment that the
//! copy has already is kept. A newer copy only makes files longer: what an older manifest says of their beginning stays true.

use std::{
    io,
    path::{Path, PathBuf},
};

use simpul_signing::sha256;
use simpul_tlog::{
    checkpoint::{self, Checkpoint},
    note::NoteVerifier,
    stored::{self, Frontier, HashReader},
};
use simpul_types::Digest;

use crate::{
    disk::{self, File},
    frame::{Frame, FrameFault},
    keystore,
    reader::stored_leaves,
    segment::{self, SegmentHeader, SegmentWalk, Step},
};

/// Bytes of frames that are written at once.
const WRITE_BYTES: usize = 1 << 20;

/// What was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Leaves.
    pub size: u64,
    /// Events.
    pub end: u64,
    /// Root of the tree.
    pub root: Digest,
    /// The signed checkpoint, as it stands in the log's folder; empty where the log has no frame yet.
    pub checkpoint: String,
    /// The copy's segments, in order.
    pub segments: Vec<CopiedSegment>,
    /// Bytes written now.
    pub bytes: u64,
}

/// One segment of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedSegment {
    /// File name below `segments/`.
    pub name: String,
    /// Whether nothing can follow in it.
    pub sealed: bool,
    /// Whether an earlier copy had it already.
    pub kept: bool,
}

/// Why a log was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A file.
    #[error("{}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No checkpoint of this key in the folder.
    #[error(
        "{}: no checkpoint signed by {verifier}; is it another log's folder? A hub leaves one when it starts",
        path.display()
    )]
    Checkpoint {
        /// The checkpoint file.
        path: PathBuf,
        /// Name of the key that was expected.
        verifier: String,
    },
    /// The log itself is damaged; its damage is not copied.
    #[error(
        "segment {segment} is damaged at leaf {leaf}, position {position}: {what}; `simpul audit repair` mends it"
    )]
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
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> CopyError + '_ {
    move |source| CopyError::Io { path: path.to_owned(), source }
}

/// A hub that begins a key epoch rewrites rows while they are read: those that come out broken are read again, so often. Rows that
/// are damaged are copied as they are.
const KEY_READS_MAX: u32 = 5;
const KEY_READ_AGAIN: std::time::Duration = std::time::Duration::from_millis(20);

/// Copies segments, tree, data keys (where wanted) and checkpoint of the log in `from` to `to`. `kept` tells which sealed
/// segments an earlier copy in `to` has whole; they are not read again. `progress` is told the bytes written so far.
///
/// # Errors
/// [`CopyError`]. What an earlier copy had is as good as before.
pub fn copy(
    from: &Path,
    to: &Path,
    verifier: &NoteVerifier,
    keys: bool,
    kept: &dyn Fn(&str) -> bool,
    progress: &mut dyn FnMut(u64),
) -> Result<Copied, CopyError> {
    let note_path = from.join("checkpoint");
    let note = disk::read_if_there(&note_path).map_err(at(&note_path))?.unwrap_or_default();
    let note = String::from_utf8(note).unwrap_or_default();
    let unsigned = || CopyError::Checkpoint { path: note_path.clone(), verifier: verifier.name().into() };
    let target = match checkpoint::open(&note, verifier) {
        Ok(target) => target,
        Err(_) if note.is_empty() && is_empty(from)? => {
            Checkpoint { origin: verifier.name().into(), size: 0, root: Frontier::empty().root() }
        }
        Err(_) => return Err(unsigned()),
    };
    disk::create_dir_all(&to.join("segments")).map_err(at(to))?;
    let sources = sources(from, &target)?;
    let tree_path = to.join("tree");
    let tree = File::open_or_create(&tree_path, 0o644).map_err(at(&tree_path))?;

    let mut copy =
        Copy { to, verifier, target: &target, tree, frontier: Frontier::empty(), end: 0, bytes: 0 };
    let first = copy.resume(&sources, kept);
    let mut segments: Vec<_> = sources[..first]
        .iter()
        .map(|source| CopiedSegment { name: source.name.clone(), sealed: true, kept: true })
        .collect();
    for (number, source) in sources.iter().enumerate().skip(first) {
        copy.segment(source, progress)?;
        let sealed = number + 1 < sources.len();
        segments.push(CopiedSegment { name: source.name.clone(), sealed, kept: false });
    }
    if (copy.frontier.size(), copy.frontier.root()) != (target.size, target.root) {
        let segment = sources.last().map(|source| source.name.clone()).unwrap_or_default();
        let what = format!("the leaves do not give the root of the checkpoint of {} leaves", target.size);
        return Err(CopyError::Corrupt { segment, leaf: copy.frontier.size(), position: copy.end, what });
    }
    copy.tree.sync_all().map_err(at(&tree_path))?;
    let (end, mut bytes) = (copy.end, copy.bytes);
    if keys {
        // After the segments: every key that they use was on disk before them.
        bytes += copy_keys(from, to)?;
        progress(bytes);
    }
    disk::sync_dir(&to.join("segments")).and_then(|()| disk::sync_dir(to)).map_err(at(to))?;
    Ok(Copied { size: target.size, end, root: target.root, checkpoint: note, segments, bytes })
}

/// Whether a log has no frame yet.
fn is_empty(dir: &Path) -> Result<bool, CopyError> {
    let paths = segment::list(dir).map_err(at(dir))?;
    let [path] = &paths[..] else { return Ok(paths.is_empty()) };
    let file = File::open(path).map_err(at(path))?;
    let walk = SegmentWalk::new(&file).map_err(at(path))?;
    let used = walk.used_behind(segment::PAGE_BYTES).map_err(at(path))?;
    Ok(used == segment::PAGE_BYTES)
}

/// A segment of the source that holds leaves below the checkpoint.
struct Source {
    name: String,
    path: PathBuf,
    header: SegmentHeader,
}

fn sources(from: &Path, target: &Checkpoint) -> Result<Vec<Source>, CopyError> {
    let mut sources: Vec<Source> = Vec::new();
    for path in segment::list(from).map_err(at(from))? {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut page = vec![0; segment::PAGE_BYTES as usize];
        let file = File::open(&path).map_err(at(&path))?;
        let whole = file.read_exact_at(&mut page, 0).is_ok();
        let Some(header) = SegmentHeader::parse(&page).filter(|_| whole) else {
            let leaf = name.trim_end_matches(".seg").parse().unwrap_or(0);
            let position = sources.last().map_or(0, |source| source.header.first_position);
            return Err(CopyError::Corrupt { segment: name, leaf, position, what: "segment header".into() });
        };
        if header.first_leaf >= target.size && !sources.is_empty() {
            break;
        }
        sources.push(Source { name, path, header });
    }
    Ok(sources)
}

struct Copy<'a> {
    to: &'a Path,
    verifier: &'a NoteVerifier,
    target: &'a Checkpoint,
    tree: File,
    frontier: Frontier,
    end: u64,
    bytes: u64,
}

impl Copy<'_> {
    /// How many segments an earlier copy has: sealed ones whose tree this copy has too.
    fn resume(&mut self, sources: &[Source], kept: &dyn Fn(&str) -> bool) -> usize {
        let mut first = sources.iter().take_while(|source| kept(&source.name)).count();
        first = first.min(sources.len().saturating_sub(1));
        while first > 0 {
            let header = &sources[first].header;
            let frontier = Frontier::load(header.first_leaf, &TreeFile(&self.tree));
            if let Ok(frontier) = frontier
                && frontier.root() == header.root
            {
                (self.frontier, self.end) = (frontier, header.first_position);
                return first;
            }
            first -= 1;
        }
        0
    }

    fn corrupt(&self, segment: &str, what: impl ToString) -> CopyError {
        CopyError::Corrupt {
            segment: segment.into(),
            leaf: self.frontier.size(),
            position: self.end,
            what: what.to_string(),
        }
    }

    /// One segment up to the checkpoint, under its name when it is whole and flushed.
    fn segment(&mut self, source: &Source, progress: &mut dyn FnMut(u64)) -> Result<(), CopyError> {
        let expected = SegmentHeader {
            first_leaf: self.frontier.size(),
            first_position: self.end,
            root: self.frontier.root(),
            origin: sha256(&[self.verifier.name().as_bytes()]),
        };
        if source.header != expected {
            return Err(self.corrupt(&source.name, "the segment does not go on where the one before ends"));
        }
        let file = File::open(&source.path).map_err(at(&source.path))?;
        let mut walk = SegmentWalk::new(&file).map_err(at(&source.path))?;
        let path = self.to.join("segments").join(&source.name);
        let part = path.with_extension("part");
        let out = File::create(&part).map_err(at(&part))?;
        let (mut buffer, mut written) = (source.header.encode(), 0);
        let first_hash = stored::stored_count(self.frontier.size());
        let mut hashes = Vec::new();
        while self.frontier.size() < self.target.size {
            match walk.step().map_err(at(&source.path))? {
                Step::End => break,
                Step::Broken(fault) => return Err(self.corrupt(&source.name, fault)),
                Step::Frame(_, frame) => {
                    self.frame(&frame, &mut hashes).map_err(|(fault, leaf, position)| {
                        CopyError::Corrupt {
                            segment: source.name.clone(),
                            leaf,
                            position,
                            what: fault.to_string(),
                        }
                    })?;
                    buffer.extend_from_slice(frame.bytes());
                    if buffer.len() >= WRITE_BYTES {
                        out.write_all_at(&buffer, written).map_err(at(&part))?;
                        written += buffer.len() as u64;
                        buffer.clear();
                    }
                    self.bytes += frame.bytes().len() as u64;
                    progress(self.bytes);
                }
            }
        }
        out.write_all_at(&buffer, written).and_then(|()| out.sync_all()).map_err(at(&part))?;
        self.tree.write_all_at(hashes.as_flattened(), first_hash * 32).map_err(at(self.to))?;
        disk::rename(&part, &path).map_err(at(&path))
    }

    fn frame(&mut self, frame: &Frame, hashes: &mut Vec<Digest>) -> Result<(), (FrameFault, u64, u64)> {
        let placed = |fault| {
            let (leaf, position) = frame.place_of(fault);
            (fault, leaf, position)
        };
        if (frame.header.first_leaf, frame.header.first_position) != (self.frontier.size(), self.end) {
            return Err((FrameFault::Header, self.frontier.size(), self.end));
        }
        let trailer = frame.trailer().map_err(placed)?;
        for leaf in stored_leaves(frame).map_err(placed)? {
            self.frontier.push(simpul_tlog::leaf_hash(&leaf.bytes), hashes);
            self.end += leaf.events.len() as u64;
        }
        if (self.frontier.size(), self.frontier.root()) != (trailer.tree_size, trailer.root) {
            return Err(placed(FrameFault::Trailer));
        }
        Ok(())
    }
}

/// The key file as far as its rows are whole, under its name in one step.
fn copy_keys(from: &Path, to: &Path) -> Result<u64, CopyError> {
    let (source, path) = (from.join("keys"), to.join("keys"));
    let mut rows = read_rows(&source)?;
    for _ in 0..KEY_READS_MAX {
        let mut numbered = rows.chunks_exact(keystore::ROW_BYTES as usize).zip(0_u64..);
        if numbered.all(|(row, slot)| keystore::read_row(row).is_some_and(|row| row.slot == slot)) {
            break;
        }
        std::thread::sleep(KEY_READ_AGAIN);
        rows = read_rows(&source)?;
    }
    let part = path.with_extension("part");
    let file = File::create_with_mode(&part, 0o600).map_err(at(&part))?;
    file.write_all_at(&rows, 0).and_then(|()| file.sync_all()).map_err(at(&part))?;
    disk::rename(&part, &path).map_err(at(&path))?;
    Ok(rows.len() as u64)
}

fn read_rows(source: &Path) -> Result<Vec<u8>, CopyError> {
    let mut rows = disk::read(source).map_err(at(source))?;
    rows.truncate(rows.len() - rows.len() % keystore::ROW_BYTES as usize);
    Ok(rows)
}

/// Stored hashes in a file.
pub(crate) struct TreeFile<'a>(pub(crate) &'a File);

impl HashReader for TreeFile<'_> {
    type Error = io::Error;

    fn read(&self, indexes: &[u64]) -> Result<Vec<Digest>, io::Error> {
        let mut hashes = vec![[0; 32]; indexes.len()];
        for (hash, index) in hashes.iter_mut().zip(indexes) {
            self.0.read_exact_at(hash, index.saturating_mul(32))?;
        }
        Ok(hashes)
    }
}

/// Root of the first `size` leaves as the stored hashes in a log's folder give it.
///
/// # Errors
/// Where the file cannot be read, or does not reach that far.
pub fn stored_root(dir: &Path, size: u64) -> io::Result<Digest> {
    stored::root(size, &TreeFile(&File::open(&dir.join("tree"))?))
}
