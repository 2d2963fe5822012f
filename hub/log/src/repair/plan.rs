//! What has to be changed: one walk through our log, with the copy's frames where ours are damaged.

use std::{io, ops::Range, path::Path};

use simpul_signing::sha256;
use simpul_tlog::{
    checkpoint::{self, Checkpoint},
    note::NoteVerifier,
    stored::{self, Frontier},
};
use simpul_types::Digest;

use super::{Change, ChangeKind, Check, Mend, RepairError, at, source::Source};
use crate::{
    backup::TreeFile,
    disk::{self, File},
    frame::{Frame, FrameFault, FrameHeader, HEADER_BYTES},
    index::SealedIndex,
    keystore,
    pieces::{Gap, Piece, Pieces},
    reader::stored_leaves,
    segment::{self, FrameRef, SegmentHeader, SegmentWalk},
};

pub(super) struct Plan<'a> {
    dir: &'a Path,
    verifier: &'a NoteVerifier,
    check: Check<'a>,
    source: &'a Source,
    tree: Option<File>,
    tree_held: u64,
    /// `None` behind damage that could not be mended and over which the stored hashes do not lead.
    frontier: Option<Frontier>,
    /// Whether the frontier is proved up to here, and not only what the copy or the stored hashes say.
    proved: bool,
    leaf: u64,
    position: u64,
    /// Changes that the next thing of ours has to vouch for.
    pending: Vec<Change>,
    changes: Vec<Change>,
    unmended: Vec<Mend>,
    floor: Option<Checkpoint>,
    /// File of the last segment, and what stands in it behind its last whole frame.
    end: (String, Range<u64>),
    newest: Option<String>,
    epoch: u32,
    slots: Vec<(u64, Digest)>,
    bad_slots: Vec<u64>,
    slots_end: u64,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        dir: &'a Path,
        verifier: &'a NoteVerifier,
        check: Check<'a>,
        source: &'a Source,
    ) -> Result<Self, RepairError> {
        let path = dir.join("checkpoint");
        let note = disk::read_if_there(&path).map_err(at(&path))?.unwrap_or_default();
        let note = String::from_utf8(note).unwrap_or_default();
        let tree = File::open(&dir.join("tree")).ok();
        let tree_held = tree.as_ref().and_then(|tree| tree.size().ok()).map_or(0, |bytes| bytes / 32);
        Ok(Self {
            dir,
            verifier,
            check,
            source,
            tree,
            tree_held,
            frontier: Some(Frontier::empty()),
            proved: true,
            leaf: 0,
            position: 0,
            pending: Vec::new(),
            changes: Vec::new(),
            unmended: Vec::new(),
            end: ("segments".into(), 0..0),
            floor: checkpoint::open(&note, verifier).ok(),
            newest: None,
            epoch: 0,
            slots: Vec::new(),
            bad_slots: bad_slots(&dir.join("keys")).map_err(at(&dir.join("keys")))?,
            slots_end: 0,
        })
    }

    /// Judges everything and gives what has to be changed, and what cannot be.
    pub(super) fn make(mut self) -> Result<(Vec<Change>, Vec<Mend>), RepairError> {
        self.walk()?;
        self.keys()?;
        self.small_files()?;
        Ok((self.changes, self.unmended))
    }

    fn walk(&mut self) -> Result<(), RepairError> {
        let paths = segment::list(self.dir).map_err(at(self.dir))?;
        let starts: Vec<_> = paths.iter().map(|path| start_of(path)).collect();
        for (number, path) in paths.iter().enumerate() {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let Some((first_leaf, first_position)) = starts[number] else {
                let what = "neither its header nor its first frame can be read, and its name is no leaf";
                self.unmended.push(self.mend(&format!("segments/{name}"), self.leaf..self.leaf, what));
                continue;
            };
            if first_leaf > self.leaf {
                self.missing(first_leaf, first_position)?;
            }
            self.segment(path, &name, starts.get(number + 1).copied().flatten())?;
        }
        // What the copy says of the very end: the checkpoint file or the stored hashes have to know it.
        if !self.pending.is_empty() {
            let root = self.frontier.as_ref().map(Frontier::root);
            let signed = self.floor.as_ref().filter(|floor| floor.size == self.leaf).map(|floor| floor.root);
            let stored = self.tree.as_ref().filter(|_| self.tree_held >= stored::stored_count(self.leaf));
            let stored = stored.and_then(|tree| stored::root(self.leaf, &TreeFile(tree)).ok());
            match signed.or(stored) {
                Some(known) if Some(known) == root => self.settle(),
                _ => return Err(self.refused("nothing in this folder vouches for the root that it leads to")),
            }
        }
        self.tail()
    }

    /// Acknowledged leaves behind the last whole frame: as the checkpoint file says, or where damaged bytes stand there, as
    /// the copy's signed checkpoint does.
    fn tail(&mut self) -> Result<(), RepairError> {
        let (file, rest) = self.end.clone();
        let copied = self.source.checkpoint().and_then(|note| checkpoint::open(&note, self.verifier).ok());
        let known = self.floor.clone().into_iter().chain(copied.filter(|_| !rest.is_empty()));
        let Some(known) = known.filter(|known| known.size > self.leaf).max_by_key(|known| known.size) else {
            return Ok(());
        };
        let mend = self.mend(&file, self.leaf..known.size, "the acknowledged end");
        let frames = self.copied_frames(self.leaf..known.size)?;
        if frames.is_empty() || self.frontier.as_ref().is_none_or(|frontier| frontier.root() != known.root) {
            self.unmended.push(mend);
            return Ok(());
        }
        // What the copy has beyond the damaged bytes is none of ours, unless our own checkpoint speaks of it.
        let ours = self.floor.as_ref().is_some_and(|floor| floor.size == known.size);
        let mut bytes = Vec::new();
        for frame in frames {
            if ours || bytes.len() + frame.len() <= (rest.end - rest.start) as usize {
                bytes.extend_from_slice(&frame);
            }
        }
        if bytes.is_empty() {
            self.unmended.push(mend);
            return Ok(());
        }
        self.changes.push(Change { mend, kind: ChangeKind::Write { offset: rest.start, bytes } });
        Ok(())
    }

    fn mend(&self, file: &str, leaves: Range<u64>, what: &str) -> Mend {
        Mend { file: file.into(), leaves, positions: self.position..self.position, what: what.into() }
    }

    fn refused(&self, what: impl Into<String>) -> RepairError {
        let first = self.pending.first().map(|change| &change.mend);
        let (leaf, position) =
            first.map_or((self.leaf, self.position), |mend| (mend.leaves.start, mend.positions.start));
        RepairError::Refused { leaf, position, what: what.into() }
    }

    fn settle(&mut self) {
        self.proved = true;
        self.changes.append(&mut self.pending);
    }

    /// A whole segment file is not there.
    fn missing(&mut self, next_leaf: u64, next_position: u64) -> Result<(), RepairError> {
        let (leaf, position) = (self.leaf, self.position);
        let header = self.frontier.as_ref().map(|frontier| self.header(frontier.root()));
        let file = format!("segments/{leaf:020}.seg");
        let mend = Mend {
            file,
            leaves: leaf..next_leaf,
            positions: position..next_position,
            what: "the segment is missing".into(),
        };
        let frames = self.copied_frames(leaf..next_leaf)?;
        match header {
            Some(header) if !frames.is_empty() => {
                let mut bytes = header.encode();
                bytes.extend_from_slice(&frames.concat());
                self.pending.push(Change { mend, kind: ChangeKind::Replace(bytes) });
                self.proved = false;
            }
            _ => {
                self.unmended.push(mend);
                self.pass_over(next_leaf);
            }
        }
        (self.leaf, self.position) = (next_leaf, next_position);
        Ok(())
    }

    fn header(&self, root: Digest) -> SegmentHeader {
        let origin = sha256(&[self.verifier.name().as_bytes()]);
        SegmentHeader { first_leaf: self.leaf, first_position: self.position, root, origin }
    }

    fn segment(&mut self, path: &Path, name: &str, next: Option<(u64, u64)>) -> Result<(), RepairError> {
        let file = File::open(path).map_err(at(path))?;
        let file_name = format!("segments/{name}");
        let mut page = vec![0; segment::PAGE_BYTES as usize];
        let read = file.read_exact_at(&mut page, 0).is_ok();
        if let Some(frontier) = &self.frontier {
            let expected = self.header(frontier.root());
            let found = SegmentHeader::parse(&page).filter(|_| read);
            if found == Some(expected) {
                self.settle();
            } else if self.proved {
                let mend = self.mend(&file_name, self.leaf..self.leaf, "segment header");
                let kind = ChangeKind::Write { offset: 0, bytes: expected.encode() };
                self.changes.push(Change { mend, kind });
            } else if found.is_some() {
                return Err(self.refused("it does not lead to the root in the next segment's header"));
            }
        }
        let walk = SegmentWalk::new(&file).map_err(at(path))?;
        let mut pieces = Pieces::new(walk, self.leaf, self.position, next);
        let mut whole = true;
        while let Some(piece) = pieces.next().map_err(at(path))? {
            match piece {
                Piece::Frame(at, frame) => whole &= self.frame(&file_name, at, &frame)?,
                // Leaves without a byte here stood in a file that is missing.
                Piece::Gap(gap) if gap.offsets.is_empty() => break,
                Piece::Gap(gap) => {
                    whole = false;
                    self.gap(&file_name, &gap)?;
                }
                // The hub clears a cut write itself and refuses to guess otherwise; what was acknowledged is judged below.
                Piece::Rest { from, used } => self.end = (file_name.clone(), from..used),
            }
            (self.leaf, self.position) = pieces.place();
        }
        let tables = path.with_extension("idx");
        if whole
            && next.is_some()
            && SealedIndex::load(&tables).is_none()
            && disk::read_if_there(&tables).is_ok_and(|file| file.is_some())
        {
            let file = format!("segments/{}", tables.file_name().unwrap_or_default().to_string_lossy());
            let mend = self.mend(&file, self.leaf..self.leaf, "index tables, built again at the next start");
            self.changes.push(Change { mend, kind: ChangeKind::Remove });
        }
        Ok(())
    }

    /// Takes one of our own frames; false where it is whole but not on the tree.
    fn frame(&mut self, file: &str, at: FrameRef, frame: &Frame) -> Result<bool, RepairError> {
        self.note(frame);
        let Some(frontier) = self.frontier.clone() else { return Ok(true) };
        match self.push(frontier, frame) {
            Ok((frontier, hashes, signed)) => {
                self.newest = signed.or(self.newest.take());
                self.compare_tree(stored::stored_count(at.first_leaf), &hashes)?;
                self.frontier = Some(frontier);
                self.settle();
                Ok(true)
            }
            Err(_) if !self.proved && self.pending.is_empty() => {
                // Only the stored hashes led here, and they do not hold.
                self.frontier = None;
                Ok(true)
            }
            Err(what) if !self.proved => Err(self.refused(what)),
            Err(_) => {
                let gap = Gap {
                    offsets: at.offset..at.offset + u64::from(at.length),
                    leaves: at.first_leaf..at.first_leaf + u64::from(frame.header.leaves),
                    positions: at.first_position..at.first_position + u64::from(frame.header.records),
                    leaf: at.first_leaf,
                    position: at.first_position,
                    fault: FrameFault::Trailer,
                };
                self.gap(file, &gap)?;
                Ok(false)
            }
        }
    }

    /// What the key file and the epoch are held against.
    fn note(&mut self, frame: &Frame) {
        self.epoch = self.epoch.max(frame.header.epoch);
        for record in frame.records().flatten() {
            self.slots_end = self.slots_end.max(record.slot + 1);
            if self.bad_slots.binary_search(&record.slot).is_ok() {
                self.slots.push((record.slot, record.key_commitment));
            }
        }
    }

    /// Puts a frame's leaves on a tree and compares with what it says itself. Gives the checkpoint whose signature it keeps.
    #[allow(clippy::type_complexity, reason = "three things that are used at once")]
    fn push(
        &self,
        mut frontier: Frontier,
        frame: &Frame,
    ) -> Result<(Frontier, Vec<Digest>, Option<String>), String> {
        let trailer = frame.trailer().map_err(|fault| fault.to_string())?;
        let mut signed = None;
        if frontier.size() > 0 {
            let (size, root) = (frontier.size(), frontier.root());
            let before = Checkpoint { origin: self.verifier.name().into(), size, root };
            if !self.verifier.verify_raw(&before.body(), &trailer.previous_signature) {
                return Err(format!("the log did not sign the tree of {size} leaves that it leads to"));
            }
            signed = Some(before.with_signature(self.verifier, &trailer.previous_signature));
        }
        let mut hashes = Vec::new();
        for leaf in frame.leaves() {
            let leaf = leaf.map_err(|fault| fault.to_string())?;
            frontier.push(simpul_tlog::leaf_hash(&leaf.bytes), &mut hashes);
        }
        if (frontier.size(), frontier.root()) != (trailer.tree_size, trailer.root) {
            return Err("the leaves do not give the root in the frame's trailer".into());
        }
        Ok((frontier, hashes, signed))
    }

    fn compare_tree(&mut self, first: u64, hashes: &[Digest]) -> Result<(), RepairError> {
        let Some(tree) = &self.tree else { return Ok(()) };
        let path = self.dir.join("tree");
        let held = self.tree_held.saturating_sub(first).min(hashes.len() as u64) as usize;
        let mut stored = vec![0; held * 32];
        tree.read_exact_at(&mut stored, first * 32).map_err(at(&path))?;
        let right = hashes[..held].as_flattened();
        if stored != right {
            let mend = self.mend("tree", self.leaf..self.leaf, "stored hashes");
            let kind = ChangeKind::Write { offset: first * 32, bytes: right.to_vec() };
            self.changes.push(Change { mend, kind });
        }
        Ok(())
    }

    fn gap(&mut self, file: &str, gap: &Gap) -> Result<(), RepairError> {
        let mend = Mend {
            file: file.into(),
            leaves: gap.leaves.clone(),
            positions: gap.positions.clone(),
            what: format!("leaf {}, position {}: {}", gap.leaf, gap.position, gap.fault),
        };
        let frames = self.copied_frames(gap.leaves.clone())?;
        let bytes = frames.concat();
        if bytes.is_empty() {
            self.unmended.push(mend);
            self.pass_over(gap.leaves.end);
            return Ok(());
        }
        if bytes.len() as u64 != gap.offsets.end - gap.offsets.start {
            return Err(RepairError::Refused {
                leaf: gap.leaf,
                position: gap.position,
                what: "its frames are cut otherwise than ours; it is no copy of this log's files".into(),
            });
        }
        self.pending.push(Change { mend, kind: ChangeKind::Write { offset: gap.offsets.start, bytes } });
        self.proved = false;
        Ok(())
    }

    /// The copy's frames of these leaves, put on our tree; none where it does not have them, or our own tree is lost here.
    fn copied_frames(&mut self, leaves: Range<u64>) -> Result<Vec<Vec<u8>>, RepairError> {
        let Some(mut frontier) = self.frontier.clone() else { return Ok(Vec::new()) };
        let refused = |what: String, leaf: u64, position: u64| RepairError::Refused { leaf, position, what };
        let Some(frames) = self.source.frames(leaves.clone())? else { return Ok(Vec::new()) };
        let mut bytes = Vec::with_capacity(frames.len());
        for frame in &frames {
            let (leaf, position) = (frame.header.first_leaf, frame.header.first_position);
            let pushed = self.push(frontier, frame).map_err(|what| refused(what, leaf, position))?;
            frontier = pushed.0;
            for stored in stored_leaves(frame).map_err(|fault| refused(fault.to_string(), leaf, position))? {
                (self.check)(&stored)
                    .map_err(|what| refused(what, stored.index.get(), stored.first_position.get()))?;
            }
            self.note(frame);
            bytes.push(frame.bytes().to_vec());
        }
        self.frontier = Some(frontier);
        Ok(bytes)
    }

    /// Behind damage that stays, the stored hashes may lead on; the next frame shows whether they hold.
    fn pass_over(&mut self, leaf: u64) {
        let held = self.tree_held >= stored::stored_count(leaf);
        let tree = self.tree.as_ref().filter(|_| held);
        self.frontier = tree.and_then(|tree| Frontier::load(leaf, &TreeFile(tree)).ok());
        self.proved = false;
    }

    /// Rows of the key file that streams use.
    fn keys(&mut self) -> Result<(), RepairError> {
        for slot in self.bad_slots.clone() {
            if slot >= self.slots_end {
                continue;
            }
            let wanted =
                self.slots.iter().find(|(known, _)| *known == slot).map(|(_, commitment)| *commitment);
            let row = self.source.key_row(slot)?;
            let proved = row.as_deref().and_then(keystore::read_row).is_some_and(
                |keystore::Row { slot: number, commitment, .. }| {
                    number == slot && wanted.is_none_or(|wanted| wanted == commitment)
                },
            );
            let mend = self.mend("keys", self.leaf..self.leaf, &format!("data key of slot {slot}"));
            match row.filter(|_| proved) {
                Some(bytes) => {
                    let kind = ChangeKind::Write { offset: slot * keystore::ROW_BYTES, bytes };
                    self.changes.push(Change { mend, kind });
                }
                None => self.unmended.push(mend),
            }
        }
        Ok(())
    }

    /// Checkpoint and epoch follow from the log.
    fn small_files(&mut self) -> Result<(), RepairError> {
        let present = disk::read(&self.dir.join("checkpoint")).unwrap_or_default();
        let copied = self.source.checkpoint().filter(|note| {
            let root = self.frontier.as_ref().map(Frontier::root);
            checkpoint::open(note, self.verifier)
                .is_ok_and(|signed| signed.size == self.leaf && Some(signed.root) == root)
        });
        if self.floor.is_none()
            && !present.is_empty()
            && let Some(note) = copied.or(self.newest.clone())
        {
            let mend = self.mend("checkpoint", self.leaf..self.leaf, "checkpoint file");
            self.changes.push(Change { mend, kind: ChangeKind::Replace(note.into_bytes()) });
        }
        let path = self.dir.join("epoch");
        let number = |text: Vec<u8>| String::from_utf8(text).ok()?.trim().parse::<u32>().ok();
        if let Some(text) = disk::read_if_there(&path).map_err(at(&path))?
            && number(text).is_none_or(|epoch| epoch < self.epoch)
        {
            let mend = self.mend("epoch", self.leaf..self.leaf, "epoch file");
            let kind = ChangeKind::Replace(format!("{}\n", self.epoch).into_bytes());
            self.changes.push(Change { mend, kind });
        }
        Ok(())
    }
}

/// Where a segment begins: by its header, or else by its name and its first frame.
fn start_of(path: &Path) -> Option<(u64, u64)> {
    let file = File::open(path).ok()?;
    let mut page = vec![0; segment::PAGE_BYTES as usize];
    file.read_exact_at(&mut page, 0).ok()?;
    if let Some(header) = SegmentHeader::parse(&page) {
        return Some((header.first_leaf, header.first_position));
    }
    let leaf: u64 = path.file_stem()?.to_str()?.parse().ok()?;
    let mut head = vec![0; HEADER_BYTES];
    file.read_exact_at(&mut head, segment::PAGE_BYTES).ok()?;
    let header = FrameHeader::parse(&head).ok().filter(|header| header.first_leaf == leaf)?;
    Some((leaf, header.first_position))
}

/// Slots whose rows are not as they were written, in order.
fn bad_slots(path: &Path) -> io::Result<Vec<u64>> {
    let rows = disk::read_if_there(path)?.unwrap_or_default();
    let rows = rows.chunks(keystore::ROW_BYTES as usize).enumerate();
    Ok(rows
        .filter(|(slot, row)| keystore::read_row(row).is_none_or(|row| row.slot != *slot as u64))
        .map(|(slot, _)| slot as u64)
        .collect())
}
